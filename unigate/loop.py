"""The event loop of the process, which runs ASGI applications for hosts without an event loop.

While only one thread uses the loop, it runs inline in that thread, because a hop to another thread
costs tens of microseconds. As soon as a second thread or a running loop uses it, it moves to a
background thread and stays there. It is created at first use, and again in the child of a fork.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import logging
import signal
import sys
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from functools import partial
from threading import get_ident
from types import FrameType
from typing import Any, TypeVar

from .errors import failure_of
from .exits import end_within
from .forking import after_in_child
from .isolation import append_result, isolated

T = TypeVar("T")

_log = logging.getLogger("unigate")

# How long cancelled tasks and a blocked loop have at the end of the process, in seconds.
CANCEL_SECONDS = 0.3
# How long the last coroutine of the process may take, such as the shutdown of applications.
LAST_SECONDS = 15.0
# How long the process may take to end after SIGTERM; Kubernetes kills it after 30 seconds.
EXIT_SECONDS = 25.0


class ProcessLoop:
    """An event loop that runs coroutines for any thread."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # of the attributes; signal handlers may enter it again
        self._turn = threading.Lock()  # held while the loop runs, inline or in its thread
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._owner = 0  # the id of the thread that runs the loop inline
        self._hand_over = False  # move to a thread when the inline run ends
        self.left_behind = False  # set in the child of a fork, where the parent's loop is unusable

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end and return its result, from any thread.

        Raises:
            ApplicationAborted: The coroutine was cancelled, although the caller still waits for it.
            RuntimeError: The caller is on this loop, so it would wait for itself.
        """
        if (
            asyncio._get_running_loop() is not None
            or not (self._owner == get_ident() or self._claim())
            or not self._turn.acquire(False)
        ):
            return self._wait_for(coroutine)
        loop: Any = self._loop
        try:
            # Named, because generating a name takes asyncio longer.
            task: asyncio.Task[T] = loop.create_task(coroutine, name="unigate")
            loop.stop()  # before the loop starts, this limits it to one iteration
            try:
                loop.run_forever()
                return task.result() if task.done() else loop.run_until_complete(task)
            except BaseException as error:
                # No caller waits for it any more; if it is done, asyncio will not report it.
                task.cancel()
                if (failure := failure_of(error)) is not error:
                    raise failure from error
                raise
        finally:
            self._turn.release()
            if self._hand_over:
                self.in_thread()

    def _claim(self) -> bool:
        """Create the loop, to run inline in this thread; return False if it exists."""
        with self._lock:
            if self._loop is not None:
                return False
            self._loop = asyncio.new_event_loop()
            self._owner = get_ident()
        return True

    def _wait_for(self, coroutine: Coroutine[Any, Any, T], seconds: float | None = None) -> T:
        if self.is_running_here():
            coroutine.close()
            raise RuntimeError(
                "This call would wait for the event loop that it runs on. "
                "Use `await app.handle(...)`."
            )
        future = self._submit(coroutine)
        try:
            return future.result(seconds)
        except BaseException:
            future.cancel()  # this thread was interrupted while it waited
            raise

    def _submit(
        self, coroutine: Coroutine[Any, Any, T], at_end: Callable[[], object] | None = None
    ) -> Future[T]:
        """Start a coroutine in the thread of the loop; cancelling the future cancels its task.

        A CancelledError that the coroutine raises itself keeps its traceback; with asyncio's
        `run_coroutine_threadsafe`, it would cancel the future.
        """
        loop = self.in_thread()
        future: Future[T] = Future()

        def start() -> None:
            task = loop.create_task(coroutine)
            task.add_done_callback(partial(_settle, future))
            if at_end is not None:
                task.add_done_callback(lambda task: at_end())
            future.add_done_callback(
                lambda future: future.cancelled() and loop.call_soon_threadsafe(task.cancel)
            )

        loop.call_soon_threadsafe(start)
        return future

    def run_last(self, coroutine: Coroutine[Any, Any, T]) -> T | None:
        """Run a coroutine at the end of the process, when Python 3.12 and up start no threads.

        If another thread runs the loop and is blocked, the coroutine is given up; return None.
        """
        with self._lock:
            if self._loop is not None:
                self._owner = get_ident()  # an idle loop runs in this thread from now on
                # The exception of a signal handler can arrive just after `_turn` was acquired, and
                # then it is never released.
                if self.is_inline() and not self._loop.is_running():
                    self._turn.release()
        if not self._turn.locked() and asyncio._get_running_loop() is None:
            return self.run(coroutine)
        try:
            return self._wait_for(coroutine, LAST_SECONDS)
        except TimeoutError:
            _log.error("%r is given up: the event loop is blocked.", coroutine)
            return None

    def is_inline(self) -> bool:
        """Return True while a thread runs the loop inline."""
        return self._thread is None and self._turn.locked()

    async def join(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on this loop, awaited from any running loop.

        Raises:
            ApplicationAborted: The coroutine was cancelled, although the caller was not.
        """
        if self.is_running_here():
            return await isolated(coroutine)
        results: list[T] = []
        running = append_result(coroutine, results)
        # On its own loop, where the coroutine may go on after this was cancelled.
        error = await asyncio.wrap_future(self._submit(running, at_end=coroutine.close))
        if error is None:
            return results[0]
        raise failure_of(error)

    def is_running_here(self) -> bool:
        """Return True if the calling code runs on this loop."""
        return self._loop is not None and asyncio._get_running_loop() is self._loop

    def in_thread(self) -> asyncio.AbstractEventLoop:
        """Return the loop; it runs in a background thread as soon as no thread runs it inline."""
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
            if self._thread is None:
                self._hand_over = True  # read by the thread that runs the loop inline, if any
                if self._turn.acquire(blocking=False):
                    self._start_thread(self._loop)
            return self._loop

    def close(self) -> None:
        """Cancel the tasks that still run, and close the loop, unless a thread runs it inline.

        A task that ignores its cancellation is given up, and so is a loop whose thread is blocked.
        """
        with self._lock:
            loop, thread = self._loop, self._thread
            if loop is None or self.is_inline():
                return
            self._loop = self._thread = None
            self._owner = 0
        if thread is not None:
            loop.call_soon_threadsafe(loop.stop)
            thread.join(CANCEL_SECONDS)
            if thread.is_alive():
                _log.error("The event loop is not closed: a task blocks it.")
                self._turn = threading.Lock()  # of the next loop
                return
            self._turn.release()
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        for task in _wait(loop, tasks):
            _log.error("%r ignores its cancellation and is given up.", task)
        _wait(loop, {loop.create_task(loop.shutdown_asyncgens())})
        loop.close()

    def _start_thread(self, loop: asyncio.AbstractEventLoop) -> None:
        self._hand_over = False
        self._thread = threading.Thread(
            target=self._serve, args=(loop,), name="unigate-loop", daemon=True
        )
        self._thread.start()

    def _serve(self, loop: asyncio.AbstractEventLoop) -> None:
        while self._thread is threading.current_thread():  # until `close`
            # They are raised again in the thread that waits for the task; other tasks go on.
            with contextlib.suppress(SystemExit, KeyboardInterrupt):
                loop.run_forever()


def _wait(loop: asyncio.AbstractEventLoop, tasks: set[asyncio.Task[Any]]) -> set[asyncio.Task[Any]]:
    """Run tasks to their end on a loop, for a limited time; return those that have not ended."""
    if not tasks:
        return tasks
    return loop.run_until_complete(asyncio.wait(tasks, timeout=CANCEL_SECONDS))[1]


def _settle(future: Future[T], task: asyncio.Task[T]) -> None:
    if not future.set_running_or_notify_cancel():
        _ = task.cancelled() or task.exception()  # else asyncio logs that it was never retrieved
        return
    try:
        future.set_result(task.result())
    except BaseException as error:
        future.set_exception(failure_of(error))


_process_loop = ProcessLoop()
_loops_of_parents: list[ProcessLoop] = []


def process_loop() -> ProcessLoop:
    """Return the event loop of this process."""
    return _process_loop


@after_in_child
def _after_fork() -> None:
    global _process_loop
    # Kept alive, because closing it would unregister the parent's sockets from the shared epoll.
    _loops_of_parents.append(_process_loop)
    _process_loop.left_behind = True
    _process_loop = ProcessLoop()


def at_exit(stop: Callable[[], object]) -> None:
    """Register a function to be called when the process ends.

    That includes SIGTERM, if it has no other handler and this is called in the main thread, the
    only one that can set a signal handler. Within 25 seconds after SIGTERM the process ends, even
    if something in it goes on.
    """
    atexit.register(stop)
    _stops.append(stop)
    if (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    ):
        signal.signal(signal.SIGTERM, _exit)


_stops: list[Callable[[], object]] = []


def _exit(signum: int, frame: FrameType | None) -> None:
    end_within(EXIT_SECONDS, 128 + signum)
    # Not left to atexit unless the loop is busy: Python joins all threads before it calls atexit
    # functions, and AWS's runtime client has a thread that waits for the next event.
    if not _process_loop.is_inline():
        for stop in reversed(_stops):
            stop()
    sys.exit(128 + signum)


atexit.register(lambda: _process_loop.close())
