"""Single flight: concurrent callers of a missing key share one call of a factory.

A flight is that call, over all threads and tasks of the process. Removing, expiring or writing its
key meanwhile overtakes the flight: callers that had joined still get its value, but the value is
not stored, and later callers start a new flight.

A caller that must not wait makes the value in a flight of its own, which others cannot join and
whose value is not stored. It must not wait on an event loop, or where the flights would then wait
for each other: factories in several threads may need each other's keys.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from contextlib import suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING

from unigate.errors import CacheError
from unigate.forking import after_in_child

from .backend import Backend

if TYPE_CHECKING:
    from concurrent.futures import Future

LONGEST_WAIT = 300.0
"""Seconds to wait for a factory of this process."""

changes = 0
"""The number of flights and writes that have ended; while it is the same, a miss is still one."""

leading: ContextVar[Flight | None] = ContextVar("unigate.flight", default=None)
"""The flight whose factory is running in this context."""

in_flight: dict[tuple[int, str], Flight] = {}
"""The flights that callers can join, by the id of the backend and the key."""

writing: dict[tuple[int, str], int] = {}
"""The number of writes under way, by the id of the backend and the key."""

_lock = threading.RLock()  # garbage collection can end the flight of a dropped task


class Flight:
    """One call of a factory, for its key.

    Args:
        backend: The backend that the value is stored in.
        key: The key in the backend.
        tags: The tags that the value is stored with.
        within: The flight whose factory asks for the key, if any.
        separate: Whether others cannot join, because they join another flight of the key.
    """

    def __init__(
        self,
        backend: Backend,
        key: str,
        tags: Iterable[str],
        within: Flight | None = None,
        *,
        separate: bool = False,
    ) -> None:
        from concurrent.futures import Future  # a slow import that many processes never need

        self.backend = backend
        self.key = key
        self.tags = frozenset(tags)
        self.within = within
        self.separate = separate
        self.needs: set[Flight] = set()  # the flights that its factory waits for
        self.storing = threading.Lock()
        self.overtaken = separate
        self.data: Future[bytes | None] = Future()  # None if the call failed or was cut off
        self.data.set_running_or_notify_cancel()  # one waiter cannot cancel it for others
        # Not in the future: asyncio would raise the CancelledError of concurrent.futures as its own
        # in waiting tasks, as if they had been cancelled.
        self.error: Exception | None = None

    def wait(self) -> None:
        """Wait until the factory has returned, at most for `LONGEST_WAIT` seconds."""
        with suppress(TimeoutError):
            self.data.result(LONGEST_WAIT)

    def result(self) -> bytes | None:
        """Return the value, or None where its waiters have to try again.

        Raises:
            Exception: What the factory has raised.
            TimeoutError: The factory has not returned.
        """
        if not self.data.done():
            raise TimeoutError(
                f"The factory of the key {self.key!r} has not returned within {LONGEST_WAIT:g} "
                "seconds. It must not wait for a thread that gets the value of the same key."
            )
        if self.error is not None:
            raise self.error
        return self.data.result()

    def fail(self, error: BaseException) -> None:
        """Raise an error to all waiters, or let them try again if it is only the leader's.

        A cancellation or interruption is only the leader's, and so is a CacheError, which a strict
        cache raises and others do not.
        """
        if isinstance(error, Exception) and not isinstance(error, CacheError):
            self.error = error
        self.data.set_result(None)

    def overtake(self) -> None:
        """Prevent the value from being stored; if that has begun, wait until it is done."""
        with self.storing:
            self.overtaken = True

    def end(self) -> None:
        """Let the next caller that misses the key start a new flight."""
        global changes
        with _lock:
            changes += 1
            if in_flight.get((id(self.backend), self.key)) is self:
                del in_flight[id(self.backend), self.key]

    def waits_for(self, other: Flight) -> bool:
        """Return True if this flight cannot end before the other, directly or through others."""
        seen: set[Flight] = set()
        pending = [self]
        while pending:
            flight = pending.pop()
            if flight is other:
                return True
            if flight not in seen:
                seen.add(flight)
                pending += flight.needs
        return False

    def is_within(self, other: Flight) -> bool:
        """Return True if the factory of another flight, or of one like it, called this one's."""
        flight: Flight | None = self
        while flight is not None:
            if flight is other or (
                flight.separate and flight.key == other.key and flight.backend is other.backend
            ):
                return True
            flight = flight.within
        return False


def join(backend: Backend, key: str, tags: Iterable[str], *, may_wait: bool) -> tuple[Flight, bool]:
    """Return the flight of a key, and whether the caller leads it, that is, calls its factory.

    Args:
        backend: The backend of the flight.
        key: The key in the backend.
        tags: The tags that a value is stored with.
        may_wait: Whether the caller may wait for another one's factory.

    Raises:
        RuntimeError: The factory of the key asks for the key itself.
    """
    outer = leading.get()
    with _lock:
        flight = in_flight.get((id(backend), key))
        if flight is None:
            leads = True
            flight = in_flight[id(backend), key] = Flight(backend, key, tags, outer)
            flight.overtaken = (id(backend), key) in writing
        elif outer is not None and outer.is_within(flight):
            raise RuntimeError("The factory of a cached value must not get that value itself.")
        else:
            leads = not may_wait or (outer is not None and flight.waits_for(outer))
            if leads:
                flight = Flight(backend, key, tags, outer, separate=True)
        if outer is not None:
            outer.needs.add(flight)
    return flight, leads


def leave(flight: Flight) -> None:
    """Record that the caller no longer waits for a flight."""
    outer = leading.get()
    if outer is not None:
        with _lock:
            outer.needs.discard(flight)


def begin_write(backend: Backend, keys: Iterable[str]) -> None:
    """Overtake the flights of keys until `end_write`, so that none replaces the written value."""
    names = [(id(backend), key) for key in keys]
    with _lock:
        for name in names:
            writing[name] = writing.get(name, 0) + 1
    overtake(backend, keys)


def end_write(backend: Backend, keys: Iterable[str]) -> None:
    """Let flights of keys store their values again."""
    global changes
    with _lock:
        changes += 1
        for name in [(id(backend), key) for key in keys]:
            writing[name] -= 1
            if not writing[name]:
                del writing[name]


def overtake(backend: Backend, keys: Iterable[str]) -> None:
    """Overtake the flights of keys that are about to be removed."""
    if in_flight:
        with _lock:
            flights = [in_flight.pop((id(backend), key), None) for key in keys]
        for flight in filter(None, flights):
            flight.overtake()


def overtake_tags(backend: Backend, tags: Iterable[str] | None) -> None:
    """Overtake the flights that have one of the tags about to expire; None means all flights."""
    if in_flight:
        with _lock:
            # A copy, because garbage collection can end a flight here.
            flights = [each for each in list(in_flight.values()) if each.backend is backend]
        tagged = [each for each in flights if tags is None or not each.tags.isdisjoint(tags)]
        overtake(backend, [flight.key for flight in tagged])


@after_in_child
def _after_fork() -> None:
    global in_flight, _lock
    in_flight = {}  # the parent's flights end in the parent
    writing.clear()
    _lock = threading.RLock()
