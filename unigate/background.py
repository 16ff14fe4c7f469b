"""Background work: what `wait_until` is given, and when it runs."""

from __future__ import annotations

import logging
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import Context, ContextVar, copy_context
from functools import partial
from typing import TYPE_CHECKING, Any

from .context import current_request_var

if TYPE_CHECKING:
    import asyncio

_log = logging.getLogger("unigate")

# The part of a function's remaining time that is kept for handing over the reply, in seconds.
MARGIN = 0.5

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
    """A function or an awaitable, with the context variables of the code that deferred it."""

    def __init__(self, subject: Callable[[], Any] | Awaitable[Any], context: Context) -> None:
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

    Args:
        context: The platform's context object. Its remaining time bounds the work.
    """

    __slots__ = ("_closed", "_context", "_works")

    def __init__(self, context: Any) -> None:
        self._context = context
        self._works: list[_Work] = []
        self._closed = False

    def add(self, work: _Work) -> bool:
        """Keep work for `finish`; return False if this is closed."""
        with _lock:
            if not self._closed:
                self._works.append(work)
            return not self._closed

    def close(self) -> None:
        """Take no more work."""
        with _lock:
            self._closed = True

    def finish(self) -> None:
        """Run the work in this thread, and what is awaitable on the event loop of the process."""
        while works := self._take():
            for work in works:
                _finish_in_thread(work, self)

    async def finish_async(self) -> None:
        """Run all the work concurrently on this event loop."""
        import asyncio

        while works := self._take():
            limit = self.limit()
            await asyncio.gather(*(_finish_on_loop(work, limit) for work in works))

    def limit(self) -> float | None:
        """Return how many seconds work may take from now on; None without a limit."""
        return seconds_for_work(self._context)

    def _take(self) -> list[_Work]:
        """Return the work so far; where there is none, no more is accepted."""
        with _lock:
            works, self._works = self._works, []
            self._closed = not works
        return works


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
    starts at once in the background. Failures are logged.

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
    subject = partial(work, *args) if callable(work) else work
    for wrap in _wrappers:
        subject = wrap(subject)
    kept = _Work(subject, copy_context())
    if deferred is None or not deferred.add(kept):
        _log.info("%r starts in the background: no request is being answered.", work)
        _detach(kept)


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
    loop = _running_loop() if work.is_awaitable() else None
    if loop is not None:
        task = loop.create_task(_finish_on_loop(work), context=work.context)
        _detached.add(task)  # a loop holds its tasks weakly
        task.add_done_callback(_detached.discard)
        return
    # Python waits for such a thread before it ends.
    threading.Thread(target=_finish_in_thread, args=(work,), name="unigate-background").start()


_detached: set[asyncio.Task[None]] = set()


def _running_loop() -> asyncio.AbstractEventLoop | None:
    import asyncio

    return asyncio._get_running_loop()


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
        thread.start()
        thread.join(limit)
        if not results:
            _log_unfinished(work)
    if results and results[0] is not None:  # of an asynchronous function
        _finish_in_thread(_Work(results[0], work.context), deferred)


def _call(work: _Work, results: list[Any]) -> None:
    try:
        results.append(work.call())
    except Exception:
        results.append(None)
        _log.exception("%r failed in the background.", work.subject)


async def _finish_on_loop(work: _Work, limit: float | None = None) -> None:
    import asyncio

    try:
        async with asyncio.timeout(limit) as deadline:
            result = work.subject if work.is_awaitable() else await asyncio.to_thread(work.call)
            if result is not None:
                await asyncio.get_running_loop().create_task(_await(result), context=work.context)
    except asyncio.CancelledError:
        _log.error("%r was cancelled in the background.", work.subject)
        raise
    except Exception:
        if deadline.expired():
            _log_unfinished(work)
        else:
            _log.exception("%r failed in the background.", work.subject)


async def _await(awaitable: Any) -> Any:
    return await awaitable


def _log_unfinished(work: _Work) -> None:
    _log.error("%r is unfinished, and the function has no time left.", work.subject)
