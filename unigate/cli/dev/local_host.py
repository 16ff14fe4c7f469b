"""The host, played locally: HTTP becomes an event, and the reply becomes HTTP again."""

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
from unigate.emulator import EVENT_SOURCES, sent
from unigate.events import EventSource
from unigate.http import bodiless, quote_bytes, reason_phrase, remove_path_prefix
from unigate.types import Environ, StartResponse

from .functions import Functions
from .inspector.exchanges import Exchange, History, Note
from .inspector.exports import Recorder, target_of
from .inspector.logs import kept
from .lambda_host.streams import Chunks, FailedInPart, InvocationFailed
from .visitor import Visitor

# The sources whose platform mounts an API at a stage: the first segment of the path on its domain.
STAGED = ("rest_api", "http_api")

_COLOURS = {2: "green", 3: "cyan", 4: "yellow", 5: "red"}
_MOST_KEPT = 1_000_000  # of a stream, for the page that shows it
_log = logging.getLogger("unigate")


class Setup(NamedTuple):
    """What a host is told about itself.

    `stage` is where it mounts the application, `base_path` a prefix that it leaves on the path.
    """

    source: str
    stage: str = ""
    base_path: str = ""
    visitor: Visitor = Visitor()
    recorder: Recorder | None = None

    @property
    def mount(self) -> str:
        """Return where the application is, "" for the root."""
        return self.stage or self.base_path


class LocalHost:
    """A WSGI application that answers as a platform does: through an event of a chosen source.

    Its server puts the header fields into the environ as they were sent, as "unigate.headers".
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
        chunks: Iterator[bytes] | None = None
        try:
            request.body = get_input_stream(environ).read()
        except (OSError, ClientDisconnected):
            response = Response.plain(400, "Bad Request")
            _fit(response, request.method)
            _report(request, response.status, 0)
        else:
            response, chunks = self.answer(Exchange(request, self._setup.source))
        start_response(
            f"{response.status} {reason_phrase(response.status)}", response.headers.pairs
        )
        return [response.body] if chunks is None else chunks

    def answer(self, exchange: Exchange) -> tuple[Response, Iterator[bytes] | None]:
        """Answer the request of an exchange, let that say how it went, and print a line about it.

        The second of the pair is the body, where it is streamed: the exchange ends with it.
        """
        self._history.add(exchange)
        began = time.perf_counter()
        chunks = None
        with kept(exchange.lines):
            try:
                response, chunks = self._ask(exchange, began)
            except (Exception, SystemExit) as error:  # the function has crashed, the host goes on
                told = isinstance(error, InvocationFailed)
                exchange.failure = str(error) if told else traceback.format_exc()
                _log.exception("%r was not answered.", exchange.sent)
                response = Response.plain(500, exchange.failure)
        exchange.seconds = time.perf_counter() - began
        if chunks is None:
            _fit(response, exchange.sent.method)
        exchange.streamed = chunks is not None
        exchange.response = response
        exchange.ended = chunks is None
        self._history.tell(exchange)
        _report(exchange.sent, response.status, exchange.seconds)
        return response, chunks

    def _ask(self, exchange: Exchange, began: float) -> tuple[Response, Iterator[bytes] | None]:
        source: EventSource = EVENT_SOURCES[exchange.source]
        request = copy.copy(exchange.sent)
        request.headers = Headers(request.headers)
        request.source = exchange.source
        elsewhere = self._place(request)
        if elsewhere is not None:
            return elsewhere, None
        found = self._functions.find(request)
        if found is None:
            return Response.plain(404, "There is no function for this path."), None
        function, request = found
        self._setup.visitor.enter(request, function.deployment)
        exchange.event = sent(source.make_event(request))
        if self._setup.recorder is not None:
            self._setup.recorder.save(exchange)
        reply = function(sent(exchange.event), partial(self._take, exchange.number))
        if not isinstance(reply, tuple):
            exchange.reply = reply
            return source.from_reply(reply), None
        exchange.reply = reply.prelude
        if exchange.sent.method == "HEAD" or bodiless(reply.response.status):
            reply.chunks.close()
            return reply.response, None
        return reply.response, self._follow(exchange, reply.chunks, began)

    def _take(self, number: int, note: Note) -> None:
        """Add what a function tells of an exchange; that is news where it has its response.

        Lines alone are no news: a page that changes with each of them could not be read.
        """
        exchange = self._history.get(number)
        if exchange is None:  # forgotten
            return
        exchange.take(note)
        if exchange.response is not None and "line" not in note:
            self._history.tell(exchange)

    def _place(self, request: Request) -> Response | None:
        """Put a request where the host has mounted the application; return an answer elsewhere."""
        mount = self._setup.mount
        raw = quote_bytes(request.raw_path)
        rest = remove_path_prefix(raw, mount)
        if rest is None:
            if raw != "/":
                return Response.plain(404, f"Nothing is here: the application is at {mount}/.")
            return Response(307, Headers([("location", f"{mount}/")]))
        if self._setup.stage and request.source in STAGED:
            request.root_path = mount
        elif self._setup.stage:  # a replay as a source that knows no stages
            request.raw_path = (rest or "/").encode("ascii")
        return None

    def _follow(self, exchange: Exchange, chunks: Chunks, began: float) -> Iterator[bytes]:
        """Pass a body on as it comes, and keep the beginning of it."""
        body = bytearray()
        try:
            yield b""  # the status and the fields go out before there is a body
            for chunk in chunks:
                body += chunk[: _MOST_KEPT - len(body)]
                yield chunk
        except InvocationFailed as error:
            _log.exception("%r was answered in part.", exchange.sent)
            if not isinstance(error, FailedInPart):
                exchange.failure = str(error)
            # So that the connection breaks off, instead of ending as if this were all.
            raise ConnectionAbortedError("The response broke off.") from error
        finally:
            chunks.close()
            assert exchange.response is not None
            exchange.response.body = bytes(body)
            exchange.whole = time.perf_counter() - began
            exchange.ended = True
            self._history.tell(exchange)


def _fit(response: Response, method: str) -> None:
    """Make body and Content-Length fit; for HEAD, the length is that of the body left out."""
    if method == "HEAD" or bodiless(response.status):
        response.body = b""
    else:
        response.headers.set("content-length", str(len(response.body)))


def _report(request: Request, status: int, seconds: float) -> None:
    shown = click.style(str(status), fg=_COLOURS.get(status // 100))
    click.echo(f"{request.method} {target_of(request)} {shown} {seconds * 1000:.1f} ms")
