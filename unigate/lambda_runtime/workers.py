"""Take events one by one, or many at once, until Lambda ends the process."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any, NoReturn

from . import hooks, logs
from .client import ApiError, Invocation, Refused, RuntimeApi
from .errors import Failure
from .http_client import Stop
from .invocation import Context
from .marshalling import unmarshal
from .serving import Serve
from .streaming import Gone

_log = logging.getLogger("unigate")

# What is under way at SIGTERM may take so long. Lambda sends that to functions with extensions when
# it shuts an environment down, and kills after 2 seconds at most; the Lambda developer guide,
# "Understanding the Lambda execution environment lifecycle", "Shutdown phase".
GRACE_SECONDS = 1.0
# For an answer that says that the process ends.
LAST_SECONDS = 0.3
# A signal can wake any thread, and is handled in the main one as soon as that goes on.
SIGNAL_SECONDS = 0.1
_TRACE = "_X_AMZN_TRACE_ID"


class Workers:
    """What takes events: the main thread, or as many threads as Lambda wants at once."""

    def __init__(self, api: RuntimeApi, serve: Serve, close: Callable[[], object]) -> None:
        self._api = api
        self._serve = serve
        self._close = close
        self._stop = Stop()
        self._theirs: Any = None  # what the application has set for SIGTERM
        self._terminated = False
        self._busy: set[Invocation] = set()
        self._grace: threading.Timer | None = None
        self._threads: list[threading.Thread] = []
        self._ended = threading.Event()
        self._end: BaseException | None = None

    def run(self) -> NoReturn:
        """Answer events one by one, in this thread; SystemExit when it is over."""
        self._theirs = signal.signal(signal.SIGTERM, self._end_alone)
        self._stop.watch_signals()
        try:
            self._work(self._api, alone=True)
            raise SystemExit(128 + signal.SIGTERM)
        finally:
            if self._grace is not None:
                self._grace.cancel()
            self._leave()

    def run_at_once(self, count: int) -> NoReturn:
        """Answer so many events at the same time, each in a thread; SystemExit when it is over."""
        self._theirs = signal.signal(signal.SIGTERM, self._end_all)
        try:
            try:
                for _ in range(count):
                    self._start_thread()
                while not self._ended.wait(SIGNAL_SECONDS):
                    self._replace_stuck()
            finally:
                self._drain()
            assert self._end is not None
            raise self._end
        finally:
            self._leave()

    def _start_thread(self) -> None:
        name = f"unigate-worker-{len(self._threads) + 1}"
        thread = threading.Thread(target=self._work_aside, name=name, daemon=True)
        thread.start()
        self._threads.append(thread)

    def _replace_stuck(self) -> None:
        """Put a thread in the place of each whose invocation is well past its deadline.

        Nobody can end those, and Lambda does not: the Lambda developer guide, "Understanding the
        Lambda Managed Instances execution environment", "Error handling and recovery".
        """
        for invocation in tuple(self._busy):
            late = time.time() - invocation.deadline
            if late > GRACE_SECONDS and not invocation.given_up:
                invocation.given_up = True
                self._give_up(invocation, Failure(TimeoutError("There was no answer in time.")))
                self._start_thread()

    def _work_aside(self) -> None:
        try:
            self._work(self._api.another(), alone=False)
        except BaseException as error:
            self._end = self._end or error
            self._ended.set()

    def _work(self, api: RuntimeApi, *, alone: bool) -> None:
        while (invocation := api.next(self._stop)) is not None:
            self._busy.add(invocation)
            logs.invocation.set(invocation)
            if alone:  # the environment is everybody's
                _set_trace(invocation.trace_id)
            try:
                self._answer(api, invocation)
            finally:
                self._busy.discard(invocation)
                logs.invocation.set(None)
                logs.flush()
            if invocation.given_up:
                return

    def _answer(self, api: RuntimeApi, invocation: Invocation) -> None:
        context = None
        try:
            context = Context(invocation)
            content_type = invocation.headers.get("content-type")
            event = unmarshal(invocation.body, content_type)
            self._serve(api, invocation, event, context)
        except Gone:
            pass
        except ApiError as error:
            _endure(error)
        except Exception as error:
            self._report(api, invocation, Failure(error))
        except BaseException as error:  # the application ends the process, or a signal does
            self._report(api, invocation, Failure(error, "Runtime.ExitError"))
            raise
        for work in invocation.after:
            try:
                work()
            except Exception:
                _log.exception("What was to be done after an invocation failed.")
        if context is not None:
            hooks.run_ends(context.get_remaining_time_in_millis() / 1000)

    def _report(self, api: RuntimeApi, invocation: Invocation, failure: Failure) -> None:
        logs.log_failure(failure, invocation.id)
        try:
            api.fail(invocation, failure)
        except ApiError as error:
            _endure(error)

    # --- the end ---------------------------------------------------------------------------------

    def _end_alone(self, number: int, frame: FrameType | None) -> None:
        """End when what has arrived is answered, or has had its time; at once the second time."""
        if self._terminated:
            raise SystemExit(128 + number)
        self._terminated = True
        self._stop.want()
        here = threading.get_ident()
        self._grace = threading.Timer(GRACE_SECONDS, signal.pthread_kill, (here, number))
        self._grace.daemon = True
        self._grace.start()

    def _end_all(self, number: int, frame: FrameType | None) -> None:
        self._terminated = True
        raise SystemExit(128 + number)

    def _leave(self) -> None:
        """Do what the application wants done at SIGTERM, now that all is answered; and stop it."""
        try:
            if self._terminated and callable(self._theirs):
                self._theirs(signal.SIGTERM, None)
        finally:
            self._close()

    def _drain(self) -> None:
        """Wait for what has arrived; leave nothing unanswered that takes too long."""
        self._stop.want()
        self._wait(GRACE_SECONDS)
        for invocation in tuple(self._busy):
            if invocation.cancel is not None:
                invocation.cancel()
        self._wait(LAST_SECONDS)
        for invocation in tuple(self._busy):
            over = Failure(SystemExit("The process ends."), "Runtime.ExitError")
            self._give_up(invocation, over)
        self._wait(SIGNAL_SECONDS)  # for a body that was cut off to be closed

    def _give_up(self, invocation: Invocation, failure: Failure) -> None:
        """Answer in the place of another thread, or leave its answer unfinished."""
        if invocation.stream is not None:
            invocation.stream.cut_off()
        else:
            self._report(self._api.another(), invocation, failure)

    def _wait(self, seconds: float) -> None:
        """Wait for all threads, those that have nothing to do included: they end by themselves."""
        end = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))


def _set_trace(trace_id: str | None) -> None:
    """Put the trace where AWS's SDKs look for it."""
    if trace_id is not None:
        os.environ[_TRACE] = trace_id
    else:
        os.environ.pop(_TRACE, None)


def _endure(error: ApiError) -> None:
    """Log what the Runtime API did not take, and end the process where it has to be."""
    _log.error("%s", error)
    if isinstance(error, Refused) and error.fatal:
        raise SystemExit(1) from error
