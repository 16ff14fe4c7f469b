"""Event sources: what each platform passes for one HTTP request and what it wants back.

A source is a module of pure functions in both directions (`EventSource`). To add one, write the
module and put it into `SOURCES` where it belongs: the first that matches an event takes it.
"""

from __future__ import annotations

from typing import Any, Protocol

from unigate.errors import UnknownEvent
from unigate.http import Request, Response
from unigate.types import Event, Reply

from . import alb, generic, http_api, rest_api, vercel
from .lookalikes import CONTEXT_MARKS, MARKS, lookalike


class EventSource(Protocol):
    """What a source has to know. Modules are such objects, and so is anything alike."""

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


SOURCES: tuple[EventSource, ...] = (http_api, alb, rest_api, vercel, generic)


def name_of(source: EventSource) -> str:
    """Return the name by which `wrap(source=...)` knows a source."""
    return source.__name__.rpartition(".")[2]


def source_named(name: str, extra: tuple[EventSource, ...] = ()) -> EventSource:
    """Return a source by name; ValueError with the names there are."""
    names = {name_of(source): source for source in (*SOURCES, *extra)}
    if name not in names:
        raise ValueError(f"There is no event source {name!r}; there are {', '.join(names)}.")
    return names[name]


def find_source(event: Any, extra: tuple[EventSource, ...] = ()) -> EventSource:
    """Return the source of an event, those in `extra` tried first; UnknownEvent when none is."""
    for source in extra:
        if source.matches(event):
            return source
    if not isinstance(event, dict):
        raise unknown_event(event, extra)
    about = event.get("requestContext")
    plain = not isinstance(about, dict) or (len(about) != 3 and CONTEXT_MARKS.isdisjoint(about))
    if not (plain and MARKS.isdisjoint(event)):
        seen = lookalike(event)
        if seen is not None:
            raise unknown_event(event, extra, seen)
    for source in SOURCES:
        if source.matches(event):
            return source
    raise unknown_event(event, extra)


def unknown_event(
    event: Any, extra: tuple[EventSource, ...] = (), seen: str | None = None
) -> UnknownEvent:
    """Return an error that names what was seen and what was tried."""
    if isinstance(event, dict):
        what = f"an event with the keys {', '.join(map(repr, event)) or 'none at all'}"
    else:
        what = f"{type(event).__name__} for an event"
    if seen:
        what += f", which looks like {seen}"
    tried = ", ".join(name_of(source) for source in (*extra, *SOURCES))
    return UnknownEvent(
        f"Got {what}. Tried: {tried}. If it is one of these, name it: wrap(..., source=...)."
    )
