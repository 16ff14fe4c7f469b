"""The host, played locally: HTTP becomes an event, and the reply becomes HTTP again."""

from __future__ import annotations

import json
import logging
import time
import traceback
import uuid
from typing import Any

import click
from werkzeug.exceptions import ClientDisconnected
from werkzeug.wsgi import get_input_stream

from unigate import Gateway, Request, Response
from unigate.events import SOURCES, http_api, name_of
from unigate.http import bodiless, reason
from unigate.types import Environ, StartResponse

# A function URL is the other half of `http_api`, told apart by the source of the request.
SOURCE_NAMES = {**{name_of(source): source for source in SOURCES}, "function_url": http_api}

# What API Gateway waits for at most, unless a quota was raised.
TIMEOUT_SECONDS = 30

_COLOURS = {2: "green", 3: "cyan", 4: "yellow", 5: "red"}
_log = logging.getLogger("unigate")


class Context:
    """What AWS Lambda passes beside an event."""

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
        """Return how long the function may still run, in milliseconds, never below 0."""
        return max(0, int((self._deadline - time.monotonic()) * 1000))


class LocalHost:
    """A WSGI application that answers as a platform does: through an event of a chosen source.

    Its server puts the header fields into the environ as they were sent, as "unigate.headers".
    """

    def __init__(self, gateway: Gateway, source: str) -> None:
        self._handler = gateway.lambda_handler
        self._source = SOURCE_NAMES[source]
        self._source_name = source

    def __call__(self, environ: Environ, start_response: StartResponse) -> list[bytes]:
        """Answer a request and print a line about it."""
        began = time.perf_counter()
        request = Request.from_environ(environ)
        request.headers = environ["unigate.headers"]
        request.source = self._source_name
        try:
            request.body = get_input_stream(environ).read()
        except (OSError, ClientDisconnected):
            response = Response.plain(400, "Bad Request")
        else:
            response = self._answer(request)
        _fit(response, request.method)
        _report(request, response.status, time.perf_counter() - began)
        start_response(f"{response.status} {reason(response.status)}", response.headers.pairs)
        return [response.body]

    def _answer(self, request: Request) -> Response:
        try:
            event = _sent(self._source.make_event(request))
            return self._source.from_reply(_sent(self._handler(event, Context())))
        except (Exception, SystemExit):  # the function has crashed, the host goes on
            _log.exception("%r was not answered.", request)
            return Response.plain(500, traceback.format_exc())


def _sent(message: Any) -> Any:
    """Return a message as it arrives at the other side; TypeError or ValueError if not JSON."""
    return json.loads(json.dumps(message, allow_nan=False))


def _fit(response: Response, method: str) -> None:
    """Make body and Content-Length fit; for HEAD, the length is that of the body left out."""
    if method == "HEAD" or bodiless(response.status):
        response.body = b""
    else:
        response.headers.set("content-length", str(len(response.body)))


def _report(request: Request, status: int, seconds: float) -> None:
    query = request.query_string.decode("latin-1")
    target = request.raw_path.decode("latin-1") + (f"?{query}" if query else "")
    shown = click.style(str(status), fg=_COLOURS.get(status // 100))
    click.echo(f"{request.method} {target} {shown} {seconds * 1000:.1f} ms")
