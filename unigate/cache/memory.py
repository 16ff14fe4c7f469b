"""A cache in the memory of this process."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from sys import getsizeof

# What Python needs besides the key and the value (CPython 3.11 to 3.13, measured): an entry and
# its place in the table, a tag with its set, and the place of an entry under a tag.
ENTRY_BYTES = 210
TAG_BYTES = 300
TAGGED_BYTES = 80

# Entries of expired tags that one call of `set` removes: more than it can bring.
BURIED_AT_ONCE = 4


class _Tag:
    """A tag from its first entry until it expires; the name may be used again by another one."""

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
    """Keep values in memory, and forget those that were not asked for longest when it is full.

    `max_bytes` counts keys, values and tags, and what Python needs to hold them.
    """

    waits = False

    # The wall clock: others stand still while a platform keeps a snapshot of the process.
    def __init__(
        self, max_bytes: int = 64 * 1024 * 1024, *, clock: Callable[[], float] = time.time
    ) -> None:
        if max_bytes <= 0:
            raise ValueError(f"A cache of {max_bytes} bytes keeps nothing.")
        self._max_bytes = max_bytes
        self._clock = clock
        self._lock = threading.Lock()
        self._empty()

    def _empty(self) -> None:
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._tags: dict[str, _Tag] = {}
        self._expired: list[_Tag] = []  # those that still have entries
        self._bytes = 0

    def get(self, key: str) -> bytes | None:
        with self._lock:
            return self._get(key)

    def get_many(self, keys: Sequence[str]) -> dict[str, bytes]:
        with self._lock:
            found = ((key, self._get(key)) for key in keys)
            return {key: value for key, value in found if value is not None}

    def _get(self, key: str) -> bytes | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        over = entry.expires is not None and entry.expires <= self._clock()
        if over or any(tag.expired for tag in entry.tags):
            self._remove(key)
            return None
        self._entries.move_to_end(key)
        return entry.value

    def set(
        self, key: str, value: bytes, *, ttl: float | None, tags: Sequence[str], name: str | None
    ) -> None:
        self.set_many({key: value}, ttl=ttl, tags=tags)

    def set_many(
        self, values: Mapping[str, bytes], *, ttl: float | None, tags: Sequence[str]
    ) -> None:
        expires = None if ttl is None else self._clock() + ttl
        with self._lock:
            for key, value in values.items():
                self._remove(key)
                self._add(key, value, expires, tags)
                self._make_room()

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
        """Do nothing: there is nothing to give back."""

    def size(self) -> dict[str, int]:
        """Return the entries that there are, expired ones included, and the bytes they hold."""
        with self._lock:
            return {"entries": len(self._entries), "bytes": self._bytes}

    def _add(self, key: str, value: bytes, expires: float | None, names: Sequence[str]) -> None:
        cost = ENTRY_BYTES + TAGGED_BYTES * len(names) + getsizeof(key) + getsizeof(value)
        if cost + TAG_BYTES * len(names) > self._max_bytes:
            return  # or everything else would go, and then this as well
        tags = tuple([self._tag(name) for name in names])
        for tag in tags:
            tag.keys.add(key)
        self._entries[key] = _Entry(value, expires, tags, cost)
        self._bytes += cost

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
        turns = BURIED_AT_ONCE
        while self._expired and (turns > 0 or self._bytes > self._max_bytes):
            self._bury()
            turns -= 1
        while self._bytes > self._max_bytes:
            self._remove(next(iter(self._entries)))

    def _bury(self) -> None:
        """Remove an entry of an expired tag, or that tag when it has none any more.

        Done a few at a time, so that `expire_tags` costs the same for one entry and a million.
        """
        tag = self._expired[-1]
        if tag.keys:
            self._remove(tag.keys.pop())
        else:
            self._expired.pop()
            self._bytes -= TAG_BYTES + getsizeof(tag.name)
