"""Backend in the memory of this process."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from sys import getsizeof
from typing import Any

from .memory_entries import Entry, Tag, after_first_read
from .values import decode, increased

# Memory besides the key and the value (measured on CPython 3.11 to 3.13): of an entry and its slot
# in the table, of a tag with its set, and of the slot of an entry under a tag.
ENTRY_BYTES = 210
TAG_BYTES = 300
TAGGED_BYTES = 80

# Entries of expired tags that one write removes: more than it adds.
REMOVED_AT_ONCE = 4


class MemoryBackend:
    """Store values in memory; when it is full, evict the least recently used.

    Args:
        max_bytes: The limit for keys, values and tags, Python's overhead included.
        clock: Returns the current time in seconds.
    """

    waits = False

    # The wall clock: others stop while the platform has the process frozen as a snapshot.
    def __init__(
        self, max_bytes: int = 64 * 1024 * 1024, *, clock: Callable[[], float] = time.time
    ) -> None:
        if max_bytes <= 0:
            raise ValueError(f"max_bytes must be above 0, got {max_bytes}.")
        self._max_bytes = max_bytes
        self._clock = clock
        self._lock = threading.Lock()
        self._empty()

    def _empty(self) -> None:
        self._entries: OrderedDict[str, Entry] = OrderedDict()
        self._tags: dict[str, Tag] = {}
        self._expired: list[Tag] = []  # expired tags that still have entries
        self._bytes = 0

    def get(self, key: str) -> bytes | None:
        with self._lock:
            return self._stored(key)

    def load(self, key: str) -> tuple[Any] | None:
        """Return a copy of the value whose JSON is stored; see `LoadingBackend`."""
        # Without the lock, because each operation on the entries is one call of C, which no other
        # thread interrupts.
        entry = self._entries.get(key)
        if entry is None:
            return None
        if self._is_over(entry):
            with self._lock:
                data = self._stored(key)  # None, unless another thread has set it since
            return None if data is None else (decode(data),)
        try:
            self._entries.move_to_end(key)
        except KeyError:  # another thread has just removed it
            return None
        return self._first_load(key, entry) if entry.load is None else (entry.load(entry.data),)

    def _first_load(self, key: str, entry: Entry) -> tuple[Any]:
        value = decode(entry.data)
        kind, data = after_first_read(entry, value)
        with self._lock:
            if self._entries.get(key) is entry:
                self._entries[key] = kind(data, entry.expires, entry.tags, entry.cost)
        return (value,)

    def get_many(self, keys: Sequence[str]) -> dict[str, bytes]:
        with self._lock:
            values = ((key, self._stored(key)) for key in keys)
            return {key: value for key, value in values if value is not None}

    def _stored(self, key: str) -> bytes | None:
        entry = self._entry(key)
        return None if entry is None else entry.stored()

    def _entry(self, key: str) -> Entry | None:
        """Return an entry as the most recently used; remove it if it has expired."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if self._is_over(entry):
            self._remove(key)
            return None
        self._entries.move_to_end(key)
        return entry

    def _is_over(self, entry: Entry) -> bool:
        if entry.expires is not None and entry.expires <= self._clock():
            return True
        for tag in entry.tags:  # noqa: SIM110 - `any` takes as long as the rest of a read
            if tag.expired:
                return True
        return False

    def set(
        self, key: str, value: bytes, *, ttl: float | None, tags: Sequence[str], name: str | None
    ) -> bool:
        with self._lock:
            return self._set(key, value, self._end(ttl), tags)

    def set_many(
        self, values: Mapping[str, bytes], *, ttl: float | None, tags: Sequence[str]
    ) -> list[str]:
        end = self._end(ttl)
        with self._lock:
            return [key for key, value in values.items() if not self._set(key, value, end, tags)]

    def add(
        self, key: str, value: bytes, *, ttl: float | None, tags: Sequence[str], name: str | None
    ) -> bool:
        with self._lock:
            return self._entry(key) is None and self._set(key, value, self._end(ttl), tags)

    def replace(
        self,
        key: str,
        old: bytes,
        new: bytes,
        *,
        ttl: float | None,
        tags: Sequence[str],
        name: str | None,
    ) -> bool:
        with self._lock:
            if self._stored(key) != old:
                return False
            self._require_room(key, new, tags)
            return self._set(key, new, self._end(ttl), tags)

    def remove(self, key: str, old: bytes) -> bool:
        with self._lock:
            found = self._stored(key) == old
            if found:
                self._remove(key)
            return found

    def increment(self, key: str, delta: float) -> float | bytes | None:
        with self._lock:
            entry = self._entry(key)
            if entry is None:
                return None
            changed = increased(value := entry.stored(), delta)
            if changed is None:
                return value
            tags = [tag.name for tag in entry.tags]
            self._require_room(key, changed[1], tags)
            self._set(key, changed[1], entry.expires, tags)
            return changed[0]

    def touch(self, key: str, ttl: float | None) -> bool:
        with self._lock:
            entry = self._entry(key)
            if entry is not None:
                entry.expires = self._end(ttl)
            return entry is not None

    def pop(self, key: str) -> bytes | None:
        with self._lock:
            value = self._stored(key)
            self._remove(key)
            return value

    def delete(self, keys: Iterable[str]) -> None:
        with self._lock:
            for key in keys:
                self._remove(key)

    def expire_tags(self, tags: Sequence[str]) -> None:
        with self._lock:
            for name in tags:
                tag = self._tags.pop(name, None)
                if tag is not None:
                    tag.expired = True
                    self._expired.append(tag)

    def clear(self) -> None:
        with self._lock:
            self._empty()

    def close(self) -> None:
        """Do nothing: this backend has no connections."""

    def size(self) -> dict[str, int]:
        """Return the number of `entries`, expired ones included, and the `bytes` they take."""
        with self._lock:
            return {"entries": len(self._entries), "bytes": self._bytes}

    def _end(self, ttl: float | None) -> float | None:
        return None if ttl is None else self._clock() + ttl

    def _set(self, key: str, value: bytes, expires: float | None, tags: Sequence[str]) -> bool:
        self._remove(key)
        self._add(key, value, expires, tags)
        self._make_room()
        return key in self._entries

    def _add(self, key: str, value: bytes, expires: float | None, names: Sequence[str]) -> None:
        if not self._has_room(key, value, names):
            return  # it would evict everything else, and then itself
        cost = _cost(key, value, names)
        tags = tuple([self._tag(name) for name in names])
        for tag in tags:
            tag.keys.add(key)
        self._entries[key] = Entry(value, expires, tags, cost)
        self._bytes += cost

    def _has_room(self, key: str, value: bytes, names: Sequence[str]) -> bool:
        return _cost(key, value, names) + TAG_BYTES * len(names) <= self._max_bytes

    def _require_room(self, key: str, value: bytes, names: Sequence[str]) -> None:
        """Raise ValueError for a value that cannot be stored, before the old one is removed."""
        if not self._has_room(key, value, names):
            raise ValueError(
                f"An entry must fit in the memory of the cache, max_bytes={self._max_bytes}; "
                f"got a value of {len(value)} bytes."
            )

    def _remove(self, key: str) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._forget(key, entry)

    def _forget(self, key: str, entry: Entry) -> None:
        """Undo what `_add` has recorded besides the entry itself."""
        self._bytes -= entry.cost
        for tag in entry.tags:
            tag.keys.discard(key)
            if not tag.keys and not tag.expired:
                del self._tags[tag.name]
                self._bytes -= TAG_BYTES + getsizeof(tag.name)

    def _tag(self, name: str) -> Tag:
        tag = self._tags.get(name)
        if tag is None:
            tag = self._tags[name] = Tag(name)
            self._bytes += TAG_BYTES + getsizeof(name)
        return tag

    def _make_room(self) -> None:
        removals = REMOVED_AT_ONCE
        while self._expired and (removals > 0 or self._bytes > self._max_bytes):
            self._remove_expired()
            removals -= 1
        while self._bytes > self._max_bytes:
            # No iterator, which would fail if a read moved an entry meanwhile.
            self._forget(*self._entries.popitem(last=False))

    def _remove_expired(self) -> None:
        """Remove one entry of an expired tag, or the tag itself once it has no entries.

        A few per write, so that `expire_tags` takes as long for one entry as for a million.
        """
        tag = self._expired[-1]
        if tag.keys:
            self._remove(tag.keys.pop())
        else:
            self._expired.pop()
            self._bytes -= TAG_BYTES + getsizeof(tag.name)


def _cost(key: str, value: bytes, tags: Sequence[str]) -> int:
    """Return the bytes of an entry, without those of its tags."""
    return ENTRY_BYTES + TAGGED_BYTES * len(tags) + getsizeof(key) + getsizeof(value)
