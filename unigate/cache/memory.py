"""Backend in the memory of this process."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from sys import getsizeof

from .values import increased

# Memory besides the key and the value (measured on CPython 3.11 to 3.13): of an entry and its slot
# in the table, of a tag with its set, and of the slot of an entry under a tag.
ENTRY_BYTES = 210
TAG_BYTES = 300
TAGGED_BYTES = 80

# Entries of expired tags that one write removes: more than it adds.
REMOVED_AT_ONCE = 4


class _Tag:
    """A tag from its first entry until it expires; a later tag may have the same name."""

    __slots__ = ("expired", "keys", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self.keys: set[str] = set()
        self.expired = False


class _Entry:
    __slots__ = ("cost", "expires", "tags", "value")

    def __init__(
        self, value: bytes, expires: float | None, tags: tuple[_Tag, ...], cost: int
    ) -> None:
        self.value = value
        self.expires = expires
        self.tags = tags
        self.cost = cost


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
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._tags: dict[str, _Tag] = {}
        self._expired: list[_Tag] = []  # expired tags that still have entries
        self._bytes = 0

    def get(self, key: str) -> bytes | None:
        with self._lock:
            return self._get(key)

    def get_many(self, keys: Sequence[str]) -> dict[str, bytes]:
        with self._lock:
            values = ((key, self._get(key)) for key in keys)
            return {key: value for key, value in values if value is not None}

    def _get(self, key: str) -> bytes | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        expired = entry.expires is not None and entry.expires <= self._clock()
        if expired or any(tag.expired for tag in entry.tags):
            self._remove(key)
            return None
        self._entries.move_to_end(key)
        return entry.value

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
            return self._get(key) is None and self._set(key, value, self._end(ttl), tags)

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
            if self._get(key) != old:
                return False
            self._require_room(key, new, tags)
            return self._set(key, new, self._end(ttl), tags)

    def remove(self, key: str, old: bytes) -> bool:
        with self._lock:
            found = self._get(key) == old
            if found:
                self._remove(key)
            return found

    def increment(self, key: str, delta: float) -> float | bytes | None:
        with self._lock:
            value = self._get(key)
            changed = None if value is None else increased(value, delta)
            if changed is None:
                return value
            entry = self._entries[key]
            tags = [tag.name for tag in entry.tags]
            self._require_room(key, changed[1], tags)
            self._set(key, changed[1], entry.expires, tags)
            return changed[0]

    def touch(self, key: str, ttl: float | None) -> bool:
        with self._lock:
            if self._get(key) is None:
                return False
            self._entries[key].expires = self._end(ttl)
            return True

    def pop(self, key: str) -> bytes | None:
        with self._lock:
            value = self._get(key)
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
        self._entries[key] = _Entry(value, expires, tags, cost)
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
        if entry is None:
            return
        self._bytes -= entry.cost
        for tag in entry.tags:
            tag.keys.discard(key)
            if not tag.keys and not tag.expired:
                del self._tags[tag.name]
                self._bytes -= TAG_BYTES + getsizeof(tag.name)

    def _tag(self, name: str) -> _Tag:
        tag = self._tags.get(name)
        if tag is None:
            tag = self._tags[name] = _Tag(name)
            self._bytes += TAG_BYTES + getsizeof(name)
        return tag

    def _make_room(self) -> None:
        removals = REMOVED_AT_ONCE
        while self._expired and (removals > 0 or self._bytes > self._max_bytes):
            self._remove_expired()
            removals -= 1
        while self._bytes > self._max_bytes:
            self._remove(next(iter(self._entries)))

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
