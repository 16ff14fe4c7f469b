"""The hot paths whose instructions `instructions.py` counts.

`PATHS` has them by name. Each is a function that prepares one, makes sure that it answers as it
must, and returns a function that runs it `n` times.
"""

from __future__ import annotations

import asyncio
import base64
import json
import random
from collections.abc import Callable
from functools import partial
from io import BytesIO
from itertools import repeat
from typing import Any

from samples import (
    CONTEXT,
    COOKIES,
    HEADERS,
    SMALL_ANSWER,
    Event,
    Message,
    asgi_app,
    http_api_event,
    rest_api_event,
    wsgi_app,
)

import unigate
import unigate.asgi.runtime  # imported here, so that each path need not import it
import unigate.wsgi_servers

Run = Callable[[int], None]

FIELDS = HEADERS | {"Cookie": "; ".join(COOKIES)}
PATH, QUERY = "/orders/7", "page=2&sort=created"
ENTRY = {"id": 7, "state": "shipped", "lines": [{"sku": "a-4711", "count": 2}] * 3}


def repeated(call: Callable[[], Any]) -> Run:
    """Return a function that makes a call `n` times."""

    def run(n: int) -> None:
        for _ in repeat(None, n):
            call()

    return run


def expect(got: Any, wanted: Any) -> None:
    """Exit if an answer is wrong, so that no failure is counted."""
    if got != wanted:
        raise SystemExit(f"A hot path must answer {wanted!r:.200}, got {got!r:.200}.")


def event(app: Any, event: Event, body: bytes = b"") -> Run:
    """Answer an event of AWS Lambda or Vercel."""
    call = partial(unigate.wrap(app).lambda_handler, event, CONTEXT)
    reply = call()
    answer = reply["body"].encode()
    if reply.get("isBase64Encoded") or reply.get("encoding") == "base64":
        answer = base64.b64decode(answer)
    expect((reply["statusCode"], answer), (200, body or SMALL_ANSWER))
    return repeated(call)


def function_url_event() -> Event:
    """Build the event of a function URL."""
    event = http_api_event(b"")
    domain = "k3x9w2ab1c.lambda-url.eu-central-1.on.aws"
    event["headers"] |= {"host": domain, "cookie": FIELDS["Cookie"]}
    event["requestContext"]["domainName"] = domain
    return event


def alb_event() -> Event:
    """Build the event of a load balancer with one value for each name."""
    group = "arn:aws:elasticloadbalancing:eu-central-1:111122223333:targetgroup/orders/0a1b2c3d4e5f"
    return {
        "requestContext": {"elb": {"targetGroupArn": group}},
        "httpMethod": "GET",
        "path": PATH,
        "queryStringParameters": {"page": "2", "sort": "created"},
        "headers": {name.lower(): value for name, value in FIELDS.items()},
        "body": "",
        "isBase64Encoded": False,
    }


def vercel_event() -> Event:
    """Build the event of `vercel dev` and of Vercel's older runtimes."""
    request = {"method": "GET", "path": f"{PATH}?{QUERY}", "headers": FIELDS, "body": ""}
    return {"Action": "Invoke", "body": json.dumps(request)}


def large_event(app: Any) -> Run:
    """Answer an event with a body of 1 MiB, which is sent back; needs the extra `fast`."""
    from unigate.http.bodies import find_pybase64

    if find_pybase64() is None:
        raise SystemExit('pybase64 must be installed: pip install "unigate[fast]".')
    body = random.Random(7).randbytes(1024 * 1024)
    return event(app, http_api_event(body), body)


def google() -> Run:
    """Answer Flask's request in Google Cloud Functions."""
    import flask
    from werkzeug.test import EnvironBuilder

    environ = EnvironBuilder(PATH, headers=FIELDS, query_string=QUERY).get_environ()
    call = partial(unigate.wrap(wsgi_app).google, flask.Request(environ))
    reply = call()
    expect((reply.status_code, reply.data), (200, SMALL_ANSWER))
    return repeated(call)


def azure() -> Run:
    """Answer a request of Azure Functions."""
    from azure.functions import HttpRequest

    url = f"https://shop.azurewebsites.net{PATH}?{QUERY}"
    request = HttpRequest("GET", url, headers=FIELDS, body=b"")
    call = partial(unigate.wrap(wsgi_app).azure, request)
    reply = call()
    expect((reply.status_code, reply.get_body()), (200, SMALL_ANSWER))
    return repeated(call)


def asgi_server() -> Run:
    """Answer requests of an ASGI server, on its event loop."""
    app = unigate.wrap(asgi_app)
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": PATH,
        "raw_path": PATH.encode(),
        "query_string": QUERY.encode(),
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode()) for name, value in FIELDS.items()],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 8000),
    }
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    async def serve(n: int) -> None:
        for _ in repeat(None, n):
            sent.clear()
            await app.asgi(scope.copy(), receive, send)

    loop = asyncio.new_event_loop()
    loop.run_until_complete(serve(1))
    expect((sent[0]["status"], sent[1]["body"]), (200, SMALL_ANSWER))
    return lambda n: loop.run_until_complete(serve(n))


def wsgi_server() -> Run:
    """Answer requests of a WSGI server."""
    app = unigate.wrap(wsgi_app)
    environ = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": PATH,
        "RAW_URI": f"{PATH}?{QUERY}",
        "QUERY_STRING": QUERY,
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "REMOTE_PORT": "50000",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in FIELDS.items():
        environ["HTTP_" + name.upper().replace("-", "_")] = value
    started: list[str] = []

    def start_response(status: str, headers: Any, exc_info: Any = None) -> Callable[[bytes], None]:
        started[:] = [status]
        return lambda data: None

    def serve() -> bytes:
        return b"".join(app.wsgi(environ.copy(), start_response))

    expect((serve(), started), (SMALL_ANSWER, ["200 OK"]))
    return repeated(serve)


def cache_in_memory(operation: str) -> Run:
    """Get or set a small value in the runtime cache of the process."""
    cache = unigate.RuntimeCache(backend="memory://")
    store = partial(cache.set, "orders/7", ENTRY, ttl=600, tags=["orders"])
    look = partial(cache.get, "orders/7")
    store()
    expect(look(), ENTRY)
    return repeated({"get": look, "set": store}[operation])


def reference() -> Run:
    """Do what the hot paths do, without code of the project: calls, attributes, dicts, text.

    Another build of the same Python needs more or fewer instructions for all of it alike.
    """
    names = {name: name.lower() for name in FIELDS}

    class Value:
        __slots__ = ("fields", "path", "query")

        def __init__(self, fields: dict[str, str], path: str, query: bytes) -> None:
            self.fields = fields
            self.path = path
            self.query = query

        def find(self, name: str) -> str | None:
            return self.fields.get(name)

    def call() -> dict[str, Any]:
        fields = {names[name]: value for name, value in FIELDS.items()}
        for value in fields.values():
            if not value.isascii():
                break
        made = Value(fields, PATH, QUERY.encode())
        members: dict[str, Any] = {"path": made.path, "query": made.query.decode("latin-1")}
        for name, value in made.fields.items():
            members[name] = value
        try:
            members["host"], members["accept"] = made.find("host"), made.find("accept")
        finally:
            members["state"] = None
        return members.copy()

    return repeated(call)


PATHS: dict[str, Callable[[], Run]] = {
    "reference": reference,
    "HTTP API, WSGI": lambda: event(wsgi_app, http_api_event(b"")),
    "HTTP API, ASGI": lambda: event(asgi_app, http_api_event(b"")),
    "REST API, WSGI": lambda: event(wsgi_app, rest_api_event(b"")),
    "REST API, ASGI": lambda: event(asgi_app, rest_api_event(b"")),
    "ALB, WSGI": lambda: event(wsgi_app, alb_event()),
    "ALB, ASGI": lambda: event(asgi_app, alb_event()),
    "function URL, WSGI": lambda: event(wsgi_app, function_url_event()),
    "function URL, ASGI": lambda: event(asgi_app, function_url_event()),
    "Vercel, WSGI": lambda: event(wsgi_app, vercel_event()),
    "Vercel, ASGI": lambda: event(asgi_app, vercel_event()),
    "Google, WSGI": google,
    "Azure, WSGI": azure,
    "HTTP API, WSGI, 1 MiB": lambda: large_event(wsgi_app),
    "HTTP API, ASGI, 1 MiB": lambda: large_event(asgi_app),
    "ASGI server": asgi_server,
    "WSGI server": wsgi_server,
    "cache, get": lambda: cache_in_memory("get"),
    "cache, set": lambda: cache_in_memory("set"),
}
