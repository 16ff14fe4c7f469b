"""Run WSGI applications (PEP 3333): the environ, a request in memory, a WSGI server's request."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from contextvars import Token
from io import BytesIO
from typing import Any

from .context import current_request_var
from .http import Address, Response, latin1, remove_path_prefix, unquote
from .http.start_response import StartedResponse, join_chunks
from .memo import Memo
from .request import Request
from .types import Environ, StartResponse, WSGIApp

_new = object.__new__


def call(app: WSGIApp, request: Request, root_path: str) -> Response:
    """Run an application in this thread for a request whose body is in memory.

    Raises:
        IncompleteResponse: If the application never called `start_response`.
    """
    environ = build_environ(request, root_path, BytesIO(request.body))
    response: StartedResponse = _new(StartedResponse)  # a constructor would take longer
    response.status = 0
    response.chunks = []
    token = current_request_var.set(request)
    try:
        drive(app, environ, response, response.chunks.append)
    finally:
        current_request_var.reset(token)
    if not response.status:
        response.check_started()
    response.body = join_chunks(response.chunks)
    return response


def drive(
    app: WSGIApp,
    environ: Environ,
    response: StartedResponse,
    write: Callable[[bytes], object],
    end: Callable[[], object] | None = None,
) -> None:
    """Call an application, pass each part of its body to `write`, and close the body.

    Args:
        end: Called after the last part, before the body is closed.
    """
    body = app(environ, response.start_response)
    try:
        for chunk in body:
            write(chunk)
        if end is not None:
            end()
    finally:
        if type(body) is not list and hasattr(body, "close"):  # lists are the usual bodies
            body.close()


def mounted(environ: Environ, request: Request, root_path: str) -> Environ:
    """Add the common request to a server's environ, and mount the application at `root_path`."""
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
    """Run an application for a WSGI server, which iterates over the body after this returns."""
    token = current_request_var.set(request)
    try:
        body = app(environ, start_response)
    except BaseException:
        current_request_var.reset(token)
        request.finish()
        raise
    # A list runs no more code, and servers recognise their own file wrapper by its class.
    file_wrapper = environ.get("wsgi.file_wrapper")
    passive = isinstance(body, (list, tuple)) or (
        file_wrapper is not None and type(body) is file_wrapper
    )
    if passive and request.deferred is None:
        current_request_var.reset(token)
        request.finish()  # of what another thread may have deferred meanwhile
        return body
    return _ServedBody(body, token, request)


class _ServedBody:
    """A body during which its request stays the current one; the deferred work follows it."""

    def __init__(self, body: Iterable[bytes], token: Token[Request], request: Request) -> None:
        self._body = body
        self._token = token
        self._request = request

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._body)

    def close(self) -> None:
        with suppress(ValueError):  # closed in another context than the one it was made in
            current_request_var.reset(self._token)
        close = getattr(self._body, "close", None)
        try:
            if close is not None:
                close()
        finally:
            self._request.finish()


def build_environ(request: Request, root_path: str, stream: Any) -> Environ:
    """Build the environ of a request for an application mounted at `root_path` (PEP 3333).

    Repeated header fields are joined. Fields with "_" in their name are dropped, as nginx does: in
    an environ they would look like the ones with "-".

    Args:
        stream: The file-like object for `wsgi.input`.
    """
    raw = request.raw_path
    path = _PATHS.get(raw) or _PATHS.learn(raw)
    if root_path:
        if not root_path.isascii():
            root_path = root_path.encode("utf-8").decode("latin-1")
        rest = remove_path_prefix(path, root_path)
        path = path if rest is None else rest or "/"
    name, port = _SERVERS.get(request.server) or _SERVERS.learn(request.server)
    version = request.http_version
    environ: Environ = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": root_path,
        "PATH_INFO": path,
        "QUERY_STRING": request.query_string.decode("latin-1"),
        "SERVER_NAME": name,
        "SERVER_PORT": port,
        "SERVER_PROTOCOL": "HTTP/1.1" if version == "1.1" else f"HTTP/{version}",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": request.scheme,
        "wsgi.input": stream,
        "wsgi.input_terminated": True,  # reading ends with the body, not with Content-Length
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
    if request.identify is not None:
        identity = request.identity
        if identity and identity.user:
            environ["REMOTE_USER"] = latin1(identity.user)
    fields = request.headers.single
    if fields is None:
        fields = request.headers.as_map(",")
    try:
        for name, value in fields.items():
            environ[_KEYS[name]] = value
    except KeyError:
        for name, value in fields.items():
            if "_" not in name:
                environ[_KEYS.get(name) or _KEYS.learn(name)] = value
    return environ


def _environ_key(name: str) -> str:
    key = name.upper().replace("-", "_")
    return key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"


_KEYS = Memo(_environ_key, 1000)


def _path(raw: bytes) -> str:
    return unquote(raw).decode("latin-1")


_PATHS = Memo(_path)


def _server(server: Address) -> tuple[str, str]:
    host, port = server
    return f"[{host}]" if ":" in host else host, str(port)


_SERVERS = Memo(_server)
