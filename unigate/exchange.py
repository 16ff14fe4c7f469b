"""Run ASGI applications (ASGI 3): one request in memory, or a WSGI server's live one."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterable, Iterator
from typing import Any

from .errors import IncompleteResponse
from .http import Request, Response, response_headers
from .types import ASGIApp, Environ, Message, Scope, StartResponse, WSGIApp

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
        "headers": build_headers(request),
        "client": request.client,
        "server": request.server,
        "extensions": {},
        "state": {**state, "unigate": request},
        "unigate.request": request,
    }


def build_headers(request: Request) -> list[tuple[bytes, bytes]]:
    """Return a request's header fields as a scope holds them."""
    return [(_NAMES[name], value.encode("latin-1")) for name, value in request.headers.pairs]


class _Names(dict[str, bytes]):
    """Header names as bytes."""

    def __missing__(self, name: str) -> bytes:
        encoded = name.encode("latin-1")
        if len(self) < 1000:  # names are the clients' to invent
            self[name] = encoded
        return encoded


_NAMES = _Names()


class Exchange:
    """One request in memory and its response, as an ASGI server would drive it."""

    __slots__ = ("_body", "_chunks", "_done", "complete", "headers", "status")

    def __init__(self, body: bytes) -> None:
        self._body: bytes | None = body
        self._chunks: list[bytes] = []
        self._done: asyncio.Event | None = None
        self.status = 0
        self.complete = False

    def result(self) -> Response:
        """Return the response; IncompleteResponse when the application ended without one."""
        if not self.complete:
            what = "unfinished" if self.status else "none"
            raise IncompleteResponse(f"The application returned and its response is {what}.")
        return Response(self.status, self.headers, b"".join(self._chunks))

    async def receive(self) -> Message:
        """Give the body at once, then wait: the client is there until it has its response."""
        if self._body is not None:
            body, self._body = self._body, None
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
            self.headers = response_headers(
                [
                    (name.decode("latin-1"), value.decode("latin-1"))
                    for name, value in message.get("headers", ())
                ]
            )
            self.status = message["status"]
        else:
            raise RuntimeError(f"The application sent {kind!r} out of turn.")


def as_wsgi(app: ASGIApp, loop: asyncio.AbstractEventLoop) -> WSGIApp:
    """Return the application for a WSGI server, run by a2wsgi on a loop in another thread.

    `app` must answer in every case: a2wsgi would wait for ever.
    """
    from a2wsgi import ASGIMiddleware

    async def noted(scope: Any, receive: Any, send: Any) -> None:
        scope["wsgi_environ"]["unigate.task"].append(asyncio.current_task())
        await app(scope, receive, send)

    bridged: Any = ASGIMiddleware(noted, loop=loop)

    def wsgi(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        tasks: list[asyncio.Task[None]] = []
        environ = {**_measured(environ), "unigate.task": tasks}
        return _cancel_when_closed(bridged(environ, start_response), tasks, loop)

    return wsgi


def _measured(environ: Environ) -> Environ:
    """Give a chunked body the length that a2wsgi needs to read it at all."""
    if environ.get("CONTENT_LENGTH") or not environ.get("wsgi.input_terminated"):
        return environ
    body = environ["wsgi.input"].read()
    return {**environ, "wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}


def _cancel_when_closed(
    body: Iterator[bytes], tasks: list[asyncio.Task[None]], loop: asyncio.AbstractEventLoop
) -> Iterator[bytes]:
    """End the application when the server closes the body early: the client has gone."""
    try:
        yield from body
    finally:
        for task in tasks:
            loop.call_soon_threadsafe(task.cancel)
