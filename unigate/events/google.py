"""Google Cloud Functions: `functions-framework` calls a plain function with a request object.

There is no JSON event: Flask's request, or Starlette's under `functions_framework.aio`, belongs to
a live connection, so bodies stream in both directions. The client is the peer that the server
reports. Source: GoogleCloudPlatform/functions-framework-python, `functions_framework/__init__.py`
and `aio`.

The framework itself responds to /robots.txt, /favicon.ico, paths with a line break and, as a Flask
application with static files of its own, paths below /static/, all with 404; under `aio` it rejects
methods beyond the usual seven and passes no lifespan events. A body that the function has read is
no longer available to the application.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterable
from contextvars import Context, copy_context
from functools import cache
from io import BytesIO
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

from unigate.errors import IncompleteResponse
from unigate.http import Headers, Response, carries_body, response_headers
from unigate.request import Request
from unigate.types import ASGIApp, Environ, Receive, Scope, Send, WSGIApp

from .writing import proxied_headers

if TYPE_CHECKING:
    import flask


def answer(wsgi: WSGIApp, request: flask.Request) -> flask.Response:
    """Run an application for Flask's request, up to the first part of the response body."""
    environ: Environ = {
        **request.environ,
        "unigate.request": Request(request.method, source="google", event=request),
    }
    started: list[Any] = []
    ready: deque[bytes] = deque()
    sent = False

    def start_response(
        status: str, fields: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], None]:
        if exc_info and sent:
            raise exc_info[1].with_traceback(exc_info[2])
        started[:] = status, response_headers(fields)
        return ready.append

    # A separate context: a Flask application that streams leaves its request pushed, which would
    # hide the framework's.
    context = copy_context()
    body = context.run(wsgi, environ, start_response)
    # The framework reads the rest of the request body after the application, unless the response
    # is streamed; that needs a server that marks the end of the body (Flask's own does not).
    drains_body = environ.get("wsgi.input_terminated")
    if ready or not (drains_body and isinstance(body, (list, tuple))):
        body = _Body(body, ready, context)
    sent = True
    if not started:
        _close(body)
        raise IncompleteResponse("The application never called start_response.")
    status, headers = started
    if not carries_body(request.method, int(status[:3]), headers):
        _close(body)
        body = [] if drains_body else iter(())
    return _response_class()(body, status, headers.pairs)


def answer_async(asgi: ASGIApp, request: Any) -> ASGIApp:
    """Return the ASGI application that the framework calls to respond to Starlette's request."""

    async def respond(scope: Scope, receive: Receive, send: Send) -> None:
        # Without Starlette's own members: an application would use its router.
        scope = {name: scope[name] for name in _SCOPE if name in scope}
        scope["unigate.request"] = Request(scope["method"], source="google", event=request)
        await asgi(scope, receive, send)

    return respond


# The members that servers set (ASGI specification, "HTTP connection scope").
_SCOPE = (
    "type",
    "asgi",
    "http_version",
    "method",
    "scheme",
    "path",
    "raw_path",
    "query_string",
    "root_path",
    "headers",
    "client",
    "server",
    "extensions",
    "state",
)


class _Body:
    """A response body that is produced in the application's context and started at once.

    An error before the first part is raised by the function, so that the framework can report it.
    One from the application's `close` is raised by the server's: the response is whole by then.

    Args:
        ready: The parts that come next, in order: the application's `write` adds to them.
    """

    def __init__(self, body: Iterable[bytes], ready: deque[bytes], context: Context) -> None:
        self._body = body
        self._context = context
        self._ready = ready
        self._failure: BaseException | None = None
        try:
            self._parts = iter(body)
            while not ready and self._go_on():
                pass
        except BaseException:
            self.close()
            raise

    def __iter__(self) -> _Body:
        return self

    def __next__(self) -> bytes:
        while not self._ready and self._go_on():
            pass
        if not self._ready:
            raise StopIteration
        return self._ready.popleft()

    def _go_on(self) -> bool:
        """Let the application make the next part; return False at the end of the body."""
        try:
            part = self._context.run(next, self._parts)
        except StopIteration:
            try:
                self._close()  # during the response: after it, Google assigns no processor time
            except BaseException as error:
                self._failure = error
            return False
        if part:
            self._ready.append(part)
        return True

    def close(self) -> None:
        self._close()
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def _close(self) -> None:
        body, self._body = self._body, ()
        self._context.run(_close, body)


def _close(body: Any) -> None:
    close = getattr(body, "close", None)
    if close is not None:
        close()


@cache
def _response_class() -> type[flask.Response]:
    """Return a subclass of Flask's response that adds nothing to the application's headers."""
    import flask

    class Untouched(flask.Response):
        default_mimetype = None

        def get_wsgi_headers(self, environ: Environ) -> Any:
            return self.headers

    return Untouched


def make_event(request: Request) -> flask.Request:
    """Build Flask's request from the environ that gunicorn would pass."""
    import flask

    environ: Environ = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(request.raw_path).decode("latin-1"),
        "QUERY_STRING": request.query_string.decode("latin-1"),
        "RAW_URI": request.target,
        "SERVER_NAME": request.server[0],
        "SERVER_PORT": str(request.server[1]),
        "SERVER_PROTOCOL": f"HTTP/{request.http_version}",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": request.scheme,
        "wsgi.input": BytesIO(request.body),
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    if request.client:
        environ["REMOTE_ADDR"], environ["REMOTE_PORT"] = map(str, request.client)
    for name, value in proxied_headers(request).joined().items():
        key = name.upper().replace("-", "_")
        if "_" not in name:  # gunicorn drops names with "_"
            environ[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"] = value
    return flask.Request(environ)


def from_reply(reply: flask.Response) -> Response:
    """Read Flask's response to the end of its body."""
    try:
        body = b"".join(reply.iter_encoded())
    finally:
        reply.close()
    return Response(reply.status_code, Headers(reply.headers), body)
