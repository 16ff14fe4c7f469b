"""`AsyncRuntimeCache`: `RuntimeCache` for code that awaits."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from unigate.forking import after_in_child

from .backend import Backend
from .options import Options
from .runtime_cache import RuntimeCache

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor
    from datetime import timedelta

T = TypeVar("T")


class AsyncRuntimeCache:
    """Keep JSON values for a while, by key and by tag: `RuntimeCache`, awaitable.

    What waits for a network does so in a thread. Use it from any event loop, and from several; it
    shares entries, and the calls of factories, with every other cache of the same backend.
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
        """The backend for what is asked now."""
        return self._cache.backend

    async def get(self, key: str, default: Any = None) -> Any:
        """Return a copy of a value, `default` where there is none; a value can be None as well."""
        return await self._run(partial(self._cache.get, key, default))

    async def set(
        self,
        key: str,
        value: Any,
        options: Mapping[str, Any] | None = None,
        *,
        ttl: float | timedelta | None = None,
        tags: str | Iterable[str] | None = None,
        name: str | None = None,
    ) -> None:
        """Keep a value for `ttl` seconds, or as long as there is room."""
        await self._run(
            partial(self._cache.set, key, value, options, ttl=ttl, tags=tags, name=name)
        )

    async def delete(self, key: str) -> None:
        """Remove a value; without a word where there is none."""
        await self._run(partial(self._cache.delete, key))

    async def expire_tag(self, tag: str | Iterable[str]) -> None:
        """Expire what was stored with the tag, or one of the tags, in all namespaces."""
        await self._run(partial(self._cache.expire_tag, tag))

    async def contains(self, key: str) -> bool:
        """Tell whether there is a value, which may be None; `in` cannot be awaited."""
        return await self._run(partial(self._cache.__contains__, key))

    async def get_or_set(
        self,
        key: str,
        factory: Callable[[], Any] | Callable[[], Awaitable[Any]],
        *,
        ttl: float | timedelta | None = None,
        tags: str | Iterable[str] | None = None,
        name: str | None = None,
    ) -> Any:
        """Return a value, made by `factory` where there is none, on the event loop of the caller.

        Who misses it at the same time, in any thread or task of this process, waits for the one
        call of one factory, and gets a copy of its value or its exception, which is not kept.
        """
        options = Options.checked(ttl=ttl, tags=tags, name=name)
        steps = self._cache.get_or_set_steps(key, factory, options, may_wait=True)
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

    async def get_many(self, keys: Iterable[str]) -> dict[str, Any]:
        """Return the values that there are, by key."""
        return await self._run(partial(self._cache.get_many, keys))

    async def set_many(
        self,
        values: Mapping[str, Any],
        options: Mapping[str, Any] | None = None,
        *,
        ttl: float | timedelta | None = None,
        tags: str | Iterable[str] | None = None,
    ) -> None:
        """Keep values with the same life and tags, as `set` does."""
        await self._run(partial(self._cache.set_many, values, options, ttl=ttl, tags=tags))

    async def clear(self) -> None:
        """Remove every value of the namespace, without one every value of the backend."""
        await self._run(self._cache.clear)

    async def stats(self) -> dict[str, int]:
        """Return the hits, misses, sets and errors of this object, and what the backend holds."""
        return await self._run(self._cache.stats)

    async def _step(self, kind: str, what: Any) -> Any:
        if kind == "wait":
            from asyncio import wrap_future

            return await wrap_future(what.data)
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
    """Return threads of our own: those of the event loop may all wait for a value of ours."""
    global _pool
    with _lock:
        if _pool is None:
            from concurrent.futures import ThreadPoolExecutor

            _pool = ThreadPoolExecutor(32, thread_name_prefix="unigate-cache")
        return _pool


@after_in_child
def _after_fork() -> None:
    global _pool, _lock
    _pool = None  # its threads stay in the parent
    _lock = threading.Lock()
