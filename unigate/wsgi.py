"""Run WSGI applications (PEP 3333): directly for a buffered request, bridged for a live one.

Both roads build the environ, check `start_response` and end the response with the same code; a
request behaves the same on either.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from contextvars import Token
from functools import partial
from io import BufferedReader, BytesIO, RawIOBase
from typing import Any

from .background import finish
from .context import current_request_var
from .errors import IncompleteResponse
from .http import (
    Address,
    Response,
    carries_body,
    latin1,
    remove_path_prefix,
    response_headers,
    unquote,
)
from .memo import Memo
from .request import Request
from .types import ASGIApp, Environ, Receive, Scope, Send, StartResponse, WSGIApp

_BARE_SCOPE: Scope = {
    "type": "http",
    "http_version": "1.1",
    "method": "GET",
    "path": "/",
    "query_string": b"",
    "headers": [],
}
NEVER_CALLED = "The application never called start_response."
_BEFORE_START = "The application sent a body before start_response."
# As many as Starlette gives to synchronous endpoints.
THREADS = 40

_new = object.__new__


def call(app: WSGIApp, request: Request, root_path: str) -> Response:
    """Run an application in this thread for a request whose body is in memory."""
    environ = build_environ(request, root_path, BytesIO(request.body))
    chunks: list[bytes] = []
    start: StartedResponse = _new(StartedResponse)
    start.status = 0
    start.chunks = chunks
    token = current_request_var.set(request)
    try:
        result = app(environ, start.start_response)
        try:
            for chunk in result:
                chunks.append(chunk)
        finally:
            if hasattr(result, "close"):
                result.close()
    finally:
        current_request_var.reset(token)
    if not start.status:
        raise IncompleteResponse(NEVER_CALLED)
    start.body = _joined(chunks)
    return start


def mounted(environ: Environ, request: Request, root_path: str) -> Environ:
    """Return a server's environ for an application mounted at `root_path`, our request in it."""
    environ["unigate.request"] = request
    script = root_path.encode("utf-8").decode("latin-1")
    if script != environ.get("SCRIPT_NAME", ""):
        path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
        environ["SCRIPT_NAME"] = script
        environ["PATH_INFO"] = remove_path_prefix(path, script) or "/"
    return environ


def serve(
    app: WSGIApp, environ: Environ, start_response: StartResponse, request: Request
) -> Iterable[bytes]:
    """Run an application for a WSGI server, which calls for the body after this returns."""
    token = current_request_var.set(request)
    try:
        body = app(environ, start_response)
    except BaseException:
        current_request_var.reset(token)
        _end(request)
        raise
    # A list has nothing left to run, and servers know their own file wrapper.
    files = environ.get("wsgi.file_wrapper")
    done = isinstance(body, (list, tuple)) or (files is not None and type(body) is files)
    if done and not request.deferred:
        current_request_var.reset(token)
        request.answered = True
        return body
    return _Served(body, token, request)


def _end(request: Request) -> None:
    request.answered = True
    if request.deferred:
        finish(request)


class _Served:
    """A body that is made while its request is the current one, and what is done after it."""

    def __init__(self, body: Iterable[bytes], token: Token[Request], request: Request) -> None:
        self._body = body
        self._token = token
        self._request = request

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._body)

    def close(self) -> None:
        with suppress(ValueError):  # closed in another context than it was made in
            current_request_var.reset(self._token)
        close = getattr(self._body, "close", None)
        try:
            if close is not None:
                close()
        finally:
            _end(self._request)


def build_environ(request: Request, root_path: str, stream: Any) -> Environ:
    """Build the environ of a request for an application mounted at `root_path`.

    Fields repeated in the request are joined. Names with "_" are dropped, as nginx does: CGI's
    names cannot tell them from "-", and one must not pass for the other.
    """
    raw = request.raw_path
    path = _PATHS.get(raw) or _PATHS.learn(raw)
    if root_path:
        if not root_path.isascii():
            root_path = root_path.encode("utf-8").decode("latin-1")
        rest = remove_path_prefix(path, root_path)
        path = path if rest is None else rest or "/"
    name, port = _SERVERS.get(request.server) or _SERVERS.learn(request.server)
    environ: Environ = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": root_path,
        "PATH_INFO": path,
        "QUERY_STRING": request.query_string.decode("latin-1"),
        "SERVER_NAME": name,
        "SERVER_PORT": port,
        "SERVER_PROTOCOL": f"HTTP/{request.http_version}",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": request.scheme,
        "wsgi.input": stream,
        "wsgi.input_terminated": True,  # reading it ends with the body, whatever its length
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "unigate.request": request,
    }
    client = request.client
    if client:
        environ["REMOTE_ADDR"] = client[0]
        if client[1]:
            environ["REMOTE_PORT"] = str(client[1])
    if request._identity:
        identity = request.identity
        if identity and identity.user:
            environ["REMOTE_USER"] = latin1(identity.user)
    fields = request.headers.single
    if fields is None:
        fields = {
            name: ("; " if name == "cookie" else ",").join(values)
            for name, values in request.headers.grouped().items()
        }
    try:
        for name, value in fields.items():
            environ[_KEYS[name]] = value
    except KeyError:
        for name, value in fields.items():
            if "_" not in name:
                environ[_environ_key(name)] = value
    return environ


_KEYS: dict[str, str] = {}


def _environ_key(name: str) -> str:
    """Return the key of a header, and remember it."""
    key = name.upper().replace("-", "_")
    if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        key = f"HTTP_{key}"
    if len(_KEYS) > 1000:  # names are the clients' to invent
        _KEYS.clear()
    _KEYS[name] = key
    return key


def _path(raw: bytes) -> str:
    return unquote(raw).decode("latin-1")


_PATHS = Memo(_path)


def _server(server: Address) -> tuple[str, str]:
    host, port = server
    return f"[{host}]" if ":" in host else host, str(port)


_SERVERS = Memo(_server)


class StartedResponse(Response):
    """A response in the making; its status is 0 until `start_response` is called.

    `chunks` is what there is of the body. Made without a constructor: one is there for every event.
    """

    __slots__ = ("chunks",)

    chunks: list[bytes]

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], None]:
        """Take the status and headers; with `exc_info`, in place of those not sent yet."""
        if exc_info:
            if any(self.chunks):
                raise exc_info[1].with_traceback(exc_info[2])
        elif self.status:
            raise RuntimeError("start_response was called a second time, without exc_info.")
        elif self.chunks:
            raise IncompleteResponse(_BEFORE_START)
        self.headers = response_headers(headers)
        self.status = _CODES.get(status) or _CODES.learn(status)
        return self.write

    def write(self, chunk: bytes) -> None:
        """Take a part of the body, ahead of what the application returns."""
        self.chunks.append(chunk)


class LiveResponse(StartedResponse):
    """A response whose body is sent as it comes; `chunks` is only its beginning."""

    __slots__ = ("_send",)

    def __init__(self, send: Callable[[bytes], object]) -> None:
        self.status = 0
        self.chunks = []
        self._send = send

    def write(self, chunk: bytes) -> None:
        """Send a part of the body."""
        if not self.status:
            raise IncompleteResponse(_BEFORE_START)
        whole = _joined([chunk])
        if whole:
            self.chunks = self.chunks or [whole]
            self._send(whole)


def _joined(chunks: list[bytes]) -> bytes:
    try:
        return b"".join(chunks)
    except TypeError as error:
        raise TypeError(f"A body is made of bytes: {error}.") from None


def _code(status: str) -> int:
    code = status[:3]
    if not (code.isascii() and code.isdigit() and len(code) == 3 and status[3:4] in ("", " ")):
        raise ValueError(f"A status begins with a number of three digits, unlike {status!r}.")
    return int(code)


_CODES = Memo(_code)


def _drive(app: WSGIApp, environ: Environ, start: StartedResponse) -> None:
    result = app(environ, start.start_response)
    try:
        for chunk in result:
            start.write(chunk)
    finally:
        if hasattr(result, "close"):
            result.close()
    if not start.status:
        raise IncompleteResponse(NEVER_CALLED)


def bridge(app: WSGIApp) -> ASGIApp:
    """Return the application for a live ASGI connection, in threads of its own.

    a2wsgi carries it over; what PEP 3333 asks beyond it stands here: the environ, the input, and
    `start_response`. The scope must hold the common request as "unigate.request".
    """
    from a2wsgi import WSGIMiddleware

    from .asgi.disconnects import Connection

    bridged: Any = WSGIMiddleware(partial(_answer_bridged, app), workers=THREADS)

    async def asgi(scope: Scope, receive: Receive, send: Send) -> None:
        connection = Connection(receive, send)
        # What a2wsgi reads of a scope; all that the application sees is built from the request.
        bare = {**_BARE_SCOPE, "unigate.scope": scope, "unigate.gone": lambda: connection.gone}
        await connection.until(bridged(bare, connection.receive, connection.send))

    return asgi


def _answer_bridged(app: WSGIApp, bridged: Environ, start_bridged: StartResponse) -> list[bytes]:
    """Answer in a2wsgi's thread: with our environ, through its `start_response` and write."""
    gone: Callable[[], bool] = bridged["asgi.scope"]["unigate.gone"]
    scope: Scope = bridged["asgi.scope"]["unigate.scope"]
    request: Request = scope["unigate.request"]
    stream = BufferedReader(_LiveBody(bridged["wsgi.input"]))
    write: Callable[[bytes], object] | None = None

    def begin() -> Callable[[bytes], object]:
        wanted = carries_body(request.method, start.status, start.headers)
        send = start_bridged(f"{start.status} ", start.headers.pairs)
        return send if wanted else lambda chunk: None

    def sink(chunk: bytes) -> None:
        nonlocal write
        write = write or begin()
        if gone():
            raise ConnectionAbortedError("The client went away before it had the whole response.")
        write(chunk)

    start = LiveResponse(sink)
    _drive(app, build_environ(request, scope["root_path"], stream), start)
    if write is None:
        begin()
    return []


class _LiveBody(RawIOBase):
    """Read a request's body from the connection, as it arrives."""

    def __init__(self, body: Any) -> None:
        self._receive: Receive = body.receive
        self._loop = body.loop
        self._left = memoryview(b"")
        self._more = True

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer with what is there, waiting for some; ConnectionError if it breaks off."""
        import asyncio

        while not self._left and self._more:
            coroutine: Any = self._receive()
            message = asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()
            if message["type"] == "http.disconnect":
                raise ConnectionResetError("The client went away before it had sent its body.")
            self._left = memoryview(message.get("body", b""))
            self._more = message.get("more_body", False)
        count = min(len(buffer), len(self._left))
        buffer[:count] = self._left[:count]
        self._left = self._left[count:]
        return count
