"""Measure live servers: requests per second through unigate and through its alternatives.

    apt-get install wrk
    python benchmarks/servers.py

Each contender runs in a server of its own. All servers of a workload are started, and wrk drives
them in turns with 32 connections, in short runs. Linux only: processor times are read from /proc.
README.md in this folder explains the lines.
"""

from __future__ import annotations

import asyncio
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import ExitStack, suppress
from contextvars import Context
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from shutil import which
from typing import Any

from rounds import Result, compare, in_rounds, parser, show, table

HERE = Path(__file__).resolve().parent
CONNECTIONS = 32
HELLO = b"Hello, world!"
FIELDS = [("Content-Type", "text/plain"), ("Content-Length", str(len(HELLO)))]
PEERS = ("uvicorn", "gunicorn", "a2wsgi", "asgiref", "flask")

Environ = dict[str, Any]


@dataclass(frozen=True)
class Workload:
    """Applications of this module in one kind of server.

    Attributes:
        server: The module of the server and its options, the last one that for its address.
        kind: What is around `_hello` in the name of the application.
        contenders: What runs the application.
        targets: The least ratio of unigate's requests per second to those of a contender.
    """

    name: str
    server: tuple[str, ...]
    kind: str
    contenders: tuple[str, ...]
    targets: dict[str, float] = field(default_factory=dict)


# --- the applications, which the servers import -------------------------------------------------


def wsgi_hello(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer with a few bytes."""
    start_response("200 OK", list(FIELDS))
    return [HELLO]


def flask_hello() -> Any:
    """Return a Flask application that answers with a few bytes."""
    from flask import Flask

    app = Flask("hello")
    app.add_url_rule("/", view_func=lambda: HELLO.decode())
    return app


async def asgi_hello(
    scope: Environ,
    receive: Callable[[], Awaitable[Any]],
    send: Callable[[Environ], Awaitable[None]],
) -> None:
    """Answer with a few bytes."""
    headers = [(name.lower().encode(), value.encode()) for name, value in FIELDS]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": HELLO})


def _application(name: str) -> Any:
    """Return an application by name: what is around it, and itself."""
    around, _, kind = name.partition("_")
    app = {"wsgi": lambda: wsgi_hello, "flask": flask_hello, "asgi": lambda: asgi_hello}[kind]()
    if around == "unigate":
        import unigate

        return unigate.wrap(app, lifespan="off")
    if around == "a2wsgi":
        from a2wsgi import WSGIMiddleware

        return WSGIMiddleware(app)
    if around == "asgiref":
        return _asgiref(app)
    return app


def _asgiref(app: Any) -> Any:
    """Return an application in asgiref's bridge, each request in a context of its own.

    Uvicorn starts the next request of a connection in the context of the one before, in which
    asgiref finds an executor that has ended: without this, nearly half of the requests fail.
    """
    from asgiref.wsgi import WsgiToAsgi

    bridge = WsgiToAsgi(app)

    async def in_context(scope: Any, receive: Any, send: Any) -> None:
        running = bridge(scope, receive, send)
        await asyncio.get_running_loop().create_task(running, context=Context())

    return in_context


def __getattr__(name: str) -> Any:
    with suppress(KeyError):
        return _application(name)
    raise AttributeError(name)


# --- live servers --------------------------------------------------------------------------------

UVICORN = ("uvicorn", "--log-level", "error", "--no-access-log", "--lifespan", "off")
FAST = (*UVICORN, "--loop", "uvloop", "--http", "httptools", "--port")
PLAIN = (*UVICORN, "--loop", "asyncio", "--http", "h11", "--port")
GUNICORN = ("gunicorn", "--log-level", "error", "--worker-class")
SYNC = (*GUNICORN, "sync", "--bind")
GTHREAD = (*GUNICORN, "gthread", "--threads", "10", "--bind")
BRIDGES = ("unigate", "a2wsgi", "asgiref")
ITSELF = ("unigate", "alone")

WORKLOADS = (
    Workload("WSGI hello, uvicorn[standard]", FAST, "wsgi", BRIDGES, {"a2wsgi": 1.5}),
    Workload("WSGI hello, uvicorn with h11", PLAIN, "wsgi", BRIDGES, {"a2wsgi": 1.5}),
    Workload("Flask hello, uvicorn[standard]", FAST, "flask", BRIDGES, {"a2wsgi": 1.25}),
    Workload("Flask hello, uvicorn with h11", PLAIN, "flask", BRIDGES, {"a2wsgi": 1.25}),
    Workload("ASGI hello, uvicorn[standard]", FAST, "asgi", ITSELF, {"alone": 0.92}),
    Workload("ASGI hello, uvicorn with h11", PLAIN, "asgi", ITSELF, {"alone": 0.92}),
    Workload("WSGI hello, gunicorn sync", SYNC, "wsgi", ITSELF),
    Workload("WSGI hello, gunicorn gthread", GTHREAD, "wsgi", ITSELF),
)


class Server:
    """A process that runs a contender, until the stack is closed."""

    def __init__(self, workload: Workload, contender: str, stack: ExitStack) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        module, *options = workload.server
        address = f"127.0.0.1:{self.port}" if options[-1] == "--bind" else str(self.port)
        app = f"servers:{contender}_{workload.kind}"
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *options, address, app], cwd=HERE
        )
        stack.callback(self._stop)
        deadline = time.monotonic() + 30
        while not self._answers():
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise SystemExit(f"{app} must start in {module} and answer.")
            time.sleep(0.05)

    def _answers(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 5) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            received = b"".join(iter(partial(client.recv, 65536), b""))
            return received.startswith(b"HTTP/1.1 200") and received.endswith(HELLO)
        return False

    def _stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)

    def _cpu_seconds(self) -> float:
        """Return the processor time of the server and its workers."""
        pid = self._process.pid
        workers = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        ticks = 0
        for process in (pid, *workers):
            fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])  # user and system
        return ticks / os.sysconf("SC_CLK_TCK")

    def drive(self, seconds: int) -> tuple[float, float]:
        """Return requests per second, and the processor microseconds of a request."""
        url = f"http://127.0.0.1:{self.port}/"
        command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", url]
        before = self._cpu_seconds()
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        took = self._cpu_seconds() - before
        if "Non-2xx" in output:
            raise SystemExit(f"Every response must have status 200, got\n{output}")
        requests = _number(r"(\d+) requests in", output)
        return _number(r"Requests/sec:\s+([\d.]+)", output), took / requests * 1e6


def _number(pattern: str, text: str) -> float:
    found = re.search(pattern, text)
    if found is None or not float(found[1]):
        raise SystemExit(f"wrk must print {pattern!r}, got\n{text}")
    return float(found[1])


def drive_in_turns(workload: Workload, rounds: int, seconds: int) -> Iterator[Result]:
    """Yield the requests per second of the contenders, and the processor time of a request."""
    with ExitStack() as stack:
        servers = {name: Server(workload, name, stack) for name in workload.contenders}
        drives = {name: partial(server.drive, seconds) for name, server in servers.items()}
        in_rounds({workload.name: drives}, 1)  # warms them up
        found = in_rounds({workload.name: drives}, rounds)[workload.name]
    rates, cpu = ({name: [each[i] for each in found[name]] for name in found} for i in (0, 1))
    yield from compare(
        workload.name, "per second", rates, targets=workload.targets, more_is_better=True
    )
    yield from compare(f"{workload.name}: CPU", "microseconds", cpu)


def main() -> None:
    """Read the command line, measure, print."""
    arguments = parser(__doc__, rounds=15)
    arguments.add_argument("--seconds", type=int, default=1, help="of a turn, default 1")
    arguments.add_argument(
        "--only", nargs="+", default=[""], metavar="TEXT", help="workloads with a TEXT in the name"
    )
    options = arguments.parse_args()
    if options.seconds < 1:
        arguments.error("--seconds must be at least 1")
    if which("wrk") is None:
        arguments.error("wrk must be installed, as with `apt-get install wrk`")
    results = [
        result
        for workload in WORKLOADS
        if any(text in workload.name for text in options.only)
        for result in drive_in_turns(workload, options.rounds, options.seconds)
    ]
    show(results, PEERS, options.json, table(results))


if __name__ == "__main__":
    main()
