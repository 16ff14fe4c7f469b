"""The runtime cache as a Django cache backend.

    CACHES = {"default": {"BACKEND": "django_unigate.cache.RuntimeCache"}}

LOCATION is the URL of a store ("redis://..."). By default it is the gateway's, that of
UNIGATE_CACHE_URL, Vercel's Runtime Cache on Vercel, or memory. OPTIONS are `namespace` ("django"),
which separates the entries from those of `request.runtime_cache` and is what `clear` clears, and
`strict`, which raises `unigate.CacheError` when the store is down. Values are pickled, as in
Django's other backends; pickles over 1.5 MB are not stored. MAX_ENTRIES is ignored, because the
store limits its own size. `add`, `incr` and `touch` are atomic within a process only.

A pickle can run code when it is loaded. Each is signed with SECRET_KEY for its namespace, key and
expiry, and one that has expired or has no valid signature is a miss; SECRET_KEY_FALLBACKS are
accepted. Entries of earlier versions of unigate, which did not sign, are misses too.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache

import unigate
from unigate.cache.pickles import SignedPickles

# Of the module, because Django has a cache object for each thread.
_changing = threading.RLock()
_MISSING = object()


class _Entry(NamedTuple):
    """A value of the application, with what `touch` and `incr` keep of it."""

    value: Any
    expires: float | None
    tags: list[str]

    @classmethod
    def new(cls, value: Any, ttl: float | None, tags: list[str]) -> _Entry:
        return cls(value, None if ttl is None else time.time() + ttl, tags)


class RuntimeCache(BaseCache):
    """Django's cache API over the runtime cache; the methods that store also take `tags=`."""

    def __init__(self, location: str, params: dict[str, Any]) -> None:
        super().__init__(params)
        options = params.get("OPTIONS") or {}
        namespace = options.get("namespace", "django")
        self._pickles = SignedPickles("django_unigate.cache 2", namespace or "", _secrets)
        self._cache = unigate.RuntimeCache(
            namespace=namespace,
            backend=location or None,
            strict=options.get("strict", False),
        )

    def get(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        entry = self._get(self._key(key, version))
        return default if entry is None else entry.value

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
        self._set(self._key(key, version), _Entry.new(value, ttl, names), ttl)

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
            if self.has_key(key, version):
                return False
            self.set(key, value, timeout, version, tags=tags)
        return True

    def touch(
        self, key: Any, timeout: float | None = DEFAULT_TIMEOUT, version: int | None = None
    ) -> bool:
        full = self._key(key, version)
        with _changing:
            entry = self._get(full)
            if entry is None:
                return False
            ttl = self._ttl(timeout)
            self._set(full, _Entry.new(entry.value, ttl, entry.tags), ttl)
        return True

    def delete(self, key: Any, version: int | None = None) -> bool:
        was_there = self.has_key(key, version)
        self._cache.delete(self._key(key, version))
        return was_there

    def has_key(self, key: Any, version: int | None = None) -> bool:
        return self._get(self._key(key, version)) is not None

    def incr(self, key: Any, delta: int = 1, version: int | None = None) -> int:
        """Add to a value; its timeout and tags stay.

        Raises:
            ValueError: The key is missing.
        """
        full = self._key(key, version)
        with _changing:
            entry = self._get(full)
            if entry is None:
                raise ValueError(f"Key {key!r} not found")
            value: int = entry.value + delta
            left = None if entry.expires is None else max(0.0, entry.expires - time.time())
            self._set(full, entry._replace(value=value), left)
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
        full, ttl, names = self._key(key, version), self._ttl(timeout), _names(tags)
        asked = time.time()  # a value that is made after this may expire at once

        def make() -> str:
            value = default() if callable(default) else default
            return self._packed(full, _Entry.new(value, ttl, names))

        for _ in range(2):
            stored = self._cache.get_or_set(full, make, ttl=ttl, tags=names)
            entry = self._loaded(full, stored, asked)
            if entry is not None:
                return entry.value
            self._discard_invalid(full)
        return default() if callable(default) else default  # it cannot be loaded

    def get_many(self, keys: Iterable[Any], version: int | None = None) -> dict[Any, Any]:
        full_keys = {self._key(key, version): key for key in keys}
        stored = self._cache.get_many(full_keys)
        entries = {full: self._loaded(full, value) for full, value in stored.items()}
        return {full_keys[full]: entry.value for full, entry in entries.items() if entry}

    def set_many(
        self,
        data: Mapping[Any, Any],
        timeout: float | None = DEFAULT_TIMEOUT,
        version: int | None = None,
        *,
        tags: str | Iterable[str] = (),
    ) -> list[Any]:
        ttl, names = self._ttl(timeout), _names(tags)
        entries = {self._key(key, version): _Entry.new(data[key], ttl, names) for key in data}
        packed = {full: self._packed(full, entry) for full, entry in entries.items()}
        self._cache.set_many(packed, ttl=ttl, tags=names)
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

    def _get(self, full: str) -> _Entry | None:
        stored = self._cache.get(full, _MISSING)
        return None if stored is _MISSING else self._loaded(full, stored)

    def _set(self, full: str, entry: _Entry, ttl: float | None) -> None:
        self._cache.set(full, self._packed(full, entry), ttl=ttl, tags=entry.tags)

    def _discard_invalid(self, full: str) -> None:
        """Remove an entry that cannot be loaded; not while another thread is making its value."""
        with _changing:
            if full in self._cache and self._get(full) is None:
                self._cache.delete(full)

    def _packed(self, full: str, entry: _Entry) -> str:
        return self._pickles.dumps(full, (entry.value, entry.tags), entry.expires)

    def _loaded(self, full: str, stored: object, now: float | None = None) -> _Entry | None:
        loaded = self._pickles.loads(full, stored, now)
        if loaded is None:
            return None
        value, tags = loaded.value
        return _Entry(value, loaded.expires, tags)

    def _ttl(self, timeout: float | None) -> float | None:
        if timeout is DEFAULT_TIMEOUT:
            timeout = self.default_timeout
        return None if timeout is None else max(0, timeout)


async def _in_thread(call: Callable[..., Any], *args: Any, **options: Any) -> Any:
    return await sync_to_async(call, thread_sensitive=True)(*args, **options)


def _names(tags: str | Iterable[str]) -> list[str]:
    return [tags] if isinstance(tags, str) else list(tags)


def _secrets() -> list[str | bytes]:
    return [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
