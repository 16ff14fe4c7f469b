"""Imitations of Redis, Valkey and Dragonfly in this process, which have no cmsgpack.

Their Lua is the one of `lupa`, and their commands are another implementation than Redis's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from itertools import count
from typing import Any, Literal

import fakeredis

from unigate.cache.redis import RedisBackend

from . import redis_server

Kind = Literal["redis", "valkey", "dragonfly"]


class FakeServer:
    """A server that is used like `redis_server.Server`."""

    def __init__(self, kind: Kind) -> None:
        self._kind = kind
        self._server = fakeredis.FakeServer(server_type=kind)
        self._client = self._connect()

    @contextmanager
    def opened(self, namespace: str) -> Iterator[RedisBackend]:
        """Yield a backend with a client of its own."""
        with self._connect() as client:
            yield RedisBackend(client=client, namespace=namespace)

    def run(self, *command: Any) -> Any:
        """Send a command on the test's own connection."""
        return self._client.execute_command(*command)

    def _connect(self) -> fakeredis.FakeRedis:
        # One for each thread: redis-py 8 has a limit of 100 by itself, and running out is an error.
        return fakeredis.FakeRedis(
            server=self._server, server_type=self._kind, max_connections=1000
        )


@cache
def shared(kind: Kind) -> FakeServer:
    """Return the server of a kind shared by all tests of this process."""
    return FakeServer(kind)


REAL: dict[str, Callable[[], redis_server.Server]] = {
    "redis": redis_server.shared,
    "valkey": redis_server.shared_valkey,
}
SERVERS: dict[str, Callable[[], redis_server.Server | FakeServer]] = {
    **REAL,
    "fake-redis": lambda: shared("redis"),
    "fake-valkey": lambda: shared("valkey"),
    "fake-dragonfly": lambda: shared("dragonfly"),
}

_namespaces = (f"fake {number}" for number in count())


@contextmanager
def backend(kind: Kind) -> Iterator[RedisBackend]:
    """Yield a backend with an unused namespace."""
    with shared(kind).opened(next(_namespaces)) as fresh:
        yield fresh
