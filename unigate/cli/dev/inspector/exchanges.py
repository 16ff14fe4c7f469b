"""Recorded requests: their data, the bounded history, change notification."""

from __future__ import annotations

import copy
import pickle
import secrets
import sys
import threading
import time
from bisect import insort
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import IO, Any

from unigate import Request, Response

from . import logs
from .logs import Line

MOST = 200  # exchanges
MOST_BYTES = 50_000_000  # of all exchanges
_OVERHEAD = 4096  # bytes of an exchange's own objects

Report = dict[str, Any]
"""A function's report on an exchange: some of `cold`, `laps` and `request`, or a `line`.

The last one is empty."""

OnReport = Callable[[Report], None]


@dataclass
class Exchange:
    """One request and its response; what does not exist, or not yet, is None or empty."""

    sent: Request
    """The request as the client sent it, which a replay sends again."""
    source: str
    replay_of: int = 0
    number: int = 0
    version: int = 0
    """The version of the history in which this exchange changed last."""
    size: int = 0
    """In bytes, when it changed last."""
    began: float = field(default_factory=time.time)
    seconds: float = 0.0
    """Until the response, or until the beginning of a streamed one."""
    total_seconds: float = 0.0
    """Until the end of a streamed response."""
    event: Any = None
    request: dict[str, Any] | None = None
    """The Request that the event was read into, in plain values."""
    reply: Any = None
    response: Response | None = None
    streamed: bool = False
    ended: bool = False
    cold: bool = False
    laps: dict[str, float] = field(default_factory=dict)
    """The seconds spent in "parse", "app" and "reply", as far as they were measured."""
    lines: list[Line] = field(default_factory=list)
    failure: str = ""
    """Why the function returned no response, or an incomplete one."""
    is_outline: bool = False
    """Whether this is what is left of an exchange that was too large to be kept."""

    def update(self, report: Report) -> None:
        """Add a report; a line that arrives late is inserted in the order of time."""
        self.cold = report.get("cold", self.cold)
        self.laps = report.get("laps", self.laps)
        self.request = report.get("request", self.request)
        if "line" in report and len(self.lines) < logs.MOST:
            insort(self.lines, Line(*report["line"]))

    @property
    def trace(self) -> str:
        """The traceback of the failure, or ""."""
        logged = [line.trace for line in self.lines if line.trace]
        return self.failure or (logged[-1] if logged else "")

    def measure(self) -> int:
        """Return the size in bytes of what this exchange keeps in memory."""
        sent, response = self.sent, self.response
        kept: list[Any] = [sent.raw_path, sent.query_string, sent.headers.pairs, sent.body]
        kept += [response.headers.pairs, response.body] if response is not None else []
        kept += [self.event, self.request, self.reply, self.failure, self.lines]
        return _OVERHEAD + _size(kept)

    def outline(self) -> Exchange:
        """Return a copy without bodies, events and log records."""
        sent, response = copy.copy(self.sent), copy.copy(self.response)
        sent.body = b""
        if response is not None:
            response.body = b""
        outline = replace(
            self, sent=sent, response=response, event=None, request=None, reply=None, lines=[],
            failure="", is_outline=True,
        )  # fmt: skip
        outline.size = outline.measure()
        return outline


def _size(value: Any) -> int:
    """Return the size in bytes of nested lists, tuples and maps, without recursion."""
    size, rest = 0, [value]
    while rest:
        one = rest.pop()
        size += sys.getsizeof(one)
        if isinstance(one, dict):
            rest += one.keys()
            rest += one.values()
        elif isinstance(one, list | tuple):
            rest += one
    return size


class History:
    """The latest exchanges, and a way to wait for changes.

    One run of the program is a session. After a reload, the next server process continues it
    through an inherited file.
    """

    def __init__(self) -> None:
        self._session = secrets.token_hex(4)
        self._version = 0
        self._exchanges: dict[int, Exchange] = {}
        self._last = 0
        self._changed = threading.Condition()
        self._closed = False

    def load(self, file: IO[bytes]) -> None:
        """Restore what the previous process saved."""
        file.seek(0)
        self._session, self._version, self._last, self._exchanges = pickle.load(file)

    def save(self, file: IO[bytes]) -> None:
        """Save the exchanges for the next process; unfinished ones are marked as failed."""
        with self._changed:
            self._version += 1
            cut = "The server was reloaded before the response was complete."
            ended = {
                number: exchange
                if exchange.ended
                else replace(exchange, ended=True, failure=cut, version=self._version)
                for number, exchange in self._exchanges.items()
            }
            file.seek(0)
            pickle.dump((self._session, self._version, self._last, ended), file)
            file.truncate()
            file.flush()

    def add(self, exchange: Exchange) -> None:
        """Number an exchange and record it."""
        with self._changed:
            self._last += 1
            exchange.number = self._last
            self._exchanges[exchange.number] = exchange
        self.notify(exchange)

    def notify(self, exchange: Exchange) -> None:
        """Wake up those that wait, because an exchange has changed.

        The oldest exchanges beyond the limits are dropped, and of one that is beyond them by itself
        only the outline is kept.
        """
        with self._changed:
            if exchange.number in self._exchanges:
                exchange.size = exchange.measure()
                kept = exchange if exchange.size <= MOST_BYTES else exchange.outline()
                self._exchanges[exchange.number] = kept
            size = sum(recorded.size for recorded in self._exchanges.values())
            while len(self._exchanges) > MOST or size > MOST_BYTES:
                size -= self._exchanges.pop(next(iter(self._exchanges))).size
            self._version += 1
            exchange.version = self._version
            if exchange.number in self._exchanges:
                self._exchanges[exchange.number].version = self._version
            self._changed.notify_all()

    def get(self, number: int) -> Exchange | None:
        """Return an exchange, or None if it was dropped."""
        return self._exchanges.get(number)

    def all(self) -> list[Exchange]:
        """Return the exchanges, oldest first."""
        with self._changed:
            return list(self._exchanges.values())

    def event_id(self) -> str:
        """Return the id of the present state, for server-sent events."""
        return f"{self._session}-{self._version}"

    def issued(self, event_id: str) -> bool:
        """Return True if an event id belongs to this session."""
        session, _, version = event_id.partition("-")
        return session == self._session and version.isdecimal()

    def wait_for_changes(self, since: str, timeout: float) -> tuple[str, list[Exchange]] | None:
        """Wait for changes.

        Args:
            since: An event id of this session.
            timeout: In seconds; after it, the changes are empty.

        Returns:
            The next event id and the changed exchanges; None if the history is closed.
        """
        version = int(since.partition("-")[2])
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._version > version, timeout)
            if self._closed:
                return None
            return self.event_id(), [
                exchange for exchange in self._exchanges.values() if exchange.version > version
            ]

    def close(self) -> None:
        """End all waiting."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
