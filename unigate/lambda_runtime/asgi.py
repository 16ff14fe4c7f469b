"""Drive ASGI applications on the event loop of this process, to their answer and beyond it."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import Any, Protocol

from unigate.asgi.driver import Exchange, build_scope
from unigate.asgi.runtime import Running
from unigate.background import MARGIN
from unigate.context import current_request_var
from unigate.errors import IncompleteResponse
from unigate.http import Headers, response_headers
from unigate.request import Request
from unigate.routing import Mount
from unigate.types import Message, Scope

from .client import last_chunk
from .invocation import Invocation
from .streaming import Gone, Outgoing

_log = logging.getLogger("unigate")

# For how long an application that is cancelled may put its things in order, in seconds.
CANCEL_SECONDS = 0.5
# What it takes to post that there was no answer in time: at the deadline Lambda ends the process.
POST_SECONDS = 0.1
# And how long one may go on whose client has gone.
GONE_SECONDS = 2.0


class Turn(Protocol):
    """One request for an application, and what became of it."""

    answered: asyncio.Future[None]

    async def receive(self) -> Message: ...
    async def send(self, message: Message) -> None: ...
    def release(self) -> None: ...


class WholeTurn(Exchange):
    """An answer that is collected, and known to be whole when it is."""

    __slots__ = ("answered",)

    def __init__(self, body: bytes) -> None:
        super().__init__(body)
        self.answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def send(self, message: Message) -> None:
        """Take a part of the response."""
        await super().send(message)
        if self.complete and not self.answered.done():
            self.answered.set_result(None)

    def release(self) -> None:
        """Nothing is held."""


class StreamedTurn:
    """The ASGI side of a streamed answer: `receive` and `send` of one application."""

    def __init__(self, body: bytes, out: Outgoing) -> None:
        self._given: bytes | None = body
        self._out = out
        self._status = 0
        self._headers = Headers()
        self._over = asyncio.Event()
        self._turn = asyncio.Lock()
        self._loop = asyncio.get_running_loop()
        self._watched: Any = None
        self.answered: asyncio.Future[None] = self._loop.create_future()

    async def receive(self) -> Message:
        """Give the body at once, then wait until the answer is complete, or nobody wants it."""
        if self._given is not None:
            body, self._given = self._given, None
            return {"type": "http.request", "body": body, "more_body": False}
        await self._over.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Send a part of the answer; OSError where nobody takes it any more (ASGI 2.4)."""
        kind = message["type"]
        if kind == "http.response.body" and self._status and not self._out.complete:
            async with self._turn:
                await self._send(message.get("body", b""), message.get("more_body", False))
        elif kind == "http.response.start" and not self._status:
            self._headers = response_headers(
                [
                    (name.decode("latin-1"), value.decode("latin-1"))
                    for name, value in message.get("headers", ())
                ]
            )
            self._status = message["status"]
        else:
            raise RuntimeError(f"The application sent {kind!r} out of turn.")

    async def _send(self, data: bytes, more: bool) -> None:
        out = self._out
        if out.gone:
            raise Gone("The client went away before it had the whole response.")
        first = b""
        if not out.started:
            first = out.begin(self._status, self._headers)
            self._watch()
        parts = out.part(data)
        pieces = [first + parts[0], *parts[1:]] if parts else [first]
        if not more:
            pieces[-1] += last_chunk()
        out.halfway = True
        try:
            for piece in pieces:
                if piece:
                    await self._loop.sock_sendall(self._watched, piece)
        except OSError as error:
            self._leave()
            raise Gone(f"The client went away: {error!r}") from error
        out.halfway = False
        if not more:
            out.complete = True
            self.release()
            self._finish()

    def _watch(self) -> None:
        """Notice when the Runtime API says something before it has the whole answer."""
        self._watched = self._out.connection.open()
        self._watched.setblocking(False)
        self._loop.add_reader(self._watched, self._leave)

    def _leave(self) -> None:
        self._out.gone = True
        self.release()
        self._finish()

    def _finish(self) -> None:
        self._over.set()
        if not self.answered.done():
            self.answered.set_result(None)

    def release(self) -> None:
        """Give the socket back to who may wait for it."""
        if self._watched is not None and self._watched.fileno() >= 0:
            self._loop.remove_reader(self._watched)
            self._watched.setblocking(True)


async def run(
    running: Running, mount: Mount, request: Request, turn: Turn, invocation: Invocation
) -> asyncio.Task[None]:
    """Run an application until it has answered, or has ended; return the task in which it goes on.

    Raises TimeoutError when there is neither as the invocation's time is over.
    """
    loop = asyncio.get_running_loop()
    if not running.lifespans.started:
        await running.lifespans.start()
    scope = build_scope(request, request.root_path + mount.prefix, running._states.get(mount, {}))
    current_request_var.set(request)  # for the task of this call, and the one that it starts
    task = loop.create_task(_call(mount.app, scope, turn))
    answered = turn.answered
    task.add_done_callback(partial(_settle, answered))
    invocation.cancel = lambda: loop.call_soon_threadsafe(task.cancel)
    left = request.remaining_time()
    bound = None
    if left is not None:  # where the time is over already, an answer may still be at hand
        bound = loop.call_later(max(left - POST_SECONDS, CANCEL_SECONDS), _expire, answered, task)
    try:
        await answered
    except TimeoutError:
        await asyncio.wait({task}, timeout=CANCEL_SECONDS)
        raise
    finally:
        turn.release()
        if bound is not None:
            bound.cancel()
    return task


def _settle(answered: asyncio.Future[None], task: asyncio.Task[None]) -> None:
    if not answered.done():
        answered.set_result(None)


async def _call(app: Any, scope: Scope, turn: Turn) -> None:
    await app(scope, turn.receive, turn.send)


def _expire(answered: asyncio.Future[None], task: asyncio.Task[None]) -> None:
    if not answered.done():
        answered.set_exception(TimeoutError("The application did not answer in time."))
    task.cancel()


async def finish(
    task: asyncio.Task[None], request: Request, *, gone: bool = False
) -> BaseException | None:
    """Let an application that has answered do the rest of its work, while there is time.

    Returns what that failed with. One whose client has gone is to come to an end: it was told.
    """
    left = request.remaining_time()
    limit = None if left is None else max(0.0, left - MARGIN)
    if gone:
        limit = GONE_SECONDS if limit is None else min(limit, GONE_SECONDS)
    await asyncio.wait({task}, timeout=limit)
    if task.done():
        return error_of(task)
    if gone:
        _log.warning("%r goes on without a client, and is cancelled.", request)
    else:
        _log.error("%r goes on after it was answered, and the function has no time left.", request)
    task.cancel()
    await asyncio.wait({task}, timeout=CANCEL_SECONDS)
    return None


def error_of(task: asyncio.Task[None]) -> BaseException | None:
    """Return what an application that has ended failed with."""
    if task.cancelled():
        return IncompleteResponse("The application was cancelled.")
    return task.exception()
