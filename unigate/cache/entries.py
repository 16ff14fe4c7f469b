"""The entries of a cache in its backend: values as JSON, failures as misses, both counted."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from typing import Any, NamedTuple

from unigate.errors import CacheError

from .backend import Backend, Lease, is_atomic, is_leasing, is_loading
from .changes import Changes
from .counters import Counters, Failures
from .emulation import Emulation
from .guard import guard_of
from .options import MAX_BYTES, Options
from .values import decode

_log = logging.getLogger("unigate")

SHORTEST = 0.001
"""The ttl in seconds of a value that replaces another and expires at once."""

Entry = tuple[bytes, Any]
"""The bytes in the backend and the value decoded from them."""

Found = tuple[Any] | None
"""A value, which may be None, in a tuple; None for a missing key."""


class Claim(NamedTuple):
    """The answer to a caller that wants to make a missing value."""

    entry: Entry | None = None
    """The value, if the key has one by now."""

    lease: Lease | None = None
    """A lease; without one, the value that the caller makes is not stored."""

    held: bool = False
    """Whether another process has the lease."""


class Entries:
    """The entries of one cache in one backend.

    Args:
        backend: The store.
        tags: Tags that every entry has in addition to its options.
        strict: Raise CacheError where the backend fails, an entry is not JSON, or a value is over
            the limit. Otherwise a read is a miss then, and a write returns that it was not done.
        counters: The counters of the cache.
    """

    def __init__(
        self, backend: Backend, *, tags: tuple[str, ...], strict: bool, counters: Counters
    ) -> None:
        self.backend = backend
        self.tags = tags
        self._atomic = backend if is_atomic(backend) else Emulation(backend, tags)
        self._leasing = backend if is_leasing(backend) else None
        self._loading = backend if is_loading(backend) else None
        self._guard = guard_of(backend)
        self._changes = Changes(self._guard)
        self._strict = strict
        self._failures = Failures(strict, counters)
        self._counters = counters

    def look(self, key: str) -> Found:
        """Return a value and count a hit, or return None and count a miss."""
        found = self.find(key)
        (self._counters.misses if found is None else self._counters.hits).add_one()
        return found

    def look_many(self, keys: Sequence[str]) -> list[Found]:
        """Return the value of each key, None for a miss, and count them; one backend call."""
        values: list[Found]
        if self._loading is not None:
            values = [self.find(key) for key in keys]
        else:
            data = self._data(keys) if keys else {}
            values = [_found(self._decoded(data.get(key))) for key in keys]
        misses = values.count(None)
        self._counters.hits.add(len(values) - misses)
        self._counters.misses.add(misses)
        return values

    def look_beside(self, key: str, other: str) -> tuple[Entry | None, bool]:
        """Do as `look`, and also return whether another key has an entry; one backend call."""
        data = self._data([key, other])
        entry = self._decoded(data.get(key))
        (self._counters.misses if entry is None else self._counters.hits).add_one()
        return entry, other in data

    def _data(self, keys: Sequence[str]) -> dict[str, bytes]:
        data: dict[str, bytes] = {}
        with self._failures, self._guard:
            data = self.backend.get_many(keys)
        return data

    def find(self, key: str) -> Found:
        """Return a value or None, without counting a hit or a miss."""
        if self._loading is not None:
            try:
                return self._loading.load(key)
            except (ValueError, RecursionError):
                pass  # it is not JSON, which is reported below
        data = None
        with self._failures, self._guard:
            data = self.backend.get(key)
        return _found(self._decoded(data))

    def write(self, values: Mapping[str, bytes], options: Options) -> AbstractSet[str]:
        """Store JSON values and return the keys of those that are stored.

        The old values of the others are removed, since they are out of date. Values over 2 MB are
        not stored: if strict, none is, and the old ones stay. With a ttl of 0, all have been stored
        and have expired.
        """
        if options.ttl == 0:
            return set(values) if self.delete(values) else set()
        kept = values
        for data in values.values():
            if len(data) > MAX_BYTES:
                kept = {key: data for key, data in values.items() if self.fits(data)}
                self.delete(values.keys() - kept.keys())
                break
        return self._write(kept, options) if kept else set()

    def _write(self, values: Mapping[str, bytes], options: Options) -> AbstractSet[str]:
        with self._failures:
            try:
                refused = self._changes.make(self._store, values, options)
            except CacheError as error:
                self._discard(list(values), error)
                raise
            stored = values.keys() - refused if refused else values.keys()
            self._counters.sets.add(len(stored))
            return stored
        return set()

    def _store(self, values: Mapping[str, bytes], options: Options) -> Collection[str] | None:
        ttl, tags = options.ttl, options.tags + self.tags
        if len(values) > 1:
            return self.backend.set_many(values, ttl=ttl, tags=tags)
        ((key, data),) = values.items()
        stored = self.backend.set(key, data, ttl=ttl, tags=tags, name=options.name)
        return (key,) if stored is False else None

    def _discard(self, keys: list[str], error: CacheError) -> None:
        """Remove the old values of keys whose new ones could not be stored."""
        try:
            with self._guard:
                self.backend.delete(keys)
        except CacheError:
            self._report("a set", error)

    def leases(self, options: Options) -> bool:
        """Return True if values are made under a lease."""
        return self._leasing is not None and options.ttl != 0

    def claim(self, key: str, options: Options) -> Claim:
        """Ask for a lease, and count a hit if there is an entry by now."""
        claim = Claim()
        with self._failures, self._guard:
            claim = self._claim(key, options)
        self._counters.hits.add(claim.entry is not None)
        return claim

    def _claim(self, key: str, options: Options) -> Claim:
        if self._leasing is None:
            return Claim()
        ttl, tags = options.ttl, options.tags + self.tags
        answer = self._leasing.lease(key, ttl=ttl, tags=tags)
        if isinstance(answer, bytes):
            entry = self._decoded(answer)
            if entry is not None:
                return Claim(entry)
            self._atomic.remove(key, answer)  # it is not JSON
            answer = self._leasing.lease(key, ttl=ttl, tags=tags)
        if isinstance(answer, bytes):
            return Claim(self._decoded(answer))
        return Claim(lease=answer, held=answer is None)

    def land(self, lease: Lease, data: bytes) -> None:
        """Store the JSON value that was made under a lease, unless the key has changed."""
        if not self.fits(data):
            self.release(lease)
            return
        try:
            with self._failures, self._guard:
                self._counters.sets.add(lease.store(data))
        finally:
            lease.abandon()  # the guard may allow no call

    def release(self, lease: Lease) -> None:
        """Let another caller make the value."""
        lease.abandon()
        with suppress(CacheError), self._guard:
            lease.release()

    def add(self, key: str, data: bytes, options: Options) -> bool:
        """Store a JSON value unless there is an entry; return whether it was stored."""
        if not self.fits(data):
            return False
        if options.ttl == 0:
            return self.find(key) is None
        added, tags = False, options.tags + self.tags
        with self._failures, self._guard:
            added = self._atomic.add(key, data, ttl=options.ttl, tags=tags, name=options.name)
        self._counters.sets.add(added)
        return added

    def replace(self, key: str, old: bytes, new: bytes, options: Options) -> bool | None:
        """Store a JSON value in place of another; None if that has failed, or it is too large."""
        if not self.fits(new):
            return None
        ttl = SHORTEST if options.ttl == 0 else options.ttl
        replaced, tags = None, options.tags + self.tags
        with self._failures, self._guard:
            replaced = self._atomic.replace(key, old, new, ttl=ttl, tags=tags, name=options.name)
        self._counters.sets.add(bool(replaced))
        return replaced

    def remove(self, key: str, old: bytes) -> bool | None:
        """Remove an entry with a JSON value; None if that has failed."""
        removed = None
        with self._failures, self._guard:
            removed = self._atomic.remove(key, old)
        return removed

    def increment(self, key: str, delta: float) -> float | bytes | None:
        """Add to a JSON number; see `AtomicBackend`. None is also returned after a failure."""
        answer = None
        with self._failures, self._guard:
            answer = self._atomic.increment(key, delta)
        return answer

    def touch(self, key: str, ttl: float | None) -> bool:
        """Give an entry a new ttl; return whether there is one."""
        if ttl == 0:
            return self.pop(key) is not None
        touched = False
        with self._failures, self._guard:
            touched = self._atomic.touch(key, ttl)
        return touched

    def pop(self, key: str) -> Entry | None:
        """Remove and return an entry."""
        data = None
        with self._failures:
            try:
                with self._guard:
                    data = self._atomic.pop(key)
            except CacheError:
                self._make("a delete", lambda: self.backend.delete([key]))
                raise
        return self._decoded(data)

    def delete(self, keys: Iterable[str]) -> bool:
        """Remove entries; return whether that succeeded."""
        names = list(keys)
        return self._done("a delete", lambda: self.backend.delete(names))

    def expire_tags(self, tags: Sequence[str]) -> bool:
        """Expire every entry of the backend that has one of the tags; return the success."""
        return self._done("an expire_tag", lambda: self.backend.expire_tags(tags))

    def clear(self) -> bool:
        """Remove the entries with the tags of this cache; without tags, all of the backend."""
        if self.tags:
            return self.expire_tags(self.tags)
        return self._done("a clear", lambda: self.backend.clear())

    def _done(self, name: str, change: Callable[[], object]) -> bool:
        done = False
        with self._failures:
            self._make(name, change)
            done = True
        return done

    def _make(self, name: str, change: Callable[[], object]) -> None:
        try:
            self._changes.make(change)
        except CacheError as error:
            self._report(name, error)
            raise

    def _report(self, name: str, error: CacheError) -> None:
        self._counters.unconfirmed.add_one()
        self._changes.report(name, error)

    def _decoded(self, data: bytes | None) -> Entry | None:
        if data is None:
            return None
        try:
            return data, decode(data)
        except (ValueError, RecursionError) as error:
            self._guard.report(error)
            with self._failures:
                raise CacheError(f"An entry of the cache is not JSON: {error}") from error
        return None

    def fits(self, data: bytes) -> bool:
        """Return True if a JSON value is within the limit of 2 MB.

        One that is not is logged, without its key, which can be a secret such as that of a session.

        Raises:
            CacheError: It is not, and the cache is strict.
        """
        if len(data) <= MAX_BYTES:
            return True
        if self._strict:
            with self._failures:
                raise CacheError(
                    f"A value must have at most {MAX_BYTES} bytes as JSON (2 MB), got {len(data)}; "
                    "it was not stored. Split it over several keys, or keep it in another store."
                )
        if self._guard.may_log("size"):
            _log.warning(
                "Not cached: a value has %d bytes as JSON, and the limit is %d (2 MB).",
                len(data),
                MAX_BYTES,
            )
        return False


def _found(entry: Entry | None) -> Found:
    return None if entry is None else entry[1:]
