"""Drive a gateway in process as its hosts do: an ASGI server, a WSGI server, each event source."""

from __future__ import annotations

import asyncio
import io
import json
import sys
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote_to_bytes
from wsgiref.validate import validator

from unigate import Gateway, Headers, Request, Response
from unigate.errors import FailedInvocation
from unigate.events import azure, google, name_of
from unigate.events.detection import all_sources
from unigate.types import Event, Reply

SOURCES = tuple(dict.fromkeys(all_sources().values()))

Host = Callable[[Gateway, Request], Response]


def ask_asgi(app: Any, request: Request) -> Response:
    """Ask as uvicorn does: the body in two parts, and no body in the answer to HEAD."""
    return asyncio.run(_ask_asgi(app, request))


async def _ask_asgi(app: Any, request: Request) -> Response:
    half = len(request.body) // 2
    parts = [request.body[:half], request.body[half:]]
    answered = asyncio.Event()
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if parts:
            return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}
        await answered.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        assert not answered.is_set(), message
        sent.append(message)
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            answered.set()

    await app(asgi_scope(request), receive, send)
    assert answered.is_set(), sent
    assert [m["type"] for m in sent].count("http.response.start") == 1, sent
    body = b"".join(m.get("body", b"") for m in sent[1:])
    headers = Headers((n.decode("latin-1"), v.decode("latin-1")) for n, v in sent[0]["headers"])
    return Response(sent[0]["status"], headers, b"" if request.method == "HEAD" else body)


def asgi_scope(request: Request) -> dict[str, Any]:
    """Return the scope that uvicorn builds."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": request.http_version,
        "method": request.method,
        "scheme": request.scheme,
        "path": request.path,
        "raw_path": request.raw_path,
        "query_string": request.query_string,
        "root_path": request.root_path,
        "headers": [(n.encode("latin-1"), v.encode("latin-1")) for n, v in request.headers],
        "client": request.client,
        "server": request.server,
        "state": {},
    }


def ask_wsgi(app: Any, request: Request) -> Response:
    """Ask as gunicorn does, with both sides watched by wsgiref.validate.

    It wants a Content-Type for every response that may have a body; HTTP does not.
    """
    started: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        started[:] = [status, headers]
        return parts.append

    parts: list[bytes] = []
    if request.path not in ("/no-type", "/redirect"):
        app = validator(app)
    result: Any = app(wsgi_environ(request), start_response)
    try:
        for part in result:
            parts.append(part)
    finally:
        getattr(result, "close", list)()
    status, headers = started
    body = b"" if request.method == "HEAD" else b"".join(parts)
    fields = [(name, value.strip(" \t")) for name, value in headers]  # as gunicorn does
    return Response(int(status[:3]), Headers(fields), body)


def wsgi_environ(request: Request) -> dict[str, Any]:
    """Return the environ that gunicorn builds."""
    query = request.query_string.decode("latin-1")
    target = request.raw_path.decode("latin-1") + (f"?{query}" if query else "")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(request.raw_path).decode("latin-1"),
        "QUERY_STRING": query,
        "RAW_URI": target,
        "SERVER_NAME": request.server[0],
        "SERVER_PORT": str(request.server[1]),
        "SERVER_PROTOCOL": f"HTTP/{request.http_version}",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": request.scheme,
        "wsgi.input": io.BytesIO(request.body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    if request.client:
        environ["REMOTE_ADDR"], environ["REMOTE_PORT"] = map(str, request.client)
    for name, value in request.headers.joined().items():
        if "_" in name:  # as gunicorn's header_map = "drop" does
            continue
        key = name.upper().replace("-", "_")
        prefix = "" if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else "HTTP_"
        environ[prefix + key] = value
    return environ


class EventHost:
    """A host that asks with the events of a source, through JSON as a platform does.

    `name` is of a module, or of a module and the source of the request ("lattice/lattice_v1").
    `change` makes another form of the event, where the platform has two.
    """

    def __init__(self, name: str, change: Callable[[Event], Event] = dict) -> None:
        module, _, half = name.partition("/")
        self.source = next(source for source in SOURCES if name_of(source) == module)
        self._kind = half or module
        self._change = change

    def __call__(self, app: Gateway, request: Request) -> Response:
        return self.source.from_reply(self.reply_to(app, self.event_of(request)))

    def event_of(self, request: Request) -> Event:
        """Return the event for a request."""
        request.source = self._kind
        event: Event = json.loads(json.dumps(self._change(self.source.make_event(request))))
        return event

    def reply_to(self, app: Gateway, event: Event) -> Reply:
        """Return what goes back for an event: JSON in UTF-8, or this fails."""
        try:
            reply = app.lambda_handler(event, None)
        except FailedInvocation as failure:
            reply = failure.report
        text = json.dumps(reply, allow_nan=False, ensure_ascii=False).encode("utf-8")
        read: Reply = json.loads(text)
        return read


def single_values(event: Event) -> Event:
    """Make the event of a target group without multi-value headers."""
    fields = Headers.from_map(event.pop("multiValueHeaders")).joined()
    values = event.pop("multiValueQueryStringParameters")
    query = {name: many[-1] for name, many in values.items()}
    return {**event, "headers": fields, "queryStringParameters": query}


def gateway_map(event: Event) -> Event:
    """Make the map of Alibaba's API Gateway from the event of a trigger."""
    return {
        "path": event["rawPath"],
        "httpMethod": event["requestContext"]["http"]["method"],
        "headers": event["headers"],
        "queryParameters": event["queryParameters"],
        "pathParameters": {},
        "body": event["body"],
        "isBase64Encoded": "true" if event["isBase64Encoded"] else "false",
    }


def format_1(event: Event) -> Event:
    """Make an event of Yandex's format 1.0 from one of 0.1."""
    path = event.pop("url").partition("?")[0]
    for name in ("params", "multiValueParams", "pathParams"):
        del event[name]
    rest = path.lstrip("/")
    return {
        **event,
        "version": "1.0",
        "resource": "/{proxy+}",
        "path": path,
        "pathParameters": {"proxy": rest},
        "parameters": {"proxy": rest},
        "multiValueParameters": {"proxy": [rest]},
        "operationId": "",
    }


def ask_handle(app: Gateway, request: Request) -> Response:
    """Ask through the async door for events."""
    source = next(source for source in SOURCES if name_of(source) == "http_api")
    reply = asyncio.run(app.handle(source.make_event(request)))
    return source.from_reply(reply)


def ask_function(source: Any, door: Callable[[Gateway, Any], Any]) -> Host:
    """Return a host that asks with an object of the platform's own."""
    return lambda app, request: source.from_reply(door(app, source.make_event(request)))


HOSTS: dict[str, Host] = {
    "asgi": lambda app, request: ask_asgi(app.asgi, request),
    "wsgi": lambda app, request: ask_wsgi(app.wsgi, request),
    "http_api": EventHost("http_api"),
    "function_url": EventHost("http_api/function_url"),
    "rest_api": EventHost("rest_api"),
    "lambda_integration": EventHost("lambda_integration"),
    "alb": EventHost("alb"),
    "alb single": EventHost("alb", single_values),
    "lattice": EventHost("lattice"),
    "lattice v1": EventHost("lattice/lattice_v1"),
    "cloudfront": EventHost("cloudfront"),
    "generic": EventHost("generic"),
    "vercel": EventHost("vercel"),
    "netlify": EventHost("netlify"),
    "openwhisk": EventHost("openwhisk"),
    "digitalocean": EventHost("openwhisk/digitalocean"),
    "alibaba": EventHost("alibaba"),
    "alibaba map": EventHost("alibaba", gateway_map),
    "tencent": EventHost("tencent"),
    "yandex": EventHost("yandex"),
    "yandex 1.0": EventHost("yandex", format_1),
    "huawei": EventHost("huawei"),
    "scaleway": EventHost("scaleway"),
    "google": ask_function(google, lambda app, event: app.google(event)),
    "azure": ask_function(azure, lambda app, event: app.azure(event)),
    "handle": ask_handle,
}
