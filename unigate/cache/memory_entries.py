"""What the backend in memory has for an entry and for a tag.

An entry is JSON until it is read as a value. Then it is marshalled, since most entries that are
read once are read again, and `marshal` makes a value in half the time that JSON takes.
"""

from __future__ import annotations

import marshal
from collections.abc import Callable
from typing import Any

from .values import decode, encode


class Tag:
    """A tag from its first entry until it expires; a later tag may have the same name."""

    __slots__ = ("expired", "keys", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self.keys: set[str] = set()
        self.expired = False


class Entry:
    """An entry before its first read; its type says how `data` is read.

    Attributes:
        load: Returns the value of `data`; None before the first read.
    """

    __slots__ = ("cost", "data", "expires", "tags")
    load: Callable[[bytes], Any] | None = None

    def __init__(
        self, data: bytes, expires: float | None, tags: tuple[Tag, ...], cost: int
    ) -> None:
        self.data = data
        self.expires = expires
        self.tags = tags
        self.cost = cost

    def stored(self) -> bytes:
        """Return the bytes that were stored, or other JSON of the same value."""
        return self.data


class JsonEntry(Entry):
    __slots__ = ()
    load = staticmethod(decode)


class MarshalledEntry(Entry):
    __slots__ = ()
    load = staticmethod(marshal.loads)

    def stored(self) -> bytes:
        return encode(marshal.loads(self.data))


def after_first_read(entry: Entry, value: Any) -> tuple[type[Entry], bytes]:
    """Return the type and the data of an entry for further reads.

    Where `marshal` needs more memory than JSON, as for lists of small numbers, the JSON stays.
    """
    try:
        data = marshal.dumps(value)
    except ValueError:  # nested too deeply
        return JsonEntry, entry.data
    return (MarshalledEntry, data) if len(data) <= len(entry.data) else (JsonEntry, entry.data)
