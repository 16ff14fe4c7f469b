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

from .context import current_request_var
from .forking import after_in_child

if TYPE_CHECKING:
    import asyncio

_log = logging.getLogger("unigate")

# The part of a function's remaining time that is kept for handing over the reply, in seconds.
MARGIN = 0.5
# How long cancelled work has for its cleanup, in seconds; a part of the margin.
CANCEL_SECONDS = 0.2
# How much work the work of one request may add before the rest goes on in the background.
MOST_ADDED = 100
# How long the end of the process waits for work in the background, in seconds.
EXIT_SECONDS = 10.0
_NO_TIME = "the function has no time left"
_NO_PROCESS = "the process ends"
_NO_THREAD = "no thread can be started for it"
_NO_LOOP = "its event loop ends"

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
    Without one, work that keeps adding work goes on in the background, so that it does not keep
    its host from the next request.

    Args:
        context: The platform's context object. Its remaining time bounds the work.
    """

    __slots__ = ("_added", "_closed", "_context", "_expired", "_running", "_works")

    def __init__(self, context: Any) -> None:
        self._context = context
        self._works: deque[_Work] = deque()
        self._running: list[_Work] = []
        self._added: int | None = None  # how much work was added since `finish` was called
        self._closed = False
        self._expired = False

    def add(self, work: _Work) -> bool:
        """Keep work for `finish`, or drop it after the deadline; return False if this is closed."""
        with _lock:
            expired, closed = self._expired, self._closed
            if not (expired or closed):
                self._works.append(work)
                if self._added is not None:
                    self._added += 1
        if expired:
            _drop([work], _NO_TIME)
        return expired or not closed

    def close(self) -> None:
        """Take no more work."""
        with _lock:
            self._closed = True

    def finish(self) -> None:
        """Run the work in this thread, and what is awaitable on the event loop of the process."""
        self._finish(_start_thread)

    def _finish(self, start_thread: Callable[..., bool] | None = None) -> None:
        while works := self._take(1):
            if start_thread is None and self._ends():
                return
            _finish_in_thread(works[0], self)
            if start_thread and self._grows() and start_thread(self._finish, self.unfinished):
                return

    async def finish_async(self) -> None:
        """Run all the work concurrently on this event loop."""
        import asyncio

        try:
            await self._finish_async(may_leave=True)
        except asyncio.CancelledError:
            _drop(self.unfinished(), _NO_LOOP)
            raise

    async def _finish_async(self, *, may_leave: bool) -> None:
        import asyncio

        while works := self._take():
            if not may_leave and self._ends():
                return
            limit = self.limit()
            await asyncio.gather(*(self._finish_one(work, limit) for work in works))
            if may_leave and self._grows():
                _start_task(self._finish_async(may_leave=False), self.unfinished)
                return

    async def _finish_one(self, work: _Work, limit: float | None) -> None:
        await _finish_on_loop(work, limit)
        self._running.remove(work)

    def _ends(self) -> bool:
        """Drop the work if the process ends: it has added so much that it may go on for ever."""
        if _ending:
            self.close()
            _drop(self.unfinished(), _NO_PROCESS)
        return _ending

    def limit(self) -> float | None:
        """Return how many seconds work may take from now on; None without a limit."""
        return seconds_for_work(self._context)

    def unfinished(self) -> list[_Work]:
        """Return the work that is running or has not begun."""
        with _lock:
            return [*self._running, *self._works]

    def _take(self, most: int | None = None) -> list[_Work]:
        """Return the next work, at most so much; without any or without time, take no more."""
        expired = self.limit() == 0
        with _lock:
            self._added = self._added or 0
            count = len(self._works) if most is None or expired else min(most, len(self._works))
            works = [self._works.popleft() for _ in range(count)]
            self._running = [] if expired else works
            self._closed = not works
            self._expired = expired
        if expired:
            _drop(works, _NO_TIME)
        return self._running

    def _grows(self) -> bool:
        """Return True if work has added so much work that the rest must go on elsewhere."""
        with _lock:
            added, following = self._added or 0, next(iter(self._works), None)
            if added <= MOST_ADDED or following is None or self.limit() is not None:
                return False
            self._added = 0
        _log.warning(
            "The work given to wait_until() has added work %d times. The rest goes on in the "
            "background, beginning with %r.",
            added,
            following.given,
        )
        return True


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
    the function has left. Functions under `on_event` are treated alike. Outside of a request it
    starts at once in the background. Failures are logged, and so is work that is dropped: when the
    function has no time left, when its event loop ends, and in the background ten seconds after the
    end of the process began.

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
        if times % MOST_ADDED == 0:
            _log.warning("Work in the background has started more work %d times: %r.", times, work)
        if times > MOST_ADDED and _ending:  # it may go on for ever
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
    if work.is_awaitable() and _running_loop() is not None:
        _start_task(_finish_on_loop(work), lambda: [work], work.context)
    elif not _start_thread(partial(_finish_in_thread, work), lambda: [work]):
        _drop([work], _NO_THREAD)


_tasks: set[asyncio.Task[None]] = set()  # a loop holds its tasks weakly


def _start_task(
    coroutine: Coroutine[Any, Any, None],
    unfinished: Callable[[], list[_Work]],
    context: Context | None = None,
) -> None:
    import asyncio

    def end(task: asyncio.Task[None]) -> None:
        _tasks.discard(task)
        if task.cancelled():
            _drop(unfinished(), _NO_LOOP)

    task = asyncio.get_running_loop().create_task(coroutine, context=context)
    _tasks.add(task)
    task.add_done_callback(end)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    import asyncio

    return asyncio._get_running_loop()


_threads: dict[threading.Thread, Callable[[], list[_Work]]] = {}
"""The threads in the background, and what returns the work that each has not finished."""


def _start_thread(target: Callable[[], None], unfinished: Callable[[], list[_Work]]) -> bool:
    """Run work in a thread that the end of the process waits for; return False without threads."""

    def run() -> None:
        try:
            target()
        finally:
            with _lock:
                _threads.pop(thread, None)

    # A daemon, because Python would wait without limit for any other thread.
    thread = threading.Thread(target=run, name="unigate-background", daemon=True)
    try:
        _wait_at_exit()
        with _lock:
            thread.start()
            _threads[thread] = unfinished
    except RuntimeError:  # the process ends, or may have no more threads
        return False
    return True


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
    try:
        await _wait_for_tasks(EXIT_SECONDS)
        for task in _running_tasks():
            task.get_loop().call_soon_threadsafe(task.cancel)
        await _wait_for_tasks(CANCEL_SECONDS)
        # Limited here as well: all threads of the loop's pool may be taken.
        threads = asyncio.ensure_future(asyncio.to_thread(_wait_for_threads))
        await asyncio.wait({threads}, timeout=EXIT_SECONDS + CANCEL_SECONDS)
    finally:
        _ending = False


async def _wait_for_tasks(seconds: float) -> None:
    import asyncio

    end = time.monotonic() + seconds
    while _running_tasks() and time.monotonic() < end:
        await asyncio.sleep(0.01)  # some are tasks of the event loop of the process


def _running_tasks() -> list[asyncio.Task[None]]:
    return [task for task in tuple(_tasks) if task.get_loop().is_running()]


def _wait_for_threads() -> None:
    """Wait for the threads in the background, up to a limit; then forget them."""
    global _ending
    _ending = True
    end = time.monotonic() + EXIT_SECONDS
    while (threads := _copy_threads()) and (left := end - time.monotonic()) > 0:
        next(iter(threads)).join(left)
    for thread, unfinished in threads.items():
        with _lock:
            _threads.pop(thread, None)
        _drop(unfinished(), _NO_PROCESS)


def _copy_threads() -> dict[threading.Thread, Callable[[], list[_Work]]]:
    with _lock:
        return _threads.copy()


@after_in_child
def _after_fork() -> None:
    global _lock
    _lock = threading.Lock()
    _threads.clear()  # a fork does not copy them
    _tasks.clear()


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

    task = asyncio.get_running_loop().create_task(_run_on_loop(work))
    try:
        if limit is None:
            await task
            return
        await asyncio.wait({task}, timeout=limit)
    except asyncio.CancelledError:
        task.cancel()
        raise
    if not task.done():
        task.cancel()  # which it may ignore
        await asyncio.wait({task}, timeout=CANCEL_SECONDS)
        _log_unfinished(work)


async def _run_on_loop(work: _Work) -> None:
    import asyncio

    results: list[Any] = [work.subject] if work.is_awaitable() else []
    cancelled = False

    def call() -> None:
        results.append(work.call())
        if cancelled:  # while this was running
            _close_unused(results)

    try:
        if not results:
            await asyncio.to_thread(call)
        if results[0] is not None:
            await asyncio.get_running_loop().create_task(_await(results[0]), context=work.context)
    except Exception:
        _log.exception("%r failed in the background.", work.given)
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            cancelled = True
            _close_unused(results)
            raise
        _log.exception("%r failed in the background.", work.given)  # it has raised that itself


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
