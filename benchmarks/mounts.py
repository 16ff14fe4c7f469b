"""Measure a request to the last of 1, 10 and 1,000 mounts, in this process.

Its time should not depend on the number of mounts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from rounds import UNIGATE, Result, compare, in_rounds, parser, show, table, timer
from servers import asgi_hello, wsgi_hello

import unigate

OURS = f"{UNIGATE}, 1,000 mounts"
MOUNTS = {OURS: 1_000, "10 mounts": 10, "1 mount": 1}
TARGETS = {"1 mount": 1.1}
CALLS = 200


def asgi_request(gateway: Any, path: str) -> Callable[[], Any]:
    """Return a function that calls the gateway as an ASGI server does."""
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

    async def send(message: dict[str, Any]) -> None:
        if message.get("status", 200) != 200:
            raise SystemExit(f"{path} must have status 200, got {message['status']}")

    return lambda: loop.run_until_complete(gateway.asgi({**scope}, asyncio.Event().wait, send))


def wsgi_request(gateway: Any, path: str) -> Callable[[], Any]:
    """Return a function that calls the gateway as a WSGI server does."""
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": path,
        "SERVER_NAME": "x",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
    }

    def start_response(status: str, headers: Any, exc_info: Any = None) -> None:
        if status != "200 OK":
            raise SystemExit(f"{path} must have status 200, got {status}")

    return lambda: list(gateway.wsgi({**environ}, start_response))


def measure(rounds: int) -> list[Result]:
    """Compare the time of a request with 1,000 mounts with that of fewer."""
    groups: dict[str, dict[str, Callable[[], float]]] = {}
    doors: dict[str, tuple[Any, Callable[[Any, str], Callable[[], Any]]]] = {
        "ASGI": (asgi_hello, asgi_request),
        "WSGI": (wsgi_hello, wsgi_request),
    }
    for door, (app, request) in doors.items():
        calls = groups[f"{door}, a request to the last mount"] = {}
        for name, number in MOUNTS.items():
            mounts = {f"/service-{index}": app for index in range(number)}
            gateway = unigate.wrap(mounts=mounts, lifespan="off")
            calls[name] = timer(request(gateway, f"/service-{number - 1}/orders/7"), CALLS)
    return [
        result
        for workload, samples in in_rounds(groups, rounds).items()
        for result in compare(
            workload, "microseconds", samples, targets=TARGETS, ours=lambda contender: OURS
        )
    ]


def main() -> None:
    """Read the command line, measure, print."""
    options = parser(__doc__, rounds=75).parse_args()
    results = measure(options.rounds)
    show(results, (), options.json, table(results))


if __name__ == "__main__":
    main()
