"""ASGI applications under WSGI servers.

The application runs on an event loop in another thread. The server's input and output belong to the
server's thread: there, requests are read and responses are sent, as the application asks for it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Generator, Iterable, Iterator
from concurrent.futures import Future
from functools import partial
from queue import SimpleQueue
from typing import Any

from unigate.errors import failure_of
from unigate.http import reason_phrase
from unigate.server_requests import environ_text
from unigate.types import Environ, Message, Receive, Send, StartResponse, WSGIApp

from .driver import WatchedResponse

_log = logging.getLogger("unigate")

# How many bytes of a request body are read at once.
PART = 65536

Run = Callable[[Environ, Receive, Send], Awaitable[None]]


def asgi_to_wsgi(run: Run, loop: asyncio.AbstractEventLoop, *, raising: bool) -> WSGIApp:
    """Return a WSGI application that runs an ASGI application on a loop in another thread.

    A failure of the application is raised to the caller. The application is cancelled when the
    server closes the body before its end.

    Args:
        run: Runs the application for an environ of the server, with its receive and send.
        raising: Whether to raise a failure after the response was complete, instead of logging it.
    """

    def wsgi(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        bridge = _Bridge(environ, loop)
        return _Body(_parts(bridge, run, loop, start_response), bridge, raising)

    return wsgi


def _parts(
    bridge: _Bridge, run: Run, loop: asyncio.AbstractEventLoop, start_response: StartResponse
) -> Generator[bytes]:
    running = asyncio.run_coroutine_threadsafe(bridge.run(run), loop)
    running.add_done_callback(bridge.end)
    try:
        yield from bridge.parts(start_response)
        bridge.check(running)
    finally:
        bridge.closed = True
        running.cancel()


class _Body:
    """The body of a response, which tells of a failure after its end once the server has sent it.

    Raised with the last part, the failure would keep the server from ending the response.
    """

    def __init__(self, parts: Generator[bytes], bridge: _Bridge, raising: bool) -> None:
        self._parts = parts
        self._bridge = bridge
        self._raising = raising

    def __iter__(self) -> Iterator[bytes]:
        return self._parts

    def close(self) -> None:
        self._parts.close()
        failure, self._bridge.late_failure = self._bridge.late_failure, None
        if failure is None:
            return
        if self._raising:
            raise failure
        request = self._bridge.environ["unigate.request"]
        _log.error("%r failed after its response was complete.", request, exc_info=failure)


class _Bridge:
    """One request on its way between the thread of a server and an application on a loop.

    Attributes:
        environ: The server's.
        closed: Whether the server wants no more of the response.
        late_failure: What the application raised after the response was complete.
    """

    def __init__(self, environ: Environ, loop: asyncio.AbstractEventLoop) -> None:
        self.environ = environ
        self._loop = loop
        # What the application wants of the server's thread; None once it has ended.
        self._orders: SimpleQueue[tuple[Message, asyncio.Future[Any]] | None] = SimpleQueue()
        self._response = WatchedResponse(self._receive, self._send)
        self._start: Message | None = None
        self._over = asyncio.Event()
        self._receiving = asyncio.Lock()
        self._reading: asyncio.Future[Message] | None = None
        self._left = _content_length(environ)
        self._more = True
        self.closed = False
        self.late_failure: Exception | None = None

    # --- on the loop -----------------------------------------------------------------------------

    async def run(self, run: Run) -> BaseException | None:
        """Run the application; return its error, since an exit would end the event loop."""
        try:
            await self._response.run(partial(run, self.environ))
        except BaseException as error:
            return error
        return None

    def end(self, running: Future[Any]) -> None:
        """Let the server's thread end `parts`."""
        self._orders.put(None)

    async def _receive(self) -> Message:
        async with self._receiving:
            if self._more and not self.closed:
                # Shielded: what is being read must not be lost with a cancelled receive.
                self._reading = self._reading or self._order({"type": "http.request"})
                message = await asyncio.shield(self._reading)
                self._reading = None
                return message
        if not self.closed:
            await self._over.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        kind = message["type"]
        if self.closed:
            raise OSError("The client disconnected before the end of the response.")
        if kind == "http.response.start" and self._start is None:
            self._start = message
        elif kind == "http.response.body" and self._start is not None and not self._over.is_set():
            await self._order(message)
            if not message.get("more_body", False):
                self._over.set()
        else:
            raise RuntimeError(f"The application sent {kind!r} out of order.")

    def _order(self, message: Message) -> asyncio.Future[Any]:
        done = self._loop.create_future()
        self._orders.put((message, done))
        return done

    # --- in the server's thread ------------------------------------------------------------------

    def parts(self, start_response: StartResponse) -> Iterator[bytes]:
        """Return the parts of the body as the application sends them, until it ends."""
        started = False
        while (order := self._orders.get()) is not None:
            message, done = order
            answer = None
            if message["type"] == "http.request":
                answer = self._read()
            else:
                if not started:  # with the first part, so that a failure until then can be a 500
                    started = True
                    self._send_start(start_response)
                yield message.get("body", b"")
            self._loop.call_soon_threadsafe(_settle, done, answer)

    def check(self, running: Future[BaseException | None]) -> None:
        """Raise the error that the application ended with; keep it if its response is complete."""
        error = running.result()
        if error is None:
            return
        failure = failure_of(error)
        if not (self._response.complete and isinstance(failure, Exception)):
            raise failure
        self.late_failure = failure

    def _send_start(self, start_response: StartResponse) -> None:
        assert self._start is not None
        status = self._start["status"]
        fields = [(n.decode("latin-1"), v.decode("latin-1")) for n, v in self._start["headers"]]
        start_response(f"{status} {reason_phrase(status)}", fields)

    def _read(self) -> Message:
        """Read the next part of the request body; without Content-Length, up to its end."""
        size = PART if self._left is None else min(PART, self._left)
        try:
            body = self.environ["wsgi.input"].read(size) if size else b""
        except OSError:
            body = None
        if self._left is not None and body:
            self._left -= len(body)
        self._more = bool(body) and self._left != 0
        if body is None or (not body and self._left):
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": body, "more_body": self._more}


def _content_length(environ: Environ) -> int | None:
    """Return the length of a request body, None if only its end tells."""
    length = environ_text(environ, "CONTENT_LENGTH")
    if environ.get("wsgi.input") is None:
        return 0
    if length.isascii() and length.isdigit() and len(length) < 20:
        return int(length)
    return None if environ.get("wsgi.input_terminated") else 0


def _settle(done: asyncio.Future[Any], answer: Message | None) -> None:
    if not done.done():
        done.set_result(answer)
