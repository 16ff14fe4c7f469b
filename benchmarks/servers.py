"""Measure live servers: requests per second through unigate and through its alternatives.

    apt-get install wrk
    python benchmarks/servers.py

Each contender runs in a server of its own. All servers of a workload are started, and wrk drives
them in turns with 32 connections, in short runs. README.md in this folder explains the columns.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import random
import re
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import ExitStack, suppress
from contextvars import Context
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from shutil import which
from statistics import median, quantiles
from typing import Any

HERE = Path(__file__).resolve().parent
CONNECTIONS = 32
HELLO = b"Hello, world!"
FIELDS = [("Content-Type", "text/plain"), ("Content-Length", str(len(HELLO)))]
MOUNTS = (1, 10, 1_000)
PEERS = ("uvicorn", "gunicorn", "a2wsgi", "asgiref", "flask")

Environ = dict[str, Any]


@dataclass(frozen=True)
class Contender:
    """An application of this module, and the options of the server that runs it."""

    app: str
    server: tuple[str, ...]


@dataclass(frozen=True)
class Workload:
    """Contenders that answer the same requests; the first is unigate.

    Attributes:
        contenders: By name.
        targets: The least ratio of unigate's requests per second to those of a contender.
    """

    name: str
    contenders: dict[str, Contender]
    targets: dict[str, float]


@dataclass(frozen=True)
class Result:
    """The medians over the rounds, with the first and the third quartile."""

    workload: str
    contender: str
    per_second: float
    quartiles: tuple[float, float]
    cpu_microseconds: float
    ratio: float | None
    target: float | None
    met: bool | None


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


# --- the workloads -------------------------------------------------------------------------------

UVICORN = ("uvicorn", "--log-level", "error", "--no-access-log", "--lifespan", "off", "--port")
GUNICORN = ("gunicorn", "--log-level", "error", "--worker-class")
SYNC = (*GUNICORN, "sync", "--bind")
GTHREAD = (*GUNICORN, "gthread", "--threads", "10", "--bind")


def workloads() -> Iterator[Workload]:
    """Yield the servers and their contenders."""
    for kind, title, target in (("wsgi", "WSGI", 1.5), ("flask", "Flask", 1.25)):
        yield Workload(
            f"{title} hello, uvicorn",
            {
                name: Contender(f"{name}_{kind}", UVICORN)
                for name in ("unigate", "a2wsgi", "asgiref")
            },
            {"a2wsgi": target},
        )
    yield Workload(
        "ASGI hello, uvicorn",
        {name: Contender(f"{name}_asgi", UVICORN) for name in ("unigate", "alone")},
        {"alone": 0.92},
    )
    for worker, server in (("sync", SYNC), ("gthread", GTHREAD)):
        yield Workload(
            f"WSGI hello, gunicorn {worker}",
            {name: Contender(f"{name}_wsgi", server) for name in ("unigate", "alone")},
            {},
        )


class Server:
    """A process that runs a contender, until the stack is closed."""

    def __init__(self, contender: Contender, stack: ExitStack) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        module, *options = contender.server
        bind = f"127.0.0.1:{self.port}" if options[-1] == "--bind" else str(self.port)
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *options, bind, f"servers:{contender.app}"], cwd=HERE
        )
        stack.callback(self._stop)
        deadline = time.monotonic() + 30
        while not self._answers():
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise SystemExit(f"{contender.app} must start and answer.")
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

    def cpu_seconds(self) -> float:
        """Return the processor time of the server and its workers."""
        ticks = 0
        for pid in (self._process.pid, *self._workers()):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])  # user and system
        return ticks / os.sysconf("SC_CLK_TCK")

    def _workers(self) -> list[int]:
        pid = self._process.pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def drive(self, seconds: int) -> tuple[float, float]:
        """Return requests per second, and the processor microseconds of a request."""
        before = self.cpu_seconds()
        command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", f"http://127.0.0.1:{self.port}/"]
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        took = self.cpu_seconds() - before
        if "Non-2xx" in output:
            raise SystemExit(f"Every response must have status 200, got\n{output}")
        requests = int(_number(r"(\d+) requests in", output))
        return _number(r"Requests/sec:\s+([\d.]+)", output), took / requests * 1e6


def _number(pattern: str, text: str) -> float:
    found = re.search(pattern, text)
    if found is None:
        raise SystemExit(f"wrk must print {pattern!r}, got\n{text}")
    return float(found[1])


def run(workload: Workload, rounds: int, seconds: int) -> Iterator[Result]:
    """Drive the contenders in turns, in a new random order each round."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in workload.contenders}
    with ExitStack() as stack:
        servers = {name: Server(each, stack) for name, each in workload.contenders.items()}
        for server in servers.values():
            server.drive(1)
        for _ in range(rounds):
            for name in random.sample(list(servers), len(servers)):
                found[name].append(servers[name].drive(seconds))
    ours = found["unigate"]
    for name, theirs in found.items():
        rates = [rate for rate, _ in theirs]
        low, _, high = quantiles(rates, n=4) if len(rates) > 1 else rates * 3
        ratio = None
        if name != "unigate":
            ratio = median(mine[0] / other[0] for mine, other in zip(ours, theirs, strict=True))
        target = workload.targets.get(name)
        met = None if target is None or ratio is None else ratio >= target
        cpu = median(cpu for _, cpu in theirs)
        yield Result(workload.name, name, median(rates), (low, high), cpu, ratio, target, met)
