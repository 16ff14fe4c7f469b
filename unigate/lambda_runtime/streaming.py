"""An answer that goes out while the application makes it.

What is sent is the same for both kinds of applications; a WSGI application sends it from its own
thread, an ASGI application on the event loop. Either waits for as long as the Runtime API takes it
slowly, so there is never more than one part of a body in memory.
"""

from __future__ import annotations

import io

from unigate.context import current_request_var
from unigate.events import EventSource
from unigate.http import Headers, Response, carries_body
from unigate.http.start_response import LiveResponse
from unigate.request import Request
from unigate.types import Event, WSGIApp
from unigate.wsgi import build_environ, drive

from .client import RuntimeClient, chunk, last_chunk
from .errors import ErrorReport
from .invocation import Invocation
from .marshalling import to_json

# API Gateway wants to have found the end of it by then; its developer guide, "Set up a Lambda proxy
# integration with response streaming".
MOST_PRELUDE = 16 * 1024
_DELIMITER = bytes(8)


class Gone(ConnectionAbortedError):
    """Nobody takes the rest of an answer."""


class Outgoing:
    """One streamed answer: what is sent, in order."""

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
        self.halfway = False  # in the middle of a part: nothing else can be sent after it

    def begin(self, status: int, headers: Headers) -> bytes:
        """Return the start of the answer; Gone where the invocation is answered already."""
        event: Event = self._request.event
        prelude = self._source.to_reply(Response(status, headers), event)
        for name in ("body", "isBase64Encoded"):
            prelude.pop(name, None)
        told = to_json(prelude) + _DELIMITER
        if len(told) > MOST_PRELUDE:
            raise ValueError(f"The header fields are too large to be streamed: {len(told)} bytes.")
        start = self._client.begin_stream(self._invocation)
        if start is None:
            raise Gone("The invocation was answered before the application did.")
        self.started = True
        self._silent = not carries_body(self._request.method, status, headers)
        return start + b"".join(chunk(told))

    def part(self, data: bytes) -> tuple[bytes, ...]:
        """Return a part of the body as it is sent."""
        return chunk(data) if data and not self._silent else ()

    def check(self) -> None:
        """Raise Gone where the Runtime API says something before it has the whole answer."""
        if self.gone or self.connection.has_input():
            self.gone = True
            raise Gone("The client went away before it had the whole response.")

    def send(self, *parts: bytes) -> None:
        """Send from a thread that may wait."""
        self.halfway = True
        try:
            self.connection.send(*parts)
        except OSError as error:
            self.gone = True
            raise Gone(f"The client went away: {error!r}") from error
        self.halfway = False

    def end(self) -> None:
        """Send the end."""
        self.complete = True
        self.send(last_chunk())

    def acknowledge(self) -> None:
        """Read the Runtime API's reply to the whole response."""
        self._client.finish_stream(self._invocation)

    def break_off(self, failure: ErrorReport) -> None:
        """End an answer that is not whole, and say why, where that can still be said."""
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
    """Stream a response that is there already."""
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
