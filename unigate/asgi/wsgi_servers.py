"""ASGI applications under WSGI servers, through a2wsgi.

a2wsgi carries requests and responses over. What ASGI 3 demands beyond it stands here.
"""

from __future__ import annotations

import asyncio
import io
import logging
from collections.abc import Iterable, Iterator
from typing import Any

from unigate.http import Response
from unigate.types import ASGIApp, Environ, Message, Receive, Scope, Send, StartResponse, WSGIApp

from .driver import WatchedResponse, check_start, send_response

_log = logging.getLogger("unigate")


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
