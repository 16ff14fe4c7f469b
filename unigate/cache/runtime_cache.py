"""`RuntimeCache`, the cache that applications use.

Different keys never share an entry, values are JSON and come out as copies, and a backend that is
down costs a miss. Names and limits are those of Vercel's `vercel.functions`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Any, TypeVar

from . import flights
from .backend import Backend
from .counters import Counters
from .entries import Entries
from .get_or_set import Steps, find_or_make, run_steps
from .keys import key_maker, lock_key, namespace_tag
from .locks import Lock
from .options import Options, checked_stale, checked_tags, checked_ttl
from .selection import check_backend, default_backend, open_backend
from .stale import find_stale_or_make
from .values import encode

if TYPE_CHECKING:
    from datetime import timedelta

T = TypeVar("T")


class RuntimeCache:
    """Cache JSON values by key, with a time to live and tags.

    Args:
        key_hash_function: Makes keys in Vercel's format, `namespace + separator + hash`; only the
            hash keeps different keys apart then. `unigate.cache.vercel.vercel_key_hash` shares
            entries with Vercel's own clients.
        namespace: Caches of different namespaces share no entries, but they share tags.
        namespace_separator: Stands between namespace and key; "$" by default.
        backend: A backend or its URL. By default that of the gateway, of `UNIGATE_CACHE_URL`,
            Vercel's Runtime Cache on Vercel, or the memory of this process.
        strict: Raise CacheError when the backend fails, and for a value of more than 2 MB; the key
            keeps the value that it has then. By default a failure is a miss, with at most one line
            a minute in the log.

    `set`, `delete`, `expire_tag` and `clear` are attempted up to three times. One that has failed
    then is counted in `stats` and logged as an error, because the cache may return old values.

    `add`, `replace`, `remove`, `incr`, `decr`, `touch` and `pop` are atomic over all processes in
    Redis and Valkey, and over all threads in memory. Vercel's Runtime Cache, and other backends
    that are not a `unigate.cache.AtomicBackend`, read and then write. That is atomic over the
    threads of one process only, so do not use them for locks between processes.
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
        if backend is not None:
            check_backend(backend)
        self._full_key = key_maker(key_hash_function, namespace, namespace_separator)
        self._tags = (namespace_tag(namespace),) if namespace else ()
        self._backend = backend
        self._strict = strict
        self._counters = Counters()
        self._latest: Entries | None = None

    @property
    def backend(self) -> Backend:
        """The backend of the next call; it changes with the gateway, and after a fork."""
        if self._backend is None:
            return default_backend()
        return open_backend(self._backend) if isinstance(self._backend, str) else self._backend

    def _entries(self) -> Entries:
        backend, entries = self._backend, self._latest
        if backend is None or isinstance(backend, str):
            backend = self.backend
        if entries is None or entries.backend is not backend:
            entries = self._latest = Entries(
                backend, tags=self._tags, strict=self._strict, counters=self._counters
            )
        return entries

    def get(self, key: str, default: object = None) -> Any:
        """Return a copy of a value, or `default` for a missing key; a value can be None too."""
        found = self._entries().look(self._full_key(key))
        return default if found is None else found[0]

    def set(
        self,
        key: str,
        value: object,
        options: Mapping[str, object] | None = None,
        *,
        ttl: float | timedelta | None = None,
        tags: str | Iterable[str] | None = None,
        name: str | None = None,
    ) -> bool:
        """Store a value and return whether it was stored.

        One of more than 2 MB as JSON, or more than a cache in memory may hold, is not stored, and
        the key has no value then.

        Args:
            key: Any text.
            value: A JSON value; tuples become lists.
            options: Vercel's mapping, with the names of the keywords below, which win over it.
            ttl: Seconds to live. What has 0 or less expires at once, and counts as stored. By
                default it lives as long as there is room, in Redis and Valkey for 30 days at most.
            tags: What `expire_tag` finds the entry by, at most 128 tags of 1 to 256 bytes.
            name: A label for people, shown by Vercel.

        Raises:
            TypeError: The value is not JSON; the message has the place inside it.
            ValueError: The ttl is not a number, or a tag breaks the limits.
            CacheError: The cache is strict, and the backend has failed or the value is over 2 MB.
        """
        checked = Options.checked(options, ttl=ttl, tags=tags, name=name)
        return bool(self._write({self._full_key(key): encode(value)}, checked))

    def add(
        self,
        key: str,
        value: object,
        *,
        ttl: float | timedelta | None = None,
        tags: str | Iterable[str] | None = None,
        name: str | None = None,
    ) -> bool:
        """Store a value unless the key has one; return whether it was stored.

        Of any number of concurrent callers, one gets True. It is False, too, if the backend fails;
        the value may be stored if only the reply was lost. Arguments and errors are those of `set`.
        """
        options = Options.checked(ttl=ttl, tags=tags, name=name)
        full_key, data = self._full_key(key), encode(value)
        entries = self._entries()
        flights.begin_write(entries.backend, [full_key])
        try:
            return entries.add(full_key, data, options)
        finally:
            flights.end_write(entries.backend, [full_key])

    def replace(
        self,
        key: str,
        old: object,
        new: object,
        *,
        ttl: float | timedelta | None = None,
        tags: str | Iterable[str] | None = None,
        name: str | None = None,
    ) -> bool | None:
        """Store a value if the key still has another one, as `get` has returned that.

        Return True if it was stored, False if the key has no value or a different one, and None if
        the backend has failed or the value is too large; a strict cache raises CacheError then. The
        new entry has only the ttl, tags and name that are given here. Arguments and errors are
        those of `set`.
        """
        options = Options.checked(ttl=ttl, tags=tags, name=name)
        full_key, expected, data = self._full_key(key), encode(old), encode(new)
        return self._change(
            full_key, lambda entries: entries.replace(full_key, expected, data, options)
        )

    def remove(self, key: str, old: object) -> bool | None:
        """Remove a value if the key still has it, as `get` has returned it.

        Return True if it was removed, False if the key has no value or a different one, and None if
        the backend has failed.
        """
        full_key, expected = self._full_key(key), encode(old)
        return self._change(full_key, lambda entries: entries.remove(full_key, expected))

    def incr(self, key: str, delta: float = 1) -> Any:
        """Add to a number and return the sum; return None for a missing key.

        The ttl and the tags of the entry stay; a backend that is not atomic removes both. Integers
        are exact. None is also returned if the backend fails.

        Raises:
            TypeError: The value, or `delta`, is not a number.
        """
        if isinstance(delta, bool) or not isinstance(delta, (int, float)):
            raise TypeError(f"delta must be a number, got {delta!r}.")
        full_key = self._full_key(key)
        answer = self._change(full_key, lambda entries: entries.increment(full_key, delta))
        if isinstance(answer, bytes):
            raise TypeError(f"The value of {key!r} must be a number that fits JSON to be counted.")
        return answer

    def decr(self, key: str, delta: float = 1) -> Any:
        """Subtract from a number; see `incr`."""
        return self.incr(key, -delta)

    def touch(self, key: str, ttl: float | timedelta | None = None) -> bool:
        """Give a value a new ttl, from now on; return whether the key has a value.

        Its tags stay, except in a backend that is not atomic. It is False if the backend fails.
        """
        seconds, full_key = checked_ttl(ttl), self._full_key(key)
        return self._change(full_key, lambda entries: entries.touch(full_key, seconds))

    def pop(self, key: str, default: object = None) -> Any:
        """Remove a value and return it, or `default` for a missing key.

        Of any number of concurrent callers, one gets the value.
        """
        full_key, entries = self._full_key(key), self._entries()
        flights.overtake(entries.backend, [full_key])
        entry = entries.pop(full_key)
        return default if entry is None else entry[1]

    def delete(self, key: str) -> None:
        """Remove a value, if it exists."""
        full_key, entries = self._full_key(key), self._entries()
        flights.overtake(entries.backend, [full_key])
        entries.delete([full_key])

    def expire_tag(self, tag: str | Iterable[str]) -> None:
        """Expire the entries with the tag, or one of the tags, in all namespaces."""
        tags, entries = checked_tags(tag), self._entries()
        if tags:
            flights.overtake_tags(entries.backend, tags)
            entries.expire_tags(tags)

    def get_or_set(
        self,
        key: str,
        factory: Callable[[], T],
        *,
        ttl: float | timedelta | None = None,
        tags: str | Iterable[str] | None = None,
        name: str | None = None,
        stale: float | timedelta | None = None,
    ) -> T:
        """Return a value; for a missing key, store and return what `factory` makes.

        Concurrent callers of a missing key, in all threads and tasks of the process, wait for one
        call of one factory. Each gets a copy of its value, or its exception, which is not cached.
        Only a call that would block a running event loop does not wait: it makes the value itself.

        In Redis and Valkey the callers in other processes wait too, and get the value. After 30
        seconds they make it themselves, so factories that wait for each other come to an end; what
        is made so is not stored. Nor is a value whose key was set or deleted, or one of whose tags
        was expired, since its factory was called. If the process ends or fails, another one makes
        the value, at most 5 seconds later.

        Args:
            key: Any text.
            factory: Returns a JSON value, a list rather than a tuple.
            ttl: As for `set`; so are `tags` and `name`.
            stale: Seconds after the ttl in which callers get the old value at once, while one of
                them makes the new one; other methods return the old value too. If its factory
                raises, the error is logged, that caller gets the old value as well, and the next
                attempt is made 30 seconds after this one began. It is for keys that only
                `get_or_set` stores, because what `set` stores may count as stale.

        Raises:
            CacheError: The cache is strict, and the backend has failed or the factory's value is
                too large.
            TimeoutError: The factory of another thread or task has not returned in 300 seconds.
        """
        options = Options.checked(ttl=ttl, tags=tags, name=name)
        may_wait = not _on_event_loop()
        steps = self.get_or_set_steps(key, factory, options, stale, may_wait=may_wait)
        value: T = run_steps(steps)
        return value

    def get_or_set_steps(
        self,
        key: str,
        factory: Callable[[], object],
        options: Options,
        stale: float | timedelta | None,
        *,
        may_wait: bool,
    ) -> Steps:
        """Return the steps of `get_or_set`, for a caller that carries them out its own way.

        See `unigate.cache.get_or_set`; `AsyncRuntimeCache` awaits them.
        """
        full_key, entries = self._full_key(key), self._entries()
        seconds = checked_stale(stale, options)
        if not seconds:
            return find_or_make(entries, full_key, factory, options, may_wait=may_wait)
        return find_stale_or_make(entries, full_key, factory, options, seconds, may_wait=may_wait)

    def lock(
        self, key: str, *, ttl: float | timedelta, blocking_timeout: float | None = None
    ) -> Lock:
        """Return a lock, which is a context manager: `with cache.lock("report", ttl=60):`.

        In Redis and Valkey one holder has it over all processes; in memory, over all threads of
        this process. Vercel's Runtime Cache cannot lock and raises CacheError.

        A lock ends after its ttl, even while its holder works on; then its release raises
        LockError. It also ends early if the server loses it: in a restart, in a failover to a
        replica that has not received it, by eviction, or by `clear` of a cache without a namespace.
        So use it to avoid work that is done twice, and where two holders would do harm, also check
        in the store that you write to.

        Args:
            key: Any text. A value under the same key is independent.
            ttl: Seconds after which the lock ends, above 0; choose more than the work takes.
            blocking_timeout: Seconds to wait for the lock, then `with` raises LockError; by default
                as many as `ttl`. 0 makes one attempt.
        """
        return Lock(
            lock_key(self._full_key(key)),
            ttl=ttl,
            blocking_timeout=blocking_timeout,
            entries=self._entries_of_locks,
        )

    def _entries_of_locks(self) -> Entries:
        """Return entries that raise, and that `clear` of the namespace does not remove."""
        return Entries(self.backend, tags=(), strict=True, counters=Counters())

    def get_many(self, keys: Iterable[str]) -> dict[str, Any]:
        """Return the values of keys, without those that are missing."""
        full_keys = {key: self._full_key(key) for key in keys}
        values = self._entries().look_many(list(full_keys.values()))
        pairs = zip(full_keys, values, strict=True)
        return {key: found[0] for key, found in pairs if found is not None}

    def set_many(
        self,
        values: Mapping[str, object],
        options: Mapping[str, object] | None = None,
        *,
        ttl: float | timedelta | None = None,
        tags: str | Iterable[str] | None = None,
    ) -> list[str]:
        """Store values with the same ttl and tags; return the keys of those that were not stored.

        The rest is as with `set`. A strict cache stores none of them if one is too large.
        """
        checked = Options.checked(options, ttl=ttl, tags=tags)
        full_keys = {key: self._full_key(key) for key in values}
        stored = self._write({full_keys[key]: encode(values[key]) for key in values}, checked)
        return [key for key in values if full_keys[key] not in stored]

    def clear(self) -> None:
        """Remove every value of the namespace; without a namespace, of the whole backend."""
        entries = self._entries()
        flights.overtake_tags(entries.backend, self._tags or None)
        entries.clear()

    def stats(self) -> dict[str, int]:
        """Return the hits, misses, sets and errors of this object.

        `unconfirmed` counts each `set`, `delete`, `expire_tag` and `clear` that has failed in a way
        that old values may be returned. `entries` and `bytes` are added where the backend has a
        method `size`.
        """
        size: Callable[[], dict[str, int]] = getattr(self.backend, "size", dict)
        return {**self._counters.read(), **size()}

    def __contains__(self, key: str) -> bool:
        """Return True if the key has a value, which may be None."""
        full_key = self._full_key(key)
        return self._entries().find(full_key) is not None

    def __getitem__(self, key: str) -> Any:
        found = self._entries().look(self._full_key(key))
        if found is None:
            raise KeyError(key)
        return found[0]

    def __setitem__(self, key: str, value: object) -> None:
        self.set(key, value)

    def __delitem__(self, key: str) -> None:
        self.delete(key)

    __iter__ = None  # backends cannot list their keys

    def _write(self, values: Mapping[str, bytes], options: Options) -> AbstractSet[str]:
        entries = self._entries()
        flights.begin_write(entries.backend, values)
        try:
            return entries.write(values, options)
        finally:
            flights.end_write(entries.backend, values)

    def _change(self, full_key: str, change: Callable[[Entries], T]) -> T:
        """Make a change of an entry, and overtake a flight of its key if there is an entry.

        What stored the entry has overtaken the flights before it, so this need not come first.
        """
        entries = self._entries()
        answer = change(entries)
        if answer is not None and answer is not False:
            flights.overtake(entries.backend, [full_key])
        return answer


def _on_event_loop() -> bool:
    # Without importing asyncio: unless something else has, no event loop is running.
    running = getattr(sys.modules.get("asyncio"), "_get_running_loop", None)
    return running is not None and running() is not None
