"""Database connections of a process that is paused between two requests.

While a function platform has frozen a process, servers and networks end its connections unseen, and
the first query after the thaw would fail. Django checks connections only with CONN_HEALTH_CHECKS,
before each request's first query. This does the same, but only where there is doubt: a connection
was not used for `UNIGATE["CONNECTION_PAUSE"]` seconds, by the wall clock (others stand still in a
frozen process), or its server has sent something that nobody asked for, a farewell mostly.
"""

from __future__ import annotations

import select
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from .conf import read

_USED = "_unigate_used"
_opened = threading.local()


def check_after_pause(**_: Any) -> None:
    """Let Django check what may be dead before the first query, and close it if it is.

    Runs in the thread of the request's queries, as Django's own receiver does.
    """
    for connection in _idle():
        always = connection.settings_dict["CONN_HEALTH_CHECKS"]
        connection.health_check_enabled = always or _is_doubtful(connection, connection.connection)


def note_use(**_: Any) -> None:
    """Remember when the connections of this thread were last known to work."""
    now = time.time()
    for connection in _idle():
        setattr(connection, _USED, now)


def note_opened(*, connection: Any, **_: Any) -> None:
    """Remember a connection of this thread: to look for them all costs more than the rest.

    Where it comes from psycopg's pool, which gives out what it has without a look at it, a dead one
    is replaced. Django has no check for that; CONN_HEALTH_CHECKS makes the pool check them all.
    """
    vars(_opened)[connection.alias] = connection
    if connection.vendor != "postgresql" or not connection.pool:
        return
    taken = connection.connection
    doubtful = _is_doubtful(taken, taken)
    setattr(taken, _USED, time.time())
    if doubtful and not connection.is_usable():
        connection.close()  # the pool throws it away, and may have more like it
        connection.connect()


def _is_doubtful(noted: Any, connection: Any) -> bool:
    """Tell whether a connection may be dead, without asking its server."""
    rested = not 0 <= time.time() - getattr(noted, _USED, float("-inf")) < read().connection_pause
    return rested or _can_be_read(connection)


def _can_be_read(connection: Any) -> bool:
    """Tell whether something has come for an idle connection: an error or its end.

    False where a driver does not show its socket, and on Windows, which has no poll().
    """
    if not hasattr(connection, "fileno") or not hasattr(select, "poll"):
        return False
    poll = select.poll()
    try:
        poll.register(connection, select.POLLIN)
    except Exception:  # the driver's own, where it knows already that the connection is gone
        return True
    return bool(poll.poll(0))


def _idle() -> Iterator[Any]:
    for connection in vars(_opened).values():
        if connection.connection is not None and not connection.in_atomic_block:
            yield connection


def closing(work: Any) -> Any:
    """Put around what `wait_until` is given that the connections it opens are closed after it."""
    return _await(work) if hasattr(work, "__await__") else partial(_call, work)


def _call(work: Callable[[], Any]) -> Any:
    before = _open()
    try:
        result = work()
    finally:
        _close_others(before)
    return closing(result) if hasattr(result, "__await__") else result


async def _await(work: Awaitable[Any]) -> Any:
    # What is synchronous in it would go to the thread of its request, which has ended.
    with ThreadPoolExecutor(max_workers=1) as thread:
        async with ThreadSensitiveContext(executor=thread):
            try:
                return await work
            finally:
                await sync_to_async(connections.close_all)()


def _open() -> list[BaseDatabaseWrapper]:
    found = connections.all(initialized_only=True)
    return [connection for connection in found if connection.connection is not None]


def _close_others(before: list[BaseDatabaseWrapper]) -> None:
    for connection in _open():
        if connection in before:
            connection.close_if_unusable_or_obsolete()
        elif not connection.in_atomic_block:
            connection.close()
