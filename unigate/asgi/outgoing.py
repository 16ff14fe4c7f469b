"""The response of an application in a thread, on its way to a client of the event loop."""

from __future__ import annotations

import asyncio
import threading

from unigate.errors import failure_of
from unigate.http import carries_body
from unigate.http.start_response import LiveResponse

from .disconnects import Client, ClientGone
from .threads import Threads

# How many bytes wait for the event loop before the application waits for its client, and how many
# are sent at once: as many as uvicorn keeps for a connection.
PART = 64 * 1024
# How many bytes of a list wait for its end.
HELD = 1024 * 1024


class Outgoing:
    """A response that a thread makes and the event loop sends, part by part.

    Args:
        method: The method of the request.
        threads: Where the application runs.

    Attributes:
        response: What the application starts and writes.
        gone: Why nothing more reaches the client, or "".
    """

    def __init__(self, method: str, threads: Threads) -> None:
        self.response = LiveResponse(self._write)
        self.gone = ""
        self._method = method
        self._threads = threads
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()
        self._lock = threading.Lock()  # of what both sides change
        self._changed = threading.Condition(self._lock)
        self._notified = False  # whether the event loop knows that there are news
        self._parts: list[bytes] = []
        self._size = 0  # of the parts
        self._begun = self._complete = self._done = False
        self._has_body = True
        self._held = self._idle = False
        self._error: BaseException | None = None

    # --- in the thread of the application --------------------------------------------------------

    def hold(self) -> None:
        """Send nothing before the application has ended, unless it has written already.

        For a body that is a list: no part has to be waited for, and no `close()` follows. One with
        more than `HELD` is sent as it comes, because a list may have the same part many times.
        """
        self._held = not self._begun

    def end(self) -> None:
        """Note that the body is complete; IncompleteResponse if the response was never started."""
        self.response.check_started()
        self._begin()
        if not self._complete:
            self._complete = True
            if not self._held:
                self._notify()

    def finish(self, error: BaseException | None) -> None:
        """Note that the application has ended, and what it raised."""
        self._error = error
        self._done = True
        self.response.close()
        self._notify()

    def write(self, part: bytes) -> None:
        """Take a part of the body; ClientGone once nothing more reaches the client."""
        if self.gone:
            raise ClientGone(self.gone)
        self.response.write(part)
        if not part:  # the application waits for something (PEP 3333), and may do so for ever
            self._idle = True
            self._notify()

    def _write(self, part: bytes) -> None:
        self._begin()
        if self._held and self._size >= HELD:
            self._held = False
            self._notify()
        if self._size >= PART and not (self._held or self.gone):
            with self._threads.slot_given_back(self._break_off_waiting), self._changed:
                self._changed.wait_for(lambda: self._size < PART or self.gone)
        if self.gone:
            raise ClientGone(self.gone)
        length = self.response.length
        with self._lock:
            if self._has_body:
                self._parts.append(part)
                self._size += len(part)
            if length is not None and length.left <= 0 and not self._held:
                self._complete = True  # what follows is not sent
        if not self._held:
            self._notify()

    def _begin(self) -> None:
        if not self._begun:
            response = self.response
            self._has_body = carries_body(self._method, response.status, response.headers)
            self._begun = True

    def _notify(self) -> None:
        with self._lock:
            known, self._notified = self._notified, True
        if not known:
            try:
                self._loop.call_soon_threadsafe(self._news.set)
            except RuntimeError:  # the event loop is closed
                self.break_off("The server has stopped.")

    # --- in any thread ---------------------------------------------------------------------------

    def break_off(self, reason: str) -> None:
        """Let the next write of the application fail, or the one that waits."""
        with self._changed:
            self.gone = self.gone or reason
            self._parts.clear()
            self._changed.notify_all()

    def _break_off_waiting(self) -> None:
        self.break_off("Too many clients do not take their responses, this one for the longest.")

    # --- on the event loop -----------------------------------------------------------------------

    async def deliver(self, client: Client) -> None:
        """Send the response as the application makes it, until the application has ended.

        Raises:
            ClientGone: If the client did not get the whole response.
            BaseException: What the application raised, or `failure_of` that.
        """
        delivered = done = False
        while not done:
            await self._news.wait()
            self._news.clear()
            with self._changed:
                self._notified = False
                begun, complete, done = self._begun, self._complete, self._done
                held = self._held and not complete
                body = b"" if held else self._take()
            if self._idle:
                client.watch(self.break_off)
            if not begun or delivered or self.gone or held:
                continue
            try:
                if not client.started:
                    await self._start(client)
                    if not complete:
                        client.watch(self.break_off)
                await _send_body(client, body, complete)
                delivered = complete
            except ClientGone as gone:
                self.break_off(str(gone))
        if self._error is not None:
            raise failure_of(self._error)
        if self.gone and not delivered:
            raise ClientGone(self.gone)

    def _take(self) -> bytes:
        """Return what has been written, and make room for more."""
        parts = self._parts
        body = parts[0] if len(parts) == 1 else b"".join(parts)
        parts.clear()
        self._size = 0
        self._changed.notify_all()
        return body

    async def _start(self, client: Client) -> None:
        response = self.response
        headers = response.headers.encoded()
        await client.send(
            {"type": "http.response.start", "status": response.status, "headers": headers}
        )


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
