"""A response that is sent while the application makes it.

WSGI applications send from their own thread, ASGI applications on the event loop; the bytes are the
same. Both wait while the Runtime API reads slowly, so only one part of a body is in memory.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING

from unigate.context import current_request_var
from unigate.environ import build_environ
from unigate.http import Headers, Response, carries_body
from unigate.http.start_response import LiveResponse
from unigate.request import Request
from unigate.wsgi import drive

from .client import RuntimeClient, chunk, last_chunk
from .errors import ErrorReport
from .invocation import Invocation
from .marshalling import to_json

if TYPE_CHECKING:
    from unigate.events.source import EventSource
    from unigate.types import Event, Reply, WSGIApp

# API Gateway's limit for the prelude; its developer guide, "Set up a Lambda proxy integration with
# response streaming".
MOST_PRELUDE = 16 * 1024
_DELIMITER = bytes(8)

SWITCH = "UNIGATE_RESPONSE_STREAMING"


def is_switched_on(environ: Mapping[str, str]) -> bool:
    """Return True if environment variables switch streaming on."""
    return environ.get(SWITCH, "").lower() in ("1", "true", "on")


class Gone(ConnectionAbortedError):
    """The client has disconnected before the end of the response."""


class Outgoing:
    """A streamed response: its bytes, in order.

    Attributes:
        started: Whether the Runtime API has the beginning.
        complete: Whether it has the end.
        gone: Whether the client has disconnected.
        halfway: Whether a part was sent incompletely, so that nothing can follow it.
        reply: The reply that the response began with, without a body; None before that.
    """

    def __init__(
        self, client: RuntimeClient, invocation: Invocation, source: EventSource, request: Request
    ) -> None:
        self._client = client
        self._invocation = invocation
        self._source = source
        self._request = request
        self._silent = False
        self.connection = client.connection
        self.started = self.complete = self.gone = False
        self.halfway = False
        self.reply: Reply | None = None

    def begin(self, status: int, headers: Headers) -> bytes:
        """Return the beginning of the response; Gone if the invocation was answered already."""
        event: Event = self._request.event
        reply = self._source.to_reply(Response(status, headers), event)
        fields = {name: reply[name] for name in reply if name not in ("body", "isBase64Encoded")}
        prelude = to_json(fields) + _DELIMITER
        if len(prelude) > MOST_PRELUDE:
            raise ValueError(
                f"The header fields of a streamed response must be at most {MOST_PRELUDE} bytes, "
                f"got {len(prelude)}."
            )
        start = self._client.begin_stream(self._invocation)
        if start is None:
            raise Gone("The invocation was answered before the application responded.")
        self.started = True
        self.reply = reply
        self._silent = not carries_body(self._request.method, status, headers)
        return start + b"".join(chunk(prelude))

    def part(self, data: bytes) -> tuple[bytes, ...]:
        """Return a part of the body in the form that is sent."""
        return chunk(data) if data and not self._silent else ()

    def check(self) -> None:
        """Raise Gone if the Runtime API has replied before it has the whole response."""
        if self.gone or self.connection.has_input():
            self.gone = True
            raise Gone("The client disconnected before the end of the response.")

    def send(self, *parts: bytes) -> None:
        """Send bytes from a thread that may block."""
        self.halfway = True
        try:
            self.connection.send(*parts)
        except OSError as error:
            self.gone = True
            raise Gone(f"The client disconnected: {error!r}") from error
        self.halfway = False

    def end(self) -> None:
        """Send the end of the response."""
        self.complete = True
        self.send(last_chunk())

    def acknowledge(self) -> None:
        """Read the Runtime API's reply to the whole response."""
        self._client.finish_stream(self._invocation)

    def break_off(self, failure: ErrorReport) -> None:
        """End an incomplete response, with the error in its trailers if they can still be sent."""
        if not (self.gone or self.halfway):
            try:
                self.connection.open().setblocking(True)
                self.send(last_chunk(failure))
                self.complete = True
                return
            except OSError:
                pass
        self.gone = True
        self.connection.close()
        self._invocation.stream = None


def send_whole(out: Outgoing, response: Response) -> None:
    """Stream a response that is complete already."""
    start = out.begin(response.status, response.headers)
    out.send(start, *out.part(response.body))
    out.end()


def run_wsgi(app: WSGIApp, request: Request, root_path: str, out: Outgoing) -> None:
    """Run a WSGI application, and send its body while the application makes it."""

    def send(data: bytes) -> None:
        first = b"" if out.started else out.begin(response.status, response.headers)
        out.check()
        parts = out.part(data)
        out.send(first + parts[0] if parts else first, *parts[1:])

    def end() -> None:
        response.check_started()
        if not out.started:
            out.send(out.begin(response.status, response.headers))
        out.end()

    response = LiveResponse(send)
    environ = build_environ(request, root_path, io.BytesIO(request.body))
    token = current_request_var.set(request)
    try:
        drive(app, environ, response, response.write, end)
    finally:
        current_request_var.reset(token)
