"""The runtime cache as a Django cache backend.

    CACHES = {"default": {"BACKEND": "django_unigate.cache.RuntimeCache"}}

LOCATION is the URL of a store ("redis://..."). By default it is the gateway's, that of
UNIGATE_CACHE_URL, Vercel's Runtime Cache on Vercel, or memory. OPTIONS are `namespace` ("django"),
which separates the entries from those of `request.runtime_cache` and is what `clear` clears, and
`strict`, which raises `unigate.CacheError` when the store is down. Values are pickled, as in
Django's other backends; pickles over 1.5 MB are not stored, because the limit of 2 MB counts the
encoded bytes. MAX_ENTRIES and CULL_FREQUENCY are ignored, because the store limits its own size.
Options of other backends are refused.

`add`, `incr`, `decr`, `touch` and `delete` are atomic over all processes in Redis and Valkey, over
all threads in memory, and over the threads of one process in Vercel's Runtime Cache, which cannot
do more: do not use it for locks, counters and rate limits. `add` returns True only if the value is
stored, and `set_many` the keys of values that are not. A `set` that fails is logged, and the old
value is removed. With `strict` it raises, also for a value that is too large, which leaves the old
one. So set that for sessions, or a user may log in whose session was not stored.

A pickle can run code when it is loaded. Each is signed with SECRET_KEY for its namespace, key and
expiry, and one that has expired or has no valid signature is a miss; SECRET_KEY_FALLBACKS are
accepted. Entries of earlier versions of unigate, which did not sign, are misses too.

Integers without tags are stored as plain JSON where the store can count them. They run no code and
are not signed: who can write to the store can set any key to any integer, or restore an older one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache

import unigate
from unigate.cache.backend import is_atomic
from unigate.cache.options import checked_ttl
from unigate.cache.pickles import SignedPickles

from .cache_options import check_location, check_options

_MISSING = object()
_PLAIN = (int, float)  # the types of entries that are not pickles; `incr` can make a float
_ATTEMPTS = 1000  # to change a value that others change too


class _Entry(NamedTuple):
    """A value of the application, with what `touch` and `incr` keep of it if it is a pickle."""

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
        check_location(location)
        check_options(options)
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
        full, ttl, names = self._key(key, version), self._ttl(timeout), _names(tags)
        packed = self._packed(full, _Entry.new(value, ttl, names))
        if self._cache.add(full, packed, ttl=ttl, tags=names):
            return True
        stored = self._cache.get(full, _MISSING)
        if stored is _MISSING or self._loaded(full, stored) is not None:
            return False
        # One that cannot be loaded is a missing one.
        return bool(self._cache.replace(full, stored, packed, ttl=ttl, tags=names))

    def touch(
        self, key: Any, timeout: float | None = DEFAULT_TIMEOUT, version: int | None = None
    ) -> bool:
        full, ttl = self._key(key, version), self._ttl(timeout)

        def renewed(entry: _Entry) -> _Entry:
            return _Entry.new(entry.value, ttl, entry.tags)

        if ttl == 0:
            return self.delete(key, version)
        if type(self._cache.get(full)) in _PLAIN:
            return self._cache.touch(full, ttl)
        return self._changed(full, renewed) is not None

    def delete(self, key: Any, version: int | None = None) -> bool:
        full = self._key(key, version)
        stored = self._cache.pop(full, _MISSING)
        return stored is not _MISSING and self._loaded(full, stored) is not None

    def has_key(self, key: Any, version: int | None = None) -> bool:
        return self._get(self._key(key, version)) is not None

    def incr(self, key: Any, delta: int = 1, version: int | None = None) -> int:
        """Add to a value; its timeout and tags stay.

        Raises:
            ValueError: The key is missing.
        """
        full = self._key(key, version)
        try:
            value: int | None = self._cache.incr(full, delta)
        except TypeError:  # a pickle, or not a number
            entry = self._changed(full, lambda entry: entry._replace(value=entry.value + delta))
            value = entry and entry.value
        if value is None:
            raise ValueError(f"Key {key!r} not found")
        return value

    def incr_version(self, key: Any, delta: int = 1, version: int | None = None) -> int:
        """Move a value to another version, with the default timeout; its tags stay.

        It is stored under the new version first. A change of the old one meanwhile is moved too; in
        Vercel's Runtime Cache it can be lost.

        Raises:
            ValueError: The key is missing.
        """
        version = self.version if version is None else version
        full = self._key(key, version)
        moved = False
        for _ in range(_ATTEMPTS):
            stored = self._cache.get(full, _MISSING)
            entry = None if stored is _MISSING else self._loaded(full, stored)
            if entry is None:
                if moved:  # another caller has removed it
                    return version + delta
                raise ValueError(f"Key {key!r} not found")
            self.set(key, entry.value, version=version + delta, tags=entry.tags)
            moved = True
            removed = self._cache.remove(full, stored)
            if removed is None:
                self.delete(key, version)
            if removed is not False:
                return version + delta
        raise unigate.CacheError(f"{_ATTEMPTS} attempts to move a value met other changes.")

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

        def make() -> str | int:
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
        failed = set(self._cache.set_many(packed, ttl=ttl, tags=names))
        return [key for full, key in zip(packed, data, strict=True) if full in failed]

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
        """Do as `get_or_set`, in the thread of synchronous code; a default may query the database.

        It has that thread until the value is there: if only the default ran in it, the default and
        a synchronous caller there that waits for the same key would wait for each other.
        """
        return await _in_thread(self.get_or_set, *args, **options)

    async def aset_many(self, *args: Any, **options: Any) -> list[Any]:
        failed: list[Any] = await _in_thread(self.set_many, *args, **options)
        return failed

    async def aincr(self, *args: Any, **options: Any) -> int:
        value: int = await _in_thread(self.incr, *args, **options)
        return value

    async def aincr_version(self, *args: Any, **options: Any) -> int:
        version: int = await _in_thread(self.incr_version, *args, **options)
        return version

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
        """Remove an entry that cannot be loaded."""
        stored = self._cache.get(full, _MISSING)
        if stored is not _MISSING and self._loaded(full, stored) is None:
            self._cache.remove(full, stored)

    def _changed(self, full: str, change: Callable[[_Entry], _Entry]) -> _Entry | None:
        """Store what `change` makes of an entry, and return that; None for a missing key."""
        for _ in range(_ATTEMPTS):
            stored = self._cache.get(full, _MISSING)
            entry = None if stored is _MISSING else self._loaded(full, stored)
            if entry is None:
                return None
            new = change(entry)
            left = None if new.expires is None else max(0.0, new.expires - time.time())
            packed = self._packed(full, new)
            replaced = self._cache.replace(full, stored, packed, ttl=left, tags=new.tags)
            if replaced is not False:
                return new if replaced else None
        raise unigate.CacheError(f"{_ATTEMPTS} attempts to change a value met other changes.")

    def _packed(self, full: str, entry: _Entry) -> str | int:
        value = entry.value
        small = type(value) is int and value.bit_length() < 64
        # Not with tags, which `incr_version` could not find out then.
        if small and not entry.tags and is_atomic(self._cache.backend):
            return int(value)
        return self._pickles.dumps(full, (value, entry.tags), entry.expires)

    def _loaded(self, full: str, stored: object, now: float | None = None) -> _Entry | None:
        if type(stored) in _PLAIN:
            return _Entry(stored, None, [])
        loaded = self._pickles.loads(full, stored, now)
        if loaded is None:
            return None
        value, tags = loaded.value
        return _Entry(value, loaded.expires, tags)

    def _ttl(self, timeout: float | None) -> float | None:
        if timeout is DEFAULT_TIMEOUT:
            timeout = self.default_timeout
        return checked_ttl(timeout, "timeout")


async def _in_thread(call: Callable[..., Any], *args: Any, **options: Any) -> Any:
    return await sync_to_async(call, thread_sensitive=True)(*args, **options)


def _names(tags: str | Iterable[str]) -> list[str]:
    return [tags] if isinstance(tags, str) else list(tags)


def _secrets() -> list[str | bytes]:
    return [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
