"""Event sources: what each platform passes for one HTTP request and what it wants back.

A source is a module of pure functions in both directions (`EventSource`). To add one, write the
module and put it into `sources` where it belongs: the first that matches an event takes it.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any, Protocol

from unigate.errors import UnknownEvent
from unigate.http import Response
from unigate.request import Request
from unigate.types import Event, Reply

from . import http_api, kinds, rest_api
from .kinds import kind_of as kind_of


class EventSource(Protocol):
    """What a source has to know. Modules are such objects, and so is anything alike.

    One whose limit depends on the event has `max_reply(event)` beside `MAX_REPLY`.
    """

    MAX_REPLY: int
    """How many bytes of JSON the platform takes for an answer."""

    @property
    def __name__(self) -> str: ...

    def matches(self, event: Event) -> bool:
        """Tell whether an event is of this source."""

    def to_request(self, event: Event, context: Any) -> Request:
        """Read an event; InvalidEvent where it contradicts itself."""

    def to_reply(self, response: Response, event: Event) -> Reply:
        """Write the answer to an event."""

    def make_event(self, request: Request) -> Event:
        """Write the event that the platform would send for a request."""

    def from_reply(self, reply: Reply) -> Response:
        """Read an answer as the platform does."""


# Most events are of API Gateway, and one without any of these marks is its if it matches.
_MARKS = kinds.MARKS | {
    *("__ow_method", "__ow_headers", "http"),
    *("raw_path", "rawUrl", "queryString", "queryParameters", "stageVariable"),
    *("pathParams", "operationId"),
}
# A context as small as Huawei's is one more.
_CONTEXT_MARKS = kinds.CONTEXT_MARKS | {
    *("elb", "serviceNetworkArn", "serviceArn", "serviceId", "apiGateway")
}


Sources = tuple[EventSource, ...]


@cache
def all_sources() -> tuple[Sources, Sources]:
    """Return those that come before all others, and the others; imported when that is asked."""
    from . import sources

    return sources.FIRST, sources.NEXT


def name_of(source: EventSource) -> str:
    """Return the name by which `wrap(source=...)` knows a source."""
    return source.__name__.rpartition(".")[2]


def source_named(name: str, extra: tuple[EventSource, ...] = ()) -> EventSource:
    """Return a source by the name that its requests have; ValueError with the names there are."""
    from .sources import HALVES, SOURCES

    names = HALVES | {name_of(source): source for source in (*SOURCES, *extra)}
    if name not in names:
        raise ValueError(f"There is no event source {name!r}; there are {', '.join(names)}.")
    return names[name]


def find_source(
    event: Any, extra: tuple[EventSource, ...] = (), named: EventSource | None = None
) -> EventSource | None:
    """Return the source of an event, None for one that is no HTTP request.

    Those in `extra` are tried first. A `named` source takes every event that is not known to be
    something else than a request.
    """
    for source in extra:
        if source.matches(event):
            return named or source
    if not isinstance(event, dict):
        return None
    usual = _MARKS.isdisjoint(event)
    if usual:
        if http_api.matches(event):  # no other has its members without a mark
            return named or http_api
        about = event.get("requestContext")
        usual = type(event.get("cookies")) is not dict and (
            type(about) is not dict or (len(about) > 4 and _CONTEXT_MARKS.isdisjoint(about))
        )
    if usual and (named or rest_api.matches(event)):
        return named or rest_api
    first, others = all_sources()
    if not usual:
        for source in first:
            if source.matches(event):
                return named or source
        if kind_of(event) is not None:
            return None
    if named:
        return named
    for source in others:
        if source.matches(event):
            return source
    return None


def parse_event(event: Any) -> Any:
    """Return the object that a platform passes as JSON text; anything else as it is."""
    if isinstance(event, (bytes, bytearray, str)):
        try:
            inner = json.loads(event)
        except (ValueError, RecursionError):
            return event
        if isinstance(inner, dict):
            return inner
    return event


def unknown_event(event: Any, extra: tuple[EventSource, ...] = ()) -> UnknownEvent:
    """Return an error that names what was seen and what was tried."""
    first, others = all_sources()
    tried = ", ".join(name_of(source) for source in (*extra, *first, *others))
    advice = f"Tried: {tried}. If it is one of these, name it: wrap(..., source=...)."
    if not isinstance(event, dict):
        return UnknownEvent(f"Got {type(event).__name__} for an event. {advice}")
    kind = kind_of(event)
    if kind in kinds.NAMES:
        advice = f'It is of kind {kind!r}: a function under @app.on_event("{kind}") takes it.'
    keys = ", ".join(map(repr, event)) or "none at all"
    return UnknownEvent(f"Got an event with the keys {keys}. {advice}")
