"""Drive ASGI applications (ASGI 3): their scope, and the response that they send."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from unigate.context import current_request_var
from unigate.errors import IncompleteResponse
from unigate.http import Response, response_headers
from unigate.request import Request
from unigate.types import ASGIApp, Message, Receive, Scope, Send

_log = logging.getLogger("unigate")

# As numbers: searching for bytes would raise and catch a TypeError inside.
LF, CR, NUL = b"\n\r\0"

_ASGI = {"version": "3.0", "spec_version": "2.4"}


def build_scope(request: Request, root_path: str, state: dict[str, Any]) -> Scope:
    """Build the HTTP scope of a request for an application mounted at `root_path`."""
    return {
        "type": "http",
        "asgi": _ASGI.copy(),
        "http_version": request.http_version,
        "method": request.method,
        "scheme": request.scheme,
        "path": request.path,
        "raw_path": request.raw_path,
        "query_string": request.query_string,
        "root_path": root_path,
        "headers": request.headers.encoded(),
        "client": request.client,
        "server": request.server,
        "extensions": {},
        "state": {**state, "unigate": request},
        "unigate.request": request,
    }


class ResponseCollector(Response):
    """The response of an application to a request in memory, collected as it is sent.

    `receive` and `send` are what an ASGI server passes to the application.

    Attributes:
        status: 0 until the response has started.
        complete: Whether the last part of the body was sent.
    """

    __slots__ = ("_over", "_request_body", "chunks", "complete")

    def __init__(self, request_body: bytes) -> None:
        self._request_body: bytes | None = request_body
        self._over: asyncio.Event | None = None
        self.chunks: list[bytes] = []
        self.status = 0
        self.complete = False

    def whole(self) -> Response:
        """Return the response with its whole body; IncompleteResponse if a part is missing."""
        if not self.complete:
            raise incomplete_response(started=bool(self.status))
        self.body = b"".join(self.chunks)
        return self

    async def receive(self) -> Message:
        """Return the body at once, then a disconnect as soon as the response is complete."""
        if self._request_body is not None:
            body, self._request_body = self._request_body, None
            return {"type": "http.request", "body": body, "more_body": False}
        await self.wait_until_over()
        return {"type": "http.disconnect"}

    async def wait_until_over(self) -> None:
        """Wait until the client would have the whole response."""
        if not self.complete:
            if self._over is None:
                self._over = asyncio.Event()
            await self._over.wait()

    async def send(self, message: Message) -> None:
        """Collect a part of the response; RuntimeError for one that is out of order."""
        kind = message["type"]
        if kind == "http.response.body" and self.status and not self.complete:
            self.chunks.append(message.get("body", b""))
            if not message.get("more_body", False):
                self.complete = True
                if self._over is not None:
                    self._over.set()
        elif kind == "http.response.start" and not self.status:
            fields = []
            for name, value in message.get("headers", ()):
                fields.append((name.decode("latin-1"), value.decode("latin-1")))
            self.headers = response_headers(fields)
            self.status = message["status"]
        else:
            raise RuntimeError(f"The application sent {kind!r} out of order.")


async def collect(app: ASGIApp, scope: Scope, request: Request, raising: bool) -> Response:
    """Run an application for a request in memory, and return its response.

    Args:
        raising: Whether to raise a failure after the response was complete, instead of logging it.
    """
    response = ResponseCollector(request.body)
    token = current_request_var.set(request)
    try:
        await app(scope, response.receive, response.send)
    except Exception:
        if raising or not response.complete:
            raise
        _log.exception("%r failed after its response was complete.", request)
    finally:
        current_request_var.reset(token)
    return response.whole()


class WatchedResponse:
    """A live response on its way to the server, watched for how far it is.

    Attributes:
        started: Whether its start was sent.
        complete: Whether the last part of its body was sent.
        disconnected: Whether the client has disconnected.
    """

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self.started = self.complete = self.disconnected = False

    async def run(self, app: ASGIApp, scope: Scope) -> None:
        """Run an application; IncompleteResponse if it leaves a client without a whole response."""
        await app(scope, self.receive, self.send)
        if not (self.complete or self.disconnected):
            raise incomplete_response(started=self.started)

    async def receive(self) -> Message:
        """Return the server's next message."""
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self.disconnected = True
        return message

    async def send(self, message: Message) -> None:
        """Pass a message on; ValueError for header fields that could inject others."""
        if message["type"] == "http.response.start":
            check_start(message)
            self.started = True
        elif not message.get("more_body", False):
            self.complete = True
        await self._send(message)


def check_start(message: Message) -> None:
    """Refuse the start of a response whose header fields contain a line break or NUL.

    Not every server does, and a client could choose header fields of the response.
    """
    for name, value in message.get("headers", ()):
        field = name + value
        if LF in field or CR in field or NUL in field:
            raise ValueError(
                f"The header {name!r} must not contain a line break or NUL, got {value!r}."
            )


def incomplete_response(*, started: bool) -> IncompleteResponse:
    """Return the error for an application that returned before it had sent its response."""
    missing = "before the end of its response" if started else "without a response"
    return IncompleteResponse(f"The application returned {missing}.")


async def send_response(response: Response, send: Send) -> None:
    """Send a response of the gateway itself."""
    headers = [(n.encode("latin-1"), v.encode("latin-1")) for n, v in response.headers]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})
