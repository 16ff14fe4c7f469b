"""ASGI's lifespan, run once per process for the applications of all mounts.

Source: the ASGI specification, "Lifespan Protocol".
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextvars import Context
from typing import TYPE_CHECKING, Any, Literal

from unigate.errors import LifespanFailed, failure_of

if TYPE_CHECKING:
    from unigate.types import ASGIApp, Message, Receive, Scope, Send

Mode = Literal["auto", "on", "off"]

START_SECONDS = 30
STOP_SECONDS = 10
# How long a cancelled application has for its cleanup.
CANCEL_SECONDS = 0.5

_log = logging.getLogger("unigate")


class Lifespan:
    """The lifespan of one application.

    Attributes:
        state: What the application has put into the state of its lifespan scope.
    """

    def __init__(self, app: ASGIApp, mode: Mode) -> None:
        self._app = app
        self._mode = mode
        self.state: dict[str, Any] = {}
        self._task: asyncio.Task[BaseException | None] | None = None

    async def start(self) -> None:
        """Run the start-up of the application.

        In mode "auto", an application that raises or returns without an answer has no lifespan.

        Raises:
            LifespanFailed: If the start-up fails or takes more than 30 seconds, or, in mode "on",
                if the application has no lifespan.
        """
        loop = asyncio.get_running_loop()
        self.state.clear()
        self._messages: asyncio.Queue[Message] = asyncio.Queue()
        self._messages.put_nowait({"type": "lifespan.startup"})
        self._started: asyncio.Future[str | None] = loop.create_future()
        self._stopped: asyncio.Future[str | None] = loop.create_future()
        # In an empty context: the lifespan outlives the request that happens to start it.
        task = loop.create_task(self._run(), context=Context())
        await _first(task, self._started, START_SECONDS)
        if not self._started.done():
            self._without_answer(task)
        elif (message := self._started.result()) is not None:
            await _end(task)
            raise LifespanFailed(f"The application failed to start: {message}")
        else:
            self._task = task

    def _without_answer(self, task: asyncio.Task[BaseException | None]) -> None:
        if not task.done():
            task.cancel()
            raise LifespanFailed(
                f"The application did not answer lifespan.startup within {START_SECONDS} seconds. "
                'If it has no lifespan, pass lifespan="off" to wrap().'
            )
        error = _error(task)
        if error is not None and not isinstance(failure_of(error), Exception):
            raise error
        if self._mode == "on":
            raise LifespanFailed(
                'With lifespan="on" the application must complete its start-up, '
                f"it ended with {error!r}."
            ) from error
        _log.info("The application has no lifespan: %r", error)

    async def stop(self) -> None:
        """Run the shutdown of the application if it was started; a failure is logged."""
        task, self._task = self._task, None
        if task is None:
            return
        self._messages.put_nowait({"type": "lifespan.shutdown"})
        await _first(task, self._stopped, STOP_SECONDS)
        if not self._stopped.done() and not task.done():
            _log.error("The application did not stop within %s seconds.", STOP_SECONDS)
        error = await _end(task)
        if self._stopped.done() and self._stopped.result() is not None:
            _log.error("The application failed to stop: %s", self._stopped.result())
        elif error is not None:
            _log.error("The application failed to stop.", exc_info=error)

    async def _run(self) -> BaseException | None:
        scope: Scope = {
            "type": "lifespan",
            "asgi": {"version": "3.0", "spec_version": "2.0"},
            "state": self.state,
        }
        try:
            await self._app(scope, self._messages.get, self._send)
        except BaseException as error:
            return error  # to the waiter; raised here, an exit would end the event loop
        return None

    async def _send(self, message: Message) -> None:
        phase, _, outcome = message["type"].removeprefix("lifespan.").partition(".")
        future = {"startup": self._started, "shutdown": self._stopped}.get(phase)
        if future is None or outcome not in ("complete", "failed"):
            raise RuntimeError(
                "The application must answer with lifespan.startup.complete, .failed, or the same "
                f"of lifespan.shutdown, got {message['type']!r}."
            )
        if not future.done():
            future.set_result(message.get("message", "") if outcome == "failed" else None)


async def _first(task: asyncio.Future[Any], answer: asyncio.Future[Any], seconds: float) -> None:
    """Wait for an answer, or for the end of the task that should give it."""
    await asyncio.wait({task, answer}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)


async def _end(task: asyncio.Task[BaseException | None]) -> BaseException | None:
    """Cancel a task, wait for its end, and return its error, except for this cancellation."""
    runs = task.cancel()
    await asyncio.wait({task}, timeout=CANCEL_SECONDS)
    if not task.done():
        _log.error("The application ignores the cancellation of its lifespan and is given up.")
        return None
    error = _error(task)
    return None if runs and isinstance(error, asyncio.CancelledError) else error


def _error(task: asyncio.Task[BaseException | None]) -> BaseException | None:
    return asyncio.CancelledError() if task.cancelled() else task.result()


class Lifespans:
    """Several lifespans: started once, in order, and stopped in reverse order."""

    def __init__(self, members: Sequence[Lifespan]) -> None:
        self._members = members
        self.started = False
        self._starting: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start the lifespans once; concurrent calls wait for the same start."""
        if self.started:
            return
        if self._starting is None:
            self._starting = asyncio.get_running_loop().create_task(self._start())
        await asyncio.shield(self._starting)

    async def _start(self) -> None:
        running: list[Lifespan] = []
        try:
            for member in self._members:
                await member.start()
                running.append(member)
            self.started = True
        except BaseException:
            for member in reversed(running):
                await member.stop()
            raise
        finally:
            self._starting = None

    async def stop(self) -> None:
        """Stop the lifespans that were started."""
        self.started = False
        for member in reversed(self._members):
            await member.stop()

    async def serve(self, receive: Receive, send: Send) -> None:
        """Answer the lifespan of an ASGI server."""
        from unigate.background_tasks import finish_background  # only servers need it

        await receive()
        started_before = self.started  # by an event, on another loop, which must also stop it
        try:
            await self.start()
        except LifespanFailed as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await finish_background()  # which may use what the applications have started
        if not started_before:
            await self.stop()
        await send({"type": "lifespan.shutdown.complete"})
