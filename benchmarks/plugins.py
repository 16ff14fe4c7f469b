"""Measure what the Django middleware and the Flask extension cost a request that ignores them.

An application gets requests with and without the plugin, twenty each, in turns. In the table,
"without" is the time of a request (or of the named part) without the plugin; "wall" and "CPU" are
what the plugin adds: the median of the differences within rounds. Other programs on the machine
affect the first two. The target is for the CPU time of this process.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import platform
import random
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from io import BytesIO
from statistics import median
from time import perf_counter, process_time
from typing import Any

import django
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler, ASGIRequest
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, HttpResponse
from django.test import override_settings
from django.urls import path
from flask import Flask

from django_unigate import connections
from django_unigate.middleware import UnigateMiddleware
from flask_unigate import Unigate

TARGET = 5.0
CALLS = 20
MIDDLEWARE = "django_unigate.middleware.UnigateMiddleware"

settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, MIDDLEWARE=[])
django.setup()

Ask = Callable[[], Any]


def answer(request: HttpRequest) -> HttpResponse:
    return HttpResponse("tea")


async def answer_async(request: HttpRequest) -> HttpResponse:
    return HttpResponse("tea")


urlpatterns = [path("", answer), path("async", answer_async)]

ENVIRON: dict[str, Any] = {
    "REQUEST_METHOD": "GET",
    "SCRIPT_NAME": "",
    "PATH_INFO": "/",
    "QUERY_STRING": "a=1",
    "SERVER_NAME": "shop.example",
    "SERVER_PORT": "443",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "REMOTE_ADDR": "192.0.2.44",
    "HTTP_HOST": "shop.example",
    "HTTP_USER_AGENT": "kettle/3",
    "wsgi.version": (1, 0),
    "wsgi.url_scheme": "https",
    "wsgi.input": BytesIO(),
    "wsgi.errors": BytesIO(),
    "wsgi.multithread": False,
    "wsgi.multiprocess": False,
    "wsgi.run_once": False,
}
SCOPE: dict[str, Any] = {
    "type": "http",
    "method": "GET",
    "scheme": "https",
    "path": "/async",
    "query_string": b"a=1",
    "headers": [(b"host", b"shop.example"), (b"user-agent", b"kettle/3")],
    "client": ("192.0.2.44", 4711),
    "server": ("shop.example", 443),
}


def ask_wsgi(app: Any) -> None:
    body = app({**ENVIRON}, lambda status, headers, exc_info=None: None)
    assert b"".join(body) == b"tea"
    body.close()


def django_request(*, ours: bool) -> Ask:
    with override_settings(MIDDLEWARE=[MIDDLEWARE] if ours else []):
        return partial(ask_wsgi, WSGIHandler())


def django_async_request(loop: asyncio.AbstractEventLoop, *, ours: bool) -> Ask:
    """Call the handler below its threads, whose cost would hide the rest."""
    with override_settings(MIDDLEWARE=[MIDDLEWARE] if ours else []):
        handler = ASGIHandler()

    async def serve() -> None:
        response = await handler.get_response_async(ASGIRequest(SCOPE, BytesIO()))
        assert response.content == b"tea"

    return lambda: loop.run_until_complete(serve())


def flask_request(*, ours: bool) -> Ask:
    app = Flask("shop")
    app.get("/")(lambda: "tea")
    if ours:
        Unigate(app)
    return partial(ask_wsgi, app)


def middleware_alone(loop: asyncio.AbstractEventLoop, *, asgi: bool, ours: bool) -> Ask:
    """Call the middleware on a new request, without the rest of Django."""
    view: Any = answer_async if asgi else answer
    chain = UnigateMiddleware(view) if ours else view
    if not asgi:
        return lambda: chain(HttpRequest())

    async def serve() -> None:
        await chain(HttpRequest())

    return lambda: loop.run_until_complete(serve())


def signals_alone(*, ours: bool) -> Ask:
    """Call the signal receivers of a request without a database connection."""
    signals = (connections.check_after_pause, connections.remember_use) if ours else ()

    def send() -> None:
        for receiver in signals:
            receiver(signal=None, sender=None)

    return send


def request_alone(*, ours: bool) -> Ask:
    """Create Flask's request, without the rest of Flask."""
    app = Flask("shop")
    if ours:
        Unigate(app)
    return lambda: app.request_class({**ENVIRON})


@dataclass
class Line:
    """One subject, in microseconds a request; `wall` and `cpu` are what the plugin adds."""

    name: str
    without: float
    wall: float
    cpu: float


def measure(name: str, pair: dict[bool, Ask], rounds: int) -> Line:
    """Measure with and without the plugin in turns; return the medians of the differences."""
    taken: dict[bool, list[tuple[float, float]]] = {True: [], False: []}
    for _ in range(rounds):
        for ours in random.sample((True, False), 2):
            ask = pair[ours]
            ask()
            cpu, wall = process_time(), perf_counter()
            for _ in range(CALLS):
                ask()
            spent = perf_counter() - wall, process_time() - cpu
            taken[ours].append((spent[0] / CALLS * 1e6, spent[1] / CALLS * 1e6))
    both = list(zip(taken[True], taken[False], strict=True))
    return Line(
        name,
        median(wall for wall, _ in taken[False]),
        median(mine[0] - bare[0] for mine, bare in both),
        median(mine[1] - bare[1] for mine, bare in both),
    )


def main() -> None:
    """Print the results as a table or as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=500)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    loop = asyncio.new_event_loop()
    subjects: dict[str, Callable[..., Ask]] = {
        "Django, a request": django_request,
        "Django, an asynchronous request": partial(django_async_request, loop),
        "Flask, a request": flask_request,
        "middleware alone": partial(middleware_alone, loop, asgi=False),
        "middleware alone, asynchronous": partial(middleware_alone, loop, asgi=True),
        "signals of the application alone": signals_alone,
        "Flask's request object alone": request_alone,
    }
    lines = [
        measure(name, {ours: make(ours=ours) for ours in (True, False)}, options.rounds)
        for name, make in subjects.items()
    ]
    loop.close()
    if options.json:
        print(json.dumps([asdict(line) for line in lines]))
        return
    print(
        f"CPython {platform.python_version()}, Django {django.__version__}, "
        f"Flask {version('flask')}; microseconds a request, median of {options.rounds} rounds\n"
    )
    print(f"{'':34}{'without':>9}{'wall':>8}{'CPU':>8}  target: CPU at most {TARGET}")
    for line in lines:
        verdict = "met" if line.cpu <= TARGET else "not met"
        print(f"{line.name:34}{line.without:9.1f}{line.wall:+8.2f}{line.cpu:+8.2f}  {verdict}")


if __name__ == "__main__":
    main()
