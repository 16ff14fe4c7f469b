"""Run ASGI applications (ASGI 3): one request in memory, or a WSGI server's live one."""

from __future__ import annotations

import asyncio
import io
import logging
from collections.abc import Iterable, Iterator
from typing import Any

from unigate.errors import IncompleteResponse
from unigate.http import Response, decode_path, response_headers
from unigate.request import Request
from unigate.types import ASGIApp, Environ, Message, Scope, Send, StartResponse, WSGIApp

_log = logging.getLogger("unigate")

# As numbers: looked for as bytes, each would raise and catch a TypeError inside.
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
        "path": request._path or decode_path(request.raw_path),
        "raw_path": request.raw_path,
        "query_string": request.query_string,
        "root_path": root_path,
        "headers": build_headers(request),
        "client": request.client,
        "server": request.server,
        "extensions": {},
        "state": {**state, "unigate": request},
        "unigate.request": request,
    }


def build_headers(request: Request) -> list[tuple[bytes, bytes]]:
    """Return a request's header fields as a scope holds them."""
    single = request.headers.single
    if single is None:
        return [(n.encode("latin-1", "replace"), v.encode("latin-1")) for n, v in request.headers]
    try:
        return [(_NAMES[name], value.encode()) for name, value in single.items()]
    except KeyError:
        if len(_NAMES) > 1000:  # names are the clients' to invent
            _NAMES.clear()
        _NAMES.update({name: name.encode("latin-1", "replace") for name in single})
        return build_headers(request)


_NAMES: dict[str, bytes] = {}


class Exchange(Response):
    """A response in the making: one request in memory, driven as an ASGI server would."""

    __slots__ = ("_chunks", "_done", "_given", "complete")

    def __init__(self, body: bytes) -> None:
        self._given: bytes | None = body
        self._chunks: list[bytes] = []
        self._done: asyncio.Event | None = None
        self.status = 0
        self.complete = False

    def whole(self) -> Response:
        """Return the response; IncompleteResponse when the application ended without one."""
        if not self.complete:
            what = "unfinished" if self.status else "none"
            raise IncompleteResponse(f"The application returned and its response is {what}.")
        self.body = b"".join(self._chunks)
        return self

    async def receive(self) -> Message:
        """Give the body at once, then wait: the client is there until it has its response."""
        if self._given is not None:
            body, self._given = self._given, None
            return {"type": "http.request", "body": body, "more_body": False}
        if not self.complete:
            if self._done is None:
                self._done = asyncio.Event()
            await self._done.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Take a part of the response; RuntimeError for one that cannot come now."""
        kind = message["type"]
        if kind == "http.response.body" and self.status and not self.complete:
            self._chunks.append(message.get("body", b""))
            if not message.get("more_body", False):
                self.complete = True
                if self._done is not None:
                    self._done.set()
        elif kind == "http.response.start" and not self.status:
            fields = []
            for name, value in message.get("headers", ()):
                fields.append((name.decode("latin-1"), value.decode("latin-1")))
            self.headers = response_headers(fields)
            self.status = message["status"]
        else:
            raise RuntimeError(f"The application sent {kind!r} out of turn.")


def check_start(message: Message) -> None:
    """Refuse the start of a live response whose header fields hold a line break or NUL.

    Not every server does: a client could be given headers of somebody else's making.
    """
    for name, value in message.get("headers", ()):
        field = name + value
        if LF in field or CR in field or NUL in field:
            raise ValueError(f"The header {name!r} holds a line break or NUL: {value!r}.")


def as_wsgi(app: ASGIApp, loop: asyncio.AbstractEventLoop, *, raising: bool) -> WSGIApp:
    """Return an ASGI application for a WSGI server, run by a2wsgi on a loop in another thread.

    What a2wsgi leaves open: an application that fails before its body is a plain 500 (or raised,
    when `raising`), one that fails later is raised to the server, which then breaks the connection
    off, and one whose client goes away is cancelled.
    """
    from a2wsgi import ASGIMiddleware

    async def watched(scope: Any, receive: Any, send: Any) -> None:
        await scope["wsgi_environ"]["unigate.watch"].run(app, scope, receive, send)

    bridged: Any = ASGIMiddleware(watched, loop=loop)

    def wsgi(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        watch = _Watch(raising)
        body = bridged({**_measured(environ), "unigate.watch": watch}, start_response)
        return watch.follow(body, loop)

    return wsgi


class _Watch:
    """One run of an application behind a WSGI server, and how it went."""

    def __init__(self, raising: bool) -> None:
        self._raising = raising
        self._task: asyncio.Task[Any] | None = None
        self._error: BaseException | None = None
        self._start: Message | None = None
        self._sent = self._complete = False

    async def run(self, app: ASGIApp, scope: Scope, receive: Any, send: Any) -> None:
        """Run the application; whatever happens, the WSGI side gets a whole answer to wait for."""
        self._task = asyncio.current_task()

        async def hold(message: Message) -> None:
            if message["type"] == "http.response.start":
                check_start(message)
                self._start = message  # WSGI sends it with the body, so it can still be a 500
                return
            if self._start is not None:
                start, self._start = self._start, None
                await send(start)
            self._sent = True
            self._complete = not message.get("more_body", False)
            await send(message)

        try:
            await app(scope, receive, hold)
        except (Exception, SystemExit, KeyboardInterrupt) as error:
            exits = not isinstance(error, Exception)
            if not exits and (self._complete or not (self._sent or self._raising)):
                request = scope["wsgi_environ"]["unigate.request"]
                _log.error("%r failed.", request, exc_info=error)
            else:
                self._error = error
            if self._sent and not self._complete:
                await send({"type": "http.response.body"})
            elif not self._sent:
                await send_response(Response.plain(500, "Internal Server Error"), send)

    def follow(self, body: Iterator[bytes], loop: asyncio.AbstractEventLoop) -> Iterator[bytes]:
        """Pass the body on, and the error that there may be; end the run when it is closed."""
        try:
            for chunk in body:
                if self._error is None:
                    yield chunk
            if self._error is not None:
                raise self._error
        finally:
            if self._task is not None:
                loop.call_soon_threadsafe(self._task.cancel)


def _measured(environ: Environ) -> Environ:
    """Give a chunked body the length that a2wsgi needs to read it at all."""
    if environ.get("CONTENT_LENGTH") or not environ.get("wsgi.input_terminated"):
        return environ
    body = environ["wsgi.input"].read()
    return {**environ, "wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}


async def send_response(response: Response, send: Send) -> None:
    """Send a response of the gateway's own."""
    headers = [(n.encode("latin-1"), v.encode("latin-1")) for n, v in response.headers]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})
