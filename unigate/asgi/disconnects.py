"""Notice when the client of a live ASGI request disconnects."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from unigate.types import Message, Receive, Send

_log = logging.getLogger("unigate")


class DisconnectWatcher:
    """The receive and send of a live request, which notice that the client has disconnected.

    One message is read ahead, from the application's first read or the first part of its response
    on. Not earlier: reading makes servers send "100 Continue", for which a client may wait.
    """

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._arrived: asyncio.Queue[Message] = asyncio.Queue(maxsize=1)
        self._reading: asyncio.Task[None] | None = None
        self._closed = False
        self._left = False

    @property
    def gone(self) -> bool:
        """True once nothing more reaches the client."""
        return self._left or self._closed

    async def run(self, answer: Coroutine[Any, Any, None]) -> None:
        """Wait until the request is answered; a client that leaves is not an error.

        The coroutine is shielded from a server that stops waiting: otherwise the thread behind it
        would wait for ever to deliver its messages.
        """
        task = asyncio.ensure_future(answer)
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        try:
            await asyncio.shield(task)
        except ConnectionAbortedError:
            if not self._left:
                raise
        finally:
            self._closed = True
            if self._reading is not None:
                self._reading.cancel()
            if self._arrived.empty():
                self._arrived.put_nowait({"type": "http.disconnect"})

    async def receive(self) -> Message:
        """Return the next message of the request, or a disconnect once the client is gone."""
        if self.gone and self._arrived.empty():
            return {"type": "http.disconnect"}
        self._read_ahead()
        return await self._arrived.get()

    async def send(self, message: Message) -> None:
        """Send a part of the response, unless the client is gone."""
        if self._closed:
            return
        if message.get("more_body", False):
            self._read_ahead()
        try:
            await self._send(message)
        except OSError:  # the client has disconnected (ASGI 2.4)
            self._closed = True

    def _read_ahead(self) -> None:
        if self._reading is None:
            self._reading = asyncio.ensure_future(self._read())

    async def _read(self) -> None:
        while not self._left:
            try:
                message = await self._receive()
            except Exception:
                _log.exception("The server failed to receive the next message of a client.")
                message = {"type": "http.disconnect"}
            self._left = message["type"] == "http.disconnect"
            await self._arrived.put(message)
