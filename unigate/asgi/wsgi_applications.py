"""WSGI applications under ASGI servers.

An application runs in one thread, from its call to the end of `close()`. No thread runs at the pace
of a client: the body is received before, a whole response is sent after, and while a client does
not take the parts of a response, the thread of its application makes room for others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextvars import copy_context
from functools import partial
from typing import IO

from unigate.environ import build_environ
from unigate.http import Response, reason_phrase
from unigate.request import Request
from unigate.types import Environ, Receive, Send, StartResponse, WSGIApp
from unigate.wsgi import drive

from .disconnects import Client, ClientGone
from .driver import send_response
from .limits import read_limits
from .outgoing import Outgoing
from .spooled_bodies import Refused, receive_body
from .threads import Threads


class WSGIBridge:
    """Runs a WSGI application in its own threads, for the requests of an ASGI server.

    Raises:
        ValueError: For an environment variable of `limits` that is not a positive integer.
    """

    def __init__(self, app: WSGIApp) -> None:
        self._app = app
        self._limits = read_limits()
        self._threads = Threads(self._limits.threads)

    def client(self, receive: Receive, send: Send) -> Client:
        """Return the client of a live request."""
        return Client(receive, send, self._limits.client_timeout)

    async def answer(self, request: Request, root_path: str, client: Client) -> None:
        """Answer a request; ClientGone if its client disconnects or stands still.

        Raises:
            BaseException: What the application raised, or `failure_of` that.
        """
        threads = self._threads
        try:
            body, size = await receive_body(request, client, self._limits, threads)
        except Refused as refused:
            await _refuse(request, refused.status, client)
            return
        environ = build_environ(request, root_path, body)
        if size or "CONTENT_LENGTH" in environ:  # a body that was chunked is whole here
            environ["CONTENT_LENGTH"] = str(size)
            environ.pop("HTTP_TRANSFER_ENCODING", None)
        outgoing = Outgoing(request.method, threads)
        try:
            threads.start(partial(copy_context().run, _run, self._app, environ, body, outgoing))
        except RuntimeError:
            body.close()
            raise
        try:
            await outgoing.deliver(client)
        except BaseException as error:
            exits = not isinstance(error, (Exception, asyncio.CancelledError))
            if exits and not client.started:
                await send_response(Response.plain(500, "Internal Server Error"), client.send)
            raise
        finally:
            outgoing.break_off("The server stopped waiting for the response.")
            client.close()


def _run(app: WSGIApp, environ: Environ, body: IO[bytes], outgoing: Outgoing) -> None:
    """Run an application in this thread; what it raises is raised to the server."""

    def call(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        parts = app(environ, start_response)
        if type(parts) is list:
            outgoing.hold()
        return parts

    error: BaseException | None = None
    try:
        with body:
            if not outgoing.gone:
                drive(call, environ, outgoing.response, outgoing.write, outgoing.end)
    except ClientGone:
        pass  # the event loop knows
    except BaseException as raised:
        error = raised
    outgoing.finish(error)


async def _refuse(request: Request, status: int, client: Client) -> None:
    """Answer in place of the application, and let the server close the connection."""
    response = Response.plain(status, reason_phrase(status))
    if request.http_version.startswith("1"):  # HTTP/2 forbids the field, and can end one stream
        response.headers.set("connection", "close")
    await send_response(response, client.send)
