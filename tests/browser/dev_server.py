"""A running `unigate dev` for browsers."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cli.dev.dev_server import ROOT, SECONDS, command, environ, until

__all__ = ["ROOT", "SECONDS", "Dev", "serving", "until"]


class Dev:
    """A running `unigate dev`, and the addresses that it has printed.

    `url` is its origin, such as "http://127.0.0.1:40123", and `page` the address of the page.
    """

    def __init__(self, process: subprocess.Popen[bytes], logs: Path) -> None:
        self.process = process
        self._logs = logs
        self.url = self.page = ""

    @property
    def out(self) -> str:
        return (self._logs / "out.txt").read_text()

    @property
    def err(self) -> str:
        return (self._logs / "err.txt").read_text()

    def end(self) -> int:
        """Stop it in order, and return its exit code."""
        self.process.terminate()
        return self.process.wait(SECONDS)


@contextmanager
def serving(
    logs: Path, folder: Path, target: str, *options: str, **variables: str
) -> Iterator[Dev]:
    """Run `unigate dev` in a folder, on a free port; its output goes to files in `logs`."""
    with (logs / "out.txt").open("wb") as out, (logs / "err.txt").open("wb") as err:
        process = subprocess.Popen(
            command("dev", target, "--port", "0", *options), cwd=folder,
            env=environ() | variables, stdout=out, stderr=err, start_new_session=True,
        )  # fmt: skip
    server = Dev(process, logs)
    try:
        until(lambda: server.out.count("\n") > 1 or process.poll() is not None)
        printed = re.search(r"(http://[^/\s]+)/_unigate/\S+", server.out)
        assert printed, server.err
        server.page, server.url = printed[0], printed[1]
        yield server
        assert process.poll() is not None or server.end() == 0, server.err
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(SECONDS)
