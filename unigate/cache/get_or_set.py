"""`get_or_set` as a generator of steps, which the sync and the async cache carry out.

The steps are ("call", function) for a function that may wait for the network, ("make", factory)
for the caller's factory, and ("wait", flight) until another caller's factory has returned. The
driver sends the result of a step into the generator or throws its exception; the generator returns
the cached value.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import partial
from typing import Any

from . import flights
from .entries import Entries, Entry
from .options import Options
from .values import decode, encode

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
        entry: Entry | None = yield "call", partial(entries.look, key)
        if entry is not None:
            return entry[1]
        flight, leads = flights.join(entries.backend, key, tags, may_wait=may_wait)
        try:
            if leads:
                look_again = changes != flights.changes
                return (yield from _lead(flight, entries, factory, options, look_again))
            data: bytes | None = yield "wait", flight
            if flight.error is not None:
                raise flight.error
            if data is not None:
                return decode(data)
        finally:
            flights.leave(flight)


def _lead(
    flight: flights.Flight,
    entries: Entries,
    factory: Callable[[], Any],
    options: Options,
    look_again: bool,
) -> Steps:
    outer = flights.leading.get()
    flights.leading.set(flight)
    try:
        entry: Entry | None = None
        if look_again:  # a flight or write, perhaps of this key, has ended since the first look
            entry = yield "call", partial(entries.look, flight.key)
        data = encode((yield "make", factory)) if entry is None else entry[0]
    except BaseException as error:
        flight.end()
        flight.fail(error)
        raise
    finally:
        flights.leading.set(outer)
    # Before the value is stored, so that the others do not wait for that.
    flight.data.set_result(data)
    try:
        if entry is None:
            yield "call", partial(_land, flight, entries, data, options)
    finally:
        # Unless a thread is still storing the value, as it may after this task was cancelled.
        if flight.storing.acquire(blocking=False):
            flight.overtaken = True
            flight.storing.release()
            flight.end()
    return decode(data)


def _land(flight: flights.Flight, entries: Entries, data: bytes, options: Options) -> None:
    """Store the value of a flight, unless it was overtaken."""
    try:
        with flight.storing:
            if not flight.overtaken:
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
                result = what.data.result() if kind == "wait" else what()
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
