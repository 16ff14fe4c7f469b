"""The backends that the contract is tested on: context managers that yield an empty backend."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial

from unigate.cache import Backend
from unigate.cache.memory import MemoryBackend

from . import fake_redis, redis_server, vercel_stub


@contextmanager
def memory() -> Iterator[Backend]:
    yield MemoryBackend()


BACKENDS: dict[str, Callable[[], AbstractContextManager[Backend]]] = {
    "memory": memory,
    "redis": redis_server.backend,
    "redis-cluster": redis_server.cluster_backend,
    "redis-client": redis_server.client_backend,
    "valkey": redis_server.valkey_backend,
    "fake-redis": partial(fake_redis.backend, "redis"),
    "fake-valkey": partial(fake_redis.backend, "valkey"),
    "fake-dragonfly": partial(fake_redis.backend, "dragonfly"),
    "vercel": vercel_stub.backend,
}

TIMED = ["memory", "redis", "redis-cluster", "redis-client", "vercel"]
"""Where tests wait for the end of a ttl, or move the clock of this process, which fakes follow."""
