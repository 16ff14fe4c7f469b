"""The host, played locally: HTTP becomes an event, and the reply becomes HTTP again."""

from __future__ import annotations

import logging
import time
import traceback

import click
from werkzeug.exceptions import ClientDisconnected
from werkzeug.wsgi import get_input_stream

from unigate import Gateway, Request, Response
from unigate.http import bodiless, reason
from unigate.local import EVENT_SOURCES, Context, sent
from unigate.types import Environ, StartResponse

_COLOURS = {2: "green", 3: "cyan", 4: "yellow", 5: "red"}
_log = logging.getLogger("unigate")


class LocalHost:
    """A WSGI application that answers as a platform does: through an event of a chosen source.

    Its server puts the header fields into the environ as they were sent, as "unigate.headers".
    """

    def __init__(self, gateway: Gateway, source: str) -> None:
        self._handler = gateway.lambda_handler
        self._source = EVENT_SOURCES[source]
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
            event = sent(self._source.make_event(request))
            return self._source.from_reply(sent(self._handler(event, Context())))
        except (Exception, SystemExit):  # the function has crashed, the host goes on
            _log.exception("%r was not answered.", request)
            return Response.plain(500, traceback.format_exc())


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
