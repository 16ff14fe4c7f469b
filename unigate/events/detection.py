"""Find the source of an event, by the table in `sources`.

Most events are from an HTTP API or a REST API. These two are tried first unless the event has a
mark of a source that stands before them; the other sources are not even imported then.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from unigate import events
from unigate.errors import UnknownEvent
from unigate.http.json_values import as_dicts

from . import http_api, kinds, sources
from .kinds import kind_of
from .sources import HTTP_API, REST_API, first_match

if TYPE_CHECKING:
    from .source import EventSource

_ROWS = (*sources.BEFORE_KINDS, *sources.AFTER_KINDS)
_BEFORE_HTTP_API = _ROWS[: _ROWS.index(HTTP_API)]
_BEFORE_REST_API = _ROWS[_ROWS.index(HTTP_API) + 1 : _ROWS.index(REST_API)]


def _unusual_marks() -> frozenset[str]:
    """Return the top-level members that keep an event off the fast path.

    A row before HTTP API or REST API whose events need not have a top-level mark keeps all events
    of these two off it, by the marks of the two themselves.
    """
    marks = set(kinds.MARKS)
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
_CONTEXT_MARKS = kinds.CONTEXT_MARKS.union(*(row.context_marks for row in _BEFORE_REST_API))
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
    if usual and (named or events.rest_api.matches(event)):
        return named or events.rest_api
    early = first_match(sources.BEFORE_KINDS, event)
    if early is not None:
        return named or early
    if not usual and kind_of(event) is not None:
        return None
    return named or first_match(sources.AFTER_KINDS, event)


def all_sources() -> dict[str, EventSource]:
    """Import every source and return them by the names that their requests have."""
    named = {row.module: row.source for row in _ROWS}
    return named | {row.also: named[row.module] for row in _ROWS if row.also}


def source_named(name: str, extra: tuple[EventSource, ...] = ()) -> EventSource:
    """Return a source by the name that its requests have.

    Raises:
        ValueError: No source has that name.
    """
    from .source import name_of  # few gateways name one

    for source in extra:
        if name_of(source) == name:
            return source
    for row in _ROWS:
        if name in (row.module, row.also):
            return row.source
    second = [row.also for row in _ROWS if row.also]
    names = dict.fromkeys([*second, *(row.module for row in _ROWS), *map(name_of, extra)])
    raise ValueError(f"source must be one of {', '.join(names)}, got {name!r}.")


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
        return as_dicts(event)
    return event


def unknown_event(
    event: Any, extra: tuple[EventSource, ...] = (), filtered: Sequence[str] = ()
) -> UnknownEvent:
    """Return an error with the keys of the event, and the sources or functions that were tried.

    Args:
        filtered: The kinds with functions whose filters do not match the event.
    """
    kind = kind_of(event)
    if kind is None:
        return UnknownEvent(f"{_seen(event)} {_advice_without_kind(event, extra)}")
    if filtered:
        tried = " and ".join(f'@app.on_event("{name}")' for name in filtered)
        advice = (
            f"It is not an HTTP request (kind: {kind}), and the filters of no function match it: "
            f"change those of {tried}, or register one without filters for the rest."
        )
    else:
        named = kind if kind in kinds.NAMES else "*"
        advice = (
            f"It is not an HTTP request (kind: {kind}): register a function for it with "
            f'@app.on_event("{named}").'
        )
    return UnknownEvent(f"{_seen(event)} {advice}")


def _seen(event: Any) -> str:
    if isinstance(event, dict):
        return f"Got an event with {_keys(event)}."
    if isinstance(event, list):
        return f"Got a list of length {len(event)} as the event."
    return f"An event must be a JSON object, got {type(event).__name__}."


def _advice_without_kind(event: Any, extra: tuple[EventSource, ...]) -> str:
    """Return what to do about an event that is of no known source or kind."""
    register = '@app.on_event("*")'
    if isinstance(event, list):
        return (
            f"The items are not those of a kind that has lists ({', '.join(kinds.LISTS)}): "
            f"register a function for it with {register}."
        )
    from .source import name_of

    names = dict.fromkeys([*map(name_of, extra), *(row.module for row in _ROWS)])
    tried = f"No event source matches it. Tried: {', '.join(names)}."
    if not isinstance(event, dict):
        return f"{tried} If it is the input of a function, register one with {register}."
    return (
        f"{tried} If it is an HTTP request in the format of one of these, name it: "
        "wrap(..., source=...). If it is an event of another kind, register a function for it with "
        f"{register}."
    )


def unreadable_event(source: EventSource, event: Any, error: Exception) -> UnknownEvent:
    """Return an error for an event that its source failed to read."""
    from .source import name_of

    keys = _keys(event) if isinstance(event, dict) else f"the type {type(event).__name__}"
    return UnknownEvent(
        f"Got an event with {keys}. The source {name_of(source)!r} cannot read it: {error!r}. "
        "If it is in the format of another source, name that one: wrap(..., source=...)."
    )


def _keys(event: dict[str, Any]) -> str:
    return f"the keys {', '.join(map(repr, event))}" if event else "no keys"
