"""Take events one by one, or many at once, until Lambda ends the process."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import NoReturn

from . import hooks, logs
from .api import ApiError, Invocation, Refused, RuntimeApi
from .context import Context
from .failures import Failure
from .marshalling import read_event
from .serving import Serve
from .streaming import Gone

_log = logging.getLogger("unigate")

# What is under way at SIGTERM may take so long; Lambda kills after 2 seconds at most.
GRACE_SECONDS = 1.0
# For an answer that says that the process ends.
LAST_SECONDS = 0.3
_TRACE = "_X_AMZN_TRACE_ID"


class Workers:
    """What takes events: the main thread, or as many threads as Lambda wants at once."""

    def __init__(self, api: RuntimeApi, serve: Serve, stop: Callable[[], object]) -> None:
        self._api = api
        self._serve = serve
        self._stop = stop
        self._busy: set[Invocation] = set()
        self._stopping = False
        self._ended = threading.Event()
        self._end: BaseException | None = None

    def run(self) -> NoReturn:
        """Answer events one by one, in this thread; SystemExit when it is over."""
        signal.signal(signal.SIGTERM, self._end_alone)
        try:
            self._work(self._api, alone=True)
            raise SystemExit(128 + signal.SIGTERM)
        finally:
            self._stop()

    def run_at_once(self, count: int) -> NoReturn:
        """Answer so many events at the same time, each in a thread; SystemExit when it is over."""
        signal.signal(signal.SIGTERM, self._end_all)
        for number in range(count):
            threading.Thread(
                target=self._work_aside, name=f"unigate-worker-{number + 1}", daemon=True
            ).start()
        try:
            try:
                self._ended.wait()
            finally:
                self._drain()
            assert self._end is not None
            raise self._end
        finally:
            self._stop()

    def _work_aside(self) -> None:
        try:
            self._work(self._api.another(), alone=False)
        except BaseException as error:
            self._end = self._end or error
            self._ended.set()

    def _work(self, api: RuntimeApi, *, alone: bool) -> None:
        while not self._stopping:
            invocation = api.next()
            self._busy.add(invocation)
            logs.invocation.set(invocation)
            if alone:  # the environment is everybody's
                _set_trace(invocation.trace_id)
            try:
                self._answer(api, invocation)
            finally:
                self._busy.discard(invocation)
                logs.invocation.set(None)

    def _answer(self, api: RuntimeApi, invocation: Invocation) -> None:
        context = None
        try:
            context = Context(invocation)
            content_type = invocation.headers.get("content-type")
            event = read_event(invocation.body, content_type)
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
        """End when what is under way is done, or has had its time; at once where nothing is."""
        if self._stopping or not self._busy:
            raise SystemExit(128 + number)
        self._stopping = True
        here = threading.get_ident()
        timer = threading.Timer(GRACE_SECONDS, signal.pthread_kill, (here, number))
        timer.daemon = True
        timer.start()

    def _end_all(self, number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    def _drain(self) -> None:
        """Wait for what is under way; leave nothing unanswered that takes too long."""
        self._stopping = True
        self._wait(GRACE_SECONDS)
        for invocation in tuple(self._busy):
            if invocation.cancel is not None:
                invocation.cancel()
        self._wait(LAST_SECONDS)
        for invocation in tuple(self._busy):
            stream = invocation.stream
            if stream is not None and stream.socket is not None:
                with suppress(OSError):
                    stream.socket.shutdown(socket.SHUT_RDWR)
            else:
                over = Failure(SystemExit("The process ends."), "Runtime.ExitError")
                self._report(self._api.another(), invocation, over)

    def _wait(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while self._busy and time.monotonic() < end:
            time.sleep(0.01)


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
