"""The protocol that every event source follows."""

from __future__ import annotations

from typing import Any, Protocol

from unigate.http import Response
from unigate.request import Request
from unigate.types import Event, Reply


class EventSource(Protocol):
    """One platform's format for an HTTP request and for its reply.

    The sources in this package are modules; any object with these members works as well.
    A source whose limit depends on the event has `max_reply(event)` beside `MAX_REPLY`.
    """

    @property
    def __name__(self) -> str:
        """The name, of which the last part counts: "my.package.telegraph" is "telegraph"."""

    @property
    def MAX_REPLY(self) -> int:
        """The largest reply that the platform accepts, in bytes of JSON."""

    def matches(self, event: Event) -> bool:
        """Return True if an event is in this format.

        Args:
            event: What the platform passed, JSON text already parsed. Sources from outside are
                asked about every event, which need not be a dict.
        """

    def to_request(self, event: Event, context: Any) -> Request:
        """Read an event.

        Raises:
            InvalidEvent: The event contradicts itself; it is answered with the error's status.
        """

    def to_reply(self, response: Response, event: Event) -> Reply:
        """Write the reply to an event."""

    def make_event(self, request: Request) -> Event:
        """Write the event that the platform sends for a request."""

    def from_reply(self, reply: Reply) -> Response:
        """Read a reply as the platform does."""


def name_of(source: EventSource) -> str:
    """Return the name of a source: the last part of its module's name."""
    return source.__name__.rpartition(".")[2]
