"""Background work: what `wait_until` is given, and when it runs."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from contextvars import Context, ContextVar, copy_context
from functools import cache, partial
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from .context import current_request_var
from .forking import after_in_child

if TYPE_CHECKING:
    import asyncio

_log = logging.getLogger("unigate")

# The part of a function's remaining time that is kept for handing over the reply, in seconds.
MARGIN = 0.5
# How long cancelled work has for its cleanup, in seconds; a part of the margin.
CANCEL_SECONDS = 0.2
# How long a host without a deadline waits for the work of a request, in seconds.
HOST_SECONDS = 10.0
# After how many starts work in the background that starts more work is logged.
MOST_STARTS = 100
# How many calls may run at the same time for one event loop.
MOST_CALLS = 100
# How long the end of the process waits for work in the background, in seconds.
EXIT_SECONDS = 10.0
_NO_TIME = "the function has no time left"
_NO_PROCESS = "the process ends"
_NO_THREAD = "no thread can be started for it"
_NO_LOOP = "its event loop ends"
_EXIT = "background work cannot end the process"

_wrappers: list[Callable[[Any], Any]] = []


def around_work(wrapper: Callable[[Any], Any]) -> None:
    """Wrap everything that `wait_until` is given; for plugins of frameworks.

    Args:
        wrapper: Takes a function without arguments or an awaitable, and returns another one.
            Registering it a second time has no effect.
    """
    if wrapper not in _wrappers:
        _wrappers.append(wrapper)


class _Work:
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

    def is_awaitable(self) -> bool:
        return hasattr(self.subject, "__await__")

    def call(self) -> Any:
        """Call the function; return the awaitable that is left to run, or None."""
        if self.is_awaitable():
            return self.subject
        assert callable(self.subject)
        result = self.context.run(self.subject)
        return result if hasattr(result, "__await__") else None


_lock = threading.Lock()  # for the works of all requests, which change rarely


class Deferred:
    """The background work of one request or event, kept until that is answered.

    With a deadline, work runs until that, and what is left is dropped with an error in the log.
    Without one, the host waits for a limited time, and what is left goes on in the background, so
    that no work keeps the host from its other requests or from its end.

    Args:
        context: The platform's context object. Its remaining time bounds the work.
    """

    __slots__ = ("_closed", "_context", "_over", "_running", "_works")

    def __init__(self, context: Any) -> None:
        self._context = context
        self._works: deque[_Work] = deque()
        self._running: list[_Work] = []
        self._closed = False
        self._over = ""  # why work is dropped from now on

    def add(self, work: _Work) -> bool:
        """Keep work for `finish`, or drop it if it is too late; return False if this is closed."""
        with _lock:
            over, closed = self._over, self._closed
            if not (over or closed):
                self._works.append(work)
        if over:
            _drop([work], over)
        return bool(over) or not closed

    def close(self) -> None:
        """Take no more work."""
        with _lock:
            self._closed = True

    def finish(self) -> None:
        """Run the work, and what is awaitable on the event loop of the process."""
        if self.limit() is not None:
            self._finish()
            return
        if not self._has_work():
            return
        # In the context of the caller, because log records belong to the request.
        thread = _start_thread(partial(copy_context().run, self._finish), self.drop)
        if thread is None:
            self.drop(_NO_THREAD)
            return
        thread.join(HOST_SECONDS)
        if thread.is_alive():
            self._log_left()

    def _finish(self) -> None:
        while works := self._take(1):
            _finish_in_thread(works[0], self)

    async def finish_async(self) -> None:
        """Run all the work concurrently on this event loop."""
        import asyncio

        if self.limit() is not None:
            try:
                await self._finish_async()
            except asyncio.CancelledError:
                self.drop(_NO_LOOP)
                raise
        elif self._has_work():
            task = _start_task(self._finish_async(), self.drop)
            await asyncio.wait({task}, timeout=HOST_SECONDS)
            if not task.done():
                self._log_left()

    async def _finish_async(self) -> None:
        import asyncio

        while works := self._take():
            limit = self.limit()
            await asyncio.gather(*(self._finish_one(work, limit) for work in works))

    async def _finish_one(self, work: _Work, limit: float | None) -> None:
        await _finish_on_loop(work, limit)
        self._running.remove(work)

    def limit(self) -> float | None:
        """Return how many seconds work may take from now on; None without a limit."""
        return seconds_for_work(self._context)

    def drop(self, reason: str) -> None:
        """Drop the work that is unfinished, and what is added from now on."""
        with _lock:
            works = [*self._running, *self._works]
            self._works.clear()
            self._over = reason
        _drop(works, reason)

    def _has_work(self) -> bool:
        """Return True if there is work; without any, take no more."""
        with _lock:
            self._closed = not self._works
        return not self._closed

    def _take(self, most: int | None = None) -> list[_Work]:
        """Return the next work, at most so much; without any or without time, take no more."""
        expired = self.limit() == 0
        with _lock:
            count = len(self._works) if most is None or expired else min(most, len(self._works))
            works = [self._works.popleft() for _ in range(count)]
            self._running = [] if expired else works
            self._closed = not works
            if expired:
                self._over = _NO_TIME
        if expired:
            _drop(works, _NO_TIME)
        return self._running

    def _log_left(self) -> None:
        with _lock:
            works = [*self._running, *self._works]
        _log.warning(
            "The work given to wait_until() has taken %s seconds and goes on in the background: %s",
            HOST_SECONDS,
            ", ".join(repr(work.given) for work in works),
        )


def remaining_seconds(context: Any) -> float | None:
    """Return how long the platform lets an invocation run; None if its context has no deadline."""
    left = getattr(context, "get_remaining_time_in_millis", None)
    return max(0.0, left() / 1000) if callable(left) else None


def seconds_for_work(context: Any) -> float | None:
    """Return how long work may run after a response; None if the context has no deadline."""
    left = remaining_seconds(context)
    return None if left is None else max(0.0, left - MARGIN)


def wait_until(work: Awaitable[Any] | Callable[..., Any], *args: Any) -> None:
    """Run work after the response: an awaitable, or a function and its arguments.

    ASGI and WSGI servers run it after the response. Where a function's reply ends its life (AWS
    Lambda and similar platforms), it runs before the reply is handed over, within the time that
    the function has left. Functions under `on_event` are treated alike. A host without such a
    deadline waits up to ten seconds for the work, which then goes on in the background. Outside of
    a request it starts there at once. Failures are logged, and so is work that is dropped: when the
    function has no time left, when its event loop ends, and in the background ten seconds after the
    end of the process began.

    A function is called in a thread of its own, an awaitable runs on the event loop of an ASGI
    server, or on that of the process.

    Raises:
        TypeError: If `work` is neither awaitable nor callable, or an awaitable with arguments.
    """
    request = current_request_var.get(None)
    defer(_event_var.get(None) if request is None else request.deferral(), work, *args)


def defer(deferred: Deferred | None, work: Awaitable[Any] | Callable[..., Any], *args: Any) -> None:
    """Keep work until a request is answered; start it now where that has happened already."""
    awaitable = hasattr(work, "__await__")
    if not (awaitable or callable(work)) or (awaitable and args):
        raise TypeError(
            "wait_until() takes an awaitable, or a function and its arguments, "
            f"got {work!r}{' with arguments' if args else ''}."
        )
    given = subject = partial(work, *args) if callable(work) else work
    for wrap in _wrappers:
        subject = wrap(subject)
    kept = _Work(given, subject, copy_context())
    if deferred is None or not deferred.add(kept):
        times = kept.context.run(_count_start)
        _log.info("%r starts in the background: no request is being answered.", work)
        if times % MOST_STARTS == 0:
            _log.warning("Work in the background has started more work %d times: %r.", times, work)
        if times > MOST_STARTS and _ending:  # it may go on for ever
            _drop([kept], _NO_PROCESS)
        else:
            _detach(kept)


_starts: ContextVar[int] = ContextVar("unigate.starts", default=0)


def _count_start() -> int:
    """Count, in the context of work, how often work of the same origin was started."""
    _starts.set(_starts.get() + 1)
    return _starts.get()


_event_var: ContextVar[Deferred] = ContextVar("unigate.event")


@contextmanager
def deferring(context: Any) -> Iterator[Deferred]:
    """Collect what `wait_until` is given while a non-HTTP event is handled."""
    deferred = Deferred(context)
    token = _event_var.set(deferred)
    try:
        yield deferred
    finally:
        _event_var.reset(token)


def _detach(work: _Work) -> None:
    """Run work independently: on the running event loop if there is one, else in a thread."""
    drop = partial(_drop, [work])
    if work.is_awaitable() and _running_loop() is not None:
        _start_task(_finish_on_loop(work), drop, work.context)
    elif _start_thread(partial(_finish_in_thread, work), drop) is None:
        drop(_NO_THREAD)


_Drop = Callable[[str], object]
"""Logs, with a reason, that work in the background is dropped."""

_tasks: set[asyncio.Task[None]] = set()  # a loop holds its tasks weakly


def _start_task(
    coroutine: Coroutine[Any, Any, None], drop: _Drop, context: Context | None = None
) -> asyncio.Task[None]:
    import asyncio

    def end(task: asyncio.Task[None]) -> None:
        _tasks.discard(task)
        if task.cancelled():
            drop(_NO_LOOP)

    task = asyncio.get_running_loop().create_task(coroutine, context=context)
    _tasks.add(task)
    task.add_done_callback(end)
    return task


def _running_loop() -> asyncio.AbstractEventLoop | None:
    import asyncio

    return asyncio._get_running_loop()


_threads: dict[threading.Thread, _Drop] = {}


def _start_thread(target: Callable[[], object], drop: _Drop) -> threading.Thread | None:
    """Run work in a thread that the end of the process waits for; return None without threads."""

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
        return None
    return thread


@cache
def _wait_at_exit() -> None:
    # Earlier than `atexit`, when Python 3.12 and up start no threads, which work may need.
    threading._register_atexit(_wait_for_threads)  # type: ignore[attr-defined]


_ending = False  # whether something waits for the background to end


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


_steps: set[asyncio.Task[Any]] = set()
"""The tasks that run the code of work; those above wait for them, and end when cancelled."""


def _start_step(
    coroutine: Coroutine[Any, Any, Any], context: Context | None = None
) -> asyncio.Task[Any]:
    import asyncio

    task = asyncio.get_running_loop().create_task(coroutine, context=context)
    _steps.add(task)
    task.add_done_callback(_steps.discard)
    return task


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
        drop(_NO_PROCESS)


def _copy_threads() -> dict[threading.Thread, _Drop]:
    with _lock:
        return _threads.copy()


@after_in_child
def _after_fork() -> None:
    global _lock
    _lock = threading.Lock()
    _threads.clear()  # a fork does not copy them
    _tasks.clear()
    _steps.clear()


def _finish_in_thread(work: _Work, deferred: Deferred | None = None) -> None:
    limit = deferred.limit() if deferred else None
    if work.is_awaitable():
        from .loop import process_loop

        process_loop().run(_finish_on_loop(work, limit))
        return
    results: list[Any] = []
    if limit is None:
        _call(work, results)
    else:
        thread = threading.Thread(
            target=copy_context().run,  # log records belong to the request
            args=(_call, work, results),
            name="unigate-background",
            daemon=True,
        )
        try:
            thread.start()
        except RuntimeError:  # threads that hang have used all there are
            _drop([work], _NO_THREAD)
            return
        thread.join(limit)
        if not results:
            _log_unfinished(work)
    if results and results[0] is not None:  # of an asynchronous function
        _finish_in_thread(_Work(work.given, results[0], work.context), deferred)


def _call(work: _Work, results: list[Any]) -> None:
    try:
        results.append(work.call())
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException:  # a stray CancelledError, for example
        results.append(None)
        _log.exception("%r failed in the background.", work.given)


async def _finish_on_loop(work: _Work, limit: float | None = None) -> None:
    import asyncio

    task = _start_step(_run_on_loop(work))
    try:
        # Not awaited itself: work that ignores its cancellation would hold this task as well.
        await asyncio.wait({task}, timeout=limit)
    except asyncio.CancelledError:
        task.cancel()
        raise
    if not task.done():
        task.cancel()  # which it may ignore
        await asyncio.wait({task}, timeout=CANCEL_SECONDS)
        _log_unfinished(work)
    elif not task.cancelled():
        task.result()  # raises an exit


async def _run_on_loop(work: _Work) -> None:
    import asyncio

    results: list[Any] = [work.subject] if work.is_awaitable() else []
    cancelled = False

    def call() -> None:
        _call(work, results)
        if cancelled:  # while this was running
            _close_unused(results)

    def drop(reason: str) -> None:
        if not cancelled:
            _drop([work], reason)

    try:
        if not results:
            await _call_in_thread(call, drop)
        if results and results[0] is not None:
            await _start_step(_await(results[0]), work.context)
    except Exception:
        _log.exception("%r failed in the background.", work.given)
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            cancelled = True
            _close_unused(results)
            raise
        _log.exception("%r failed in the background.", work.given)  # it has raised that itself


_slots: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


async def _call_in_thread(call: Callable[[], None], drop: _Drop) -> None:
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
        if _start_thread(partial(copy_context().run, run), drop) is None:
            drop(_NO_THREAD)
        else:
            await asyncio.wrap_future(future)


async def _await(awaitable: Any) -> Any:
    return await awaitable


def _log_unfinished(work: _Work) -> None:
    _log.error("%r is unfinished, and the function has no time left.", work.given)


def _drop(works: list[_Work], reason: str) -> None:
    """Log work that does not run, or not to its end."""
    for work in works:
        _close_unused([work.subject, work.given])
        _log.error("%r is dropped: %s.", work.given, reason)


def _close_unused(subjects: list[Any]) -> None:
    """Close coroutines that have not begun: Python would warn that they were never awaited."""
    for subject in subjects:
        if isinstance(subject, Coroutine):
            from inspect import CORO_CREATED, getcoroutinestate, iscoroutine

            if iscoroutine(subject) and getcoroutinestate(subject) == CORO_CREATED:
                subject.close()
