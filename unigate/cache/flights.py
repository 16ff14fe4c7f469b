"""One call of a factory for all who ask for the same key at the same time, over threads and tasks.

A flight is that call. Who removes, expires or writes its key meanwhile overtakes it: those who
joined before get what it brings, but it is not stored, and who comes later starts another.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from contextvars import ContextVar
from typing import TYPE_CHECKING

from unigate.errors import CacheError
from unigate.forking import after_in_child

from .backend import Backend

if TYPE_CHECKING:
    from concurrent.futures import Future

changes = 0
"""How many flights and writes have ended: while it stays, what was not there still is not."""

leading: ContextVar[Flight | None] = ContextVar("unigate.flight", default=None)
"""The flight for which the code that runs here works."""

_flights: dict[tuple[int, str], Flight] = {}
_writing: dict[tuple[int, str], int] = {}
_lock = threading.RLock()  # collecting garbage can end the flight of a task that was dropped


class Flight:
    """The one call, for those who wait for it and those who overtake it."""

    def __init__(self, backend: Backend, key: str, tags: Iterable[str]) -> None:
        from concurrent.futures import Future  # costs more than many a process needs

        self.backend = backend
        self.key = key
        self.tags = frozenset(tags)
        self.needs: set[Flight] = set()  # that its factory waits for
        self.storing = threading.Lock()
        self.overtaken = False
        self.data: Future[bytes | None] = Future()  # None when the call was cut off
        self.data.set_running_or_notify_cancel()  # who stops waiting does not cancel it for others

    def fail(self, error: BaseException) -> None:
        """Let those who wait have the error, or try again if it is the caller's own."""
        if isinstance(error, StopIteration):
            error = RuntimeError("The factory raised StopIteration.")  # no future carries that
        if isinstance(error, Exception) and not isinstance(error, CacheError):
            self.data.set_exception(error)
        else:
            self.data.set_result(None)  # cancelled, interrupted, or strict, which others may not be

    def overtake(self) -> None:
        """Keep the flight from being stored, or wait until it is."""
        with self.storing:
            self.overtaken = True

    def end(self) -> None:
        """Let the next one who misses the key start another."""
        global changes
        with _lock:
            changes += 1
            if _flights.get((id(self.backend), self.key)) is self:
                del _flights[id(self.backend), self.key]

    def waits_for(self, other: Flight) -> bool:
        """Tell whether this one cannot end before the other, by way of the factories it asks."""
        return self is other or any(flight.waits_for(other) for flight in self.needs)


def join(
    backend: Backend, key: str, tags: Iterable[str], *, may_wait: bool
) -> tuple[Flight | None, bool]:
    """Return the flight of a key, and whether the caller is the one who leads it.

    No flight when the caller would have to wait and may not. Raises RuntimeError when it would wait
    for itself.
    """
    mine = leading.get()
    with _lock:
        flight = _flights.get((id(backend), key))
        leads = flight is None
        if flight is None:
            flight = _flights[id(backend), key] = Flight(backend, key, tags)
            flight.overtaken = (id(backend), key) in _writing
        elif mine is not None and flight.waits_for(mine):
            raise RuntimeError("The factory of a cached value asks for that value itself.")
        elif not may_wait:
            return None, False
        if mine is not None:
            mine.needs.add(flight)
    return flight, leads


def leave(flight: Flight) -> None:
    """Note that the caller does not wait for a flight any more."""
    mine = leading.get()
    if mine is not None:
        with _lock:
            mine.needs.discard(flight)


def begin_write(backend: Backend, keys: Iterable[str]) -> None:
    """Overtake the flights of keys until `end_write`, so that what is written then stays."""
    names = [(id(backend), key) for key in keys]
    with _lock:
        for name in names:
            _writing[name] = _writing.get(name, 0) + 1
    overtake(backend, keys)


def end_write(backend: Backend, keys: Iterable[str]) -> None:
    """Let flights of keys be stored again."""
    global changes
    with _lock:
        changes += 1
        for name in [(id(backend), key) for key in keys]:
            _writing[name] -= 1
            if not _writing[name]:
                del _writing[name]


def overtake(backend: Backend, keys: Iterable[str]) -> None:
    """Overtake the flights of keys that are about to be removed."""
    if _flights:
        with _lock:
            found = [_flights.pop((id(backend), key), None) for key in keys]
        for flight in filter(None, found):
            flight.overtake()


def overtake_tags(backend: Backend, tags: Iterable[str] | None) -> None:
    """Overtake the flights that have a tag which is about to expire, None for all of them."""
    if _flights:
        with _lock:
            flights = [each for each in list(_flights.values()) if each.backend is backend]
        overtake(
            backend,
            [each.key for each in flights if tags is None or not each.tags.isdisjoint(tags)],
        )


@after_in_child
def _after_fork() -> None:
    global _flights, _lock
    _flights = {}  # theirs land in the parent
    _writing.clear()
    _lock = threading.RLock()
