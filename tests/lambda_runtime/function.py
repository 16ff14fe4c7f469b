"""A Lambda function: a runtime in its own process, and the Runtime API that it uses."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.servers.processes import ROOT, Server, module
from tests.waiting import SECONDS, until
from unigate.events import source_named
from unigate.http import Headers
from unigate.request import Request

from .runtime_api import RuntimeApi

APPS = "tests.lambda_runtime.apps"


class Function:
    """A process that runs a handler, with the Runtime API that sends it events.

    Args:
        handler: The handler, or "" to take it from the environment.
        folder: The working directory, on the import path; the output goes to its file "log".
        runtime: The module to run: this runtime or "awslambdaric".
        env: Additional environment variables.
        wrap_command: Returns the command to run in place of the usual one.
    """

    def __init__(
        self,
        handler: str,
        folder: Path,
        *,
        runtime: str = "unigate.lambda_runtime",
        env: Mapping[str, str] | None = None,
        wrap_command: Callable[[list[str]], list[str]] = list,
    ) -> None:
        self.api = RuntimeApi()
        self._is_aws_client = runtime == "awslambdaric"
        variables = {
            "AWS_LAMBDA_RUNTIME_API": self.api.address,
            "AWS_LAMBDA_FUNCTION_NAME": "f",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
            "PYTHONPATH": f"{ROOT}{os.pathsep}{folder}",
            # Share compiled modules between the processes.
            "PYTHONDONTWRITEBYTECODE": "",
            "PYTHONPYCACHEPREFIX": str(folder.parent / "pycache"),
            **(env or {}),
        }
        handlers = [handler] if handler else []
        command = wrap_command(module(runtime, *handlers))
        self.server = Server(command, folder / "log", env=variables, cwd=folder)

    def __enter__(self) -> Function:
        self.server.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        try:
            if self._is_aws_client:  # at exit Python would join its waiting thread
                self.signal(signal.SIGKILL)
            self.server.stop()
        finally:
            self.api.__exit__(*error)

    @property
    def pid(self) -> int:
        return self.server._process.pid

    def signal(self, number: int = signal.SIGTERM) -> None:
        """Send the process a signal."""
        os.kill(self.pid, number)

    @contextmanager
    def asleep(self) -> Iterator[None]:
        """Suspend the process until the end of the block."""
        self.signal(signal.SIGSTOP)
        stat = Path(f"/proc/{self.pid}/stat")
        until(lambda: stat.read_text().rpartition(")")[2].split()[0] == "T")
        try:
            yield
        finally:
            self.signal(signal.SIGCONT)

    def wait(self) -> int:
        """Wait for the process to end and return its exit status."""
        return self.server._process.wait(SECONDS)

    def is_alive(self) -> bool:
        return self.server._process.poll() is None

    def memory(self, what: str) -> int:
        """Return a field of the process's status in kilobytes, such as "VmRSS"."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(f"{what}:"):
                return int(line.split()[1])
        raise AssertionError(what)


def event(
    target: str,
    source: str = "function_url",
    method: str = "GET",
    headers: list[tuple[str, str]] | None = None,
    body: bytes = b"",
) -> dict[str, Any]:
    """Return the event of a request."""
    path, _, query = target.partition("?")
    request = Request(
        method,
        path.encode(),
        query_string=query.encode(),
        headers=Headers([("host", "shop.example"), *(headers or [])]),
        body=body,
        server=("shop.example", 443),
        client=("192.0.2.7", 0),
        source=source,
    )
    return source_named(source).make_event(request)
