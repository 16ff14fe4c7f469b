"""Event sources: the format in which each platform passes an HTTP request and expects the reply.

A source is a module of pure functions for both directions (`source.EventSource`). `sources` is the
table of all of them, `detection` finds the one that an event is from, and `kinds` classifies the
events that are not HTTP requests.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from . import http_api, kinds, rest_api
    from .detection import check_sources, find_source, parse_event, source_named
    from .kinds import kind_of
    from .source import EventSource, name_of
    from .unknown import unknown_event, unreadable_event

__all__ = [
    "EventSource",
    "check_sources",
    "find_source",
    "http_api",
    "kind_of",
    "kinds",
    "name_of",
    "parse_event",
    "rest_api",
    "source_named",
    "unknown_event",
    "unreadable_event",
]

# Imported at first use (PEP 562): the first reply needs few of them.
_LATER = {
    "EventSource": "source",
    "check_sources": "detection",
    "find_source": "detection",
    "http_api": "http_api",
    "kind_of": "kinds",
    "kinds": "kinds",
    "name_of": "source",
    "parse_event": "detection",
    "rest_api": "rest_api",
    "source_named": "detection",
    "unknown_event": "unknown",
    "unreadable_event": "unknown",
}

if not TYPE_CHECKING:  # otherwise a type checker would accept any name

    def __getattr__(name: str) -> object:
        if name not in _LATER:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        module = import_module(f".{_LATER[name]}", __name__)  # now an attribute of this package
        value = globals()[name] = module if name == _LATER[name] else getattr(module, name)
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *_LATER})
