"""The one event loop of this process, on which ASGI applications run for hosts that have none.

While a single thread calls, the loop runs inline in that thread: a hop to another costs tens of
microseconds. As soon as a second thread or a running loop appears, it moves to a thread of its own
and stays there. It is created at first use, and again in the child of a fork.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Coroutine
from threading import get_ident
from types import FrameType
from typing import Any, TypeVar

from .forking import after_in_child

T = TypeVar("T")


class ProcessLoop:
    """Own an event loop and run coroutines on it for any thread."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # for the members; a signal handler may come back to it
        self._turn = threading.Lock()  # held while the loop runs, inline or in its thread
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._owner = 0  # the thread that runs the loop inline
        self._hand_over = False  # move to a thread as soon as the inline run ends
        self.left_behind = False  # in the parent, by a fork

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end and return its result, from any thread.

        Raises RuntimeError when called from inside the loop itself, which would wait for ever.
        """
        if (
            asyncio._get_running_loop() is not None
            or not (self._owner == get_ident() or self._claim())
            or not self._turn.acquire(False)
        ):
            return self._wait_for(coroutine)
        loop: Any = self._loop
        try:
            # With a name, because asyncio would make one, which takes longer.
            task: asyncio.Task[T] = loop.create_task(coroutine, name="unigate")
            loop.stop()  # asked for before the loop starts, this makes it take exactly one turn
            try:
                loop.run_forever()
                return task.result() if task.done() else loop.run_until_complete(task)
            except BaseException:
                # Nobody waits for it now; if it is done, this tells asyncio not to report it.
                task.cancel()
                raise
        finally:
            self._turn.release()
            if self._hand_over:
                self.in_thread()

    def _claim(self) -> bool:
        """Make the loop this thread's, if it is nobody's yet."""
        with self._lock:
            if self._loop is not None:
                return False
            self._loop = asyncio.new_event_loop()
            self._owner = get_ident()
        return True

    def _wait_for(self, coroutine: Coroutine[Any, Any, T]) -> T:
        if self.is_running_here():
            coroutine.close()
            raise RuntimeError(
                "This runs on the event loop that it would wait for. Use `await app.handle(...)`."
            )
        future = asyncio.run_coroutine_threadsafe(coroutine, self.in_thread())
        try:
            return future.result()
        except BaseException:
            future.cancel()  # this thread was interrupted while it waited
            raise

    def run_last(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine as the process ends, when Python 3.12 starts no thread any more."""
        with self._lock:
            if self._loop is not None:
                self._owner = get_ident()  # whoever it was: if idle, it runs here
                # A signal's exception may come just after a turn was taken: nobody gives it back.
                if self.is_inline() and not self._loop.is_running():
                    self._turn.release()
        return self.run(coroutine)

    def is_inline(self) -> bool:
        """Tell whether some thread runs the loop inline just now."""
        return self._thread is None and self._turn.locked()

    async def join(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine from within any running loop, without blocking that."""
        if self.is_running_here():
            return await coroutine
        return await asyncio.wrap_future(
            asyncio.run_coroutine_threadsafe(coroutine, self.in_thread())
        )

    def is_running_here(self) -> bool:
        """Tell whether the calling thread is inside the loop."""
        return self._loop is not None and asyncio._get_running_loop() is self._loop

    def in_thread(self) -> asyncio.AbstractEventLoop:
        """Return the loop, running in a thread of its own from now on."""
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
            if self._thread is None:
                self._hand_over = True  # seen by whoever runs it inline just now
                if self._turn.acquire(blocking=False):
                    self._start_thread(self._loop)
            return self._loop

    def close(self) -> None:
        """Cancel what still runs, and close the loop."""
        with self._lock:
            loop, thread = self._loop, self._thread
            if loop is None or self.is_inline():
                return
            self._loop = self._thread = None
            self._owner = 0
        if thread is not None:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            self._turn.release()
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        if tasks:
            loop.run_until_complete(asyncio.wait(tasks))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()

    def _start_thread(self, loop: asyncio.AbstractEventLoop) -> None:
        self._hand_over = False
        self._thread = threading.Thread(
            target=self._serve, args=(loop,), name="unigate-loop", daemon=True
        )
        self._thread.start()

    def _serve(self, loop: asyncio.AbstractEventLoop) -> None:
        while self._thread is threading.current_thread():  # until it is closed
            # Raised again in the thread that waits for the task; others go on.
            with contextlib.suppress(SystemExit, KeyboardInterrupt):
                loop.run_forever()


_process_loop = ProcessLoop()
_abandoned: list[ProcessLoop] = []


def process_loop() -> ProcessLoop:
    """Return the loop of this process."""
    return _process_loop


@after_in_child
def _after_fork() -> None:
    global _process_loop
    # Kept alive: closing it would unregister the parent's sockets from the epoll they share.
    _abandoned.append(_process_loop)
    _process_loop.left_behind = True
    _process_loop = ProcessLoop()


def at_exit(stop: Callable[[], object]) -> None:
    """Call something when the process ends, by SIGTERM too where nobody else handles that.

    A signal handler can only be set in the main thread; elsewhere SIGTERM stays as it is.
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
    # At once where the loop is idle: as Python ends, it waits for threads before it calls anybody,
    # and AWS's runtime client has one that waits for the next event.
    if not _process_loop.is_inline():
        for stop in reversed(_stops):
            stop()
    sys.exit(128 + signum)


atexit.register(lambda: _process_loop.close())
