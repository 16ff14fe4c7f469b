"""Find the source of an event, by the table in `sources`.

Most events are from an HTTP API or a REST API. These two are tried first unless the event has a
mark of a source that stands before them; the other sources are not even imported then.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from unigate import events

from . import http_api, sources
from .sources import HTTP_API, KIND_CONTEXT_MARKS, KIND_MARKS, REST_API, first_match

if TYPE_CHECKING:
    from .source import EventSource

ROWS = (*sources.BEFORE_KINDS, *sources.AFTER_KINDS)
"""The table, in the order in which it is tried."""
_BEFORE_HTTP_API = ROWS[: ROWS.index(HTTP_API)]
_BEFORE_REST_API = ROWS[ROWS.index(HTTP_API) + 1 : ROWS.index(REST_API)]


def _unusual_marks() -> frozenset[str]:
    """Return the top-level members that keep an event off the fast path.

    A row before HTTP API or REST API whose events need not have a top-level mark keeps all events
    of these two off it, by the marks of the two themselves.
    """
    marks = set(KIND_MARKS)
    for row in _BEFORE_HTTP_API:
        marks |= row.marks
        if row.unmarked:
            marks |= HTTP_API.marks | REST_API.marks
        elif row.context_marks or row.context_below:
            marks.add("requestContext")
    for row in _BEFORE_REST_API:
        marks |= REST_API.marks if row.unmarked else row.marks - HTTP_API.marks
    return frozenset(marks)


_MARKS = _unusual_marks()
# Marks of HTTP API that rows before REST API have as well, for events that are not HTTP API's.
_SHARED_MARKS = HTTP_API.marks & frozenset().union(*(row.marks for row in _BEFORE_REST_API))
_CONTEXT_MARKS = KIND_CONTEXT_MARKS.union(*(row.context_marks for row in _BEFORE_REST_API))
_CONTEXT_SIZE = max(row.context_below for row in _BEFORE_REST_API)


# What every event needs of a source; other members are for tests and tools.
_MEMBERS = ("matches", "to_request", "to_reply", "__name__")


def find_source(
    event: Any, extra: tuple[EventSource, ...] = (), named: EventSource | None = None
) -> EventSource | None:
    """Return the source of an event, None for a non-HTTP event.

    Args:
        event: What the platform passed, JSON text already parsed.
        extra: Sources from outside this package, tried first.
        named: The source that the deployer has named; it reads every event that is not known to
            be a non-HTTP event.
    """
    for source in extra:
        if source.matches(event):
            return named or source
    if not isinstance(event, dict):
        return None
    usual = _MARKS.isdisjoint(event)
    if usual:
        if http_api.matches(event):
            return named or http_api
        about = event.get("requestContext")
        # A map of cookies marks an event of Yandex's authorizer; an HTTP API has a list.
        usual = (
            type(event.get("cookies")) is not dict
            and (
                type(about) is not dict
                or (len(about) >= _CONTEXT_SIZE and _CONTEXT_MARKS.isdisjoint(about))
            )
            and event.keys().isdisjoint(_SHARED_MARKS)
        )
    if usual:
        rest_api = events.rest_api
        if named or rest_api.matches(event):
            return named or rest_api
    early = first_match(sources.BEFORE_KINDS, event)
    if early is not None:
        return named or early
    if not usual and events.kind_of(event) is not None:
        return None
    return named or first_match(sources.AFTER_KINDS, event)


def all_sources() -> dict[str, EventSource]:
    """Import every source and return them by the names that their requests have."""
    named = {row.module: row.source for row in ROWS}
    return named | {row.also: named[row.module] for row in ROWS if row.also}


def source_named(name: str, extra: tuple[EventSource, ...] = ()) -> EventSource:
    """Return a source by the name that its requests have.

    Raises:
        ValueError: No source has that name.
    """
    from .source import name_of  # few gateways name one

    for source in extra:
        if name_of(source) == name:
            return source
    for row in ROWS:
        if name in (row.module, row.also):
            return row.source
    from unigate.nearest import did_you_mean

    second = [row.also for row in ROWS if row.also]
    names = dict.fromkeys([*second, *(row.module for row in ROWS), *map(name_of, extra)])
    advice = did_you_mean(name, names)
    raise ValueError(f"source must be one of {', '.join(names)}, got {name!r}.{advice}")


def check_sources(sources: Iterable[Any]) -> None:
    """Check event sources from outside this package.

    Raises:
        TypeError: One of them is none.
    """
    for source in sources:
        missing = [name for name in _MEMBERS if not hasattr(source, name)]
        if missing:
            named = f" The name of a source is source={source!r}." if type(source) is str else ""
            raise TypeError(
                "sources must be a list of event sources, which are modules or objects with "
                f"{', '.join(_MEMBERS)}, got {source!r} in it, without {', '.join(missing)}.{named}"
            )


def parse_event(event: Any) -> Any:
    """Return the object that a platform passes as JSON text, or a decorator as another mapping.

    Such mappings are Powertools' data classes, `UserDict` or `MappingProxyType`; those inside of
    them become dicts too. Any other value is returned unchanged.
    """
    if isinstance(event, (bytes, bytearray, str)):
        try:
            inner = json.loads(event)
        except (ValueError, RecursionError):
            return event
        if isinstance(inner, dict):
            return inner
    elif isinstance(event, Mapping) and not isinstance(event, dict):
        from unigate.http.json_values import as_dicts  # most platforms pass a dict

        return as_dicts(event)
    return event
