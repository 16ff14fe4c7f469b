"""The names of Vercel's `vercel.cache.aio`; `vercel.functions.aio` is empty so far."""

from __future__ import annotations

from collections.abc import Callable

from unigate.cache import AsyncRuntimeCache

__all__ = ["AsyncRuntimeCache", "get_cache"]


def get_cache(
    *,
    key_hash_function: Callable[[str], str] | None = None,
    namespace: str | None = None,
    namespace_separator: str | None = None,
) -> AsyncRuntimeCache:
    """Return a cache for asynchronous code.

    Args:
        key_hash_function: As for `unigate.AsyncRuntimeCache`, as are the others.
        namespace: Caches of different namespaces share no entries.
        namespace_separator: Stands between namespace and key.
    """
    return AsyncRuntimeCache(
        key_hash_function=key_hash_function,
        namespace=namespace,
        namespace_separator=namespace_separator,
    )
