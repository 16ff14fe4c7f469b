"""`get_or_set` with `stale`: callers get the old value while one of them makes the new one.

The entry lives for `ttl` and `stale` together. A second entry, the marker, lives for `ttl`: without
it the value is stale. The caller that adds it back makes the new value, which is stored only if the
key still has the old one; so a set, delete or expire_tag meanwhile prevails. A factory that raises
leaves the old value to all callers (as `stale-if-error` of RFC 5861 does for HTTP).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from .entries import Entries
from .get_or_set import Steps, find_or_make
from .keys import marker_key
from .options import Options
from .values import decode, encode

_log = logging.getLogger("unigate")

ATTEMPT = 30.0
"""Seconds until another caller may make the new value, if the first does not finish or fails."""

MARKER = encode(1)


def find_stale_or_make(
    entries: Entries,
    key: str,
    factory: Callable[[], Any],
    options: Options,
    stale: float,
    *,
    may_wait: bool,
) -> Steps:
    """Yield the steps that find, renew or make a value, and return it.

    Args:
        entries: The entries to look in and to store in.
        key: The key in the backend.
        factory: Makes a missing value, and a new one in place of a stale one.
        options: What a made value is stored with; their ttl, which is not None, ends its freshness.
        stale: Seconds after the ttl in which the old value is returned.
        may_wait: Whether the caller may wait for the factory of another one.
    """
    marker = marker_key(key)
    kept = options._replace(ttl=(options.ttl or 0) + stale)
    entry, fresh = yield "call", partial(entries.look_beside, key, marker)
    if entry is None:
        # Before the value, or callers between the two would take it for a stale one.
        yield "call", partial(entries.write, {marker: MARKER}, options)
        return (yield from find_or_make(entries, key, factory, kept, may_wait=may_wait))
    attempt = options._replace(ttl=ATTEMPT)
    if fresh or not (yield "call", partial(entries.add, marker, MARKER, attempt)):
        return entry[1]
    try:
        made = yield "make", factory
    except Exception:
        _log.exception("A stale value stays in use, because the factory of the new one failed.")
        return entry[1]
    data = encode(made)
    if (yield "call", partial(entries.replace, key, entry[0], data, kept)):
        yield "call", partial(entries.write, {marker: MARKER}, options)
    return decode(data)
