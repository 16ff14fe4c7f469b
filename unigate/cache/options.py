"""The options of an entry, checked: its ttl, tags and name."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from .keys import stored_tag

if TYPE_CHECKING:
    from datetime import timedelta

_log = logging.getLogger("unigate")

# Vercel, "Runtime Cache", limits. They hold for all backends, so that these are interchangeable.
MAX_BYTES = 2 * 1024 * 1024
MAX_TAGS = 128
MAX_TAG_BYTES = 256

# A hundred years: `sys.maxsize`, meant as "for ever", is more milliseconds than Redis can count.
LONGEST = 100 * 365 * 24 * 60 * 60


class Options(NamedTuple):
    """The options of a value, with its tags as they are stored; a ttl of 0 has expired already."""

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
        """Merge Vercel's mapping of options with keywords, which win, and check them.

        Like Vercel's SDK, this ignores options that it does not know, but it logs each once.
        """
        if options:
            if not isinstance(options, Mapping):
                raise TypeError(
                    "The third argument must be a mapping of ttl, tags and name, got "
                    f"{options!r:.40}. Seconds to live are a keyword: ttl=60."
                )
            for unknown in options.keys() - set(cls._fields):
                _warn_of_unknown(str(unknown))
            ttl = options.get("ttl") if ttl is None else ttl
            tags = options.get("tags") if tags is None else tags
            name = options.get("name") if name is None else name
        if name is not None and not isinstance(name, str):
            raise TypeError(f"The name of an entry must be a str, got {type(name).__name__}.")
        unique = () if tags is None else checked_tags(tags)
        if len(unique) > MAX_TAGS:
            raise ValueError(f"An entry can have at most {MAX_TAGS} tags, got {len(unique)}.")
        return cls(checked_ttl(ttl), unique, name)


@lru_cache
def _warn_of_unknown(option: str) -> None:
    _log.warning(
        "The option %r of a cache entry is ignored: the options are %s.",
        option,
        ", ".join(Options._fields),
    )


def checked_stale(stale: float | timedelta | None, options: Options) -> float | None:
    """Return the option `stale` of `get_or_set` in seconds.

    Raises:
        ValueError: There is no ttl, after which a value could be stale.
    """
    if stale is not None and options.ttl is None:
        raise ValueError("stale must be given with a ttl, after which the value is stale.")
    return checked_ttl(stale, "stale")


def checked_ttl(ttl: float | timedelta | None, name: str = "ttl") -> float | None:
    """Return a ttl in seconds, 0 for what has expired, or None for as long as there is room."""
    if ttl is None:
        return None
    seconds: Any = getattr(ttl, "total_seconds", lambda: ttl)()
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
        raise TypeError(f"{name} must be a number of seconds, a timedelta or None, got {ttl!r}.")
    if seconds != seconds:
        raise ValueError(f"{name} must be a number of seconds, or None for no limit, got nan.")
    return max(0, min(seconds, LONGEST))


def checked_tags(tags: str | Iterable[str]) -> tuple[str, ...]:
    """Return a tag or tags as they are stored, as a tuple without duplicates."""
    given: Any = tags
    if isinstance(given, bytes) or not hasattr(given, "__iter__"):
        raise TypeError(f"tags must be a str or several of them, got {given!r:.40}.")
    unique = dict.fromkeys([given] if isinstance(given, str) else given)
    for tag in unique:
        if not isinstance(tag, str):
            raise TypeError(f"A tag must be a str, got {type(tag).__name__}.")
        try:
            length = len(tag.encode())
        except UnicodeEncodeError:
            raise ValueError(f"A tag must be text for UTF-8, got {tag[:40]!r}.") from None
        if not 0 < length <= MAX_TAG_BYTES:
            raise ValueError(f"A tag must have 1 to {MAX_TAG_BYTES} bytes, got {tag[:40]!r}.")
    return tuple(map(stored_tag, unique))
