"""A running `unigate dev` for tests."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[3]
SECONDS = 20  # after which a server has failed the test


class Answer(NamedTuple):
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name]


class Server:
    """A running `unigate dev`, on a port that it has printed."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path) -> None:
        self.process = process
        self.out = folder / "out.txt"
        self.err = folder / "err.txt"

    def ask(
        self, target: str, body: Any = None, method: str | None = None, **headers: str
    ) -> Answer:
        connection = http.client.HTTPConnection(*self.address, timeout=SECONDS)
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        if target.startswith("/_unigate"):
            names = {"Cookie": self.cookie} | names
        try:
            connection.request(method or ("POST" if body else "GET"), target, body, names)
            response = connection.getresponse()
            return Answer(response.status, response.getheaders(), response.read())
        finally:
            connection.close()

    def ask_raw(self, request: bytes) -> bytes:
        with socket.create_connection(self.address, timeout=SECONDS) as connection:
            connection.sendall(request)
            with connection.makefile("rb") as file:
                return file.read()

    @property
    def address(self) -> tuple[str, int]:
        return "127.0.0.1", int(self.out.read_text().partition("\n")[0].rpartition(":")[2])

    @property
    def cookie(self) -> str:
        """The cookie with which the page lets a browser in."""
        printed = re.search(r"/_unigate/\?token=(\S+)", self.out.read_text())
        assert printed is not None
        return f"unigate-{self.address[1]}={printed[1]}"

    def end(self, signum: int, *, group: bool = False) -> int:
        """Send a signal to the process, or as a terminal to its group; return the exit code."""
        (os.killpg if group else os.kill)(self.process.pid, signum)
        return self.process.wait(SECONDS)


@contextmanager
def dev(folder: Path, *args: str) -> Iterator[Server]:
    """Run `unigate dev` in a folder, on a free port, and end it by SIGTERM."""
    with (folder / "out.txt").open("wb") as out, (folder / "err.txt").open("wb") as err:
        process = subprocess.Popen(
            command("dev", *args, "--port", "0"),
            cwd=folder, env=environ(), stdout=out, stderr=err, start_new_session=True,
        )  # fmt: skip
    server = Server(process, folder)
    try:
        until(lambda: "\n" in server.out.read_text() or process.poll() is not None)
        assert process.poll() is None, server.err.read_text()
        yield server
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                raise


def command(*args: str) -> list[str]:
    """Return what runs the program, with every warning an error."""
    return [sys.executable, "-W", "error", "-m", "unigate", *args]


def environ() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}


def until(question: Callable[[], object]) -> None:
    """Wait until a condition holds; fail after SECONDS."""
    deadline = time.monotonic() + SECONDS
    while not question():
        assert time.monotonic() < deadline, "It did not happen."
        time.sleep(0.05)
