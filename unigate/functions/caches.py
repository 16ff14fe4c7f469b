"""`get_cache`, the function of Vercel's SDK that makes both kinds of cache."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, overload

from unigate.cache import AsyncRuntimeCache, RuntimeCache


@overload
def get_cache(
    *,
    key_hash_function: Callable[[str], str] | None = ...,
    namespace: str | None = ...,
    namespace_separator: str | None = ...,
    sync: Literal[True] = ...,
) -> RuntimeCache: ...


@overload
def get_cache(
    *,
    key_hash_function: Callable[[str], str] | None = ...,
    namespace: str | None = ...,
    namespace_separator: str | None = ...,
    sync: Literal[False],
) -> AsyncRuntimeCache: ...


def get_cache(
    *,
    key_hash_function: Callable[[str], str] | None = None,
    namespace: str | None = None,
    namespace_separator: str | None = None,
    sync: bool = True,
) -> RuntimeCache | AsyncRuntimeCache:
    """Return a runtime cache.

    Args:
        key_hash_function: As for `unigate.RuntimeCache`, as are the next two.
        namespace: Caches of different namespaces share no entries.
        namespace_separator: Stands between namespace and key.
        sync: False returns an `AsyncRuntimeCache`.
    """
    cache: type[RuntimeCache | AsyncRuntimeCache] = RuntimeCache if sync else AsyncRuntimeCache
    return cache(
        key_hash_function=key_hash_function,
        namespace=namespace,
        namespace_separator=namespace_separator,
    )
