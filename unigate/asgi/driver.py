"""Drive ASGI applications (ASGI 3): their scope, and the response that they send."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any

from unigate.context import current_request_var
from unigate.errors import IncompleteResponse, failure_of
from unigate.http.headers import is_token
from unigate.http.response_fields import response_headers
from unigate.http.responses import Response, check_status
from unigate.memo import Memo

if TYPE_CHECKING:
    from typing import Literal

    from unigate.request import Request
    from unigate.types import ASGIApp, Message, Receive, Scope, Send

_log = logging.getLogger("unigate")

_ASGI = {"version": "3.0", "spec_version": "2.4"}


def build_scope(request: Request, root_path: str, state: dict[str, Any]) -> Scope:
    """Build the HTTP scope of a request for an application mounted at `root_path`.

    An event that is a dict, and its context, are also there under the names that they have in
    Mangum and Zappa, for applications that read them.
    """
    scope: Scope = {
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
    event = request.event
    if type(event) is dict:
        scope["aws.event"] = scope["lambda.event"] = event
        scope["aws.context"] = scope["lambda.context"] = request.context
    return scope


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

    def whole(self, request: Request) -> Response:
        """Return the response with its whole body, up to its Content-Length.

        Raises:
            IncompleteResponse: A part is missing.
        """
        if not self.complete:
            raise incomplete_response(started=bool(self.status))
        body = b"".join(self.chunks)
        declared = (self.headers.single or self.headers).get("content-length")
        if declared is not None and declared != str(len(body)):
            from unigate.http.body_length import BodyLength  # few responses need it

            length = BodyLength.of(self.headers)
            if length is not None:
                body = length.fit(body)
                length.check(request, request.method, self.status)
        self.body = body
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
        """Collect a part of the response.

        Raises:
            RuntimeError: The part is out of order.
            TypeError, ValueError: The status or a header field cannot be sent.
        """
        kind = message["type"]
        if kind == "http.response.body" and self.status and not self.complete:
            part = message.get("body", b"")
            if type(part) is not bytes:
                part = _as_bytes(part)
            self.chunks.append(part)
            if not message.get("more_body", False):
                self.complete = True
                if self._over is not None:
                    self._over.set()
        elif kind == "http.response.start" and not self.status:
            fields = message.get("headers", ())
            if type(fields) is not list:
                fields = list(fields or ())
            pairs = []
            try:
                for name, value in fields:
                    pairs.append((name.decode("latin-1"), value.decode("latin-1")))
            except AttributeError:
                pairs = _decoded(_as_pairs(fields))
            self.headers = response_headers(pairs)
            status = message["status"]
            usual = type(status) is int and 200 <= status <= 599
            self.status = status if usual else check_status(status)
        else:
            raise RuntimeError(f"The application sent {kind!r} out of order.")


async def collect(
    app: ASGIApp, scope: Scope, request: Request, raising: bool, response: ResponseCollector
) -> Response:
    """Run an application for a request in memory, and return its response.

    A cancellation of its own that the application leaves behind is raised at the end of the task,
    in the place of the response: `kept` returns that.

    Args:
        raising: Whether to raise a failure after the response was complete, instead of logging it.
        response: Collects the response.
    """
    token = current_request_var.set(request)
    try:
        await app(scope, response.receive, response.send)
    except BaseException as error:
        failure = failure_of(error)
        if raising or not response.complete or not isinstance(failure, Exception):
            raise  # not as ApplicationAborted: a cancellation may be the caller's
        _log.error("%r failed after its response was complete.", request, exc_info=failure)
    finally:
        current_request_var.reset(token)
    return response.whole(request)


def kept(
    response: ResponseCollector, request: Request, raising: bool, failure: Exception
) -> Response:
    """Return a complete response although its task was cancelled, or raise the failure."""
    if raising or not response.complete:
        raise failure
    _log.error("%r failed after its response was complete.", request, exc_info=failure)
    return response.whole(request)


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

    async def run(self, app: Callable[[Receive, Send], Awaitable[None]]) -> None:
        """Run an application; IncompleteResponse if it leaves a client without a whole response."""
        await app(self.receive, self.send)
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            # Raises a cancellation that the application has left behind. At the end of the task,
            # asyncio would raise it as one of the server's.
            await asyncio.sleep(0)
        if not (self.complete or self.disconnected):
            raise incomplete_response(started=self.started)

    async def receive(self) -> Message:
        """Return the server's next message."""
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self.disconnected = True
        return message

    async def send(self, message: Message) -> None:
        """Pass a message on, its status and header fields checked."""
        kind = message["type"]
        message = checked(message)
        if kind == "http.response.start":
            self.started = True
        await self._send(message)
        if kind in _BODY and not message.get("more_body", False):
            self.complete = True


# The kinds of messages that hold a part of the body.
_BODY = ("http.response.body", "http.response.pathsend", "http.response.zerocopysend")


def checked(message: Message) -> Message:
    """Check the status and the header fields of a message that an application sends to a server.

    Not every server does, and a client could choose header fields of the response.

    Returns:
        The message, or a copy with the fields as a list, since they may come from an iterator, and
        with plain bytes.

    Raises:
        TypeError: The status is not an int, or a field is not bytes.
        ValueError: The status is not one of a final response, a name is not a token, or a value
            holds a line break or NUL, or Content-Length is not a number.
    """
    if message["type"] == "http.response.start" and _is_usual(message):
        return message
    if type(message.get("body", b"")) is not bytes:
        message = {**message, "body": _as_bytes(message["body"])}
    if message["type"] in ("http.response.start", "websocket.http.response.start"):
        message = {**message, "status": check_status(message["status"])}
    elif "headers" not in message:
        return message
    fields = _as_pairs(message.get("headers") or ())
    headers = response_headers(_decoded(fields))
    if len(headers.getlist("content-length")) == 1:  # several of the same length are one
        first = next(field for field in fields if field[0].lower() == b"content-length")
        others = [field for field in fields if field[0].lower() != b"content-length"]
        if len(others) + 1 < len(fields):
            fields = [*others, first]
    return {**message, "headers": fields}


def _is_usual(start: Message) -> bool:
    """Return True for the start of a response that can be sent as it is, as nearly all can."""
    status, fields = start["status"], start.get("headers")
    if type(status) is not int or not 200 <= status <= 599 or type(fields) is not list:
        return False
    lengths = 0
    for name, value in fields:
        if type(name) is not bytes or type(value) is not bytes:
            return False
        kind = _NAMES.get(name) or _NAMES.learn(name)
        if kind == "other" or 10 in value or 13 in value or 0 in value:
            return False
        if kind == "length":
            lengths += 1
            if lengths > 1 or not value.isdigit() or len(value) > 19:
                return False
    return True


def _kind_of_name(name: bytes) -> Literal["length", "token", "other"]:
    if name.lower() == b"content-length":
        return "length"
    return "token" if is_token(name.decode("latin-1")) else "other"


_NAMES = Memo(_kind_of_name)


def _as_pairs(fields: Iterable[tuple[Any, Any]]) -> list[tuple[bytes, bytes]]:
    return [(_as_bytes(name), _as_bytes(value)) for name, value in fields]


def _decoded(fields: list[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in fields]


def _as_bytes(value: Any) -> bytes:
    """Return a copy of any bytes-like object; TypeError for another."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    raise TypeError(f"An ASGI message must hold bytes, got {value!r}.")


def checking(send: Send) -> Send:
    """Return a `send` that passes on `checked` messages."""

    async def checking_send(message: Message) -> None:
        await send(checked(message))

    return checking_send


def incomplete_response(*, started: bool) -> IncompleteResponse:
    """Return the error for an application that returned before it had sent its response."""
    missing = "before the end of its response" if started else "without a response"
    return IncompleteResponse(f"The application returned {missing}.")


async def send_response(response: Response, send: Send) -> None:
    """Send a response of the gateway itself."""
    headers = [(n.encode("latin-1"), v.encode("latin-1")) for n, v in response.headers]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})
