"""Background work: what `wait_until` is given, kept until a request is answered.

The code that runs work is imported when the first work is given, to keep cold starts short.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from functools import partial
from typing import TYPE_CHECKING, Any

from .context import current_request_var
from .forking import after_in_child

if TYPE_CHECKING:
    from .background_work import Work
    from .types import Given

_log = logging.getLogger("unigate")

# The part of a function's remaining time that is kept for handing over the reply, in seconds.
MARGIN = 0.5
# How long a host without a deadline waits for the work of a request, in seconds.
HOST_SECONDS = 10.0
# After how many starts work in the background that starts more work is logged.
MOST_STARTS = 100
_NO_TIME = "the function has no time left"

_wrappers: list[Callable[[Any], Any]] = []


def around_work(wrapper: Callable[[Any], Any]) -> None:
    """Wrap everything that `wait_until` is given; for plugins of frameworks.

    Args:
        wrapper: Takes a function without arguments or an awaitable, and returns another one.
            Registering it a second time has no effect.

    Raises:
        TypeError: It cannot be called.
    """
    if not callable(wrapper):
        raise TypeError(f"around_work() takes a function, got {wrapper!r}.")
    if wrapper not in _wrappers:
        _wrappers.append(wrapper)


_lock = threading.Lock()  # for the works of all requests, which change rarely


class Deferred:
    """The background work of one request or event, kept until that is answered.

    With a deadline, work runs until that, and what is left is dropped with an error in the log.
    Without one, the host waits for a limited time, and what is left goes on in the background, so
    that no work keeps the host from its other requests or from its end.

    Args:
        context: The platform's context object, kept as an attribute. Its remaining time bounds the
            work.
    """

    __slots__ = ("_closed", "_over", "_running", "_works", "context")

    def __init__(self, context: object) -> None:
        self.context = context
        self._works: deque[Work] = deque()
        self._running: list[Work] = []
        self._closed = False
        self._over = ""  # why work is dropped from now on

    def add(self, work: Work) -> bool:
        """Keep work for `finish`, or drop it if it is too late; return False if this is closed."""
        with _lock:
            over, closed = self._over, self._closed
            if not (over or closed):
                self._works.append(work)
        if over:
            work.drop(over)
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
        from .background_tasks import start_thread

        # In the context of the caller, because log records belong to the request.
        thread = start_thread(partial(copy_context().run, self._finish), self.drop)
        if thread is None:
            return
        thread.join(HOST_SECONDS)
        if thread.is_alive():
            self._log_left()

    def _finish(self) -> None:
        while works := self._take(1):
            works[0].finish(self.limit)

    async def finish_async(self) -> None:
        """Run all the work concurrently on this event loop."""
        import asyncio

        from .background_tasks import NO_LOOP, start_task

        if self.limit() is not None:
            try:
                await self._finish_async()
            except asyncio.CancelledError:
                self.drop(NO_LOOP)
                raise
        elif self._has_work():
            task = start_task(self._finish_async(), self.drop)
            await asyncio.wait({task}, timeout=HOST_SECONDS)
            if not task.done():
                self._log_left()

    async def _finish_async(self) -> None:
        import asyncio

        while works := self._take():
            limit = self.limit()
            await asyncio.gather(*(self._finish_one(work, limit) for work in works))

    async def _finish_one(self, work: Work, limit: float | None) -> None:
        await work.finish_async(limit)
        self._running.remove(work)

    def limit(self) -> float | None:
        """Return how many seconds work may take from now on; None without a limit."""
        return seconds_for_work(self.context)

    def drop(self, reason: str) -> None:
        """Drop the work that is unfinished, and what is added from now on."""
        with _lock:
            works = [*self._running, *self._works]
            self._works.clear()
            self._over = reason
        for work in works:
            work.drop(reason)

    def _has_work(self) -> bool:
        """Return True if there is work; without any, take no more."""
        with _lock:
            self._closed = not self._works
        return not self._closed

    def _take(self, most: int | None = None) -> list[Work]:
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
            for work in works:
                work.drop(_NO_TIME)
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


def remaining_time() -> float | None:
    """Return how long the platform lets the current request or event run; None without a limit."""
    current = current_request_var.get(None) or _event_var.get(None)
    return None if current is None else remaining_seconds(current.context)


def seconds_for_work(context: Any) -> float | None:
    """Return how long work may run after a response; None if the context has no deadline."""
    left = remaining_seconds(context)
    return None if left is None else max(0.0, left - MARGIN)


def wait_until(awaitable: Awaitable[object] | Callable[[*Given], object], *args: *Given) -> None:
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

    Args:
        awaitable: The awaitable or the function. The name is that of Vercel's function.
        args: The arguments of a function.

    Raises:
        TypeError: If it is neither awaitable nor callable, or an awaitable with arguments.
    """
    request = current_request_var.get(None)
    defer(_event_var.get(None) if request is None else request.deferral(), awaitable, *args)


def defer(
    deferred: Deferred | None, work: Awaitable[object] | Callable[[*Given], object], *args: *Given
) -> None:
    """Keep work until a request is answered; start it now where that has happened already."""
    awaitable = hasattr(work, "__await__")
    if not (awaitable or callable(work)) or (awaitable and args):
        raise TypeError(
            "wait_until() takes an awaitable, or a function and its arguments, "
            f"got {work!r}{' with arguments' if args else ''}."
        )
    from .background_tasks import NO_PROCESS, is_ending
    from .background_work import Work

    given = subject = partial(work, *args) if callable(work) else work
    for wrap in _wrappers:
        subject = wrap(subject)
    kept = Work(given, subject, copy_context())
    if deferred is None or not deferred.add(kept):
        times = kept.context.run(_count_start)
        _log.info("%r starts in the background: no request is being answered.", work)
        if times % MOST_STARTS == 0:
            _log.warning("Work in the background has started more work %d times: %r.", times, work)
        if times > MOST_STARTS and is_ending():  # it may go on for ever
            kept.drop(NO_PROCESS)
        else:
            kept.start()


_starts: ContextVar[int] = ContextVar("unigate.starts", default=0)


def _count_start() -> int:
    """Count, in the context of work, how often work of the same origin was started."""
    _starts.set(_starts.get() + 1)
    return _starts.get()


_event_var: ContextVar[Deferred] = ContextVar("unigate.event")


def current_invocation() -> Any:
    """Return the platform's context object for the non-HTTP event that is being handled, or None.

    What `wait_until` was given within it has the same.
    """
    deferred = _event_var.get(None)
    return deferred.context if deferred is not None else None


@contextmanager
def deferring(context: Any) -> Iterator[Deferred]:
    """Collect what `wait_until` is given while a non-HTTP event is handled."""
    deferred = Deferred(context)
    token = _event_var.set(deferred)
    try:
        yield deferred
    finally:
        _event_var.reset(token)


@after_in_child
def _after_fork() -> None:
    global _lock
    _lock = threading.Lock()
