"""What an entry is stored with: how long it lives, its tags and its name, checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from datetime import timedelta

# Vercel, "Runtime Cache", limits: so that what works on one backend works on all of them.
MAX_BYTES = 2 * 1024 * 1024
MAX_TAGS = 128
MAX_TAG_BYTES = 256

# A hundred years: `sys.maxsize`, for "always", is more milliseconds than Redis can count.
LONGEST = 100 * 365 * 24 * 60 * 60


class Options(NamedTuple):
    """What a value is stored with; a ttl of 0 has expired already."""

    ttl: float | None = None
    tags: tuple[str, ...] = ()
    name: str | None = None

    @classmethod
    def checked(
        cls,
        options: Mapping[str, Any] | None = None,
        *,
        ttl: float | timedelta | None = None,
        tags: str | Iterable[str] | None = None,
        name: str | None = None,
    ) -> Options:
        """Take Vercel's mapping and our keywords together; a keyword that is there wins."""
        if options:
            if unknown := options.keys() - set(cls._fields):
                raise TypeError(f"Unknown cache options {sorted(map(str, unknown))}: {cls._fields}")
            ttl = options.get("ttl") if ttl is None else ttl
            tags = options.get("tags") if tags is None else tags
            name = options.get("name") if name is None else name
        if name is not None and not isinstance(name, str):
            raise TypeError(f"The name of an entry is text, not of type {type(name).__name__}.")
        kept = () if tags is None else checked_tags(tags)
        if len(kept) > MAX_TAGS:
            raise ValueError(f"An entry has at most {MAX_TAGS} tags, not {len(kept)}.")
        return cls(checked_ttl(ttl), kept, name)


def checked_ttl(ttl: float | timedelta | None) -> float | None:
    """Return seconds from 0 up, or None for as long as there is room."""
    if ttl is None:
        return None
    seconds: Any = getattr(ttl, "total_seconds", lambda: ttl)()
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
        raise TypeError(f"The ttl is a number of seconds or a timedelta, not {ttl!r}.")
    if not seconds >= 0:  # nor is nan
        raise ValueError(f"The ttl is {ttl!r}: it is 0 or more seconds, or None for no end.")
    return min(seconds, LONGEST)


def checked_tags(tags: str | Iterable[str]) -> tuple[str, ...]:
    """Return one or many tags, each once."""
    kept = tuple(dict.fromkeys([tags] if isinstance(tags, str) else tags))
    for tag in kept:
        if not isinstance(tag, str):
            raise TypeError(f"A tag is text, not of type {type(tag).__name__}.")
        if not 0 < len(tag.encode()) <= MAX_TAG_BYTES:
            raise ValueError(f"A tag has 1 to {MAX_TAG_BYTES} bytes, unlike {tag[:40]!r}.")
    return kept
