"""Work that goes on when the application has answered."""

from __future__ import annotations

import logging
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import Context, ContextVar, copy_context
from functools import partial
from typing import TYPE_CHECKING, Any

from .context import current_request_var
from .request import Request

if TYPE_CHECKING:
    import asyncio

_log = logging.getLogger("unigate")

# What is left of a function's time to hand the reply over, in seconds.
MARGIN = 0.5

_around: list[Callable[[Any], Any]] = []


def around_work(wrapper: Callable[[Any], Any]) -> None:
    """Put something around all that `wait_until` is given, once; for frameworks' plugins.

    It takes a call without arguments or an awaitable, and returns another.
    """
    if wrapper not in _around:
        _around.append(wrapper)


class _Work:
    """A call, or something to await, with the context variables of where it was given."""

    def __init__(self, subject: Callable[[], Any] | Awaitable[Any], context: Context) -> None:
        self.subject = subject
        self.context = context

    def is_awaitable(self) -> bool:
        return hasattr(self.subject, "__await__")

    def call(self) -> Any:
        """Make the call, and return what is to be awaited, if anything."""
        if self.is_awaitable():
            return self.subject
        assert callable(self.subject)
        result = self.context.run(self.subject)
        return result if hasattr(result, "__await__") else None


def wait_until(work: Awaitable[Any] | Callable[..., Any], *args: Any) -> None:
    """Let work go on beyond the response: an awaitable, or a callable and its arguments.

    ASGI and WSGI servers do it after the response. Where a function's reply ends its life (AWS
    Lambda and alike), it is done before the reply is handed over, for as long as the function has
    time. A function under `on_event` is no exception. Outside of all that it runs in the background
    at once. What fails is logged. Raises TypeError for what is neither.
    """
    _wait_until(current_request_var.get(None) or _kept_for.get(None), work, *args)


def _wait_until(
    request: Request | None, work: Awaitable[Any] | Callable[..., Any], *args: Any
) -> None:
    awaitable = hasattr(work, "__await__")
    if not (awaitable or callable(work)) or (awaitable and args):
        raise TypeError(f"wait_until() takes an awaitable, or a callable, not {work!r}.")
    subject = partial(work, *args) if callable(work) else work
    for wrap in _around:
        subject = wrap(subject)
    given = _Work(subject, copy_context())
    if request is None or not _defer(request, given):
        _log.info("%r runs in the background: no request is being answered.", work)
        _detach(given)


Request.defer = staticmethod(_wait_until)

_kept_for: ContextVar[Request] = ContextVar("unigate.kept_for")


@contextmanager
def keeping(event: Any, context: Any) -> Iterator[Request]:
    """Keep what is given to `wait_until` while an event that is no request is being answered.

    It is kept in a request that stands for the event and that nobody else sees: for `finish`.
    """
    request = Request("", event=event, context=context)
    token = _kept_for.set(request)
    try:
        yield request
    finally:
        _kept_for.reset(token)


def _detach(work: _Work) -> None:
    """Run work on its own: on the running loop, where there is one, else in a thread."""
    loop = _running_loop() if work.is_awaitable() else None
    if loop is not None:
        task = loop.create_task(_finish_one(work), context=work.context)
        _detached.add(task)  # a loop holds its tasks weakly
        task.add_done_callback(_detached.discard)
        return
    # Python waits for such a thread before it ends.
    threading.Thread(target=_finish_alone, args=(work,), name="unigate-background").start()


_detached: set[asyncio.Task[None]] = set()


def _running_loop() -> asyncio.AbstractEventLoop | None:
    import asyncio

    return asyncio._get_running_loop()


def _defer(request: Request, work: _Work) -> bool:
    """Keep work for when a request is answered; False where it has been, and work was done."""
    with _lock:
        if request.deferred is None:
            request.deferred = []
    request.deferred.append(work)
    if not request.answered:
        return True
    try:
        request.deferred.remove(work)
    except ValueError:
        return True  # it was taken just before
    return False


_lock = threading.Lock()


def _taken(request: Request) -> list[_Work]:
    """Take what was deferred so far; when that is nothing, no more is taken."""
    request.answered = not request.deferred
    works: list[_Work] = []
    while request.deferred:
        works.append(request.deferred.pop(0))
    return works


def finish(request: Request) -> None:
    """Do what was given to `wait_until`, in this thread and on the loop of this process."""
    while works := _taken(request):
        for work in works:
            _finish_alone(work, request)


def _finish_alone(work: _Work, request: Request | None = None) -> None:
    limit = _limit(request)
    if work.is_awaitable():
        from .loop import process_loop

        process_loop().run(_finish_one(work, limit))
        return
    results: list[Any] = []
    if limit is None:
        _call(work, results)
    else:
        thread = threading.Thread(
            target=copy_context().run,  # what is logged belongs to the request
            args=(_call, work, results),
            name="unigate-background",
            daemon=True,
        )
        thread.start()
        thread.join(limit)
        if not results:
            _give_up(work)
    if results and results[0] is not None:  # an asynchronous function
        _finish_alone(_Work(results[0], work.context), request)


def _call(work: _Work, results: list[Any]) -> None:
    try:
        results.append(work.call())
    except Exception:
        results.append(None)
        _log.exception("%r failed in the background.", work.subject)


async def finish_async(request: Request) -> None:
    """Do what was given to `wait_until`, all of it at the same time, on this loop."""
    import asyncio

    while works := _taken(request):
        limit = _limit(request)
        await asyncio.gather(*(_finish_one(work, limit) for work in works))


async def _finish_one(work: _Work, limit: float | None = None) -> None:
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
            _give_up(work)
        else:
            _log.exception("%r failed in the background.", work.subject)


async def _await(awaitable: Any) -> Any:
    return await awaitable


def _limit(request: Request | None) -> float | None:
    left = request.remaining_time() if request else None
    return None if left is None else max(0.0, left - MARGIN)


def _give_up(work: _Work) -> None:
    _log.error("%r is not finished, and the function has no time left.", work.subject)
