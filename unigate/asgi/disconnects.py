"""The client's end of a live request (ASGI), watched for whether it is still there."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from unigate.types import Message, Receive, Send

_log = logging.getLogger("unigate")


class Connection:
    """A live request that notices when its client goes, and takes messages nevertheless.

    It reads one message ahead, from the application's first read or the first part of its response
    on: not before, because that lets a client that waits for "100 Continue" begin to send.
    """

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._arrived: asyncio.Queue[Message] = asyncio.Queue(maxsize=1)
        self._reading: asyncio.Task[None] | None = None
        self._deaf = False
        self._left = False

    @property
    def gone(self) -> bool:
        """Tell whether nobody takes the response any more."""
        return self._left or self._deaf

    async def until(self, answering: Coroutine[Any, Any, None]) -> None:
        """Wait until the request is answered; that a client left meanwhile is no failure.

        Shielded from a server that stops waiting: the thread that answers would never end, for
        want of somebody to take its messages.
        """
        task = asyncio.ensure_future(answering)
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        try:
            await asyncio.shield(task)
        except ConnectionAbortedError:
            if not self._left:
                raise
        finally:
            self._deaf = True
            if self._reading is not None:
                self._reading.cancel()
            if self._arrived.empty():
                self._arrived.put_nowait({"type": "http.disconnect"})

    async def receive(self) -> Message:
        """Return the next message of the request; when the client is gone, that."""
        if self.gone and self._arrived.empty():
            return {"type": "http.disconnect"}
        self._read_ahead()
        return await self._arrived.get()

    async def send(self, message: Message) -> None:
        """Send a part of the response, while there is somebody to take it."""
        if self._deaf:
            return
        if message.get("more_body", False):
            self._read_ahead()
        try:
            await self._send(message)
        except OSError:  # ASGI 2.4: the client has gone
            self._deaf = True

    def _read_ahead(self) -> None:
        if self._reading is None:
            self._reading = asyncio.ensure_future(self._read())

    async def _read(self) -> None:
        while not self._left:
            try:
                message = await self._receive()
            except Exception:
                _log.exception("The server could not tell what the client sends.")
                message = {"type": "http.disconnect"}
            self._left = message["type"] == "http.disconnect"
            await self._arrived.put(message)
