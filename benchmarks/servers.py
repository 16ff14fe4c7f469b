"""Measure live servers: requests per second through unigate and through its alternatives.

    apt-get install wrk
    python benchmarks/servers.py

Each contender runs in a server of its own. All servers of a workload are started, and wrk drives
them in turns with 32 connections, in short runs. Linux only: processor times are read from /proc.
README.md in this folder explains the columns.
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
from dataclasses import asdict, dataclass, field, replace
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
class Workload:
    """Applications of this module in one kind of server; the first contender is unigate.

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


@dataclass(frozen=True)
class Result:
    """The medians over the rounds.

    Attributes:
        quartiles: The first and the third quartile of the requests per second.
        cpu_microseconds: The processor time of the server for a request.
        ratio: Unigate's requests per second to those of this contender.
        cpu_ratio: This contender's processor time to unigate's: above 1, unigate takes less.
    """

    workload: str
    contender: str
    per_second: float
    quartiles: tuple[float, float]
    cpu_microseconds: float
    ratio: float | None = None
    cpu_ratio: float | None = None
    target: float | None = None


@dataclass(frozen=True)
class Routing:
    """The time of a request in process, with so many mounts, and its ratio to that with one."""

    door: str
    mounts: int
    microseconds: float
    ratio: float


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

UVICORN = (*("uvicorn", "--log-level", "error", "--no-access-log", "--lifespan", "off"),)
FAST = (*UVICORN, "--loop", "uvloop", "--http", "httptools", "--port")
PLAIN = (*UVICORN, "--loop", "asyncio", "--http", "h11", "--port")
GUNICORN = ("gunicorn", "--log-level", "error", "--worker-class")
SYNC = (*GUNICORN, "sync", "--bind")
GTHREAD = (*GUNICORN, "gthread", "--threads", "10", "--bind")
BRIDGES = ("unigate", "a2wsgi", "asgiref")
ITSELF = ("unigate", "alone")

WORKLOADS = (
    Workload("WSGI hello, uvicorn[standard]", FAST, "wsgi", BRIDGES, {"a2wsgi": 1.5}),
    Workload("WSGI hello, uvicorn", PLAIN, "wsgi", BRIDGES, {"a2wsgi": 1.5}),
    Workload("Flask hello, uvicorn[standard]", FAST, "flask", BRIDGES, {"a2wsgi": 1.25}),
    Workload("Flask hello, uvicorn", PLAIN, "flask", BRIDGES, {"a2wsgi": 1.25}),
    Workload("ASGI hello, uvicorn[standard]", FAST, "asgi", ITSELF, {"alone": 0.92}),
    Workload("ASGI hello, uvicorn", PLAIN, "asgi", ITSELF, {"alone": 0.92}),
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
    """Drive the contenders in a new random order each round."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in workload.contenders}
    with ExitStack() as stack:
        servers = {name: Server(workload, name, stack) for name in workload.contenders}
        for server in servers.values():
            server.drive(1)
        for _ in range(rounds):
            for name in random.sample(list(servers), len(servers)):
                found[name].append(servers[name].drive(seconds))
    ours = found["unigate"]
    for name, theirs in found.items():
        rates = [rate for rate, _ in theirs]
        low, _, high = quantiles(rates, n=4) if len(rates) > 1 else rates * 3
        cpu = median(cpu for _, cpu in theirs)
        result = Result(workload.name, name, median(rates), (low, high), cpu)
        if name != "unigate":
            pairs = list(zip(ours, theirs, strict=True))
            ratio = median(mine[0] / other[0] for mine, other in pairs)
            cpu_ratio = median(other[1] / mine[1] for mine, other in pairs)
            target = workload.targets.get(name)
            result = replace(result, ratio=ratio, cpu_ratio=cpu_ratio, target=target)
        yield result


# --- mounts, in process --------------------------------------------------------------------------


def routings(rounds: int, calls: int = 200) -> Iterator[Routing]:
    """Yield the time of a request to the last of some mounts, by door, the numbers in turns."""
    import unigate

    doors: dict[str, Callable[[Any, str], Callable[[], Any]]] = {"asgi": _asgi, "wsgi": _wsgi}
    apps = {"asgi": asgi_hello, "wsgi": wsgi_hello}
    for door, caller in doors.items():
        requests = {}
        for number in MOUNTS:
            mounts = {f"/service-{index}": apps[door] for index in range(number)}
            gateway = unigate.wrap(mounts=mounts, lifespan="off")
            requests[number] = caller(gateway, f"/service-{number - 1}/orders/7")
        times: dict[int, list[float]] = {number: [] for number in MOUNTS}
        for _ in range(rounds):
            for number in random.sample(MOUNTS, len(MOUNTS)):
                begin = time.perf_counter()
                for _ in range(calls):
                    requests[number]()
                times[number].append((time.perf_counter() - begin) / calls * 1e6)
        for number in MOUNTS:
            pairs = zip(times[number], times[MOUNTS[0]], strict=True)
            ratio = median(many / one for many, one in pairs)
            yield Routing(door, number, median(times[number]), ratio)


def _asgi(gateway: Any, path: str) -> Callable[[], Any]:
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"x")],
        "client": None,
        "server": ("x", 80),
    }
    loop = asyncio.new_event_loop()

    async def send(message: Environ) -> None:
        pass

    return lambda: loop.run_until_complete(gateway.asgi({**scope}, asyncio.Event().wait, send))


def _wsgi(gateway: Any, path: str) -> Callable[[], Any]:
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": path,
        "SERVER_NAME": "x",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
    }
    return lambda: list(gateway.wsgi({**environ}, lambda status, headers, info=None: None))


# --- the command line ----------------------------------------------------------------------------


def machine() -> dict[str, str]:
    """Return what the figures depend on."""
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        **{name: version(name) for name in PEERS},
    }


def table(results: list[Result], found: list[Routing]) -> str:
    """Return the results in aligned columns, one block for each workload."""
    lines = [", ".join(f"{name} {value}" for name, value in machine().items())]
    workload = None
    for row in results:
        if row.workload != workload:
            workload = row.workload
            lines += ["", f"{workload:<32}{'per second':>12}{'quartiles':>18}{'CPU us':>8}"]
            lines[-1] += f"{'ours / this':>13}{'by CPU':>8}  target"
        spread = f"{row.quartiles[0]:.0f} to {row.quartiles[1]:.0f}"
        line = f"  {row.contender:<30}{row.per_second:>12.0f}{spread:>18}"
        line += f"{row.cpu_microseconds:>8.1f}"
        if row.ratio is not None and row.cpu_ratio is not None:
            line += f"{row.ratio:>13.2f}{row.cpu_ratio:>8.2f}"
        if row.ratio is not None and row.target is not None:
            line += f"  >= {row.target} {'met' if row.ratio >= row.target else 'not met'}"
        lines.append(line)
    lines += ["", f"{'mounts, in process':<32}{'microseconds':>14}{'of one mount':>14}"]
    for each in found:
        name = f"{each.door.upper()}, {each.mounts:,}"
        lines.append(f"  {name:<30}{each.microseconds:>14.2f}{each.ratio:>14.2f}")
    return "\n".join(lines)


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=15, help="turns of each (default 15)")
    parser.add_argument("--seconds", type=int, default=1, help="seconds of a turn (default 1)")
    parser.add_argument("--only", default="", help="workloads with this in their name")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()
    if options.rounds < 1 or options.seconds < 1:
        parser.error("--rounds and --seconds must be at least 1")
    if which("wrk") is None:
        parser.error("wrk must be installed, as with `apt-get install wrk`")
    results = [
        result
        for workload in WORKLOADS
        if options.only in workload.name
        for result in drive_in_turns(workload, options.rounds, options.seconds)
    ]
    found = list(routings(options.rounds * 5)) if options.only in "mounts" else []
    if options.json:
        rows = {"servers": [asdict(row) for row in results], "mounts": [asdict(r) for r in found]}
        print(json.dumps({"machine": machine(), **rows}, indent=2))
    else:
        print(table(results, found))


if __name__ == "__main__":
    main()
