"""Measure the cost of one Lambda invocation with unigate and with other tools.

Most applications do nothing, so the time is that of the code around them; Flask, Django and FastAPI
show what is left of the difference around a real one. README.md in this folder explains the table.
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import os
import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from typing import Any

import apig_wsgi
import mangum
import serverless_wsgi
from a2wsgi import WSGIMiddleware
from agraffe import Agraffe
from agraffe.services import Service
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, APIGatewayRestResolver
from frameworks import FOUND, django_app, fastapi_app, flask_app, powertools_handler
from rounds import UNIGATE, Result, compare, in_rounds, parser, show, table, timer
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

PEERS = (
    *("mangum", "apig-wsgi", "serverless-wsgi", "a2wsgi", "agraffe", "aws-lambda-powertools"),
    *("flask", "django", "fastapi"),
)
MEBIBYTE = 1024 * 1024
SMALL_CALLS, LARGE_CALLS = 50, 3

SMALL_TARGETS = {
    "HTTP API 2.0": {"apig-wsgi": 0.95, "mangum lifespan=off": 0.55, "mangum": 0.22},
    "REST API v1": {"apig-wsgi": 0.85, "mangum lifespan=off": 0.55, "mangum": 0.22},
}
LARGE_TARGETS = {"floor: base64": 1.1}
FAST_TARGETS = {"apig-wsgi": 0.2, "mangum lifespan=off": 0.2, "floor: base64": 0.2}
FAST = ("orjson", "pybase64")
EVENTS = {"HTTP API 2.0": http_api_event, "REST API v1": rest_api_event}


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
    calls: int
    targets: dict[str, float]


def asgi_handlers(app: Any = asgi_app) -> dict[str, Handler]:
    """Return the handlers of an ASGI application by name; with default options unless named."""
    return {
        UNIGATE: unigate.wrap(app).lambda_handler,
        "mangum": mangum.Mangum(app),
        "mangum lifespan=off": mangum.Mangum(app, lifespan="off"),
        "agraffe": Agraffe.entry_point(app, Service.aws_lambda),
    }


def asgi_handlers_without_lifespan() -> dict[str, Handler]:
    """Return those of an application that has no lifespan as well."""
    return asgi_handlers() | {
        f"{UNIGATE}, app without lifespan": unigate.wrap(asgi_app_without_lifespan).lambda_handler,
        "mangum, app without lifespan": mangum.Mangum(asgi_app_without_lifespan),
    }


def wsgi_handlers(app: Any = wsgi_app, *, binary: bool | None = None) -> dict[str, Handler]:
    """Return the handlers of a WSGI application by name.

    Args:
        app: The application.
        binary: apig-wsgi's option for binary responses, which REST events need for them.
    """
    bridge: Any = WSGIMiddleware(app)
    return {
        UNIGATE: unigate.wrap(app).lambda_handler,
        "apig-wsgi": apig_wsgi.make_lambda_handler(app, binary_support=binary),
        "serverless-wsgi": partial(serverless_wsgi.handle_request, app),
        "mangum over a2wsgi": mangum.Mangum(bridge, lifespan="off"),
    }


def checked(
    handlers: dict[str, Handler], event: Event, answer: bytes | dict[str, Any]
) -> dict[str, Callable[[], Any]]:
    """Bind the handlers to an event; exit on a wrong response, so that no failure is timed.

    Args:
        handlers: The handlers by name.
        event: The event.
        answer: The expected body, or what it has to be as JSON.
    """
    calls: dict[str, Callable[[], Any]] = {
        name: partial(handler, event, CONTEXT) for name, handler in handlers.items()
    }
    for name, call in calls.items():
        reply = call()
        body = reply["body"].encode()
        if reply.get("isBase64Encoded"):
            body = base64.b64decode(body)
        found = json.loads(body) if isinstance(answer, dict) else body
        if reply["statusCode"] != 200 or found != answer:
            raise SystemExit(
                f"{name} must reply with status 200 and the expected body, "
                f"got {reply['statusCode']} {body[:80]!r}"
            )
    return calls


def small_workloads(source: str, make_event: Callable[[bytes], Event]) -> Iterator[Workload]:
    """Yield the workloads of a small event, around nothing and around real applications."""
    event, targets = make_event(b""), SMALL_TARGETS[source]
    for interface, handlers, floor in (
        ("ASGI", asgi_handlers_without_lifespan, asgi_floor),
        ("WSGI", wsgi_handlers, wsgi_floor),
    ):
        contenders = checked(handlers(), event, SMALL_ANSWER)
        contenders["floor: application alone"] = floor()
        yield Workload(f"{interface}, {source}, small", contenders, SMALL_CALLS, targets)


def framework_workloads() -> Iterator[Workload]:
    """Yield the workloads of real applications; Powertools is an alternative to all of them."""
    resolvers = {"HTTP API 2.0": APIGatewayHttpResolver, "REST API v1": APIGatewayRestResolver}
    wsgi, asgi = {"Flask": flask_app(), "Django": django_app()}, {"FastAPI": fastapi_app()}
    for source, make_event in EVENTS.items():
        powertools = powertools_handler(resolvers[source])
        for name, app in (wsgi | asgi).items():
            handlers = asgi_handlers(app) if name in asgi else wsgi_handlers(app)
            handlers["powertools alone"] = lambda event, context, handler=powertools: handler(
                event, context
            )
            contenders = checked(handlers, make_event(b""), FOUND)
            yield Workload(f"{name}, {source}, small", contenders, SMALL_CALLS // 5, {})


def large_workloads(source: str, make_event: Callable[[bytes], Event]) -> Iterator[Workload]:
    """Yield the workloads of 1 MiB in and out."""
    fast = bool(find_pybase64())
    binary = random.Random(7).randbytes(MEBIBYTE)
    event = make_event(binary)
    for interface, handlers in (("ASGI", asgi_handlers()), ("WSGI", wsgi_handlers(binary=True))):
        if source != "HTTP API 2.0":
            handlers.pop("agraffe", None)  # it sends binary responses as text
        contenders = checked(handlers, event, binary)
        contenders["floor: base64"] = base64_floor(event)
        name = f"{interface}, {source}, 1 MiB{'' if fast else ', without fast'}"
        yield Workload(name, contenders, LARGE_CALLS, FAST_TARGETS if fast else LARGE_TARGETS)


def workloads(*, only_large: bool) -> Iterator[Workload]:
    """Yield every workload."""
    for source, make_event in EVENTS.items():
        if not only_large:
            yield from small_workloads(source, make_event)
        yield from large_workloads(source, make_event)
    if not only_large:
        yield from framework_workloads()


def run(found: list[Workload], rounds: int) -> list[Result]:
    """Run every workload in every round."""

    def ours(contender: str) -> str:
        return contender.replace("mangum", UNIGATE) if "without" in contender else UNIGATE

    groups = {
        each.name: {name: timer(call, each.calls) for name, call in each.contenders.items()}
        for each in found
    }
    samples = in_rounds(groups, rounds)
    return [
        row
        for each in found
        for row in compare(
            each.name, "microseconds", samples[each.name], targets=each.targets, ours=ours
        )
    ]


def main() -> None:
    """Read the command line, measure, print."""
    arguments = parser(__doc__, rounds=50)
    arguments.add_argument("--large", action="store_true", help="only 1 MiB")
    arguments.add_argument("--without-fast", action="store_true", help="without the extra `fast`")
    options = arguments.parse_args()
    if options.without_fast:
        sys.modules.update(dict.fromkeys(FAST))  # their import fails
    # Mangum needs a current event loop in its thread; without one it warns or fails.
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    with open(os.devnull, "w") as nowhere:
        logging.basicConfig(level=logging.WARNING, stream=nowhere)
        results = run(list(workloads(only_large=options.large)), options.rounds)
    loop.close()
    peers = PEERS + (FAST if find_pybase64() else ())
    show(results, peers, options.json, table(results))


if __name__ == "__main__":
    main()
