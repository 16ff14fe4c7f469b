"""Measure the memory that unigate and other tools add to a process.

Each process is measured after its first request and after many more. README.md in this folder
explains the lines. Linux only.
"""

from __future__ import annotations

import argparse
import gc
import http.client
import json
import os
import socket
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rounds import UNIGATE, Result, compare_added, in_rounds, parser, show, table
from samples import CONTEXT, SMALL_ANSWER, Receive, Scope, Send, http_api_event

ALONE = "application alone"
# The tools by door and interface. Under uvicorn a WSGI application alone runs through a2wsgi.
TOOLS = {
    ("events", "WSGI"): (ALONE, UNIGATE, "apig-wsgi"),
    ("events", "ASGI"): (ALONE, UNIGATE, "mangum"),
    ("gunicorn", "WSGI"): (ALONE, UNIGATE),
    ("uvicorn", "ASGI"): (ALONE, UNIGATE),
    ("uvicorn", "WSGI"): ("a2wsgi", UNIGATE),
}
PEERS = ("apig-wsgi", "mangum", "a2wsgi", "uvicorn", "gunicorn")
MEASURES = {"RSS": "resident", "USS": "private", "traced": "traced"}
START_SECONDS = 60.0


@dataclass(frozen=True)
class Held:
    """The memory of a process in KiB.

    Attributes:
        resident: All of its pages, those that it shares with other processes included (RSS).
        private: The pages that only it has (USS).
        traced: The blocks that Python has allocated, by tracemalloc; 0 unless that is on.
    """

    resident: float
    private: float
    traced: float


# --- in the process that is measured --------------------------------------------------------------


def report() -> bytes:
    """Return the memory of this process as JSON."""
    gc.collect()
    pages: dict[str, float] = {}
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines()[1:]:
        name, size, _ = line.split()
        pages[name.rstrip(":")] = float(size)
    traced = tracemalloc.get_traced_memory()[0] / 1024 if tracemalloc.is_tracing() else 0.0
    private = pages["Private_Clean"] + pages["Private_Dirty"]
    return json.dumps(asdict(Held(pages["Rss"], private, traced))).encode()


def wsgi_app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """Answer each path, and /memory with the memory of this process."""
    body = report() if environ["PATH_INFO"] == "/memory" else SMALL_ANSWER
    start_response("200 OK", [("Content-Type", "application/json")])
    return [body]


async def asgi_app(scope: Scope, receive: Receive, send: Send) -> None:
    """Do the same as `wsgi_app`; without a lifespan."""
    if scope["type"] != "http":
        raise RuntimeError("no lifespan")
    body = report() if scope["path"] == "/memory" else SMALL_ANSWER
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def make_app() -> Any:
    """Return what a server runs: the application, or what a tool makes of it."""
    interface, tool = os.environ["BENCHMARK_INTERFACE"], os.environ["BENCHMARK_TOOL"]
    app: Any = wsgi_app if interface == "WSGI" else asgi_app
    if tool == UNIGATE:
        import unigate

        return unigate.wrap(app)
    if tool == "a2wsgi":
        import a2wsgi

        return a2wsgi.WSGIMiddleware(app)
    return app


def make_handler(interface: str, tool: str) -> Callable[[str], bytes]:
    """Return a function that answers the event of a path with the body of its reply."""
    app: Any = wsgi_app if interface == "WSGI" else asgi_app
    if tool == ALONE:
        return _wsgi_alone if interface == "WSGI" else _asgi_alone()
    if tool == UNIGATE:
        import unigate

        handler: Any = unigate.wrap(app).lambda_handler
    elif tool == "apig-wsgi":
        import apig_wsgi

        handler = apig_wsgi.make_lambda_handler(app)
    else:
        import mangum

        handler = mangum.Mangum(app, lifespan="off")

    def answer(path: str) -> bytes:
        event = http_api_event(b"") | {"rawPath": path}
        event["requestContext"]["http"]["path"] = path
        body: str = handler(event, CONTEXT)["body"]
        return body.encode()

    return answer


def _wsgi_alone(path: str) -> bytes:
    return b"".join(wsgi_app({"PATH_INFO": path}, lambda status, headers: None))


def _asgi_alone() -> Callable[[str], bytes]:
    import asyncio

    loop = asyncio.new_event_loop()

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    def answer(path: str) -> bytes:
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        loop.run_until_complete(asgi_app({"type": "http", "path": path}, receive, send))
        body: bytes = sent[-1]["body"]
        return body

    return answer


def run_function(interface: str, tool: str, requests: int) -> None:
    """Answer events in this process, and print what it held after the first and after all."""
    answer = make_handler(interface, tool)
    for count in (1, requests):
        for number in range(count):
            assert answer(f"/orders/{number}") == SMALL_ANSWER
        print(answer("/memory").decode(), flush=True)


# --- in the process that measures -----------------------------------------------------------------


def of_function(interface: str, tool: str, requests: int, *, traced: bool) -> list[Held]:
    """Return what a process held that answered events."""
    command = [sys.executable, __file__, "--function", interface, tool, "--requests", str(requests)]
    run = subprocess.run(command, stdout=subprocess.PIPE, check=True, env=environment(traced))
    return [Held(**json.loads(line)) for line in run.stdout.splitlines()]


def of_server(door: str, interface: str, tool: str, requests: int, *, traced: bool) -> list[Held]:
    """Return what the process of a server held that answered requests over one connection."""
    with serving(door, interface, tool, traced=traced) as port:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=START_SECONDS)

        def fetch(path: str) -> bytes:
            connection.request("GET", path)
            return connection.getresponse().read()

        held = []
        for count in (1, requests):
            for number in range(count):
                assert fetch(f"/orders/{number}") == SMALL_ANSWER
            held.append(Held(**json.loads(fetch("/memory"))))
        connection.close()
        return held


@contextmanager
def serving(door: str, interface: str, tool: str, *, traced: bool) -> Iterator[int]:
    """Run a server, and yield its port when it accepts connections."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    commands = {
        "uvicorn": ("--log-level=warning", f"--port={port}", "--factory", "memory:make_app"),
        "gunicorn": ("--log-level=warning", f"--bind=127.0.0.1:{port}", "--worker-class=gthread")
        + ("--keep-alive=60", "memory:make_app()"),
    }
    server = subprocess.Popen(
        [sys.executable, "-m", door, *commands[door]],
        env={
            **environment(traced),
            "BENCHMARK_INTERFACE": interface,
            "BENCHMARK_TOOL": tool,
        },
        cwd=Path(__file__).parent,
    )
    try:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                if server.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
        yield port
    finally:
        server.terminate()
        server.wait(START_SECONDS)


def environment(traced: bool) -> dict[str, str]:
    """Return the environment of a process, with tracemalloc or without."""
    return {**os.environ, **({"PYTHONTRACEMALLOC": "1"} if traced else {})}


def of_process(door: str, interface: str, tool: str, requests: int) -> list[Held]:
    """Return what a process held after the first request and after all of them."""
    run: Any = of_function if door == "events" else partial(of_server, door)
    pages = run(interface, tool, requests, traced=False)
    traced = run(interface, tool, requests, traced=True)  # takes memory itself
    return [Held(a.resident, a.private, b.traced) for a, b in zip(pages, traced, strict=True)]


def measure(rounds: int, requests: int) -> list[Result]:
    """Return what the first contender behind each door holds, and what the others add to it."""
    groups: dict[tuple[str, str], dict[str, Callable[[], list[Held]]]] = {
        (door, interface): {
            tool: partial(of_process, door, interface, tool, requests) for tool in tools
        }
        for (door, interface), tools in TOOLS.items()
    }
    steps = ("after the first request", f"after {requests:,} more")
    results = []
    for (door, interface), taken in in_rounds(groups, rounds).items():
        for index, step in enumerate(steps):
            for name, field in MEASURES.items():
                samples = {
                    tool: [getattr(held[index], field) for held in each]
                    for tool, each in taken.items()
                }
                results += compare_added(f"{door}, {interface}, {step}: {name}", "KiB", samples)
    return results


def main() -> None:
    """Read the command line, measure, print."""
    arguments = parser(__doc__, rounds=3)
    arguments.add_argument("--requests", type=int, default=10_000, help="default 10000")
    arguments.add_argument("--function", nargs=2, help=argparse.SUPPRESS)
    options = arguments.parse_args()
    if options.requests < 1:
        arguments.error("--requests must be at least 1")
    if options.function:
        run_function(*options.function, options.requests)
        return
    results = measure(options.rounds, options.requests)
    show(results, PEERS, options.json, table(results))


if __name__ == "__main__":
    main()
