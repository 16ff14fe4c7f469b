"""Measure the cost of one Lambda invocation with unigate and with other tools.

The applications do nothing, so the time is that of the code around them. README.md in this folder
explains the table.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import logging
import os
import platform
import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from io import BytesIO
from itertools import repeat
from statistics import median
from time import perf_counter
from typing import Any

import apig_wsgi
import mangum
import serverless_wsgi
from a2wsgi import WSGIMiddleware
from samples import (
    CONTEXT,
    HEADERS,
    SMALL_ANSWER,
    Event,
    Message,
    asgi_app,
    asgi_app_without_lifespan,
    http_api_event,
    rest_api_event,
    wsgi_app,
)

import unigate
from unigate.http.bodies import find_pybase64

Handler = Callable[[Event, Any], dict[str, Any]]

PEERS = ("mangum", "apig-wsgi", "serverless-wsgi", "a2wsgi")
MEBIBYTE = 1024 * 1024
SMALL_CALLS, LARGE_CALLS = 50, 3

SMALL_TARGETS = {
    "apig-wsgi": 1.0,
    "mangum lifespan=off": 0.6,
    "mangum": 0.25,
}
LARGE_TARGETS = {"floor: base64": 1.1}
FAST_TARGETS = {"apig-wsgi": 0.2, "mangum lifespan=off": 0.2, "floor: base64": 0.2}
FAST = ("orjson", "pybase64")


def asgi_floor() -> Callable[[], Any]:
    """Run the application alone: one ``run_until_complete`` on a prepared scope."""
    headers = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
    scope = {"type": "http", "method": "GET", "path": "/orders/7", "headers": headers}
    request = {"type": "http.request", "body": b"", "more_body": False}

    async def receive() -> Message:
        return request

    async def send(message: Message) -> None:
        pass

    loop = asyncio.get_event_loop()
    return lambda: loop.run_until_complete(asgi_app(scope, receive, send))


def wsgi_floor() -> Callable[[], Any]:
    """Call the application alone, on a prepared environ."""
    names = ((name.upper().replace("-", "_"), value) for name, value in HEADERS.items())
    environ: dict[str, Any] = {f"HTTP_{name}": value for name, value in names}
    environ |= {"REQUEST_METHOD": "GET", "PATH_INFO": "/orders/7", "wsgi.input": BytesIO()}
    return partial(wsgi_app, environ, lambda status, headers: None)


def base64_floor(event: Event) -> Callable[[], Any]:
    """Decode the body and encode it again: text to text, as in every event and reply."""
    return lambda: base64.b64encode(base64.b64decode(event["body"])).decode("ascii")


@dataclass(frozen=True)
class Workload:
    """One event for one interface, the contenders by name, and the targets by contender."""

    name: str
    contenders: dict[str, Callable[[], Any]]
    invocations: int
    targets: dict[str, float]


@dataclass(frozen=True)
class Result:
    """Medians over the rounds.

    ``ratio`` is the time of unigate divided by that of this contender, None for unigate itself.
    ``met`` is None without a target.
    """

    workload: str
    contender: str
    microseconds: float
    ratio: float | None
    target: float | None
    met: bool | None


def asgi_handlers() -> dict[str, Handler]:
    """Return the handlers of an ASGI application by name; with default options unless named."""
    return {
        "unigate": unigate.wrap(asgi_app).lambda_handler,
        "mangum": mangum.Mangum(asgi_app),
        "mangum lifespan=off": mangum.Mangum(asgi_app, lifespan="off"),
        "unigate, app without lifespan": unigate.wrap(asgi_app_without_lifespan).lambda_handler,
        "mangum, app without lifespan": mangum.Mangum(asgi_app_without_lifespan),
    }


def wsgi_handlers() -> dict[str, Handler]:
    """Return the handlers of a WSGI application by name."""
    bridge: Any = WSGIMiddleware(wsgi_app)
    return {
        "unigate": unigate.wrap(wsgi_app).lambda_handler,
        "apig-wsgi": apig_wsgi.make_lambda_handler(wsgi_app),
        "serverless-wsgi": partial(serverless_wsgi.handle_request, wsgi_app),
        "mangum over a2wsgi": mangum.Mangum(bridge, lifespan="off"),
    }


def wsgi_binary_handlers() -> dict[str, Handler]:
    """Return the same handlers, with binary responses to REST events enabled in apig-wsgi."""
    return wsgi_handlers() | {
        "apig-wsgi": apig_wsgi.make_lambda_handler(wsgi_app, binary_support=True)
    }


def checked(
    handlers: dict[str, Handler], event: Event, answer: bytes
) -> dict[str, Callable[[], Any]]:
    """Bind the handlers to ``event``; exit on a wrong response, so that no failure is timed."""
    calls: dict[str, Callable[[], Any]] = {
        name: partial(handler, event, CONTEXT) for name, handler in handlers.items()
    }
    for name, call in calls.items():
        reply = call()
        body = reply["body"].encode()
        if reply.get("isBase64Encoded"):
            body = base64.b64decode(body)
        if reply["statusCode"] != 200 or body != answer:
            raise SystemExit(
                f"{name} must reply with status 200 and the expected body, "
                f"got {reply['statusCode']} {body[:80]!r}"
            )
    return calls


def workloads() -> Iterator[Workload]:
    """Yield every workload: two event formats, two interfaces, two sizes of body."""
    large_targets = FAST_TARGETS if find_pybase64() else LARGE_TARGETS
    binary = random.Random(7).randbytes(MEBIBYTE)
    for source, make_event in (("HTTP API 2.0", http_api_event), ("REST API v1", rest_api_event)):
        for interface, handlers, floor in (
            ("ASGI", asgi_handlers, asgi_floor),
            ("WSGI", wsgi_handlers, wsgi_floor),
        ):
            contenders = checked(handlers(), make_event(b""), SMALL_ANSWER)
            contenders["floor: application alone"] = floor()
            yield Workload(f"{interface}, {source}, small", contenders, SMALL_CALLS, SMALL_TARGETS)
        event = make_event(binary)
        for interface, handlers in (("ASGI", asgi_handlers), ("WSGI", wsgi_binary_handlers)):
            contenders = checked(handlers(), event, binary)
            contenders["floor: base64"] = base64_floor(event)
            yield Workload(f"{interface}, {source}, 1 MiB", contenders, LARGE_CALLS, large_targets)


def time_one(call: Callable[[], Any], invocations: int) -> float:
    """Return the mean microseconds of one invocation, after one call that is not timed."""
    call()
    start = perf_counter()
    for _ in repeat(None, invocations):
        call()
    return (perf_counter() - start) / invocations * 1e6


def run(rounds: int) -> list[Result]:
    """Run every workload ``rounds`` times, its contenders in a new random order each time."""
    found = list(workloads())
    shuffle = random.Random(11).sample
    times: dict[str, dict[str, list[float]]] = {
        workload.name: {name: [] for name in workload.contenders} for workload in found
    }
    for _ in range(rounds):
        for workload in found:
            for name in shuffle(list(workload.contenders), len(workload.contenders)):
                took = time_one(workload.contenders[name], workload.invocations)
                times[workload.name][name].append(took)
    return [row for workload in found for row in compare(workload, times[workload.name])]


def compare(workload: Workload, times: dict[str, list[float]]) -> Iterator[Result]:
    """Yield the medians; ratios are taken within a round, where the machine is equally busy."""
    for name, theirs in times.items():
        ratio = None
        if not name.startswith("unigate"):
            ours = times[name.replace("mangum", "unigate") if "without" in name else "unigate"]
            ratio = median(mine / other for mine, other in zip(ours, theirs, strict=True))
        target = workload.targets.get(name)
        met = None if target is None or ratio is None else ratio <= target
        yield Result(workload.name, name, median(theirs), ratio, target, met)


def machine() -> dict[str, str]:
    """Return what the figures depend on: interpreter, processor, versions of the other tools."""
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        **{name: version(name) for name in PEERS},
        **{name: version(name) for name in FAST if find_pybase64()},
    }


def table(results: list[Result]) -> str:
    """Return the results in aligned columns, one block for each workload."""
    lines = [", ".join(f"{name} {value}" for name, value in machine().items())]
    workload = None
    for row in results:
        if row.workload != workload:
            workload = row.workload
            lines += ["", f"{workload:<34}{'microseconds':>12}{'ours / this':>14}  target"]
        ratio = "" if row.ratio is None else f"{row.ratio:.3f}"
        target = "" if row.target is None else f"<= {row.target:.2f} "
        verdict = {None: "", True: "met", False: "not met"}[row.met]
        line = f"  {row.contender:<32}{row.microseconds:>12.1f}{ratio:>14}  {target}{verdict}"
        lines.append(line.rstrip())
    return "\n".join(lines)


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=50, help="rounds (default 50)")
    parser.add_argument("--without-fast", action="store_true", help="without the extra `fast`")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error(f"--rounds must be at least 1, got {options.rounds}")
    if options.without_fast:
        sys.modules.update(dict.fromkeys(FAST))  # their import fails
    # Mangum needs a current event loop in its thread; without one it warns or fails.
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    with open(os.devnull, "w") as nowhere:
        logging.basicConfig(level=logging.WARNING, stream=nowhere)
        results = run(options.rounds)
    loop.close()
    if options.json:
        rows = [asdict(row) for row in results]
        print(json.dumps({"machine": machine(), "results": rows}, indent=2))
    else:
        print(table(results))


if __name__ == "__main__":
    main()
