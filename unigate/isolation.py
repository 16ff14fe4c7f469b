"""Await code of applications so that what cancels or ends it does not cancel or end its caller."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from .errors import failure_of

T = TypeVar("T")


async def isolated(coroutine: Coroutine[Any, Any, T]) -> T:
    """Await a coroutine in a task of its own; if that is cancelled, the caller is not.

    A cancellation of the caller reaches the coroutine and is raised.

    Raises:
        ApplicationAborted: The coroutine was cancelled, although the caller was not.
    """
    caller = asyncio.current_task()
    before = caller.cancelling() if caller is not None else 0
    results: list[T] = []
    try:
        error = await _start(append_result(coroutine, results))
    except asyncio.CancelledError as cancelled:  # before its first step
        error = cancelled
    finally:
        coroutine.close()
    if error is None:
        return results[0]
    try:
        if isinstance(error, asyncio.CancelledError) and caller is not None:
            raise error if caller.cancelling() > before else failure_of(error)
        raise failure_of(error)
    finally:
        # The traceback of the error refers to this frame, and so to all that the request holds.
        del error, caller


def _start(coroutine: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """Start a task; with Python 3.12 and later it takes its first step at once.

    Most requests end with that step, and then there is nothing to wait for.
    """
    loop = asyncio.get_running_loop()
    if sys.version_info >= (3, 12) and loop.get_task_factory() is None:
        return asyncio.Task(coroutine, loop=loop, name="unigate", eager_start=True)
    # Named, because generating a name takes asyncio longer.
    return loop.create_task(coroutine, name="unigate")


async def in_pool(function: Callable[..., T], *args: Any) -> T:
    """Call a function in the thread pool of the running loop; raise what it raises.

    `asyncio.to_thread` would turn a CancelledError of concurrent.futures into one of asyncio.
    """
    results: list[T] = []

    def call() -> BaseException | None:
        try:
            results.append(function(*args))
        except BaseException as error:
            return error
        return None

    error = await asyncio.to_thread(call)
    if error is None:
        return results[0]
    raise failure_of(error)


async def append_result(
    coroutine: Coroutine[Any, Any, T], results: list[T]
) -> BaseException | None:
    """Append a coroutine's result; return its error, since an exit would end the event loop."""
    try:
        results.append(await coroutine)
    except BaseException as error:
        return error
    return None
