"""The local host: it turns HTTP requests into events, and replies into HTTP responses."""

from __future__ import annotations

import copy
import logging
import time
import traceback
from collections.abc import Iterable, Iterator
from functools import partial
from typing import NamedTuple

import click
from werkzeug.exceptions import ClientDisconnected
from werkzeug.wsgi import get_input_stream

from unigate import Headers, Request, Response
from unigate.emulator import EVENT_SOURCES, through_json
from unigate.events import EventSource
from unigate.http import bodiless, is_token, quote_bytes, reason_phrase, remove_path_prefix
from unigate.types import Environ, StartResponse

from .functions import Functions
from .inspector.exchanges import Exchange, History, Report
from .inspector.exports import Recorder
from .inspector.logs import capture
from .inspector.masking import masked
from .inspector.secret_text import mask_text
from .lambda_host.streams import BodyStream, InvocationError, MidstreamError
from .visitor import Visitor

# The sources whose platform puts an API under a stage: the first segment of the path.
STAGED = ("rest_api", "http_api")

_COLOURS = {2: "green", 3: "cyan", 4: "yellow", 5: "red"}
_MOST_PRINTED = 2000  # characters of a request line
_MOST_KEPT = 1_000_000  # bytes of a streamed body, for the page
_log = logging.getLogger("unigate")


class Setup(NamedTuple):
    """The options of a host.

    Attributes:
        source: The event source of the requests, such as "http_api".
        stage: The stage that it mounts the application at, such as "/prod", or "".
        base_path: A prefix that it mounts the application at and leaves on the path, or "".
        visitor: The client that requests appear to come from.
        recorder: Where to save the events.
        show_secrets: Whether the terminal and saved events show secrets instead of masking them.
    """

    source: str
    stage: str = ""
    base_path: str = ""
    visitor: Visitor = Visitor()
    recorder: Recorder | None = None
    show_secrets: bool = False

    @property
    def mount(self) -> str:
        """The prefix at which the application is mounted; "" for the root."""
        return self.stage or self.base_path


class LocalHost:
    """A WSGI application that answers as a platform does, through an event of a chosen source.

    Its server must put the header fields, as they were sent, into environ["unigate.headers"].
    """

    def __init__(self, functions: Functions, setup: Setup, history: History) -> None:
        self._functions = functions
        self._setup = setup
        self._history = history

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        request = Request.from_environ(environ)
        request.headers = environ["unigate.headers"]
        request.source = self._setup.source
        body: Iterator[bytes] | None = None
        try:
            request.body = get_input_stream(environ).read()
            problem = "" if is_token(request.method) else "The method must be an HTTP token."
        except (OSError, ClientDisconnected):
            problem = "Bad Request"
        if problem:
            response = Response.plain(400, problem)
            _set_length(response, request.method)
            self._print(request, response.status, 0)
        else:
            response, body = self.answer(Exchange(request, self._setup.source))
        start_response(
            f"{response.status} {reason_phrase(response.status)}", response.headers.pairs
        )
        return [response.body] if body is None else body

    def answer(self, exchange: Exchange) -> tuple[Response, Iterator[bytes] | None]:
        """Answer the request of an exchange, record the result in it, and print a line.

        Returns:
            The response, and its body if it is streamed. The exchange ends with the body.
        """
        self._history.add(exchange)
        began = time.perf_counter()
        body = None
        with capture(exchange.lines):
            try:
                response, body = self._invoke(exchange, began)
            except (Exception, SystemExit) as error:  # the host survives a crash
                explained = isinstance(error, InvocationError)
                exchange.failure = str(error) if explained else traceback.format_exc()
                _log.exception("%r was not answered.", exchange.sent)
                response = Response.plain(500, exchange.failure)
        exchange.seconds = time.perf_counter() - began
        if body is None:
            _set_length(response, exchange.sent.method)
        exchange.streamed = body is not None
        exchange.response = response
        exchange.ended = body is None
        self._history.notify(exchange)
        self._print(exchange.sent, response.status, exchange.seconds)
        return response, body

    def _invoke(self, exchange: Exchange, began: float) -> tuple[Response, Iterator[bytes] | None]:
        source: EventSource = EVENT_SOURCES[exchange.source]
        request = copy.copy(exchange.sent)
        request.headers = Headers(request.headers)
        request.source = exchange.source
        outside = self._mount(request)
        if outside is not None:
            return outside, None
        found = self._functions.find(request)
        if found is None:
            return Response.plain(404, "No function is at this path."), None
        function, request = found
        self._setup.visitor.enter(request, function.deployment)
        exchange.event = through_json(source.make_event(request))
        if self._setup.recorder is not None:
            recorded = exchange if self._setup.show_secrets else masked(exchange)
            self._setup.recorder.save(recorded.sent, recorded.event)
        reply = function(through_json(exchange.event), partial(self._update, exchange.number))
        if not isinstance(reply, tuple):
            exchange.reply = reply
            return source.from_reply(reply), None
        exchange.reply = reply.prelude
        if exchange.sent.method == "HEAD" or bodiless(reply.response.status):
            reply.body.close()
            return reply.response, None
        return reply.response, self._stream(exchange, reply.body, began)

    def _update(self, number: int, report: Report) -> None:
        """Add a function's report to an exchange, and notify if that has its response.

        Log lines alone do not notify: the page would change too often to be read.
        """
        exchange = self._history.get(number)
        if exchange is None:  # dropped from the history
            return
        exchange.update(report)
        if exchange.response is not None and "line" not in report:
            self._history.notify(exchange)

    def _mount(self, request: Request) -> Response | None:
        """Apply the mount to a request; return a response if the request is outside of it."""
        mount = self._setup.mount
        raw = quote_bytes(request.raw_path)
        rest = remove_path_prefix(raw, mount)
        if rest is None:
            if raw != "/":
                return Response.plain(404, f"Not found: the application is mounted at {mount}/.")
            return Response(307, Headers([("location", f"{mount}/")]))
        if self._setup.stage and request.source in STAGED:
            request.root_path = mount
        elif self._setup.stage:  # a replay through a source without stages
            request.raw_path = (rest or "/").encode("ascii")
        return None

    def _print(self, request: Request, status: int, seconds: float) -> None:
        """Print a line for a request."""
        line = f"{request.method} {request.target}"[:_MOST_PRINTED]
        if not self._setup.show_secrets:
            line = mask_text(line)
        coloured = click.style(str(status), fg=_COLOURS.get(status // 100))
        click.echo(f"{_printable(line)} {coloured} {seconds * 1000:.1f} ms")

    def _stream(self, exchange: Exchange, body: BodyStream, began: float) -> Iterator[bytes]:
        """Pass a body on chunk by chunk, and record the beginning of it."""
        kept = bytearray()
        try:
            yield b""  # sends the status and the header fields before the first chunk
            for chunk in body:
                kept += chunk[: _MOST_KEPT - len(kept)]
                yield chunk
        except InvocationError as error:
            _log.exception("%r was answered in part.", exchange.sent)
            if not isinstance(error, MidstreamError):
                exchange.failure = str(error)
            # Breaks the connection off; otherwise the body would look complete.
            raise ConnectionAbortedError("The response broke off.") from error
        finally:
            body.close()
            assert exchange.response is not None
            exchange.response.body = bytes(kept)
            exchange.total_seconds = time.perf_counter() - began
            exchange.ended = True
            self._history.notify(exchange)


def _set_length(response: Response, method: str) -> None:
    """Drop the body if there must be none, or set Content-Length; HEAD keeps the length."""
    if method == "HEAD" or bodiless(response.status):
        response.body = b""
    else:
        response.headers.set("content-length", str(len(response.body)))


def _printable(text: str) -> str:
    """Escape what a terminal would act on."""
    return "".join(
        char if char.isprintable() else char.encode("unicode-escape").decode("ascii")
        for char in text
    )
