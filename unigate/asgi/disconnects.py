"""The client of a live request, which may disconnect or stand still."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Generator
from types import coroutine
from typing import Any, TypeVar, cast

from unigate.types import Message, Receive, Send

T = TypeVar("T")

_log = logging.getLogger("unigate")

# How many bytes of a request body give a client the whole time again, and fewer a part of it: one
# that sends a byte from time to time stands still.
PROGRESS = 1024


class ClientGone(ConnectionAbortedError):
    """Nothing more reaches the client; not a failure of the application."""


class ClientStalled(ClientGone):
    """The client neither sends nor takes anything."""


class Client:
    """The receive and send of a live request, with a time-out.

    Args:
        seconds: How long the client may stand still.

    Attributes:
        started: Whether the start of the response was sent.
    """

    def __init__(self, receive: Receive, send: Send, seconds: float) -> None:
        self._receive = receive
        self._send = send
        self._seconds = seconds
        self.started = False
        self._loop = asyncio.get_running_loop()
        self._watch: asyncio.Task[None] | None = None
        self._left = seconds  # for the next bytes of the body

    async def receive(self) -> Message:
        """Return the next part of the request body; ClientGone if there is none."""
        begin = self._loop.time()
        try:
            message = await _within(self._left, self._receive())
        except TimeoutError:
            raise ClientStalled(
                f"The client sent its body slower than {PROGRESS} bytes in {self._seconds} seconds."
            ) from None
        except OSError as error:
            raise ClientGone("The client disconnected before the end of its body.") from error
        if message["type"] == "http.disconnect":
            raise ClientGone("The client disconnected before the end of its body.")
        gained = len(message.get("body", b"")) * self._seconds / PROGRESS
        left = self._left - (self._loop.time() - begin) + gained
        self._left = min(left, self._seconds)
        return message

    async def send(self, message: Message) -> None:
        """Send a part of the response; ClientGone if the client does not take it."""
        self.started = True
        try:
            await _within(self._seconds, self._send(message))
        except TimeoutError:
            raise ClientStalled(
                f"The client took no part of the response in {self._seconds} seconds."
            ) from None
        except OSError as error:  # the client has disconnected (ASGI 2.4)
            raise ClientGone("The client disconnected before the end of the response.") from error

    def watch(self, gone: Callable[[str], object]) -> None:
        """Call a function with the reason once the client has disconnected.

        Only for a request whose body has been received: this reads the messages after it.
        """
        if self._watch is None:
            self._watch = asyncio.ensure_future(self._wait_for_disconnect(gone))

    def close(self) -> None:
        """Stop watching."""
        if self._watch is not None:
            self._watch.cancel()

    async def _wait_for_disconnect(self, gone: Callable[[str], object]) -> None:
        try:
            while (await self._receive())["type"] != "http.disconnect":
                await asyncio.sleep(0)  # a receive that never waits would stop the event loop
        except Exception:
            _log.exception("The server failed to receive the next message of a client.")
        gone("The client disconnected before the end of the response.")


async def _within(seconds: float, awaitable: Awaitable[T]) -> T:
    """Await something; TimeoutError if it takes longer.

    A timer is set only if there is something to wait for: that is seldom, and setting and removing
    it takes longer than all else here.
    """
    steps = awaitable.__await__()
    try:
        waiting_for = next(steps)
    except StopIteration as end:
        return cast("T", end.value)
    async with asyncio.timeout(seconds):
        return await _go_on(waiting_for, steps)


@coroutine
def _go_on(waiting_for: Any, steps: Generator[Any, Any, T]) -> Generator[Any, Any, T]:
    """Await the rest of something whose first step has led to a future."""
    while True:
        try:
            yield waiting_for
        except BaseException as error:
            if not hasattr(steps, "throw"):  # granian's are no generators
                raise
            try:
                waiting_for = steps.throw(error)
            except StopIteration as end:
                return cast("T", end.value)
        else:
            return (yield from steps)
