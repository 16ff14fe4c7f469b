"""WSGI applications under ASGI servers.

An application runs in a thread from its call to the end of `close()`. No thread runs at the pace of
a client: the body is received before, a whole response is sent after, and while a client does not
take the parts of a response, the thread of its application makes room for others.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterable
from contextvars import copy_context
from typing import IO

from unigate.http import Response, carries_body, reason_phrase
from unigate.http.start_response import LiveResponse
from unigate.request import Request
from unigate.types import ASGIApp, Environ, Message, Receive, Scope, Send, StartResponse, WSGIApp
from unigate.wsgi import build_environ, drive

from .disconnects import Client, ClientGone, ClientStalled
from .driver import send_response
from .limits import read_limits
from .spooled_bodies import Refused, receive_body
from .threads import Threads

_log = logging.getLogger("unigate")

# How many bytes of a response wait for the event loop before the thread waits for the client, and
# how many are sent at once: as many as asyncio's transports and uvicorn keep.
PART = 64 * 1024


def wsgi_to_asgi(app: WSGIApp) -> ASGIApp:
    """Return a WSGI application as an ASGI application that runs it in its own threads.

    The scope must hold the common request as "unigate.request". The ASGI application raises
    ClientGone if its client disconnects or stands still.

    Raises:
        ValueError: For an environment variable of `limits` that is not a positive integer.
    """
    limits = read_limits()
    threads = Threads(limits.threads)

    async def asgi(scope: Scope, receive: Receive, send: Send) -> None:
        request: Request = scope["unigate.request"]
        client = Client(receive, send, limits.client_timeout)
        try:
            body, size = await receive_body(request, client, limits, threads)
        except Refused as refused:
            await _refuse(request, refused.status, send)
            return
        except ClientStalled as stalled:
            _log.debug("%r ended early: %s", request, stalled)
            await _refuse(request, 408, send)
            return
        environ = build_environ(request, scope["root_path"], body)
        if size or "CONTENT_LENGTH" in environ:  # a body that was chunked is whole here
            environ["CONTENT_LENGTH"] = str(size)
            environ.pop("HTTP_TRANSFER_ENCODING", None)
        run = _Run(app, environ, request, body, threads)
        try:
            threads.start(run.run)
        except RuntimeError:
            body.close()
            raise
        try:
            await run.deliver(client)
        except (SystemExit, KeyboardInterrupt):
            if not run.started:
                await send_response(Response.plain(500, "Internal Server Error"), send)
            raise
        finally:
            run.break_off("The server stopped waiting for the response.")
            client.close()

    return asgi


async def _refuse(request: Request, status: int, send: Send) -> None:
    """Answer in place of the application, and let the server close the connection."""
    response = Response.plain(status, reason_phrase(status))
    if request.http_version.startswith("1"):  # HTTP/2 forbids the field, and can end one stream
        response.headers.set("connection", "close")
    await send_response(response, send)


class _Run:
    """One run of an application in a thread, and its response on the way to the event loop.

    Attributes:
        started: Whether the start of the response was sent.
    """

    def __init__(
        self, app: WSGIApp, environ: Environ, request: Request, body: IO[bytes], threads: Threads
    ) -> None:
        self._app = app
        self._environ = environ
        self._request = request
        self._body = body
        self._threads = threads
        self._context = copy_context()
        self._loop = asyncio.get_running_loop()
        self._ready = asyncio.Event()  # something has changed for the event loop
        self._changed = threading.Condition(threading.Lock())  # guards what follows
        self._notified = False  # whether the event loop has been told
        self._begun = False
        self._parts: list[bytes] = []
        self._size = 0  # of the parts
        self._complete = False
        self._done = False
        self._error: BaseException | None = None
        self._gone = ""  # why nothing more reaches the client
        self._response = LiveResponse(self._write)
        self._has_body = True
        self._is_list = False
        self.started = False

    # --- in the thread ---------------------------------------------------------------------------

    def run(self) -> None:
        """Run the application."""
        try:
            if not self._gone:
                self._context.run(self._drive)
        except ClientGone as gone:
            self.break_off(str(gone))
        except BaseException as error:
            self._error = error
        finally:
            self._body.close()
            self._done = True
            self._notify()

    def _drive(self) -> None:
        response = self._response
        drive(self._call, self._environ, response, response.write, self._end)

    def _call(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        body = self._app(environ, start_response)
        # Its parts are in memory already, and there is no close() that might take long.
        self._is_list = type(body) is list and not self._begun
        return body

    def _begin(self) -> None:
        if not self._begun:
            response = self._response
            self._has_body = carries_body(self._request.method, response.status, response.headers)
            self._begun = True

    def _write(self, part: bytes) -> None:
        """Take a part of the body, once the client has taken enough of those before."""
        self._begin()
        if self._size >= PART and not (self._is_list or self._gone):
            with self._threads.slot_given_back(self._break_off_waiting), self._changed:
                self._changed.wait_for(lambda: self._size < PART or self._gone)
        if self._gone:
            raise ClientGone(self._gone)
        if self._has_body:
            with self._changed:
                self._parts.append(part)
                self._size += len(part)
        if not self._is_list:
            self._notify()

    def _end(self) -> None:
        self._response.check_started()
        self._begin()
        self._complete = True
        if not self._is_list:
            self._notify()

    def _notify(self) -> None:
        with self._changed:
            notified, self._notified = self._notified, True
        if not notified:
            try:
                self._loop.call_soon_threadsafe(self._ready.set)
            except RuntimeError:  # the event loop is closed
                self.break_off("The server has stopped.")

    # --- from any thread -------------------------------------------------------------------------

    def break_off(self, reason: str) -> None:
        """Let the next write of the application fail."""
        with self._changed:
            self._gone = self._gone or reason
            self._changed.notify_all()

    def _break_off_waiting(self) -> None:
        self.break_off("Too many clients do not take their responses, and this one for longest.")

    # --- on the event loop -----------------------------------------------------------------------

    async def deliver(self, client: Client) -> None:
        """Send the response as the application makes it, until the application has ended.

        Raises:
            ClientGone: If the client did not get the whole response.
            BaseException: What the application raised.
        """
        ended = done = False
        while not done:
            await self._ready.wait()
            self._ready.clear()
            with self._changed:
                self._notified = False
                done, begun, complete = self._done, self._begun, self._complete
                body = b"".join(self._parts)
                self._parts.clear()
                self._size = 0
                self._changed.notify_all()
            if not begun or ended or self._gone or (self._is_list and not complete):
                continue
            try:
                if not self.started:
                    self.started = True
                    await client.send(self._start())
                    if not complete:
                        client.watch(self.break_off)
                await _send_body(client, body, complete)
                ended = complete
            except ClientGone as gone:
                self.break_off(str(gone))
        self._raise_error()
        if self._gone and not ended:
            raise ClientGone(self._gone)

    def _raise_error(self) -> None:
        error = self._error
        if error is None:
            return
        if isinstance(error, (Exception, SystemExit, KeyboardInterrupt)):
            raise error
        # Here, a cancellation would look like one of the server.
        raise RuntimeError(f"The application raised {error!r}.") from error

    def _start(self) -> Message:
        response = self._response
        return {
            "type": "http.response.start",
            "status": response.status,
            "headers": response.headers.encoded(),
        }


async def _send_body(client: Client, body: bytes, last: bool) -> None:
    """Send a part of a body in pieces, each of which the client has to take in time."""
    begin = 0
    for end in range(PART, len(body), PART):
        piece = body[begin:end]
        await client.send({"type": "http.response.body", "body": piece, "more_body": True})
        begin = end
    if body or last:
        piece = body[begin:]
        await client.send({"type": "http.response.body", "body": piece, "more_body": not last})
