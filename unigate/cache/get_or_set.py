"""`get_or_set` as a generator of steps, which the sync and the async cache carry out.

The steps are ("call", function) for a function that may wait for the network, ("make", factory)
for the caller's factory, ("wait", flight) until another caller's factory has returned, and
("sleep", seconds). The driver sends the result of a step into the generator or throws its
exception; the generator returns the cached value.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from functools import partial
from typing import Any

from . import flights
from .backend import Lease
from .entries import Claim, Entries, Found
from .options import Options
from .values import decode, encode

LONGEST_WAIT = 30.0
"""Seconds to wait for the factory of another process. Two of them may wait for each other."""

PAUSES = (0.005, 0.5)
"""Seconds between two looks at what another process has made, at first and at most."""

Steps = Generator[tuple[str, Any], Any, Any]


def find_or_make(
    entries: Entries, key: str, factory: Callable[[], Any], options: Options, *, may_wait: bool
) -> Steps:
    """Yield the steps that find or make a value, and return it.

    Args:
        entries: The entries to look in and to store in.
        key: The key in the backend.
        factory: Makes the value of a missing key.
        options: What a made value is stored with.
        may_wait: Whether the caller may wait for the factory of another one. If not, and one is
            running, the value is made a second time and not stored. The same is done where the two
            factories would wait for each other.
    """
    tags = options.tags + entries.tags
    while True:
        changes = flights.changes
        found: Found = yield "call", partial(entries.look, key)
        if found is not None:
            return found[0]
        flight, leads = flights.join(entries.backend, key, tags, may_wait=may_wait)
        try:
            if leads:
                look_again = changes != flights.changes
                claim = partial(_claim, flight, entries, options, look_again, may_wait)
                return (yield from _lead(flight, entries, factory, options, claim))
            yield "wait", flight
            data = flight.result()
            if data is not None:
                return decode(data)
        finally:
            flights.leave(flight)


def _lead(
    flight: flights.Flight,
    entries: Entries,
    factory: Callable[[], Any],
    options: Options,
    claimed: Callable[[], Steps],
) -> Steps:
    outer = flights.leading.get()
    flights.leading.set(flight)
    claim = Claim()
    try:
        claim = yield from claimed()
        data = claim.entry[0] if claim.entry else encode((yield "make", factory))
        if not claim.entry:
            entries.fits(data)  # here, so that all callers of a strict cache get the error
    except BaseException as error:
        flight.end()
        flight.fail(error)
        if claim.lease:
            claim.lease.abandon()
            if not isinstance(error, GeneratorExit):  # then there can be no more steps
                yield "call", partial(entries.release, claim.lease)
        raise
    finally:
        flights.leading.set(outer)
    # Before the value is stored, so that the others do not wait for that.
    flight.data.set_result(data)
    try:
        if not claim.entry:
            yield "call", partial(_land, flight, entries, data, options, claim.lease)
    finally:
        # Unless a thread is still storing the value, as it may after this task was cancelled.
        if flight.storing.acquire(blocking=False):
            flight.overtaken = True
            flight.storing.release()
            flight.end()
            if claim.lease:
                claim.lease.abandon()
    return decode(data)


def _claim(
    flight: flights.Flight, entries: Entries, options: Options, look_again: bool, may_wait: bool
) -> Steps:
    """Return what the leader of a flight has found, or makes the value under."""
    if not entries.leases(options):
        found: Found = None
        if look_again:  # a flight or write, perhaps of this key, has ended since the first look
            found = yield "call", partial(entries.look, flight.key)
        return Claim() if found is None else Claim((encode(found[0]), found[0]))
    claim = Claim()
    pause, longest = PAUSES
    end = time.monotonic() + LONGEST_WAIT
    while not flight.separate:
        claim = yield "call", partial(entries.claim, flight.key, options)
        if not claim.held or not may_wait or time.monotonic() >= end:
            break
        from random import SystemRandom  # only here, because many processes never need it

        yield "sleep", pause * SystemRandom().uniform(0.5, 1)
        pause = min(1.25 * pause, longest)  # so that an answer comes at most a fifth late
    return claim


def _land(
    flight: flights.Flight, entries: Entries, data: bytes, options: Options, lease: Lease | None
) -> None:
    """Store the value of a flight, unless it was overtaken."""
    try:
        with flight.storing:
            if flight.overtaken:
                if lease:
                    entries.release(lease)
            elif lease:
                entries.land(lease, data)
            elif not entries.leases(options):
                entries.write({flight.key: data}, options)
    finally:
        flight.end()


def run_steps(steps: Steps) -> Any:
    """Carry out steps in this thread, blocking it where they wait.

    Raises:
        TypeError: The factory returned an awaitable.
    """
    try:
        kind, what = next(steps)
        while True:
            try:
                result: Any = None
                if kind == "sleep":
                    time.sleep(what)
                else:
                    result = what.wait() if kind == "wait" else what()
                if kind == "make" and hasattr(result, "__await__"):
                    getattr(result, "close", lambda: None)()
                    raise TypeError(
                        "The factory of a RuntimeCache must not be asynchronous; "
                        "use AsyncRuntimeCache."
                    )
            except BaseException as error:
                kind, what = steps.throw(error)
            else:
                kind, what = steps.send(result)
    except StopIteration as end:
        return end.value
