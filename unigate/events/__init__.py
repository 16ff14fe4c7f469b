"""Event sources: the format in which each platform passes an HTTP request and expects the reply.

A source is a module of pure functions for both directions (`source.EventSource`). `sources` is the
table of all of them, `detection` finds the one that an event is from, and `kinds` classifies the
events that are not HTTP requests.
"""

from __future__ import annotations

from . import kinds
from .detection import (
    check_sources,
    find_source,
    parse_event,
    source_named,
    unknown_event,
    unreadable_event,
)
from .kinds import kind_of
from .source import EventSource, name_of

__all__ = [
    "EventSource",
    "check_sources",
    "find_source",
    "kind_of",
    "kinds",
    "name_of",
    "parse_event",
    "source_named",
    "unknown_event",
    "unreadable_event",
]
