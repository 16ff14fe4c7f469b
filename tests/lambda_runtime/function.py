"""A function: a runtime in a process of its own, and the Runtime API that it talks to."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.servers.processes import ROOT, Server, module
from tests.waiting import SECONDS, until
from unigate.events import alb, http_api, rest_api
from unigate.http import Headers
from unigate.request import Request

from .runtime_api import RuntimeApi

APPS = "tests.lambda_runtime.apps"


class Function:
    """A process that runs a handler; `api` is where it gets its events from."""

    def __init__(
        self,
        handler: str,
        folder: Path,
        *,
        runtime: str = "unigate.lambda_runtime",
        env: Mapping[str, str] | None = None,
        api: RuntimeApi | None = None,
    ) -> None:
        self.api = api or RuntimeApi()
        self._is_awss = runtime == "awslambdaric"
        told = {
            "AWS_LAMBDA_RUNTIME_API": self.api.address,
            "AWS_LAMBDA_FUNCTION_NAME": "f",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
            "PYTHONPATH": f"{ROOT}{os.pathsep}{folder}",
            # Wherever the tests run, not every process compiles everything again.
            "PYTHONDONTWRITEBYTECODE": "",
            "PYTHONPYCACHEPREFIX": str(folder.parent / "pycache"),
            **(env or {}),
        }
        handlers = [handler] if handler else []
        self.server = Server(module(runtime, *handlers), folder / "log", env=told, cwd=folder)

    def __enter__(self) -> Function:
        self.server.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        try:
            if self._is_awss:  # as Python ends, it waits for the thread that waits for an event
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
        """Keep the process from noticing anything until the end of the block."""
        self.signal(signal.SIGSTOP)
        stat = Path(f"/proc/{self.pid}/stat")
        until(lambda: stat.read_text().rpartition(")")[2].split()[0] == "T")
        try:
            yield
        finally:
            self.signal(signal.SIGCONT)

    def wait(self) -> int:
        """Return the status with which the process ends."""
        return self.server._process.wait(SECONDS)

    def is_alive(self) -> bool:
        return self.server._process.poll() is None

    def memory(self, what: str) -> int:
        """Return a line of the process's status in kilobytes, such as "VmRSS"."""
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
    """Return the event that asks for something."""
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
    module = {"http_api": http_api, "function_url": http_api, "rest_api": rest_api, "alb": alb}
    return module[source].make_event(request)
