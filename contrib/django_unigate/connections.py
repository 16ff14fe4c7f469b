"""Database connections of a process that is paused between two requests.

While a function platform has frozen a process, servers and networks end its connections unseen, and
the first query after the thaw would fail. Django checks connections only with CONN_HEALTH_CHECKS,
before each request's first query. This does the same, but only for those that were not used for
`UNIGATE["CONNECTION_PAUSE"]` seconds, by the wall clock: others stand still in a frozen process.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Any

from asgiref.sync import sync_to_async
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from .conf import read

_USED = "_unigate_used"
_opened = threading.local()


def check_after_pause(**_: Any) -> None:
    """Let Django check what was not used for long before the first query, and close it if dead.

    Runs in the thread of the request's queries, as Django's own receiver does.
    """
    now, pause = time.time(), read().connection_pause
    for connection in _idle():
        rested = not 0 <= now - getattr(connection, _USED, float("-inf")) < pause
        connection.health_check_enabled = rested or connection.settings_dict["CONN_HEALTH_CHECKS"]


def note_use(**_: Any) -> None:
    """Remember when the connections of this thread were last known to work."""
    now = time.time()
    for connection in _idle():
        setattr(connection, _USED, now)


def note_opened(*, connection: BaseDatabaseWrapper, **_: Any) -> None:
    """Remember a connection of this thread: to look for them all costs more than the rest."""
    vars(_opened)[connection.alias] = connection


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
    before = await sync_to_async(_open)()
    try:
        return await work
    finally:
        await sync_to_async(_close_others)(before)


def _open() -> list[BaseDatabaseWrapper]:
    found = connections.all(initialized_only=True)
    return [connection for connection in found if connection.connection is not None]


def _close_others(before: list[BaseDatabaseWrapper]) -> None:
    for connection in _open():
        if connection in before:
            connection.close_if_unusable_or_obsolete()
        elif not connection.in_atomic_block:
            connection.close()
