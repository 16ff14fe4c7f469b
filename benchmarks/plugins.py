"""Measure what the Django middleware and the Flask extension cost a request that ignores them.

An application gets requests with and without the plugin, twenty each, in turns. In the table,
"without the plugin" is the time of a request, or of the named part; "added" is what the plugin adds
to it: the median of the differences within rounds, of wall-clock time and of this process's CPU
time. The target is for the latter, which other programs on the machine hardly affect.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from io import BytesIO
from itertools import repeat
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
from rounds import Result, in_rounds, parser, show, summarize, table

from django_unigate import connections
from django_unigate.middleware import UnigateMiddleware
from flask_unigate import Unigate

PEERS = ("django", "flask")
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


def wall_and_cpu(ask: Ask) -> tuple[float, float]:
    """Return the mean microseconds of a request, of wall-clock time and of this process's CPU."""
    ask()
    cpu, wall = process_time(), perf_counter()
    for _ in repeat(None, CALLS):
        ask()
    spent = perf_counter() - wall, process_time() - cpu
    return spent[0] / CALLS * 1e6, spent[1] / CALLS * 1e6


def measure(subjects: dict[str, dict[str, Ask]], rounds: int) -> list[Result]:
    """Measure with and without the plugin in turns; what it adds is taken within rounds."""
    groups = {
        subject: {name: partial(wall_and_cpu, ask) for name, ask in pair.items()}
        for subject, pair in subjects.items()
    }
    results = []
    for subject, taken in in_rounds(groups, rounds).items():
        both = list(zip(taken["with"], taken["without"], strict=True))
        rows = {
            "without the plugin": [bare[0] for _, bare in both],
            "added": [mine[0] - bare[0] for mine, bare in both],
            "added, CPU": [mine[1] - bare[1] for mine, bare in both],
        }
        for name, samples in rows.items():
            row = summarize(subject, name, "microseconds", samples)
            if name == "added, CPU":
                row = replace(row, target=TARGET, met=row.value <= TARGET)
            results.append(row)
    return results


def main() -> None:
    """Print the results as a table or as JSON."""
    options = parser(__doc__, rounds=500).parse_args()
    loop = asyncio.new_event_loop()
    makers: dict[str, Callable[..., Ask]] = {
        "Django, a request": django_request,
        "Django, an asynchronous request": partial(django_async_request, loop),
        "Flask, a request": flask_request,
        "middleware alone": partial(middleware_alone, loop, asgi=False),
        "middleware alone, asynchronous": partial(middleware_alone, loop, asgi=True),
        "signals of the application alone": signals_alone,
        "Flask's request object alone": request_alone,
    }
    subjects = {
        subject: {"with": make(ours=True), "without": make(ours=False)}
        for subject, make in makers.items()
    }
    results = measure(subjects, options.rounds)
    loop.close()
    show(results, PEERS, options.json, table(results))


if __name__ == "__main__":
    main()
