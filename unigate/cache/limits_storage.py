"""The runtime cache as a storage of the package limits, for Flask-Limiter and slowapi.

    import unigate.cache.limits_storage  # registers the schemes

    limiter = Limiter(get_remote_address, app=app, storage_uri="unigate://")

It needs limits 5 or later. `unigate://` counts in the backend of `RuntimeCache()`: the gateway's or
that of the environment. `unigate+redis://...`, and so on for each scheme of a cache URL, names
another. The strategy is "fixed-window", the default of limits; it refuses the other two for this
storage.

Counts are exact over all processes in Redis and Valkey, over the threads of one process in memory.
Vercel's Runtime Cache cannot count and raises CacheError.
Source: limits, "Custom storage backends".
"""

from __future__ import annotations

import time

try:
    from limits.storage import Storage
except ImportError as error:
    raise ImportError('A storage of rate limits needs limits: pip install "limits>=5"') from error

from unigate.errors import CacheError

from .backend import Backend, require_atomic
from .runtime_cache import RuntimeCache
from .selection import SCHEMES

_SCHEME = "unigate"
_ATTEMPTS = 10  # to count in a window that ends or begins meanwhile


class RuntimeCacheStorage(Storage):
    """Count requests in the runtime cache.

    The keyword arguments are the `storage_options` of Flask-Limiter and slowapi.

    Args:
        uri: `unigate://`, or a cache URL after `unigate+`.
        wrap_exceptions: Raise `limits.errors.StorageError` instead of CacheError.
        namespace: Limiters of different namespaces share no counts; `reset` empties one namespace.
        backend: A backend, in place of the one in the URL.
    """

    STORAGE_SCHEME = [_SCHEME, *(f"{_SCHEME}+{scheme}" for scheme in SCHEMES)]

    def __init__(
        self,
        uri: str = f"{_SCHEME}://",
        wrap_exceptions: bool = False,
        *,
        namespace: str = "limits",
        backend: Backend | None = None,
    ) -> None:
        super().__init__(uri, wrap_exceptions=wrap_exceptions)
        url = uri.removeprefix(f"{_SCHEME}+") if uri.startswith(f"{_SCHEME}+") else None
        self._cache = RuntimeCache(namespace=namespace, backend=backend or url, strict=True)

    @property
    def base_exceptions(self) -> type[Exception]:
        """The errors that `wrap_exceptions` replaces."""
        return CacheError

    def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        """Add to a counter and return the sum.

        Args:
            key: The key of the limit and the client.
            expiry: Seconds until a counter ends that begins now.
            amount: What to add.
        """
        require_atomic(self._cache.backend, "A rate limit")
        for _ in range(_ATTEMPTS):
            count: int | None = self._cache.incr(key, amount)
            if count is not None:
                return count
            # First, so that no counter is without it.
            self._cache.add(_end(key), time.time() + expiry, ttl=expiry)
            if self._cache.add(key, amount, ttl=expiry):
                return amount
        raise CacheError(f"{_ATTEMPTS} attempts to count a request have found no counter.")

    def get(self, key: str) -> int:
        """Return a counter, 0 for a missing one."""
        count: int = self._cache.get(key, 0)
        return count

    def get_expiry(self, key: str) -> float:
        """Return the Unix time at which a counter ends, now for a missing one."""
        end: float = self._cache.get(_end(key), time.time())
        return end

    def check(self) -> bool:
        """Return True if the backend answers."""
        try:
            self._cache.get("check")
        except CacheError:
            return False
        return True

    def reset(self) -> None:
        """Remove every counter of the namespace."""
        self._cache.clear()

    def clear(self, key: str) -> None:
        """Remove a counter."""
        self._cache.delete(key)
        self._cache.delete(_end(key))


def _end(key: str) -> str:
    return f"{key}/end"
