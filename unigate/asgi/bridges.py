"""Bridges for live connections: WSGI applications under ASGI servers, and the other way round.

a2wsgi carries requests and responses over. What PEP 3333 and ASGI 3 demand beyond it stands here.
"""

from __future__ import annotations

import asyncio
import io
import logging
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from unigate.http import Response, carries_body
from unigate.http.start_response import LiveResponse
from unigate.request import Request
from unigate.types import (
    ASGIApp,
    Environ,
    Message,
    Receive,
    Scope,
    Send,
    StartResponse,
    WSGIApp,
)
from unigate.wsgi import build_environ, drive

from .disconnects import DisconnectWatcher
from .driver import WatchedResponse, check_start, send_response

_log = logging.getLogger("unigate")

# As many as Starlette gives to synchronous endpoints.
THREADS = 40

# The members that a2wsgi reads of a scope.
_BARE_SCOPE: Scope = {
    "type": "http",
    "http_version": "1.1",
    "method": "GET",
    "path": "/",
    "query_string": b"",
    "headers": [],
}


# --- a WSGI application under an ASGI server -----------------------------------------------------


def wsgi_to_asgi(app: WSGIApp) -> ASGIApp:
    """Return a WSGI application as an ASGI application that runs it in its own threads.

    The scope must hold the common request as "unigate.request".
    """
    from a2wsgi import WSGIMiddleware

    bridged: Any = WSGIMiddleware(partial(_answer_bridged, app), workers=THREADS)

    async def asgi(scope: Scope, receive: Receive, send: Send) -> None:
        client = DisconnectWatcher(receive, send)
        # The application's environ is built from the request, so a2wsgi needs no real scope.
        bare = {**_BARE_SCOPE, "unigate.scope": scope, "unigate.client": client}
        await client.run(bridged(bare, client.receive, client.send))

    return asgi


def _answer_bridged(app: WSGIApp, bridged: Environ, start_bridged: StartResponse) -> list[bytes]:
    """Run an application in a2wsgi's thread: with our environ, and through its `write`."""
    client: DisconnectWatcher = bridged["asgi.scope"]["unigate.client"]
    scope: Scope = bridged["asgi.scope"]["unigate.scope"]
    request: Request = scope["unigate.request"]
    stream = io.BufferedReader(_LiveBody(bridged["wsgi.input"]))
    write: Callable[[bytes], object] | None = None

    def begin() -> Callable[[bytes], object]:
        wanted = carries_body(request.method, response.status, response.headers)
        send = start_bridged(f"{response.status} ", response.headers.pairs)
        return send if wanted else lambda chunk: None

    def send(chunk: bytes) -> None:
        nonlocal write
        write = write or begin()
        if client.gone:
            raise ConnectionAbortedError("The client disconnected before the end of the response.")
        write(chunk)

    response = LiveResponse(send)
    drive(app, build_environ(request, scope["root_path"], stream), response, response.write)
    response.check_started()
    if write is None:
        begin()
    return []


class _LiveBody(io.RawIOBase):
    """The body of a live request, read as it arrives."""

    def __init__(self, body: Any) -> None:
        self._receive: Receive = body.receive
        self._loop = body.loop
        self._left = memoryview(b"")
        self._more = True

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer with what has arrived, or wait; ConnectionError if the client leaves."""
        while not self._left and self._more:
            coroutine: Any = self._receive()
            message = asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()
            if message["type"] == "http.disconnect":
                raise ConnectionResetError("The client disconnected before the end of its body.")
            self._left = memoryview(message.get("body", b""))
            self._more = message.get("more_body", False)
        count = min(len(buffer), len(self._left))
        buffer[:count] = self._left[:count]
        self._left = self._left[count:]
        return count


# --- an ASGI application under a WSGI server -----------------------------------------------------


def asgi_to_wsgi(app: ASGIApp, loop: asyncio.AbstractEventLoop, *, raising: bool) -> WSGIApp:
    """Return an ASGI application as a WSGI application that runs it on a loop in another thread.

    An application that fails before its body is answered with a plain 500, or raised if `raising`;
    a later failure is raised to the server, which then breaks off the connection. The application
    is cancelled when its client disconnects.

    Args:
        app: Called with a scope whose "wsgi_environ" is the environ of the server.
    """
    from a2wsgi import ASGIMiddleware

    async def run(scope: Any, receive: Any, send: Any) -> None:
        await scope["wsgi_environ"]["unigate.run"].run(app, scope, receive, send)

    bridged: Any = ASGIMiddleware(run, loop=loop)

    def wsgi(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        run = _BridgedRun(raising)
        body = bridged({**_with_length(environ), "unigate.run": run}, start_response)
        return run.follow(body, loop)

    return wsgi


class _HeldResponse(WatchedResponse):
    """A response whose start waits for the first part of its body, so that a 500 can replace it.

    WSGI sends the two together anyway.
    """

    def __init__(self, receive: Receive, send: Send) -> None:
        super().__init__(receive, send)
        self._start: Message | None = None
        self.sent = False  # whether the server has any of it

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            check_start(message)
            self.started = True
            self._start = message
            return
        if self._start is not None:
            start, self._start = self._start, None
            await self._send(start)
        self.sent = True
        await super().send(message)


class _BridgedRun:
    """One run of an application behind a WSGI server, and how it ended."""

    def __init__(self, raising: bool) -> None:
        self._raising = raising
        self._task: asyncio.Task[Any] | None = None
        self._error: BaseException | None = None

    async def run(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application; in any case, the WSGI side gets a complete response."""
        self._task = asyncio.current_task()
        response = _HeldResponse(receive, send)
        try:
            await response.run(app, scope)
        except (Exception, SystemExit, KeyboardInterrupt) as error:
            answerable = response.complete or not (response.sent or self._raising)
            if isinstance(error, Exception) and answerable:
                request = scope["wsgi_environ"]["unigate.request"]
                _log.error("%r failed.", request, exc_info=error)
            else:
                self._error = error
            if not response.sent:
                await send_response(Response.plain(500, "Internal Server Error"), send)
            elif not response.complete:
                await send({"type": "http.response.body"})

    def follow(self, body: Iterator[bytes], loop: asyncio.AbstractEventLoop) -> Iterator[bytes]:
        """Pass the body on, then raise the error of the run; cancel the run on close."""
        try:
            for chunk in body:
                if self._error is None:
                    yield chunk
            if self._error is not None:
                raise self._error
        finally:
            if self._task is not None:
                loop.call_soon_threadsafe(self._task.cancel)


def _with_length(environ: Environ) -> Environ:
    """Return an environ with Content-Length, without which a2wsgi reads no body."""
    if environ.get("CONTENT_LENGTH") or not environ.get("wsgi.input_terminated"):
        return environ
    body = environ["wsgi.input"].read()
    return {**environ, "wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
