"""The backends that one contract holds for: each a context manager that gives a fresh one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib import import_module
from importlib.util import find_spec

from unigate.cache import Backend
from unigate.cache.memory import MemoryBackend


@contextmanager
def memory() -> Iterator[Backend]:
    yield MemoryBackend()


BACKENDS: dict[str, Callable[[], AbstractContextManager[Backend]]] = {"memory": memory}

# Those with a server, each in a module that has a `backend` like the one above.
for _name, _module in {"redis": "redis_server", "vercel": "vercel_stub"}.items():
    if find_spec(f"tests.cache.{_module}"):
        BACKENDS[_name] = import_module(f"tests.cache.{_module}").backend
