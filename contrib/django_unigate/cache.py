"""The runtime cache as a Django cache backend.

    CACHES = {"default": {"BACKEND": "django_unigate.cache.RuntimeCache"}}

LOCATION is the URL of a store ("redis://..."). By default it is the gateway's, that of
UNIGATE_CACHE_URL, Vercel's Runtime Cache on Vercel, or memory. OPTIONS are `namespace` ("django"),
which separates the entries from those of `request.runtime_cache` and is what `clear` clears, and
`strict`, which raises `unigate.CacheError` when the store is down. Values are pickled, as in
Django's other backends; pickles over 1.5 MB are not stored. MAX_ENTRIES is ignored, because the
store limits its own size. `add`, `incr` and `touch` are atomic within a process only.
"""

from __future__ import annotations

import pickle
import threading
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from asgiref.sync import sync_to_async
from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache

import unigate

# Of the module, because Django has a cache object for each thread.
_changing = threading.RLock()


class RuntimeCache(BaseCache):
    """Django's cache API over the runtime cache; the methods that store also take `tags=`."""

    def __init__(self, location: str, params: dict[str, Any]) -> None:
        super().__init__(params)
        options = params.get("OPTIONS") or {}
        self._cache = unigate.RuntimeCache(
            namespace=options.get("namespace", "django"),
            backend=location or None,
            strict=options.get("strict", False),
        )

    def get(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        entry = self._cache.get(self._key(key, version))
        return default if entry is None else _value(entry)

    def set(
        self,
        key: Any,
        value: Any,
        timeout: float | None = DEFAULT_TIMEOUT,
        version: int | None = None,
        *,
        tags: str | Iterable[str] = (),
    ) -> None:
        ttl, names = self._ttl(timeout), _names(tags)
        full = self._key(key, version)
        self._cache.set(full, _entry(value, ttl, names), ttl=ttl, tags=names)

    def add(
        self,
        key: Any,
        value: Any,
        timeout: float | None = DEFAULT_TIMEOUT,
        version: int | None = None,
        *,
        tags: str | Iterable[str] = (),
    ) -> bool:
        with _changing:
            if self._key(key, version) in self._cache:
                return False
            self.set(key, value, timeout, version, tags=tags)
        return True

    def touch(
        self, key: Any, timeout: float | None = DEFAULT_TIMEOUT, version: int | None = None
    ) -> bool:
        full = self._key(key, version)
        with _changing:
            entry = self._cache.get(full)
            if entry is None:
                return False
            ttl, tags = self._ttl(timeout), entry["tags"]
            self._cache.set(full, {**entry, "expires": _expiry(ttl)}, ttl=ttl, tags=tags)
        return True

    def delete(self, key: Any, version: int | None = None) -> bool:
        full = self._key(key, version)
        was_there = full in self._cache
        self._cache.delete(full)
        return was_there

    def has_key(self, key: Any, version: int | None = None) -> bool:
        return self._key(key, version) in self._cache

    def incr(self, key: Any, delta: int = 1, version: int | None = None) -> int:
        """Add to a value; its timeout and tags stay.

        Raises:
            ValueError: The key is missing.
        """
        full = self._key(key, version)
        with _changing:
            entry = self._cache.get(full)
            if entry is None:
                raise ValueError(f"Key {key!r} not found")
            value: int = _value(entry) + delta
            left = None if entry["expires"] is None else max(0.0, entry["expires"] - time.time())
            changed = {**entry, "value": _pickled(value)}
            self._cache.set(full, changed, ttl=left, tags=entry["tags"])
        return value

    def get_or_set(
        self,
        key: Any,
        default: Any,
        timeout: float | None = DEFAULT_TIMEOUT,
        version: int | None = None,
        *,
        tags: str | Iterable[str] = (),
    ) -> Any:
        """Return a value; for a missing key, store and return the default.

        Concurrent callers of a missing key share one call of a callable default.
        """
        ttl, names = self._ttl(timeout), _names(tags)

        def make() -> dict[str, Any]:
            return _entry(default() if callable(default) else default, ttl, names)

        return _value(self._cache.get_or_set(self._key(key, version), make, ttl=ttl, tags=names))

    def get_many(self, keys: Iterable[Any], version: int | None = None) -> dict[Any, Any]:
        full_keys = {self._key(key, version): key for key in keys}
        entries = self._cache.get_many(full_keys)
        return {full_keys[full]: _value(entry) for full, entry in entries.items()}

    def set_many(
        self,
        data: Mapping[Any, Any],
        timeout: float | None = DEFAULT_TIMEOUT,
        version: int | None = None,
        *,
        tags: str | Iterable[str] = (),
    ) -> list[Any]:
        ttl, names = self._ttl(timeout), _names(tags)
        entries = {self._key(key, version): _entry(data[key], ttl, names) for key in data}
        self._cache.set_many(entries, ttl=ttl, tags=names)
        return []

    def clear(self) -> None:
        self._cache.clear()

    def expire_tag(self, tag: str | Iterable[str]) -> None:
        """Expire the entries with the tag, or one of the tags, in every cache of the store."""
        self._cache.expire_tag(tag)

    # Django's asynchronous methods pass no tags.

    async def aset(self, *args: Any, **options: Any) -> None:
        await _in_thread(self.set, *args, **options)

    async def aadd(self, *args: Any, **options: Any) -> bool:
        added: bool = await _in_thread(self.add, *args, **options)
        return added

    async def aget_or_set(self, *args: Any, **options: Any) -> Any:
        return await _in_thread(self.get_or_set, *args, **options)

    async def aset_many(self, *args: Any, **options: Any) -> list[Any]:
        failed: list[Any] = await _in_thread(self.set_many, *args, **options)
        return failed

    async def aincr(self, *args: Any, **options: Any) -> int:
        value: int = await _in_thread(self.incr, *args, **options)
        return value

    async def aexpire_tag(self, tag: str | Iterable[str]) -> None:
        await _in_thread(self.expire_tag, tag)

    def _key(self, key: Any, version: int | None) -> str:
        return self.make_and_validate_key(key, version=version)

    def _ttl(self, timeout: float | None) -> float | None:
        if timeout is DEFAULT_TIMEOUT:
            timeout = self.default_timeout
        return None if timeout is None else max(0, timeout)


async def _in_thread(call: Callable[..., Any], *args: Any, **options: Any) -> Any:
    return await sync_to_async(call, thread_sensitive=True)(*args, **options)


def _entry(value: Any, ttl: float | None, tags: list[str]) -> dict[str, Any]:
    return {"value": _pickled(value), "expires": _expiry(ttl), "tags": tags}


def _expiry(ttl: float | None) -> float | None:
    return None if ttl is None else time.time() + ttl


def _names(tags: str | Iterable[str]) -> list[str]:
    return [tags] if isinstance(tags, str) else list(tags)


def _pickled(value: Any) -> str:
    return b64encode(pickle.dumps(value, pickle.HIGHEST_PROTOCOL)).decode("ascii")


def _value(entry: Mapping[str, Any]) -> Any:
    return pickle.loads(b64decode(entry["value"]))
