"""The cache that applications use: `RuntimeCache`.

Keys never share an entry, values are JSON and come out as copies, and a backend that is down costs
a miss. Names and limits are those of Vercel's `vercel.functions`.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable, Generator, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from unigate.errors import CacheError

from . import flights
from .backend import Backend
from .guard import guard_of
from .keys import key_maker, namespace_tag
from .options import MAX_BYTES, Options, checked_tags
from .selection import default_backend, open_backend
from .values import decode, encode

if TYPE_CHECKING:
    from datetime import timedelta

T = TypeVar("T")
Steps = Generator[tuple[str, Any], Any, Any]
_log = logging.getLogger("unigate")


class RuntimeCache:
    """Keep JSON values for a while, by key and by tag.

    `backend` is a backend or its URL; without one it is that of the gateway, of
    `UNIGATE_CACHE_URL`, Vercel's where we run there, or this process's memory. Caches of different
    namespaces share their tags, but no entries. A `key_hash_function` makes keys in Vercel's
    format, `namespace + separator + hash`, and is then what keeps them apart; with
    `unigate.cache.vercel.vercel_key_hash` entries are shared with Vercel's own clients.

    A backend that is down costs a miss and a line in the log, or a CacheError if `strict`.
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
        self._full_key = key_maker(key_hash_function, namespace, namespace_separator)
        self._own_tags = (namespace_tag(namespace),) if namespace else ()
        self._given = backend
        self._strict = strict
        self._counts = {"hits": 0, "misses": 0, "sets": 0, "errors": 0}
        self._lock = threading.Lock()

    @property
    def backend(self) -> Backend:
        """The backend for what is asked now: after a fork, and under a gateway, another one."""
        if self._given is None:
            return default_backend()
        return open_backend(self._given) if isinstance(self._given, str) else self._given

    def get(self, key: str, default: Any = None) -> Any:
        """Return a copy of a value, `default` where there is none; a value can be None as well."""
        found = self._look(self.backend, self._full_key(key))
        return default if found is None else found[1]

    def set(
        self,
        key: str,
        value: Any,
        options: Mapping[str, Any] | None = None,
        *,
        ttl: float | timedelta | None = None,
        tags: str | Iterable[str] | None = None,
        name: str | None = None,
    ) -> None:
        """Keep a value for `ttl` seconds, or as long as there is room.

        Options are keywords, or Vercel's mapping with the same names. A ttl of 0 has expired at
        once. More than 2 MB are not kept, with a warning.
        """
        chosen = Options.checked(options, ttl=ttl, tags=tags, name=name)
        self._set({self._full_key(key): encode(value)}, chosen)

    def delete(self, key: str) -> None:
        """Remove a value; without a word where there is none."""
        full, backend = self._full_key(key), self.backend
        flights.overtake(backend, [full])
        self._guarded(backend, lambda: backend.delete([full]), None)

    def expire_tag(self, tag: str | Iterable[str]) -> None:
        """Expire what was stored with the tag, or one of the tags, in all namespaces."""
        tags, backend = checked_tags(tag), self.backend
        if tags:
            flights.overtake_tags(backend, tags)
            self._guarded(backend, lambda: backend.expire_tags(tags), None)

    def get_or_set(
        self,
        key: str,
        factory: Callable[[], Any],
        *,
        ttl: float | timedelta | None = None,
        tags: str | Iterable[str] | None = None,
        name: str | None = None,
    ) -> Any:
        """Return a value, made by `factory` where there is none.

        Who misses it at the same time, in any thread or task of this process, waits for the one
        call of one factory, and gets a copy of its value or its exception, which is not kept. Only
        a call that would block a running event loop does not wait: it makes the value itself.
        """
        may_wait = not _on_event_loop()
        steps = self._get_or_set(
            key, factory, Options.checked(ttl=ttl, tags=tags, name=name), may_wait
        )
        try:
            kind, what = next(steps)
            while True:
                try:
                    result = what.data.result() if kind == "wait" else what()
                    if kind == "make" and hasattr(result, "__await__"):
                        _close(result)
                        raise TypeError("The factory is asynchronous: use AsyncRuntimeCache.")
                except BaseException as error:
                    kind, what = steps.throw(error)
                else:
                    kind, what = steps.send(result)
        except StopIteration as end:
            return end.value

    def get_many(self, keys: Iterable[str]) -> dict[str, Any]:
        """Return the values that there are, by key."""
        full = {key: self._full_key(key) for key in keys}
        backend = self.backend
        wanted = list(full.values())
        data: dict[str, bytes] = {}
        if wanted:
            data = self._guarded(backend, lambda: backend.get_many(wanted), data)
        found = {key: self._read(backend, data.get(full[key])) for key in full}
        values = {key: each[1] for key, each in found.items() if each is not None}
        self._count(hits=len(values), misses=len(full) - len(values))
        return values

    def set_many(
        self,
        values: Mapping[str, Any],
        options: Mapping[str, Any] | None = None,
        *,
        ttl: float | timedelta | None = None,
        tags: str | Iterable[str] | None = None,
    ) -> None:
        """Keep values with the same life and tags, as `set` does."""
        chosen = Options.checked(options, ttl=ttl, tags=tags)
        self._set({self._full_key(key): encode(value) for key, value in values.items()}, chosen)

    def clear(self) -> None:
        """Remove every value of the namespace, without one every value of the backend."""
        backend, own = self.backend, self._own_tags
        flights.overtake_tags(backend, own or None)
        self._guarded(backend, lambda: backend.expire_tags(own) if own else backend.clear(), None)

    def stats(self) -> dict[str, int]:
        """Return the hits, misses, sets and errors of this object, and what the backend holds.

        `entries` and `bytes` are there where the backend knows them.
        """
        size: Callable[[], dict[str, int]] = getattr(self.backend, "size", dict)
        with self._lock:
            return {**self._counts, **size()}

    def __contains__(self, key: str) -> bool:
        """Tell whether there is a value, which may be None."""
        full, backend = self._full_key(key), self.backend
        return self._read(backend, self._fetch(backend, full)) is not None

    def __getitem__(self, key: str) -> Any:
        found = self._look(self.backend, self._full_key(key))
        if found is None:
            raise KeyError(key)
        return found[1]

    def __setitem__(self, key: str, value: Any) -> None:
        self.set(key, value)

    def __delitem__(self, key: str) -> None:
        self.delete(key)

    __iter__ = None  # a cache cannot tell its keys

    def _get_or_set(
        self, key: str, factory: Callable[[], Any], options: Options, may_wait: bool
    ) -> Steps:
        """Say step by step what `get_or_set` does; how it is done depends on the colour.

        The steps are to "call" a function that may wait for the network, to "make" a value with
        a function of the caller, and to "wait" for a flight.
        """
        full, backend = self._full_key(key), self.backend
        tags = options.tags + self._own_tags
        while True:
            changes = flights.changes
            found = yield "call", partial(self._look, backend, full)
            if found is not None:
                return found[1]
            flight, leads = flights.join(backend, full, tags, may_wait=may_wait)
            if flight is None:
                return decode(encode((yield "make", factory)))
            try:
                if leads:
                    again = changes != flights.changes
                    return (yield from self._lead(flight, factory, options, again))
                data = yield "wait", flight
                if data is not None:
                    return decode(data)
            finally:
                flights.leave(flight)

    def _lead(
        self, flight: flights.Flight, factory: Callable[[], Any], options: Options, again: bool
    ) -> Steps:
        outer = flights.leading.get()
        flights.leading.set(flight)
        try:
            found = None
            if again:  # something has changed since we looked, perhaps this key
                found = yield "call", partial(self._look, flight.backend, flight.key)
            data = encode((yield "make", factory)) if found is None else found[0]
        except BaseException as error:
            flight.end()
            flight.fail(error)
            raise
        finally:
            flights.leading.set(outer)
        # Before it is stored: the others need not wait for that.
        flight.data.set_result(data)
        try:
            if found is None:
                yield "call", partial(self._land, flight, data, options)
        finally:
            # Not while another thread stores it, which happens when this task was cancelled.
            if flight.storing.acquire(blocking=False):
                flight.overtaken = True
                flight.storing.release()
                flight.end()
        return decode(data)

    def _land(self, flight: flights.Flight, data: bytes, options: Options) -> None:
        try:
            with flight.storing:
                if not flight.overtaken:
                    self._store(flight.backend, {flight.key: data}, options)
        finally:
            flight.end()

    def _set(self, values: Mapping[str, bytes], options: Options) -> None:
        backend = self.backend
        flights.begin_write(backend, values)
        try:
            self._store(backend, values, options)
        finally:
            flights.end_write(backend, values)

    def _store(self, backend: Backend, values: Mapping[str, bytes], options: Options) -> None:
        kept = {}
        for key, data in values.items():
            if len(data) > MAX_BYTES:
                _log.warning("Not cached: %r has %d bytes, over 2 MB.", key, len(data))
            elif options.ttl != 0:
                kept[key] = data
        if len(kept) < len(values):  # what was there before is not the value any more
            gone = values.keys() - kept.keys()
            self._guarded(backend, lambda: backend.delete(gone), None)
        tags, ttl = options.tags + self._own_tags, options.ttl
        if self._guarded(
            backend, lambda: self._write(backend, kept, ttl, tags, options.name), False
        ):
            self._count(sets=len(kept))

    @staticmethod
    def _write(
        backend: Backend,
        values: Mapping[str, bytes],
        ttl: float | None,
        tags: tuple[str, ...],
        name: str | None,
    ) -> bool:
        if len(values) == 1:
            ((key, data),) = values.items()
            backend.set(key, data, ttl=ttl, tags=tags, name=name)
        elif values:
            backend.set_many(values, ttl=ttl, tags=tags)
        return True

    def _look(self, backend: Backend, full: str) -> tuple[bytes, Any] | None:
        found = self._read(backend, self._fetch(backend, full))
        if found is None:
            self._count(misses=1)
        else:
            self._count(hits=1)
        return found

    def _fetch(self, backend: Backend, full: str) -> bytes | None:
        return self._guarded(backend, lambda: backend.get(full), None)

    def _read(self, backend: Backend, data: bytes | None) -> tuple[bytes, Any] | None:
        if data is None:
            return None
        try:
            return data, decode(data)
        except (ValueError, RecursionError) as error:
            guard_of(backend).report(error)
            self._count(errors=1)
            if self._strict:
                raise CacheError(f"What the cache holds is not JSON: {error}") from error
            return None

    def _guarded(self, backend: Backend, call: Callable[[], T], otherwise: T) -> T:
        try:
            return guard_of(backend).run(call)
        except CacheError:
            self._count(errors=1)
            if self._strict:
                raise
            return otherwise

    def _count(self, **more: int) -> None:
        with self._lock:
            for name, number in more.items():
                self._counts[name] += number


def _on_event_loop() -> bool:
    # Without importing asyncio: if nobody has, there is no event loop.
    running = getattr(sys.modules.get("asyncio"), "_get_running_loop", None)
    return running is not None and running() is not None


def _close(awaitable: Any) -> None:
    getattr(awaitable, "close", lambda: None)()
