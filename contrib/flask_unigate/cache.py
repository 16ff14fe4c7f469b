"""The runtime cache as a cachelib cache, for Flask-Caching and Flask-Session.

    app.config["CACHE_TYPE"] = "flask_unigate.cache.RuntimeCache"    # Flask-Caching
    app.config["SESSION_CACHELIB"] = RuntimeCache(namespace="session")    # Flask-Session

Values that survive JSON unchanged are stored as JSON, so that other users of the cache can read
them. Everything else (responses, tuples, Markup, objects) is pickled. A pickle can run code when it
is loaded, so each is signed with the application's SECRET_KEY for its namespace, key and expiry.
One that has expired or has no valid signature is a miss; SECRET_KEY_FALLBACKS are accepted. Without
a SECRET_KEY only JSON values can be stored. JSON values are not signed, and no value is encrypted:
write access to the cache is write access to them, read access is read access to all of it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from cachelib import BaseCache
from flask import Flask, current_app, has_app_context

import unigate
from unigate import CacheError
from unigate.cache.backend import is_atomic
from unigate.cache.options import checked_ttl
from unigate.cache.pickles import SignedPickles

if TYPE_CHECKING:
    from unigate.cache import Backend

# The only key of an object that represents a pickled value.
_PICKLED = "flask_unigate.pickled"

_MISSING = object()
_ATTEMPTS = 1000  # to change a value that others change too


class RuntimeCache(BaseCache):
    """The runtime cache with the methods of cachelib.

    `add`, `inc`, `dec` and `delete` are atomic over all processes in Redis and Valkey, over all
    threads in memory, and over the threads of one process in Vercel's Runtime Cache, which cannot
    do more: do not use it for locks, counters and rate limits.

    Flask-Caching passes the application, its configuration, CACHE_ARGS and CACHE_OPTIONS, which
    take the arguments below; CACHE_KEY_PREFIX is the namespace.

    Args:
        default_timeout: Seconds; 0, here and in every method, means as long as there is room.
        ignore_delete_many_errors: False lets `delete_many` raise what it could not do.
        namespace: Caches of different namespaces share no entries; `clear` empties one namespace.
        backend: A backend or its URL. By default the application's UNIGATE_CACHE, the gateway's or
            that of the environment.
        secret_key: Signs pickled values; by default the application's SECRET_KEY, while those of
            SECRET_KEY_FALLBACKS are accepted too.
    """

    def __init__(
        self,
        app: Flask | None = None,
        config: dict[str, Any] | None = None,
        args: Iterable[Any] = (),
        options: dict[str, Any] | None = None,
        /,
        **keywords: Any,
    ) -> None:
        if app is not None:
            prefix = (config or {}).get("CACHE_KEY_PREFIX")
            keywords = {"namespace": prefix, "backend": app.config.get("UNIGATE_CACHE")}
            keywords.update(options or {})
        self._app = app
        self._open(*args, **keywords)

    def _open(
        self,
        default_timeout: int | timedelta = 300,
        *,
        ignore_delete_many_errors: bool = True,
        namespace: str | None = None,
        backend: Backend | str | None = None,
        secret_key: str | bytes | None = None,
    ) -> None:
        super().__init__(default_timeout)  # cachelib before 0.16 takes nothing else
        self.ignore_delete_many_errors = ignore_delete_many_errors
        self._secret_key = secret_key
        namespace = namespace or "flask"
        self._pickles = SignedPickles("flask_unigate.cache 2", namespace, self._secrets)
        # Strict, because cachelib's methods return whether they succeeded. The methods that store
        # return that anyway, and a strict cache would store none of the values if one is too large.
        self._cache = unigate.RuntimeCache(namespace=namespace, backend=backend, strict=True)
        self._storing = unigate.RuntimeCache(namespace=namespace, backend=backend)

    def get(self, key: str) -> Any:
        """Return a value, or None if it is missing or cannot be read."""
        return self.get_many(key)[0]

    def get_many(self, *keys: str) -> list[Any]:
        """Return the value of each key, None for a missing one, with one call of the backend."""
        found = self._find(keys)
        return [found.get(key) for key in keys]

    def set(
        self,
        key: str,
        value: Any,
        timeout: int | timedelta | None = None,
        *,
        tags: str | Iterable[str] | None = None,
    ) -> bool:
        """Store a value and return whether it was stored.

        Args:
            key: Any text.
            value: A JSON value or anything that can be pickled.
            timeout: Seconds to live; 0 means as long as there is room.
            tags: What `unigate.RuntimeCache.expire_tag` finds the entry by.

        Raises:
            RuntimeError: The value must be pickled, but there is no SECRET_KEY.
        """
        return bool(self._set_many({key: value}, timeout, tags))

    def set_many(
        self, mapping: dict[str, Any], timeout: int | timedelta | None = None
    ) -> list[Any]:
        """Store values; return the keys of those that were stored."""
        return self._set_many(mapping, timeout)

    def add(self, key: str, value: Any, timeout: int | timedelta | None = None) -> bool:
        """Store a value unless the key has one; return whether it was stored."""
        ttl = self._ttl(timeout)
        packed = self._packed(key, value, ttl)
        try:
            if self._storing.add(key, packed, ttl=ttl):
                return True
            stored = self._cache.get(key, _MISSING)
            if stored is _MISSING or self._unpacked(key, stored) is not _MISSING:
                return False
            # One that cannot be loaded is a missing one.
            return bool(self._cache.replace(key, stored, packed, ttl=ttl))
        except CacheError:
            return False

    def inc(self, key: str, delta: int = 1) -> int | None:
        """Add to a number, whose timeout stays, and return the sum; None if that has failed.

        A missing key begins at 0, with the default timeout. In Vercel's Runtime Cache every call
        gives JSON numbers the default timeout anew.
        """
        try:
            return self._counted(key, delta)
        except CacheError:
            return None

    def dec(self, key: str, delta: int = 1) -> int | None:
        """Subtract from a number; see `inc`."""
        return self.inc(key, -delta)

    def delete(self, key: str) -> bool:
        """Remove a value; return whether it existed."""
        try:
            stored = self._cache.pop(key, _MISSING)
        except CacheError:
            return False
        return stored is not _MISSING and self._unpacked(key, stored) is not _MISSING

    def delete_many(self, *keys: str) -> list[Any]:
        """Remove values; return the keys that have no value now.

        Raises:
            RuntimeError: A value could not be removed, and `ignore_delete_many_errors` is False.
        """
        removed = [key for key in keys if self._remove(key)]
        if len(removed) < len(keys) and not self.ignore_delete_many_errors:
            failed = [key for key in keys if key not in removed]
            raise RuntimeError(f"The cache's backend could not delete {failed}.")
        return removed

    def has(self, key: str) -> bool:
        """Return True if the key has a value."""
        return bool(self._find([key]))

    def clear(self) -> bool:
        """Remove every value of the namespace; return whether that succeeded."""
        try:
            self._cache.clear()
        except CacheError:
            return False
        return True

    def _counted(self, key: str, delta: int) -> int | None:
        ttl = self._ttl(None)
        packed = self._packed(key, delta, ttl)
        for _ in range(_ATTEMPTS):
            number: int | None = None
            with suppress(TypeError):  # a pickle, or not a number
                if is_atomic(self._cache.backend):
                    number = self._cache.incr(key, delta)
            if number is not None:
                return number
            if self._cache.add(key, packed, ttl=ttl):
                return delta
            stored = self._cache.get(key, _MISSING)
            if stored is not _MISSING:
                value, left = self._with_ttl(key, stored)
                number = (value or 0) + delta
                if self._cache.replace(key, stored, self._packed(key, number, left), ttl=left):
                    return number
        return None

    def _with_ttl(self, key: str, stored: Any) -> tuple[Any, float | None]:
        """Return a value and its remaining ttl, or the default one where that is unknown."""
        if not _is_pickled(stored):
            return stored, self._ttl(None)
        loaded = self._pickles.loads(key, stored[_PICKLED])
        if loaded is None:
            return None, self._ttl(None)
        expires = loaded.expires
        return loaded.value, None if expires is None else max(0.0, expires - time.time())

    def _remove(self, key: str) -> bool:
        """Remove a value, if it exists; return False if the backend failed."""
        try:
            self._cache.delete(key)
        except CacheError:
            return False
        return True

    def _find(self, keys: Sequence[str]) -> dict[str, Any]:
        """Return the values of keys, without those that are missing or cannot be read."""
        try:
            stored = self._cache.get_many(keys)
        except CacheError:
            return {}
        values = {key: self._unpacked(key, value) for key, value in stored.items()}
        return {key: value for key, value in values.items() if value is not _MISSING}

    def _set_many(
        self,
        mapping: dict[str, Any],
        timeout: int | timedelta | None,
        tags: str | Iterable[str] | None = None,
    ) -> list[Any]:
        ttl = self._ttl(timeout)
        packed = {key: self._packed(key, value, ttl) for key, value in mapping.items()}
        failed = self._storing.set_many(packed, ttl=ttl, tags=tags)
        return [key for key in packed if key not in failed]

    def _ttl(self, timeout: int | timedelta | None) -> float | None:
        """Return a timeout as a ttl; cachelib before 0.17 does not convert a timedelta."""
        seconds = checked_ttl(self.default_timeout if timeout is None else timeout, "timeout")
        return seconds or None

    def _packed(self, key: str, value: Any, ttl: float | None) -> Any:
        if _is_plain(value):
            return value
        if not self._secrets():
            raise RuntimeError(
                f"A value of type {type(value).__name__} is not JSON and must be stored as a "
                "signed pickle. Set SECRET_KEY, or pass secret_key."
            )
        expires = None if ttl is None else time.time() + ttl
        return {_PICKLED: self._pickles.dumps(key, value, expires)}

    def _unpacked(self, key: str, value: Any) -> Any:
        if not _is_pickled(value):
            return value
        loaded = self._pickles.loads(key, value[_PICKLED])
        return _MISSING if loaded is None else loaded.value

    def _secrets(self) -> list[str | bytes]:
        """Return the secrets, first the one that signs; none without an application."""
        if self._secret_key:
            return [self._secret_key]
        app = self._app or (current_app if has_app_context() else None)
        if app is None or not app.secret_key:
            return []
        # Flask before 3.1 has no default for it.
        return [app.secret_key, *(app.config.get("SECRET_KEY_FALLBACKS") or ())]


def _is_pickled(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() == {_PICKLED}


def _is_plain(value: Any) -> bool:
    """Return True if JSON preserves a value, its types included."""
    kind = type(value)
    if kind is dict:
        return all(type(name) is str and _is_plain(child) for name, child in value.items()) and (
            not _is_pickled(value)
        )
    if kind is list:
        return all(map(_is_plain, value))
    return kind in (str, int, bool, type(None)) or (kind is float and math.isfinite(value))
