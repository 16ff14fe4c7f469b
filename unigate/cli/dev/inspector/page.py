"""The inspector page: a WSGI application in front of the local host, at `/_unigate/`."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol

import jinja2
from werkzeug.exceptions import BadRequest, HTTPException, NotFound
from werkzeug.routing import Map, RequestRedirect, Rule
from werkzeug.utils import send_from_directory
from werkzeug.wrappers import Request as HTTPRequest
from werkzeug.wrappers import Response as HTTPResponse

from unigate import Request, Response
from unigate.emulator import EVENT_SOURCES
from unigate.http import remove_path_prefix
from unigate.types import Environ, StartResponse

from .access import Access
from .editing import Form, edited
from .exchanges import Exchange, History
from .exports import as_curl, as_event, as_test
from .masking import masked, shown
from .secret_text import mask_text
from .sections import MOST_SHOWN, compare, sections

ROOT = "/_unigate"

_ROUTES = Map(
    [
        Rule(f"{ROOT}/", methods=["GET"], endpoint="page"),
        Rule(f"{ROOT}/static/<name>", methods=["GET"], endpoint="static"),
        Rule(f"{ROOT}/stream", methods=["GET"], endpoint="stream"),
        Rule(f"{ROOT}/<int:number>", methods=["GET"], endpoint="exchange"),
        Rule(f"{ROOT}/<int:left>/<int:right>", methods=["GET"], endpoint="pair"),
        Rule(
            f"{ROOT}/<int:number>/<any(curl, test, event):kind>", methods=["GET"], endpoint="copy"
        ),
        Rule(f"{ROOT}/<int:number>/replay", methods=["POST"], endpoint="replay"),
        Rule(f"{ROOT}/<int:number>/resend", methods=["POST"], endpoint="resend"),
    ]
)
# The page shows untrusted content. If markup gets through, only the page's own script may run.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
_MOST_IN_ROW = 1000  # characters of a path and query in the list
_HEARTBEAT_SECONDS = 10
_READ_SECONDS = 10  # of a replay's stream

_templates = jinja2.Environment(
    loader=jinja2.PackageLoader("unigate.cli.dev.inspector"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_templates.filters["duration"] = lambda seconds: (
    f"{seconds * 1000:.1f} ms" if seconds >= 0.001 else f"{seconds * 1_000_000:.0f} µs"
)
_templates.filters["clock"] = lambda at: time.strftime("%H:%M:%S", time.localtime(at))

# The most common ones first.
_SOURCES = list(dict.fromkeys(["http_api", "rest_api", "alb", "vercel", *EVENT_SOURCES]))


class Host(Protocol):
    """A WSGI application that can also answer a recorded request."""

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]: ...

    def answer(self, exchange: Exchange) -> tuple[Response, Iterator[bytes] | None]: ...


class Inspector:
    """A WSGI application that serves the page, and passes all other requests to a host.

    Args:
        host: The host behind the page.
        history: The exchanges to show.
        access: Who may see the page.
        app: The import string of the application, for exported tests; None for a folder of
            functions.
        mount: The prefix at which the host mounts the application, or "".
        show_secrets: Whether to show secrets instead of masking them.
    """

    def __init__(
        self,
        host: Host,
        history: History,
        access: Access,
        *,
        app: str | None,
        mount: str,
        show_secrets: bool,
    ) -> None:
        self._host = host
        self._history = history
        self._access = access
        self._app = app
        self._mount = mount
        self._show_secrets = show_secrets

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve the page, or pass the request on to the host."""
        if remove_path_prefix(environ["PATH_INFO"], ROOT) is None:
            return self._host(environ, start_response)
        response: Any
        try:
            request = HTTPRequest(environ)
            problem = self._access.refusal(environ)
            response = HTTPResponse(problem, 403) if problem else self._access.entry(request)
            if response is None:
                endpoint, values = _ROUTES.bind_to_environ(environ).match()
                response = getattr(self, f"_{endpoint}")(request, **values)
        except RequestRedirect as error:
            response = error.get_response(environ)
        except HTTPException as error:
            response = HTTPResponse(error.description, error.code)
        response.headers.update(_HEADERS)
        body: Iterable[bytes] = response(environ, start_response)
        return body

    # --- endpoints that show ---------------------------------------------------------------------

    def _page(self, request: HTTPRequest) -> HTTPResponse:
        since = self._history.event_id()  # first, so that later changes are sent as events
        rows = [self._row(exchange) for exchange in reversed(self._history.all())]
        return _html("page.html", rows=rows, since=since)

    def _static(self, request: HTTPRequest, name: str) -> Any:
        return send_from_directory(Path(__file__).parent / "static", name, request.environ)

    def _stream(self, request: HTTPRequest) -> HTTPResponse:
        """Send every exchange that changes, as server-sent events.

        After a reload of the server, EventSource reconnects with the id of the last event.
        """
        since = request.headers.get("Last-Event-ID") or request.args.get("since", "")
        return HTTPResponse(self._events(since), mimetype="text/event-stream")

    def _events(self, since: str) -> Iterator[str]:
        yield "retry: 500\n\n"
        if not self._history.issued(since):
            yield "event: restart\ndata:\n\n"
            return
        while (changes := self._history.wait_for_changes(since, _HEARTBEAT_SECONDS)) is not None:
            since, changed = changes
            for exchange in changed:
                row = _templates.get_template("row.html").render(row=self._row(exchange))
                data = json.dumps({"number": exchange.number, "row": row})
                yield f"event: exchange\ndata: {data}\n\n"
            yield f"id: {since}\nevent: seen\ndata:\n\n"

    def _exchange(self, request: HTTPRequest, number: int) -> HTTPResponse:
        exchange = self._shown(number)
        return _html(
            "exchange.html",
            row=self._row(exchange),
            exchange=exchange,
            sections=sections(exchange),
            form=Form(exchange.sent),
            length=len(self._get(number).sent.body),
            sources=[name for name in _SOURCES if name != exchange.source],
            has_test=self._app is not None,
        )

    def _pair(self, request: HTTPRequest, left: int, right: int) -> HTTPResponse:
        both = self._shown(left), self._shown(right)
        rows = [self._row(exchange) for exchange in both]
        return _html("pair.html", rows=rows, sections=compare(*both))

    def _copy(self, request: HTTPRequest, number: int, kind: str) -> HTTPResponse:
        exchange = self._whole(number)
        if not self._show_secrets:
            exchange = masked(exchange)
        if kind == "curl":
            return HTTPResponse(as_curl(exchange))
        if kind == "test" and self._app is not None:
            return HTTPResponse(as_test(exchange, self._app, self._mount))
        if kind == "event" and exchange.event is not None:
            response = HTTPResponse(as_event(exchange), mimetype="application/json")
            name = f"{exchange.source}-{exchange.number}.json"
            response.headers.set("Content-Disposition", "attachment", filename=name)
            return response
        raise NotFound

    def _row(self, exchange: Exchange) -> dict[str, Any]:
        target = exchange.sent.target[:_MOST_IN_ROW]
        shown = target if self._show_secrets else mask_text(target)
        more = "…" if len(exchange.sent.target) > _MOST_IN_ROW else ""
        return {"target": shown + more, "exchange": exchange}

    # --- endpoints that send ---------------------------------------------------------------------

    def _replay(self, request: HTTPRequest, number: int) -> HTTPResponse:
        """Send a request again, through the same event source or another."""
        exchange = self._whole(number)
        source = _json(request).get("source", exchange.source)
        if not isinstance(source, str) or source not in EVENT_SOURCES:
            raise BadRequest(f"source must be one of {', '.join(EVENT_SOURCES)}, got {source!r}.")
        return self._send(exchange, exchange.sent, source)

    def _resend(self, request: HTTPRequest, number: int) -> HTTPResponse:
        """Send an edited request."""
        exchange, form = self._whole(number), Form(self._shown(number).sent)
        try:
            sent = edited(exchange.sent, form, _json(request))
        except ValueError as error:
            raise BadRequest(str(error)) from error
        return self._send(exchange, sent, exchange.source)

    def _send(self, exchange: Exchange, sent: Request, source: str) -> HTTPResponse:
        replay = Exchange(sent, source, replay_of=exchange.number)
        _, body = self._host.answer(replay)
        if body is not None:
            threading.Thread(target=_drain, args=(body,), daemon=True).start()
        return HTTPResponse(json.dumps({"number": replay.number}), mimetype="application/json")

    # --- look-up ---------------------------------------------------------------------------------

    def _get(self, number: int) -> Exchange:
        exchange = self._history.get(number)
        if exchange is None:
            raise NotFound(f"Request {number} is no longer recorded.")
        return exchange

    def _whole(self, number: int) -> Exchange:
        exchange = self._get(number)
        if exchange.is_outline:
            raise NotFound(f"Request {number} was too large to be kept.")
        return exchange

    def _shown(self, number: int) -> Exchange:
        return shown(self._get(number), secrets=self._show_secrets, limit=MOST_SHOWN)


def _html(template: str, **values: Any) -> HTTPResponse:
    text = _templates.get_template(template).render(values)
    # JSON may contain lone surrogates, which UTF-8 cannot encode.
    return HTTPResponse(text.encode("utf-8", "replace"), mimetype="text/html")


def _json(request: HTTPRequest) -> dict[str, Any]:
    content = request.get_json()
    if not isinstance(content, dict):
        raise BadRequest(f"The body must be a JSON object, got {type(content).__name__}.")
    return content


def _drain(body: Any) -> None:
    """Read a streamed body, which has no other reader, for a limited time."""
    until = time.monotonic() + _READ_SECONDS
    for _ in body:
        if time.monotonic() > until:
            break
    body.close()
