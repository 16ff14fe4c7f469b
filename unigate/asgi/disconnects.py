"""The client of a live request, which may disconnect or stand still."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from unigate.types import Message, Receive, Send

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
    """

    def __init__(self, receive: Receive, send: Send, seconds: float) -> None:
        self._receive = receive
        self._send = send
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._watch: asyncio.Task[None] | None = None
        self._left = seconds  # for the next bytes of the body

    async def receive(self) -> Message:
        """Return the next part of the request body; ClientGone if there is none."""
        begin = self._loop.time()
        try:
            async with asyncio.timeout(self._left):
                message = await self._receive()
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
        try:
            async with asyncio.timeout(self._seconds):
                await self._send(message)
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
