"""The runtime cache for what takes a class of cachelib: Flask-Caching and Flask-Session.

    app.config["CACHE_TYPE"] = "flask_unigate.cache.RuntimeCache"    # Flask-Caching
    app.config["SESSION_CACHELIB"] = RuntimeCache(namespace="session")    # Flask-Session

Values that JSON can say exactly are kept as JSON, so that other users of the same cache can read
them. Everything else (responses, tuples, Markup, objects) is pickled. Whoever can write to a cache
could run code through a pickle, so each is signed with the application's SECRET_KEY and for its own
key, and is not loaded unless the signature is right: what is forged or moved is a miss. Without a
SECRET_KEY only JSON can be kept. Nothing is encrypted: whoever can read the cache, can read it all.
"""

from __future__ import annotations

import logging
import math
import pickle
from base64 import b64decode, b64encode
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from cachelib import BaseCache
from flask import Flask, current_app, has_app_context
from itsdangerous import BadData, Signer

import unigate
from unigate import CacheError

if TYPE_CHECKING:
    from datetime import timedelta

    from unigate.cache import Backend

_log = logging.getLogger("unigate")

# The one member of an object that stands for a pickled value.
_PICKLED = "flask_unigate.pickled"


class RuntimeCache(BaseCache):
    """The runtime cache behind cachelib's methods.

    Flask-Caching passes what it passes to any factory: the application, its configuration, and
    CACHE_ARGS and CACHE_OPTIONS, which may have the keywords below. CACHE_KEY_PREFIX is then the
    namespace.

    default_timeout: seconds; 0, there and in every method, keeps a value as long as there is room.
    namespace: caches of different namespaces share no entries, and `clear` empties only its own.
    backend: a backend or its URL; by default the application's UNIGATE_CACHE, else that of the
        gateway or of the environment.
    secret_key: what pickled values are signed with; by default the application's SECRET_KEY.

    `add`, `inc` and `dec` read and then write: of two at the same time, one can get lost.
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
        super().__init__(default_timeout, ignore_delete_many_errors)
        self._secret_key = secret_key
        # Strict, because cachelib's methods tell whether they have worked.
        self._cache = unigate.RuntimeCache(
            namespace=namespace or "flask", backend=backend, strict=True
        )

    def get(self, key: str) -> Any:
        """Return a value, None where there is none or it cannot be read."""
        return self.get_many(key)[0]

    def get_many(self, *keys: str) -> list[Any]:
        """Return the values of keys, None for each that has none; one call of the backend."""
        try:
            found = self._cache.get_many(keys)
        except CacheError:
            found = {}
        return [self._unpacked(key, found.get(key)) for key in keys]

    def set(
        self,
        key: str,
        value: Any,
        timeout: int | timedelta | None = None,
        *,
        tags: str | Iterable[str] | None = None,
    ) -> bool:
        """Keep a value, with tags if `RuntimeCache.expire_tag` shall expire it.

        Raises RuntimeError for what must be pickled where there is no SECRET_KEY.
        """
        packed = {key: self._packed(key, value)}
        return bool(self._set_many(packed, timeout, tags))

    def set_many(
        self, mapping: dict[str, Any], timeout: int | timedelta | None = None
    ) -> list[Any]:
        """Keep values; return the keys of those that were kept."""
        packed = {key: self._packed(key, value) for key, value in mapping.items()}
        return self._set_many(packed, timeout)

    def add(self, key: str, value: Any, timeout: int | timedelta | None = None) -> bool:
        """Keep a value where there is none."""
        return not self.has(key) and self.set(key, value, timeout)

    def delete(self, key: str) -> bool:
        """Remove a value; tell whether there was one."""
        try:
            there = key in self._cache
            self._cache.delete(key)
        except CacheError:
            return False
        return there

    def has(self, key: str) -> bool:
        """Tell whether there is a value."""
        try:
            return key in self._cache
        except CacheError:
            return False

    def clear(self) -> bool:
        """Remove every value of the namespace."""
        try:
            self._cache.clear()
        except CacheError:
            return False
        return True

    def _set_many(
        self,
        packed: dict[str, Any],
        timeout: int | timedelta | None,
        tags: str | Iterable[str] | None = None,
    ) -> list[Any]:
        seconds = self._normalize_timeout(timeout)
        try:
            self._cache.set_many(packed, ttl=seconds if seconds > 0 else None, tags=tags)
        except CacheError:
            return []
        return list(packed)

    def _packed(self, key: str, value: Any) -> Any:
        if _is_plain(value):
            return value
        signer = self._signer(key)
        if signer is None:
            raise RuntimeError(
                f"A value of type {type(value).__name__} is no JSON, and can only be kept as a "
                "signed pickle. Set SECRET_KEY, or pass secret_key."
            )
        return {_PICKLED: b64encode(signer.sign(pickle.dumps(value))).decode("ascii")}

    def _unpacked(self, key: str, value: Any) -> Any:
        if not (isinstance(value, dict) and value.keys() == {_PICKLED}):
            return value
        signer = self._signer(key)
        if signer is None:
            return None
        try:
            return pickle.loads(signer.unsign(b64decode(value[_PICKLED])))
        except BadData:
            _log.warning("Not loaded from the cache: the signature of %r is not ours.", key)
        except Exception as error:  # of a class that has changed since, for example
            _log.warning("Not loaded from the cache: %r cannot be unpickled: %r", key, error)
        return None

    def _signer(self, key: str) -> Signer | None:
        app = self._app or (current_app if has_app_context() else None)
        secret = self._secret_key or (app and app.secret_key)
        if not secret:
            return None
        salt = f"flask_unigate.cache {key}".encode("utf-8", "surrogatepass")
        return Signer(secret, salt, key_derivation="hmac")


def _is_plain(value: Any) -> bool:
    """Tell whether a value comes out of JSON as it went in: its own type included."""
    kind = type(value)
    if kind is dict:
        return all(type(name) is str and _is_plain(child) for name, child in value.items()) and (
            value.keys() != {_PICKLED}
        )
    if kind is list:
        return all(map(_is_plain, value))
    return kind in (str, int, bool, type(None)) or (kind is float and math.isfinite(value))
