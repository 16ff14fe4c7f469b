"""What is kept of each request: one record in plain values, the latest of them, and the news."""

from __future__ import annotations

import pickle
import secrets
import threading
import time
from bisect import insort
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import IO, Any

from unigate import Request, Response

from . import logs
from .logs import Line

MOST = 200
MOST_BYTES = 50_000_000

Note = dict[str, Any]
"""What a function tells of an exchange: some of `cold`, `laps` and `request`, a `line`, or nothing
when no more will come."""

Take = Callable[[Note], None]


@dataclass
class Exchange:
    """One request and what became of it; None and empty for what is not there, or not yet."""

    sent: Request
    """What the client has sent, which is what a replay sends again."""
    source: str
    replay_of: int = 0
    number: int = 0
    version: int = 0
    """The change of the history that changed this last."""
    began: float = field(default_factory=time.time)
    seconds: float = 0.0
    """Until there was a response, or its beginning where it is streamed."""
    whole: float = 0.0
    """Until the end of one that is streamed."""
    event: Any = None
    request: dict[str, Any] | None = None
    """The common request, as the event was read."""
    reply: Any = None
    response: Response | None = None
    streamed: bool = False
    ended: bool = False
    cold: bool = False
    laps: dict[str, float] = field(default_factory=dict)
    """The seconds for "parse", "app" and "reply", where they can be told apart."""
    lines: list[Line] = field(default_factory=list)
    failure: str = ""
    """Why the function gave no response, or broke it off."""

    def take(self, note: Note) -> None:
        """Add what the function tells; its lines may come late, and stand where they belong."""
        self.cold = note.get("cold", self.cold)
        self.laps = note.get("laps", self.laps)
        self.request = note.get("request", self.request)
        if "line" in note and len(self.lines) < logs.MOST:
            insort(self.lines, Line(*note["line"]))

    @property
    def trace(self) -> str:
        """Return the traceback of what failed, "" where nothing did."""
        logged = [line.trace for line in self.lines if line.trace]
        return self.failure or (logged[-1] if logged else "")

    @property
    def size(self) -> int:
        """Tell roughly how much memory this takes: bodies are in it twice."""
        return 2 * (len(self.sent.body) + len(self.response.body if self.response else b"")) + 4096


class History:
    """The latest exchanges; whoever shows them waits here for what changes.

    One run of the program is a session. It goes on in the next server process after a reload,
    through a file that both have inherited.
    """

    def __init__(self) -> None:
        self._session = secrets.token_hex(4)
        self._version = 0
        self._exchanges: dict[int, Exchange] = {}
        self._last = 0
        self._changed = threading.Condition()
        self._closed = False

    def load(self, file: IO[bytes]) -> None:
        """Go on where the process before this one has stopped."""
        file.seek(0)
        self._session, self._version, self._last, self._exchanges = pickle.load(file)

    def save(self, file: IO[bytes]) -> None:
        """Write down what there is, for the process after this one; what goes on is cut off."""
        with self._changed:
            self._version += 1
            cut = "The server was reloaded before the end."
            ended = {
                number: one
                if one.ended
                else replace(one, ended=True, failure=cut, version=self._version)
                for number, one in self._exchanges.items()
            }
            file.seek(0)
            pickle.dump((self._session, self._version, self._last, ended), file)
            file.truncate()
            file.flush()

    def add(self, exchange: Exchange) -> None:
        """Give an exchange its number, and forget the oldest where there are too many."""
        with self._changed:
            self._last += 1
            exchange.number = self._last
            self._exchanges[exchange.number] = exchange
            size = sum(one.size for one in self._exchanges.values())
            while len(self._exchanges) > MOST or (size > MOST_BYTES and len(self._exchanges) > 1):
                size -= self._exchanges.pop(next(iter(self._exchanges))).size
        self.tell(exchange)

    def tell(self, exchange: Exchange) -> None:
        """Tell everybody that an exchange has changed."""
        with self._changed:
            self._version += 1
            exchange.version = self._version
            self._changed.notify_all()

    def get(self, number: int) -> Exchange | None:
        """Return an exchange, None for one that is forgotten."""
        return self._exchanges.get(number)

    def all(self) -> list[Exchange]:
        """Return what there is, the latest last."""
        with self._changed:
            return list(self._exchanges.values())

    def mark(self) -> str:
        """Return a mark of what has happened so far."""
        return f"{self._session}-{self._version}"

    def knows(self, mark: str) -> bool:
        """Tell whether a mark is of this history."""
        session, _, version = mark.partition("-")
        return session == self._session and version.isdecimal()

    def news(self, since: str, seconds: float) -> tuple[str, list[Exchange]] | None:
        """Wait for what has changed since a mark, and return it with the mark that is next.

        None means that this is the end.
        """
        seen = int(since.partition("-")[2])
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._version > seen, seconds)
            if self._closed:
                return None
            return self.mark(), [one for one in self._exchanges.values() if one.version > seen]

    def close(self) -> None:
        """Let nobody wait any longer."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
