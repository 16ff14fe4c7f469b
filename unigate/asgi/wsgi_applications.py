"""WSGI applications under ASGI servers, through a2wsgi.

a2wsgi carries requests and responses over. What PEP 3333 demands beyond it stands here.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable
from functools import partial
from typing import Any

from unigate.http import carries_body
from unigate.http.start_response import LiveResponse
from unigate.request import Request
from unigate.types import ASGIApp, Environ, Receive, Scope, Send, StartResponse, WSGIApp
from unigate.wsgi import build_environ, drive

from .disconnects import DisconnectWatcher

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
