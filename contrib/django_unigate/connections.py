"""Database connections of a process that is frozen between two requests.

While a serverless platform has frozen a process, servers and networks close its connections, and
the first query afterwards would fail. Django checks connections only with CONN_HEALTH_CHECKS, then
before each request's first query. This module checks only doubtful ones: those that were unused
for `UNIGATE["CONNECTION_PAUSE"]` seconds by the wall clock (other clocks stop in a frozen process),
and those whose server has sent something unrequested, usually the error that closes the connection.
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

# The attribute of a connection that holds the time of its last use.
_USED = "_unigate_used"
_opened = threading.local()


def check_after_pause(**_: Any) -> None:
    """Have Django check doubtful connections before the first query, and close the dead ones.

    Like Django's own receiver, this runs in the thread of the request's queries.
    """
    for connection in _idle():
        always = connection.settings_dict["CONN_HEALTH_CHECKS"]
        connection.health_check_enabled = always or _is_doubtful(connection, connection.connection)


def remember_use(**_: Any) -> None:
    """Remember when the connections of this thread last worked."""
    now = time.time()
    for connection in _idle():
        setattr(connection, _USED, now)


def remember_opened(*, connection: Any, **_: Any) -> None:
    """Remember a connection of this thread, and replace a dead one from psycopg's pool.

    Searching all connections at each request would cost more than the rest of this module. The pool
    hands out connections unchecked, and Django does not check them either; CONN_HEALTH_CHECKS makes
    the pool check every one.
    """
    vars(_opened)[connection.alias] = connection
    if connection.vendor != "postgresql" or not connection.pool:
        return
    taken = connection.connection
    doubtful = _is_doubtful(taken, taken)
    setattr(taken, _USED, time.time())
    if doubtful and not connection.is_usable():
        connection.close()  # the pool discards it; the next one may be dead as well
        connection.connect()


def _is_doubtful(holder: Any, connection: Any) -> bool:
    """Return True if a connection may be dead; `holder` has the time of its last use.

    Nothing is sent to the server.
    """
    unused = time.time() - getattr(holder, _USED, float("-inf"))
    return not 0 <= unused < read().connection_pause or _can_be_read(connection)


def _can_be_read(connection: Any) -> bool:
    """Return True if an idle connection has received something: an error or its end.

    False if the driver does not expose its socket, and on Windows, which has no poll().
    """
    if not hasattr(connection, "fileno") or not hasattr(select, "poll"):
        return False
    poll = select.poll()
    try:
        poll.register(connection, select.POLLIN)
    except Exception:  # the driver's own class, for a connection that it has closed
        return True
    return bool(poll.poll(0))


def _idle() -> Iterator[Any]:
    for connection in vars(_opened).values():
        if connection.connection is not None and not connection.in_atomic_block:
            yield connection


def closing(work: Any) -> Any:
    """Wrap work of `wait_until`, so that connections it opens are closed when it ends."""
    return _await(work) if hasattr(work, "__await__") else partial(_call, work)


def _call(work: Callable[[], Any]) -> Any:
    before = _open()
    try:
        result = work()
    finally:
        _close_others(before)
    return closing(result) if hasattr(result, "__await__") else result


async def _await(work: Awaitable[Any]) -> Any:
    # Its synchronous parts would run in the thread of its request, which has ended.
    with ThreadPoolExecutor(max_workers=1) as thread:
        async with ThreadSensitiveContext(executor=thread):
            try:
                return await work
            finally:
                await sync_to_async(connections.close_all)()


def _open() -> list[BaseDatabaseWrapper]:
    initialized = connections.all(initialized_only=True)
    return [connection for connection in initialized if connection.connection is not None]


def _close_others(before: list[BaseDatabaseWrapper]) -> None:
    for connection in _open():
        if connection in before:
            connection.close_if_unusable_or_obsolete()
        elif not connection.in_atomic_block:
            connection.close()
