"""The backends that the contract is tested on: context managers that yield an empty backend."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from unigate.cache import Backend
from unigate.cache.memory import MemoryBackend

from . import redis_server, vercel_stub


@contextmanager
def memory() -> Iterator[Backend]:
    yield MemoryBackend()


BACKENDS: dict[str, Callable[[], AbstractContextManager[Backend]]] = {
    "memory": memory,
    "redis": redis_server.backend,
    "redis-cluster": redis_server.cluster_backend,
    "redis-client": redis_server.client_backend,
    "vercel": vercel_stub.backend,
}
