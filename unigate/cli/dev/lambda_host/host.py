"""The host of `unigate dev --stream`: it runs the Lambda runtime in a process and invokes it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import uuid
from typing import Any

from unigate.cli.dev.inspector.exchanges import OnReport, Report
from unigate.cli.project.target import Unloadable
from unigate.client.providers import Provider
from unigate.deployment import Deployment
from unigate.emulator import LocalContext
from unigate.types import Event, Reply

from .reports import ReportReader
from .runtime_server import RuntimeServer
from .streams import InvocationError, StreamedReply

# Lambda starts a process per concurrent request. Here one process takes them all, so that an
# endless stream does not block other requests; without --stream, the server's threads call the
# application concurrently as well.
# Source: "Understanding the Lambda Managed Instances execution environment".
_MAX_CONCURRENCY = 32
EXIT_SECONDS = 5
_HANDLER = "unigate.cli.dev.lambda_host.handler:app"


def _ignore(report: Report) -> None:
    pass


class LambdaHost:
    """Run an application as Lambda does, for one event or many at a time.

    Args:
        target: "module:app" or "module.app": a gateway, or an application to wrap.

    Raises:
        Unloadable: The function did not start.
    """

    def __init__(self, target: str) -> None:
        self._target = target if ":" in target else ":".join(target.rsplit(".", 1))
        self._lock = threading.Lock()
        self._closed = False
        self._environment = _ExecutionEnvironment(self._target)

    def invoke(self, event: Event, on_report: OnReport = _ignore) -> Reply | StreamedReply:
        """Invoke the function, in a new process if the last one has exited.

        Args:
            event: The event to pass to the function.
            on_report: Called with each report about this invocation, from another thread and
                after the reply as well; the last report is empty.

        Returns:
            The reply. The body of a streamed one must be read to its end or closed.

        Raises:
            InvocationError: The function returned no reply.
        """
        with self._lock:
            if self._closed:
                raise InvocationError("The function does not run any more.")
            if self._environment.is_over:
                self._environment.close()
                self._environment = self._restart()
            environment = self._environment
            cold, environment.invoked = not environment.invoked, True
        on_report({"cold": cold})
        return environment.invoke(event, on_report)

    @property
    def deployment(self) -> Deployment:
        """The platform and proxies whose headers the application trusts."""
        return self._environment.deployment

    def _restart(self) -> _ExecutionEnvironment:
        try:
            return _ExecutionEnvironment(self._target)
        except Unloadable as error:
            raise InvocationError(error.trace + error.message) from error

    def close(self) -> None:
        """Stop the process with SIGTERM, and with SIGKILL if it does not exit in time."""
        with self._lock:
            self._closed = True
            self._environment.close()


class _ExecutionEnvironment:
    """One process and the Runtime API that serves it."""

    def __init__(self, target: str) -> None:
        self.invoked = False
        self._server = RuntimeServer()
        self._reports = ReportReader()
        pipe = self._reports.write_end
        self._process = subprocess.Popen(
            [sys.executable, "-m", "unigate.lambda_runtime", _HANDLER],
            env={**os.environ, **_variables(self._server.address, target, pipe)},
            pass_fds=[pipe],
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # keeps Ctrl-C in a terminal from it: `close` stops it
        )
        self._reports.start()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()
        try:
            self._server.ready.wait()
            if self._server.init_error is not None:
                problem, trace = self._server.init_error
                raise Unloadable(f"{target!r} cannot be loaded: {problem}", trace)
            self.deployment = _deployment(**self._reports.start_report.result())
        except BaseException:
            self.close()
            raise

    @property
    def is_over(self) -> bool:
        """Whether the process has exited or is about to."""
        return self._server.is_exiting or self._server.exited.is_set()

    def invoke(self, event: Event, on_report: OnReport) -> Reply | StreamedReply:
        request_id = str(uuid.uuid4())
        self._reports.expect(request_id, on_report)
        return self._server.invoke(request_id, event)

    def close(self) -> None:
        """Stop the process and wait until it has exited."""
        if not self._server.is_exiting:
            self._process.terminate()
        if not self._server.exited.wait(EXIT_SECONDS):
            self._process.kill()
        self._watcher.join()
        self._server.close()

    def _watch(self) -> None:
        code = self._process.wait()
        name = signal.Signals(-code).name if code < 0 else str(code)
        self._server.process_exited(f"its process ended with {name}")


def _deployment(platform: Any, trusted_proxies: Any) -> Deployment:
    """Rebuild a deployment that passed through JSON, where a Provider becomes a list."""
    return Deployment(
        Provider(*platform) if isinstance(platform, list) else platform, trusted_proxies
    )


def _variables(address: str, target: str, pipe: int) -> dict[str, str]:
    """Return the variables that Lambda and its emulator set, and those that the handler reads."""
    return {
        "UNIGATE_DEV_TARGET": target,
        "UNIGATE_DEV_REPORTS": str(pipe),
        "UNIGATE_RESPONSE_STREAMING": "1",
        "AWS_LAMBDA_RUNTIME_API": address,
        "AWS_LAMBDA_MAX_CONCURRENCY": str(_MAX_CONCURRENCY),
        "AWS_LAMBDA_FUNCTION_NAME": LocalContext.function_name,
        "AWS_LAMBDA_FUNCTION_VERSION": LocalContext.function_version,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": LocalContext.memory_limit_in_mb,
        "AWS_LAMBDA_LOG_GROUP_NAME": LocalContext.log_group_name,
        "AWS_LAMBDA_LOG_STREAM_NAME": LocalContext.log_stream_name,
    }
