"""`AsyncRuntimeCache`, the awaitable `RuntimeCache`."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, overload

from unigate.forking import after_in_child

from . import flights
from .backend import Backend
from .locks import AsyncLock
from .options import Options
from .runtime_cache import RuntimeCache

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor
    from datetime import timedelta

T = TypeVar("T")


class AsyncRuntimeCache:
    """Cache JSON values by key, with a time to live and tags, for asynchronous code.

    Arguments and behaviour are those of `RuntimeCache`. Calls that wait for a network run in a
    thread. One object can be used from several event loops; it shares entries, and the factory
    calls under way, with every other cache of the same backend.
    """

    def __init__(
        self,
        *,
        key_hash_function: Callable[[str], str] | None = None,
        namespace: str | None = None,
        namespace_separator: str | None = None,
        backend: Backend | str | None = None,
        strict: bool = False,
    ) -> None:
        self._cache = RuntimeCache(
            key_hash_function=key_hash_function,
            namespace=namespace,
            namespace_separator=namespace_separator,
            backend=backend,
            strict=strict,
        )

    @property
    def backend(self) -> Backend:
        """The backend of the next call; it changes with the gateway, and after a fork."""
        return self._cache.backend

    async def get(self, key: str, default: object = None) -> Any:
        """Return a copy of a value, or `default` for a missing key; a value can be None too."""
        return await self._run(partial(self._cache.get, key, default))

    async def set(
        self,
        key: str,
        value: object,
        options: Mapping[str, object] | None = None,
        *,
        ttl: float | timedelta | None = None,
        tags: str | Iterable[str] | None = None,
        name: str | None = None,
    ) -> bool:
        """Store a value; see `RuntimeCache.set`."""
        return await self._run(
            partial(self._cache.set, key, value, options, ttl=ttl, tags=tags, name=name)
        )

    async def add(
        self,
        key: str,
        value: object,
        *,
        ttl: float | timedelta | None = None,
        tags: str | Iterable[str] | None = None,
        name: str | None = None,
    ) -> bool:
        """Store a value unless the key has one; see `RuntimeCache.add`."""
        return await self._run(partial(self._cache.add, key, value, ttl=ttl, tags=tags, name=name))

    async def replace(
        self,
        key: str,
        old: object,
        new: object,
        *,
        ttl: float | timedelta | None = None,
        tags: str | Iterable[str] | None = None,
        name: str | None = None,
    ) -> bool | None:
        """Store a value if the key still has another one; see `RuntimeCache.replace`."""
        return await self._run(
            partial(self._cache.replace, key, old, new, ttl=ttl, tags=tags, name=name)
        )

    async def remove(self, key: str, old: object) -> bool | None:
        """Remove a value if the key still has it; see `RuntimeCache.remove`."""
        return await self._run(partial(self._cache.remove, key, old))

    async def incr(self, key: str, delta: float = 1) -> Any:
        """Add to a number and return the sum; see `RuntimeCache.incr`."""
        return await self._run(partial(self._cache.incr, key, delta))

    async def decr(self, key: str, delta: float = 1) -> Any:
        """Subtract from a number; see `RuntimeCache.incr`."""
        return await self._run(partial(self._cache.decr, key, delta))

    async def touch(self, key: str, ttl: float | timedelta | None = None) -> bool:
        """Give a value a new ttl; see `RuntimeCache.touch`."""
        return await self._run(partial(self._cache.touch, key, ttl))

    async def pop(self, key: str, default: object = None) -> Any:
        """Remove a value and return it; see `RuntimeCache.pop`."""
        return await self._run(partial(self._cache.pop, key, default))

    async def delete(self, key: str) -> None:
        """Remove a value, if it exists."""
        await self._run(partial(self._cache.delete, key))

    async def expire_tag(self, tag: str | Iterable[str]) -> None:
        """Expire the entries with the tag, or one of the tags, in all namespaces."""
        await self._run(partial(self._cache.expire_tag, tag))

    async def contains(self, key: str) -> bool:
        """Return True if the key has a value, which may be None. (`in` cannot be awaited.)"""
        return await self._run(partial(self._cache.__contains__, key))

    @overload
    async def get_or_set(
        self,
        key: str,
        factory: Callable[[], Awaitable[T]],
        *,
        ttl: float | timedelta | None = None,
        tags: str | Iterable[str] | None = None,
        name: str | None = None,
        stale: float | timedelta | None = None,
    ) -> T: ...

    @overload
    async def get_or_set(
        self,
        key: str,
        factory: Callable[[], T],
        *,
        ttl: float | timedelta | None = None,
        tags: str | Iterable[str] | None = None,
        name: str | None = None,
        stale: float | timedelta | None = None,
    ) -> T: ...

    async def get_or_set(
        self,
        key: str,
        factory: Callable[[], object],
        *,
        ttl: float | timedelta | None = None,
        tags: str | Iterable[str] | None = None,
        name: str | None = None,
        stale: float | timedelta | None = None,
    ) -> object:
        """Return a value; for a missing key, store and return what `factory` makes.

        The factory, a function or a coroutine function, runs on the caller's event loop, which no
        waiting blocks. Concurrent callers share one call; see `RuntimeCache.get_or_set`.
        """
        options = Options.checked(ttl=ttl, tags=tags, name=name)
        steps = self._cache.get_or_set_steps(key, factory, options, stale, may_wait=True)
        try:
            kind, what = next(steps)
            while True:
                try:
                    result = await self._step(kind, what)
                except BaseException as error:
                    kind, what = steps.throw(error)
                else:
                    kind, what = steps.send(result)
        except StopIteration as end:
            return end.value

    def lock(
        self, key: str, *, ttl: float | timedelta, blocking_timeout: float | None = None
    ) -> AsyncLock:
        """Return a lock: `async with cache.lock("report", ttl=60):`; see `RuntimeCache.lock`."""
        lock = self._cache.lock(key, ttl=ttl, blocking_timeout=blocking_timeout)
        return AsyncLock(lock, self._run)

    async def get_many(self, keys: Iterable[str]) -> dict[str, Any]:
        """Return the values of keys, without those that are missing."""
        return await self._run(partial(self._cache.get_many, keys))

    async def set_many(
        self,
        values: Mapping[str, object],
        options: Mapping[str, object] | None = None,
        *,
        ttl: float | timedelta | None = None,
        tags: str | Iterable[str] | None = None,
    ) -> list[str]:
        """Store values with the same ttl and tags; see `RuntimeCache.set_many`."""
        return await self._run(partial(self._cache.set_many, values, options, ttl=ttl, tags=tags))

    async def clear(self) -> None:
        """Remove every value of the namespace; without a namespace, of the whole backend."""
        await self._run(self._cache.clear)

    async def stats(self) -> dict[str, int]:
        """Return counts; see `RuntimeCache.stats`."""
        return await self._run(self._cache.stats)

    async def _step(self, kind: str, what: Any) -> Any:
        if kind == "wait":
            from asyncio import wait, wrap_future

            return await wait([wrap_future(what.data)], timeout=flights.LONGEST_WAIT)
        if kind == "sleep":
            from asyncio import sleep

            return await sleep(what)
        if kind == "call":
            return await self._run(what)
        result = what()
        return await result if hasattr(result, "__await__") else result

    async def _run(self, call: Callable[[], T]) -> T:
        if not self.backend.waits:
            return call()
        from asyncio import get_running_loop

        loop = get_running_loop()
        return await loop.run_in_executor(_threads(), copy_context().run, call)


_pool: ThreadPoolExecutor | None = None
_lock = threading.Lock()


def _threads() -> ThreadPoolExecutor:
    """Return the cache's own threads.

    The event loop's may all be waiting for a value that a task is making, which needs a thread.
    """
    global _pool
    with _lock:
        if _pool is None:
            from concurrent.futures import ThreadPoolExecutor

            _pool = ThreadPoolExecutor(32, thread_name_prefix="unigate-cache")
        return _pool


@after_in_child
def _after_fork() -> None:
    global _pool, _lock
    _pool = None  # a fork does not copy its threads
    _lock = threading.Lock()
