"""Run ASGI applications for invocations: until they have answered, and beyond that."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import Any, Protocol

from unigate.asgi.driver import ResponseCollector
from unigate.asgi.runtime import ASGIRuntime
from unigate.background import seconds_for_work
from unigate.context import current_request_var
from unigate.errors import failure_of
from unigate.http import BodyLength
from unigate.request import Request
from unigate.routing import Mount
from unigate.types import Message, Scope

from .client import last_chunk
from .invocation import Invocation
from .streaming import Gone, Outgoing

_log = logging.getLogger("unigate")

# The time that a cancelled application has for its cleanup, in seconds.
CANCEL_SECONDS = 0.5
# The time that posting a timeout takes: at the deadline Lambda ends the process.
POST_SECONDS = 0.1
# The time that an application may run on after its client has disconnected.
GONE_SECONDS = 2.0


class Answer(Protocol):
    """The ASGI side of one response: its receive and send, and when it is over."""

    answered: asyncio.Future[None]

    async def receive(self) -> Message: ...
    async def send(self, message: Message) -> None: ...
    def release(self) -> None: ...


class BufferedAnswer(ResponseCollector):
    """A response that is collected; `answered` is done when it is complete."""

    __slots__ = ("answered",)

    def __init__(self, body: bytes) -> None:
        super().__init__(body)
        self.answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def send(self, message: Message) -> None:
        """Collect a part of the response."""
        await super().send(message)
        if self.complete and not self.answered.done():
            self.answered.set_result(None)

    def release(self) -> None:
        """Do nothing: no socket is held."""


class StreamedAnswer(ResponseCollector):
    """A response that is sent to the Runtime API part by part."""

    __slots__ = ("_ended", "_length", "_loop", "_out", "_sending", "_socket", "answered")

    def __init__(self, body: bytes, out: Outgoing) -> None:
        super().__init__(body)
        self._out = out
        self._length: BodyLength | None = None
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        self._sending = asyncio.Lock()
        self._socket: Any = None
        self.answered: asyncio.Future[None] = self._loop.create_future()

    async def wait_until_over(self) -> None:
        """Wait until the response was sent, or the client has disconnected."""
        await self._ended.wait()

    async def send(self, message: Message) -> None:
        """Send a part of the response; OSError if the client has disconnected (ASGI 2.4)."""
        await super().send(message)
        if message["type"] == "http.response.start":
            self._length = BodyLength.of(self.headers)
        if self.chunks:
            data = self.chunks.pop()
            if self._length is not None:
                data = self._length.fit(data)
            async with self._sending:
                await self._send(data, message.get("more_body", False))

    def check_length(self, request: Request) -> None:
        """Log that the body, which has ended, has another length than its Content-Length."""
        if self._length is not None:
            self._length.check(request, request.method, self.status)

    async def _send(self, data: bytes, more: bool) -> None:
        out = self._out
        if out.gone:
            raise Gone("The client disconnected before the end of the response.")
        first = b""
        if not out.started:
            first = out.begin(self.status, self.headers)
            self._watch()
        parts = out.part(data)
        pieces = [first + parts[0], *parts[1:]] if parts else [first]
        if not more:
            pieces[-1] += last_chunk()
        out.halfway = True
        try:
            for piece in pieces:
                if piece:
                    await self._loop.sock_sendall(self._socket, piece)
        except OSError as error:
            self._leave()
            raise Gone(f"The client disconnected: {error!r}") from error
        out.halfway = False
        if not more:
            out.complete = True
            self.release()
            self._finish()

    def _watch(self) -> None:
        """Notice if the Runtime API replies before it has the whole response."""
        self._socket = self._out.connection.open()
        self._socket.setblocking(False)
        self._loop.add_reader(self._socket, self._leave)

    def _leave(self) -> None:
        self._out.gone = True
        self.release()
        self._finish()

    def _finish(self) -> None:
        self._ended.set()
        if not self.answered.done():
            self.answered.set_result(None)

    def release(self) -> None:
        """Make the socket blocking again, for the thread that reads from it next."""
        if self._socket is not None and self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket)
            self._socket.setblocking(True)


async def run(
    runtime: ASGIRuntime, mount: Mount, request: Request, answer: Answer, invocation: Invocation
) -> asyncio.Task[None]:
    """Run an application until it has answered or ended; return the task, which may go on.

    Raises:
        TimeoutError: If the invocation's time is over first.
    """
    loop = asyncio.get_running_loop()
    if not runtime.lifespans.started:
        await runtime.lifespans.start()
    scope = runtime.scope_of(mount, request)
    current_request_var.set(request)  # for this task and the one that it starts
    task = loop.create_task(_call(mount.app, scope, answer))
    answered = answer.answered
    task.add_done_callback(partial(_settle, answered))
    invocation.cancel = lambda: loop.call_soon_threadsafe(task.cancel)
    left = request.remaining_time()
    bound = None
    if left is not None:  # even without time left, an answer may be ready
        bound = loop.call_later(max(left - POST_SECONDS, CANCEL_SECONDS), _expire, answered, task)
    try:
        await answered
    except TimeoutError as error:
        await asyncio.wait({task}, timeout=CANCEL_SECONDS)
        raise error from _cancellation_of(task)
    finally:
        answer.release()
        if bound is not None:
            bound.cancel()
    return task


def _settle(answered: asyncio.Future[None], task: asyncio.Task[None]) -> None:
    if not answered.done():
        answered.set_result(None)


async def _call(app: Any, scope: Scope, answer: Answer) -> None:
    await app(scope, answer.receive, answer.send)


def _expire(answered: asyncio.Future[None], task: asyncio.Task[None]) -> None:
    if not answered.done():
        answered.set_exception(TimeoutError("The application did not answer in time."))
    task.cancel()


async def finish(
    task: asyncio.Task[None], request: Request, *, gone: bool = False
) -> BaseException | None:
    """Let an application run on after its response, within the time that is left.

    Args:
        gone: Whether its client has disconnected, which the application was told.

    Returns:
        The error that it failed with, or None.
    """
    limit = seconds_for_work(request.context)
    if gone:
        limit = GONE_SECONDS if limit is None else min(limit, GONE_SECONDS)
    await asyncio.wait({task}, timeout=limit)
    if task.done():
        return error_of(task)
    if gone:
        _log.warning("%r runs on after its client has disconnected: it is cancelled.", request)
    else:
        _log.error("%r runs on after its response, and the function has no time left.", request)
    task.cancel()
    await asyncio.wait({task}, timeout=CANCEL_SECONDS)
    return None


def error_of(task: asyncio.Task[None]) -> BaseException | None:
    """Return the error of an application that has ended, or None."""
    error = _cancellation_of(task) or task.exception()
    return None if error is None else failure_of(error)


def _cancellation_of(task: asyncio.Task[None]) -> asyncio.CancelledError | None:
    """Return the exception of a task that was cancelled, which shows where the task was."""
    if task.cancelled():
        try:
            task.result()
        except asyncio.CancelledError as error:
            return error
    return None
