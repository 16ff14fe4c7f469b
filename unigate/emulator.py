"""Emulated hosts: tests and the command line send requests to an application through them."""

from __future__ import annotations

import json
import logging
import string
import time
import uuid
from collections.abc import Callable, Iterable
from functools import cache, partial
from importlib import import_module
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

from . import wsgi
from .errors import FailedInvocation
from .events import EventSource
from .events.detection import all_sources
from .events.handlers import EventHandler
from .gateway import Gateway
from .http import Headers, Response, carries_body, encode_base64, latin1, split_host
from .nearest import did_you_mean
from .request import Request
from .types import Environ, Event, StartResponse

_log = logging.getLogger("unigate")

EVENT_SOURCES = all_sources()

# The origin of requests: https, as on most platforms, and a host that a new Django project allows.
BASE_URL = "https://localhost"

# The address and the port that they come from.
CLIENT = ("127.0.0.1", 50000)

# The longest that API Gateway waits, unless a quota was raised.
TIMEOUT_SECONDS = 30


class LocalContext:
    """The context object of AWS Lambda."""

    function_name = "local"
    function_version = "$LATEST"
    invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:local"
    memory_limit_in_mb = "1024"
    log_group_name = "/aws/lambda/local"
    log_stream_name = "local"
    client_context = None
    identity = None

    def __init__(self) -> None:
        self.aws_request_id = str(uuid.uuid4())
        self._deadline = time.monotonic() + TIMEOUT_SECONDS

    def get_remaining_time_in_millis(self) -> int:
        """Return how long the function may still run, in milliseconds, at least 0."""
        return max(0, int((self._deadline - time.monotonic()) * 1000))


class Delivery(NamedTuple):
    """The response to a request, and the event and reply that a platform would see; else None."""

    event: Any
    reply: Any
    response: Response


Host = Callable[[Gateway, Request, bool], Delivery]


def find_host(source: str | EventSource, handler: EventHandler | None = None) -> Host:
    """Return the emulated host of an event source or a server.

    It is called with a gateway, a request, and whether the body of the event must be base64.

    Args:
        source: The name of a source, "google", "azure", "asgi" or "wsgi"; or a source of your own.
        handler: What platforms that pass events call in place of the gateway, such as a decorated
            one.

    Raises:
        ValueError: For an unknown name.
        TypeError: For what is neither a name nor an event source.
        ModuleNotFoundError: The package whose objects the platform passes is not installed.
    """
    if not isinstance(source, str):
        if not hasattr(source, "make_event"):
            raise TypeError(
                "source must be the name of a host, such as 'http_api', or an event source "
                f"(unigate.events.EventSource), got {source!r}."
            )
        return partial(_ask_event, source, handler)
    if source in _FUNCTIONS:
        door, module, package = _FUNCTIONS[source]
        try:
            import_module(module)
        except ModuleNotFoundError as error:
            problem = f"The source {source!r} needs a package: pip install {package}"
            raise ModuleNotFoundError(problem, name=error.name) from error
        return partial(_ask_function, import_module(f"unigate.events.{source}"), door)
    if source in EVENT_SOURCES:
        return partial(_ask_event, EVENT_SOURCES[source], handler)
    if source in _SERVERS:
        return partial(_ask_server, _SERVERS[source])
    names = (*EVENT_SOURCES, *_FUNCTIONS, *_SERVERS)
    advice = did_you_mean(source, names)
    raise ValueError(f"source must be one of {', '.join(names)}, got {source!r}.{advice}")


def through_json(message: Any) -> Any:
    """Return a message after a round trip through JSON; TypeError or ValueError if not JSON."""
    return json.loads(json.dumps(message, allow_nan=False))


def invoke(handler: EventHandler, event: Any) -> Any:
    """Return the reply to an event as the platform sees it, that of an expected failure too."""
    try:
        reply = handler(event, LocalContext())
    except FailedInvocation as failure:
        reply = failure.report
    return through_json(reply)


def make_request(
    method: str,
    url: str,
    headers: Iterable[tuple[str, str]] = (),
    body: bytes = b"",
    client: tuple[str, int] = CLIENT,
) -> Request:
    """Build the request that a client sends for an absolute URL, percent-encoded if needed."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    given = Headers((name, latin1(value)) for name, value in headers)
    usual = [("host", host), ("user-agent", "unigate"), ("accept", "*/*")]
    if body or method in ("POST", "PUT", "PATCH"):
        usual.append(("content-length", str(len(body))))
    return Request(
        method,
        quote(parts.path or "/", safe=string.punctuation).encode("ascii"),
        query_string=quote(parts.query, safe=string.punctuation).encode("ascii"),
        headers=Headers([*(field for field in usual if field[0] not in given), *given]),
        body=body,
        scheme=parts.scheme,
        server=split_host(host, parts.scheme),
        client=client,
    )


# --- platforms that pass an event as JSON --------------------------------------------------------


def _ask_event(
    source: EventSource,
    handler: EventHandler | None,
    app: Gateway,
    request: Request,
    base64: bool,
) -> Delivery:
    event = through_json(source.make_event(request))
    if base64:
        _encode(event)
    reply = invoke(handler or app, through_json(event))
    return Delivery(event, reply, source.from_reply(reply))


def _encode(event: Event) -> None:
    inner = event.get("http") or event  # one level deeper in the events of DigitalOcean
    for flag in ("isBase64Encoded", "is_base64_encoded"):
        if inner.get("body") and inner.get(flag) is False:
            inner["body"] = encode_base64(inner["body"].encode())
            inner[flag] = True


# --- platforms that pass an object ---------------------------------------------------------------

# The door, and the module and the package that the object is of.
_FUNCTIONS: dict[str, tuple[Callable[[Any, Any], Any], str, str]] = {
    "google": (lambda app, event: app.google(event), "flask", "flask"),
    "azure": (lambda app, event: app.azure(event, None), "azure.functions", "azure-functions"),
}


def _ask_function(
    source: Any, door: Callable[[Any, Any], Any], app: Gateway, request: Request, base64: bool
) -> Delivery:
    event = source.make_event(request)
    reply = door(app, event)
    return Delivery(event, reply, source.from_reply(reply))


# --- servers -------------------------------------------------------------------------------------


def _ask_server(
    server: Callable[[Gateway, Request], Response], app: Gateway, request: Request, base64: bool
) -> Delivery:
    response = server(app, request)
    if not carries_body(request.method, response.status, response.headers):
        response.body = b""
    return Delivery(None, None, response)


def _ask_asgi(app: Gateway, request: Request) -> Response:
    from .asgi.driver import ResponseCollector, build_scope, collect
    from .loop import process_loop

    _start(app)
    scope = build_scope(request, "", {})
    response = ResponseCollector(request.body)
    return process_loop().run(collect(app.asgi, scope, request, app.raising, response))


@cache
def _start(app: Gateway) -> None:
    """Run the start-up of an application as a server does, and its shutdown as the process ends."""
    from .asgi.lifespan import Lifespan
    from .loop import at_exit, process_loop

    lifespan = Lifespan(app.asgi, "on")
    process_loop().run(lifespan.start())
    at_exit(lambda: process_loop().run_last(lifespan.stop()))


def _ask_wsgi(app: Gateway, request: Request) -> Response:
    def serve(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        return app.wsgi({**environ, "RAW_URI": request.target}, start_response)

    return wsgi.call(serve, request, "")


_SERVERS = {"asgi": _ask_asgi, "wsgi": _ask_wsgi}
