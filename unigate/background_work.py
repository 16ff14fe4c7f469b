"""A piece of work in the background: a function or an awaitable, run in a thread or on a loop."""

from __future__ import annotations

import logging
import threading
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import Context, copy_context
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from .background_tasks import CANCEL_SECONDS, NO_THREAD, Drop, start_step, start_task, start_thread

if TYPE_CHECKING:
    import asyncio

_log = logging.getLogger("unigate")

# How many calls may run at the same time for one event loop.
MOST_CALLS = 100


class Work:
    """A function or an awaitable, with the context variables of the code that deferred it.

    Args:
        given: What `wait_until` was given, for the log.
        subject: The same within the wrappers of `around_work`.
        context: The context variables.
    """

    def __init__(
        self,
        given: Callable[[], Any] | Awaitable[Any],
        subject: Callable[[], Any] | Awaitable[Any],
        context: Context,
    ) -> None:
        self.given = given
        self.subject = subject
        self.context = context

    def start(self) -> None:
        """Run this independently: on the running event loop if there is one, else in a thread."""
        if self._is_awaitable() and _running_loop() is not None:
            start_task(self.finish_async(), self.drop, self.context)
        else:
            start_thread(self.finish, self.drop)

    def finish(self, limit: Callable[[], float | None] | None = None) -> None:
        """Run this to its end, and what is awaitable on the event loop of the process.

        Args:
            limit: Returns how many seconds this may take from now on; None without a limit.
        """
        seconds = limit() if limit else None
        if self._is_awaitable():
            from .loop import process_loop

            process_loop().run(self.finish_async(seconds))
            return
        results: list[Any] = []
        if seconds is None:
            self._call(results)
        elif not self._call_within(seconds, results):
            return
        if results and results[0] is not None:  # of an asynchronous function
            Work(self.given, results[0], self.context).finish(limit)

    async def finish_async(self, seconds: float | None = None) -> None:
        """Run this to its end on this event loop, for a limited time if `seconds` is given."""
        import asyncio

        task = start_step(self._run_on_loop())
        try:
            # Not awaited itself: work that ignores its cancellation would hold this task as well.
            await asyncio.wait({task}, timeout=seconds)
        except asyncio.CancelledError:
            task.cancel()
            raise
        if not task.done():
            task.cancel()  # which it may ignore
            await asyncio.wait({task}, timeout=CANCEL_SECONDS)
            self._log_unfinished()
        elif not task.cancelled():
            task.result()  # raises an exit

    def drop(self, reason: str) -> None:
        """Log that this does not run, or not to its end."""
        _close_unused([self.subject, self.given])
        _log.error("%r is dropped: %s.", self.given, reason)

    def _is_awaitable(self) -> bool:
        return hasattr(self.subject, "__await__")

    def _call(self, results: list[Any]) -> None:
        """Call the function; append the awaitable that is left to run, or None."""
        try:
            assert callable(self.subject)
            result = self.context.run(self.subject)
            results.append(result if hasattr(result, "__await__") else None)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException:  # a stray CancelledError, for example
            results.append(None)
            _log.exception("%r failed in the background.", self.given)

    def _call_within(self, seconds: float, results: list[Any]) -> bool:
        """Call the function in a thread, for a limited time; return False if there is none."""
        thread = threading.Thread(
            target=copy_context().run,  # log records belong to the request
            args=(self._call, results),
            name="unigate-background",
            daemon=True,
        )
        try:
            thread.start()
        except RuntimeError:  # threads that hang have used all there are
            self.drop(NO_THREAD)
            return False
        thread.join(seconds)
        if not results:
            self._log_unfinished()
        return True

    async def _run_on_loop(self) -> None:
        import asyncio

        results: list[Any] = [self.subject] if self._is_awaitable() else []
        cancelled = False

        def call() -> None:
            self._call(results)
            if cancelled:  # while this was running
                _close_unused(results)

        def drop(reason: str) -> None:
            if not cancelled:
                self.drop(reason)

        try:
            if not results:
                await _call_in_thread(call, drop)
            if results and results[0] is not None:
                await start_step(_await(results[0]), self.context)
        except Exception:
            _log.exception("%r failed in the background.", self.given)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                cancelled = True
                _close_unused(results)
                raise
            # It has raised that itself.
            _log.exception("%r failed in the background.", self.given)

    def _log_unfinished(self) -> None:
        _log.error("%r is unfinished, and the function has no time left.", self.given)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    import asyncio

    return asyncio._get_running_loop()


_slots: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


async def _call_in_thread(call: Callable[[], None], drop: Drop) -> None:
    """Call a function in a thread of ours: the end of a loop waits for the threads of its pool."""
    import asyncio
    from concurrent.futures import Future

    future: Future[None] = Future()
    future.set_running_or_notify_cancel()  # from now on it cannot be cancelled

    def run() -> None:
        try:
            call()
        except BaseException as error:
            future.set_exception(error)
        else:
            future.set_result(None)

    loop = asyncio.get_running_loop()
    async with _slots.setdefault(loop, asyncio.Semaphore(MOST_CALLS)):
        if start_thread(partial(copy_context().run, run), drop) is not None:
            await asyncio.wrap_future(future)


async def _await(awaitable: Any) -> Any:
    return await awaitable


def _close_unused(subjects: list[Any]) -> None:
    """Close coroutines that have not begun: Python would warn that they were never awaited."""
    for subject in subjects:
        if isinstance(subject, Coroutine):
            from inspect import CORO_CREATED, getcoroutinestate, iscoroutine

            if iscoroutine(subject) and getcoroutinestate(subject) == CORO_CREATED:
                subject.close()
