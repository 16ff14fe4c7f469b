"""Run invocations, one after another or concurrently, until Lambda ends the process."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, NoReturn

from unigate.errors import asks_to_exit
from unigate.exits import end_within

from . import hooks, logs
from .client import ApiError, RuntimeClient, StatusError
from .errors import ErrorReport
from .http_client import StopEvent
from .invocation import Context, Invocation, current_invocation
from .marshalling import unmarshal
from .streaming import Gone

_log = logging.getLogger("unigate")

# How long running invocations may take after SIGTERM. Lambda sends SIGTERM to functions with
# extensions when it shuts an environment down, and kills after 2 seconds at most; the Lambda
# developer guide, "Understanding the Lambda execution environment lifecycle", "Shutdown phase".
GRACE_SECONDS = 1.0
# How long cancelled applications have, after which invocations get an error as their response.
CANCEL_SECONDS = 0.3
# How long the shutdown may take as a whole.
EXIT_SECONDS = 1.9
# A signal can interrupt any thread; Python runs its handler once the main thread goes on.
SIGNAL_SECONDS = 0.1
_TRACE = "_X_AMZN_TRACE_ID"

Serve = Callable[[RuntimeClient, Invocation, Any, Context], None]


class Workers:
    """The threads that run invocations: the main thread, or as many as Lambda is configured for.

    Args:
        client: The client of the main thread; every other thread gets a clone.
        serve: Runs the handler and responds.
        close: Called at the end of the process.
    """

    def __init__(self, client: RuntimeClient, serve: Serve, close: Callable[[], object]) -> None:
        self._client = client
        self._serve = serve
        self._close = close
        self._stop = StopEvent()
        self._previous_handler: Any = None  # the application's own, for SIGTERM
        self._terminated = False
        self._running: dict[Invocation, RuntimeClient] = {}
        self._grace: threading.Timer | None = None
        self._threads: list[threading.Thread] = []
        self._started = 0  # the number of threads so far
        self._ended = threading.Event()
        self._end: BaseException | None = None

    def run(self) -> NoReturn:
        """Run invocations one after another in this thread.

        Raises:
            SystemExit: At SIGTERM, or when the application or the Runtime API ends the process.
            ApiError: If the Runtime API sends no invocations.
        """
        self._previous_handler = signal.signal(signal.SIGTERM, self._on_sigterm)
        self._stop.wake_on_signals()
        try:
            self._work(self._client, exports_trace=True)
            raise SystemExit(128 + signal.SIGTERM)
        finally:
            if self._grace is not None:
                self._grace.cancel()
            self._shut_down()

    def run_concurrently(self, count: int) -> NoReturn:
        """Run up to `count` invocations at the same time, each in a thread.

        Raises:
            SystemExit: At SIGTERM, when an application or the Runtime API ends the process, or when
                too many threads hang.
            ApiError: If the Runtime API sends no invocations.
        """
        self._previous_handler = signal.signal(signal.SIGTERM, self._on_sigterm_concurrently)
        try:
            try:
                for _ in range(count):
                    self._start_thread()
                while not self._ended.wait(SIGNAL_SECONDS):
                    self._replace_stuck(count)
                    if self._stop.is_set and all(each.given_up for each in self._running.copy()):
                        raise SystemExit(1)
            finally:
                self._drain()
            assert self._end is not None
            raise self._end
        finally:
            self._shut_down()

    def _start_thread(self) -> None:
        """Start a thread that takes invocations; where there is none, take no more of them."""
        self._started += 1
        name = f"unigate-worker-{self._started}"
        thread = threading.Thread(target=self._run_thread, name=name, daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            self._take_no_more(str(error))
        else:
            self._threads = [*filter(threading.Thread.is_alive, self._threads), thread]

    def _replace_stuck(self, most: int) -> None:
        """Replace each thread whose invocation is well past its deadline, up to a number.

        A thread cannot be killed, and Lambda does not end such an invocation: the Lambda developer
        guide, "Understanding the Lambda Managed Instances execution environment", "Error handling
        and recovery". But Lambda replaces a process that ends.
        """
        for invocation, client in self._running.copy().items():
            late = time.time() - invocation.deadline
            if late > GRACE_SECONDS and not invocation.given_up:
                invocation.given_up = True
                error = TimeoutError("The function did not respond in time.")
                error.__traceback__ = _traceback_of(invocation.thread)
                self._give_up(client, invocation, ErrorReport(error))
                stuck = sum(each.given_up for each in self._running.copy())
                if stuck > most:
                    self._take_no_more(f"{stuck} invocations hang after their deadlines")
                elif not self._stop.is_set:
                    self._start_thread()

    def _take_no_more(self, reason: str) -> None:
        if not self._stop.is_set:
            _log.critical("%s: the process answers what is running, and ends.", reason)
            self._stop.set()

    def _run_thread(self) -> None:
        try:
            # The environment variable of the trace is shared by all threads.
            self._work(self._client.clone(), exports_trace=False)
        except BaseException as error:
            self._end = self._end or error
            self._ended.set()

    def _work(self, client: RuntimeClient, *, exports_trace: bool) -> None:
        while (invocation := client.next_invocation(self._stop)) is not None:
            self._running[invocation] = client
            current_invocation.set(invocation)
            if exports_trace:
                _export_trace(invocation.trace_id)
            try:
                self._run_invocation(client, invocation)
            finally:
                del self._running[invocation]
                current_invocation.set(None)
                logs.flush()
            if invocation.given_up:
                return

    def _run_invocation(self, client: RuntimeClient, invocation: Invocation) -> None:
        context = None
        try:
            context = Context(invocation)
            event = unmarshal(invocation.body, invocation.headers.get("content-type"))
            self._serve(client, invocation, event, context)
        except Gone:
            pass
        except ApiError as error:
            _log_or_exit(error)
        except BaseException as error:
            if asks_to_exit(error):
                self._fail(client, invocation, ErrorReport(error, "Runtime.ExitError"))
                raise
            self._fail(client, invocation, ErrorReport(error))
        for work in invocation.after:
            try:
                work()
            except BaseException as error:
                if asks_to_exit(error):
                    raise
                _log.exception("Background work of an invocation failed.")
        if context is not None:
            hooks.run_invocation_end(context.get_remaining_time_in_millis() / 1000)

    def _fail(self, client: RuntimeClient, invocation: Invocation, report: ErrorReport) -> None:
        logs.log_error(report, invocation.id)
        try:
            client.fail(invocation, report)
        except ApiError as error:
            _log_or_exit(error)

    # --- shutdown --------------------------------------------------------------------------------

    def _on_sigterm(self, number: int, frame: FrameType | None) -> None:
        """Exit when the received invocation ends or exceeds its grace; at a second signal, now."""
        if self._terminated:
            raise SystemExit(128 + number)
        self._terminated = True
        end_within(EXIT_SECONDS, 128 + number)
        self._stop.set()
        thread = threading.get_ident()
        self._grace = threading.Timer(GRACE_SECONDS, signal.pthread_kill, (thread, number))
        self._grace.daemon = True
        self._grace.start()

    def _on_sigterm_concurrently(self, number: int, frame: FrameType | None) -> None:
        if not self._terminated:
            self._terminated = True
            end_within(EXIT_SECONDS, 128 + number)
        raise SystemExit(128 + number)

    def _shut_down(self) -> None:
        """Call the application's own SIGTERM handler, now that all is answered; then close."""
        if not self._terminated:
            end_within(EXIT_SECONDS, 1)
        try:
            if self._terminated and callable(self._previous_handler):
                self._previous_handler(signal.SIGTERM, None)
        finally:
            self._close()

    def _drain(self) -> None:
        """Wait for the received invocations; answer with an error those that take too long."""
        self._stop.set()
        self._join_threads(GRACE_SECONDS)
        for invocation in self._running.copy():
            if invocation.cancel is not None:
                invocation.cancel()
        self._join_threads(CANCEL_SECONDS)
        for invocation, client in self._running.copy().items():
            if not invocation.given_up:
                error = SystemExit("The process ends.")
                self._give_up(client, invocation, ErrorReport(error, "Runtime.ExitError"))
        self._join_threads(SIGNAL_SECONDS)  # until bodies whose stream was shut down are closed

    def _give_up(self, client: RuntimeClient, invocation: Invocation, report: ErrorReport) -> None:
        """Respond in place of another thread, or fail the stream that it is sending.

        This uses the connection of that thread, which has no use for it once it cannot respond, so
        that a thread that hangs holds none.
        """
        if invocation.stream is not None:
            invocation.stream.shut_down()
        elif invocation.claim():
            logs.log_error(report, invocation.id)
            try:
                client.post_error(invocation, report)
            except ApiError as error:
                _log_or_exit(error)
            client.connection.close()
        else:
            _log.error("Invocation %s goes on after its response.", invocation.id)

    def _join_threads(self, seconds: float) -> None:
        """Wait for all threads; idle ones end by themselves once the stop event is set."""
        end = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))


def _traceback_of(thread: int) -> TracebackType | None:
    """Return a traceback that shows where a thread is."""
    trace = None
    frame = sys._current_frames().get(thread)
    while frame is not None:
        trace = TracebackType(trace, frame, frame.f_lasti, frame.f_lineno or 0)
        frame = frame.f_back
    return trace


def _export_trace(trace_id: str | None) -> None:
    """Set the environment variable from which AWS's SDKs take the trace."""
    os.environ.pop(_TRACE, None)
    if trace_id is not None:
        try:
            os.environ[_TRACE] = trace_id
        except ValueError as error:  # NUL, for example
            _log.warning("The trace %r is not exported: %s", trace_id[:500], error)


def _log_or_exit(error: ApiError) -> None:
    """Log an error of the Runtime API; exit if the documentation calls it non-recoverable."""
    _log.error("%s", error)
    if isinstance(error, StatusError) and error.fatal:
        raise SystemExit(1) from error
