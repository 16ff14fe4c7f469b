"""The threads and tasks of work in the background: their start, and the end that limits them.

The end of the process, and that of a server's event loop, waits for them up to a limit.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Coroutine
from contextvars import Context
from functools import cache
from typing import TYPE_CHECKING, Any

from .forking import after_in_child

if TYPE_CHECKING:
    import asyncio

# How long cancelled work has for its cleanup, in seconds; a part of `background.MARGIN`.
CANCEL_SECONDS = 0.2
# How long the end of the process waits for work in the background, in seconds.
EXIT_SECONDS = 10.0

NO_PROCESS = "the process ends"
NO_THREAD = "no thread can be started for it"
NO_LOOP = "its event loop ends"
_EXIT = "background work cannot end the process"

Drop = Callable[[str], object]
"""Logs, with a reason, that work in the background is dropped."""

_lock = threading.Lock()  # of `_threads`
_threads: dict[threading.Thread, Drop] = {}
_tasks: set[asyncio.Task[None]] = set()  # a loop holds its tasks weakly
_steps: set[asyncio.Task[Any]] = set()
"""The tasks that run the code of work; those above wait for them, and end when cancelled."""

_ending = False


def is_ending() -> bool:
    """Return True while something waits for the background to end."""
    return _ending


def start_thread(target: Callable[[], object], drop: Drop) -> threading.Thread | None:
    """Run work in a thread that the end of the process waits for.

    If no thread can be started, drop the work and return None.
    """

    def run() -> None:
        try:
            target()
        except (SystemExit, KeyboardInterrupt):
            drop(_EXIT)
        finally:
            with _lock:
                _threads.pop(thread, None)

    # A daemon, because Python would wait without limit for any other thread.
    thread = threading.Thread(target=run, name="unigate-background", daemon=True)
    try:
        _wait_at_exit()
        with _lock:
            thread.start()
            _threads[thread] = drop
    except RuntimeError:  # the process ends, or may have no more threads
        drop(NO_THREAD)
        return None
    return thread


@cache
def _wait_at_exit() -> None:
    # Earlier than `atexit`, when Python 3.12 and up start no threads, which work may need.
    threading._register_atexit(_wait_for_threads)  # type: ignore[attr-defined]


def start_task(
    coroutine: Coroutine[Any, Any, None], drop: Drop, context: Context | None = None
) -> asyncio.Task[None]:
    """Run work on the running event loop, in a task that the end of a server waits for."""
    import asyncio

    def end(task: asyncio.Task[None]) -> None:
        _tasks.discard(task)
        if task.cancelled():
            drop(NO_LOOP)

    task = asyncio.get_running_loop().create_task(coroutine, context=context)
    _tasks.add(task)
    task.add_done_callback(end)
    return task


def start_step(
    coroutine: Coroutine[Any, Any, Any], context: Context | None = None
) -> asyncio.Task[Any]:
    """Run the code of work in a task that is given up if it ignores its cancellation."""
    import asyncio

    task = asyncio.get_running_loop().create_task(coroutine, context=context)
    _steps.add(task)
    task.add_done_callback(_steps.discard)
    return task


async def finish_background() -> None:
    """Wait for the work in the background before a server's event loop ends, up to a limit.

    Some servers end the process without a further word.
    """
    global _ending
    if not (_tasks or _threads):
        return
    import asyncio

    _ending = True
    end = time.monotonic() + EXIT_SECONDS
    try:
        await _wait_for_tasks(end)
        for task in _running_tasks():
            task.get_loop().call_soon_threadsafe(task.cancel)
        await _wait_for_tasks(time.monotonic() + CANCEL_SECONDS)
        await _give_up_stubborn_tasks()
        # Limited here as well: all threads of the loop's pool may be taken.
        threads = asyncio.ensure_future(asyncio.to_thread(_wait_for_threads, end))
        await asyncio.wait({threads}, timeout=EXIT_SECONDS + CANCEL_SECONDS)
    finally:
        _ending = False


async def _wait_for_tasks(end: float) -> None:
    import asyncio

    while _running_tasks() and time.monotonic() < end:
        await asyncio.sleep(0.01)  # some are tasks of the event loop of the process


def _running_tasks() -> list[asyncio.Task[None]]:
    return [task for task in tuple(_tasks) if task.get_loop().is_running()]


async def _give_up_stubborn_tasks() -> None:
    """Hide cancelled work that goes on from the end of this loop, which waits without limit."""
    import asyncio

    loop = asyncio.get_running_loop()
    steps = {task for task in _steps if task.get_loop() is loop}
    if steps:
        for task in (await asyncio.wait(steps, timeout=CANCEL_SECONDS))[1]:
            asyncio._unregister_task(task)


def _wait_for_threads(end: float | None = None) -> None:
    """Wait for the threads in the background, up to a limit; then forget them."""
    global _ending
    _ending = True
    end = time.monotonic() + EXIT_SECONDS if end is None else end
    while (threads := _copy_threads()) and (left := end - time.monotonic()) > 0:
        next(iter(threads)).join(left)
    for thread, drop in threads.items():
        with _lock:
            _threads.pop(thread, None)
        drop(NO_PROCESS)


def _copy_threads() -> dict[threading.Thread, Drop]:
    with _lock:
        return _threads.copy()


@after_in_child
def _after_fork() -> None:
    global _lock
    _lock = threading.Lock()
    _threads.clear()  # a fork does not copy them
    _tasks.clear()
    _steps.clear()
