"""Servers as processes: started on a free loopback port, and always ended."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from tests.waiting import until

ROOT = Path(__file__).parents[2]
START_SECONDS = 90
STOP_SECONDS = 15


class Server:
    """A server in a process of its own; `{port}` in its arguments is where it listens."""

    def __init__(
        self,
        arguments: Sequence[str],
        log: Path,
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path = ROOT,
    ) -> None:
        self.port = free_port()
        self._arguments = [one.format(port=self.port) for one in arguments]
        self._log = log
        self._env = {**os.environ, "PYTHONPATH": str(ROOT), **(env or {})}
        self._cwd = cwd

    def __enter__(self) -> Server:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                self._arguments,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._cwd,
                env=self._env,
                start_new_session=True,
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: object
    ) -> None:
        self.stop()

    def wait_until_it_listens(self) -> None:
        """Wait for the port to accept; AssertionError with the output when it never does."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                assert self._process.poll() is None, self.output()
                assert time.monotonic() < deadline, self.output()
                time.sleep(0.02)

    def wait_for_output(self, text: str, times: int = 1) -> None:
        """Wait for the process to have printed something; AssertionError when it does not."""
        until(
            lambda: self.output().count(text) >= times,
            lambda: f"No {text!r} in:\n{self.output()}",
        )

    def stop(self) -> str:
        """End the process with SIGTERM, as hosts do, and return all that it printed."""
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        finally:
            with suppress(ProcessLookupError):  # workers that outlived it, should there be any
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(STOP_SECONDS)
        return self.output()

    def output(self) -> str:
        """Return what the process has printed so far."""
        return self._log.read_text("utf-8", "replace")


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def module(name: str, *arguments: str) -> list[str]:
    """Return the command that runs a module with the interpreter of the tests."""
    return [sys.executable, "-m", name, *arguments]
