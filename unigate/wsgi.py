"""Run WSGI applications (PEP 3333): the environ, a request in memory, a WSGI server's request."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from contextvars import Token
from io import BytesIO
from typing import Any

from .context import current_request_var
from .errors import IncompleteResponse, failure_of
from .http import (
    Address,
    BodyLength,
    Response,
    is_token,
    kept_as_written,
    latin1,
    reason_phrase,
    remove_path_prefix,
    response_headers,
    unquote,
)
from .http.start_response import StartedResponse, join_chunks, status_code
from .memo import Memo
from .request import Request, environ_text
from .types import Environ, StartResponse, WSGIApp

_log = logging.getLogger("unigate")

_new = object.__new__


def call(app: WSGIApp, request: Request, root_path: str) -> Response:
    """Run an application in this thread for a request whose body is in memory.

    Raises:
        IncompleteResponse: If the application never called `start_response`.
        ApplicationAborted: If it ended with what no `except Exception` catches.
    """
    environ = build_environ(request, root_path, BytesIO(request.body))
    response: StartedResponse = _new(StartedResponse)  # a constructor would take longer
    response.status = 0
    response.chunks = []
    response.counter = None
    token = current_request_var.set(request)
    try:
        body = app(environ, response.start_response)
        if type(body) is list and response.status and not response.chunks:
            data = join_chunks(body)
            size = str(len(data))
            if response.headers.get("content-length", size) == size:  # nothing to cut or close
                response.body = data
                return response
        _write_body(body, request, response, response.write)
    except BaseException as error:
        if (failure := failure_of(error)) is not error:
            raise failure from error
        raise
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

    The body ends with its Content-Length (PEP 3333); one of another length is logged.

    Args:
        end: Called after the last part, before the body is closed.

    Raises:
        ApplicationAborted: If the application ended with what no `except Exception` catches.
    """
    try:
        body = app(environ, response.start_response)
        _write_body(body, environ["unigate.request"], response, write, end)
    except BaseException as error:
        if (failure := failure_of(error)) is not error:
            raise failure from error
        raise


def _write_body(
    body: Iterable[bytes],
    request: Request,
    response: StartedResponse,
    write: Callable[[bytes], object],
    end: Callable[[], object] | None = None,
) -> None:
    try:
        for chunk in body:
            write(chunk)
            if response.length is not None and response.length.left < 0:
                break
        if response.length is not None:
            response.length.check(request, request.method, response.status)
        if end is not None:
            end()
    finally:
        if hasattr(body, "close"):
            body.close()


# --- for a WSGI server ---------------------------------------------------------------------------


def moved(environ: Environ, request: Request) -> Environ:
    """Give a server's environ the public address of its request."""
    name, port = _SERVERS.get(request.server) or _SERVERS.learn(request.server)
    root = request.root_path.encode("utf-8").decode("latin-1")
    path = unquote(request.raw_path).decode("latin-1")
    rest = remove_path_prefix(path, root)
    return {
        **environ,
        "wsgi.url_scheme": request.scheme,
        "HTTP_HOST": request.headers.get("host") or name,
        "SERVER_NAME": name,
        "SERVER_PORT": port,
        "SCRIPT_NAME": "" if rest is None else root,
        "PATH_INFO": path if rest is None else rest or "/",
    }


def mounted(environ: Environ, request: Request, root_path: str) -> Environ:
    """Add the common request to a server's environ, and mount the application at `root_path`."""
    environ["unigate.request"] = request
    script = root_path.encode("utf-8").decode("latin-1")
    outer = environ_text(environ, "SCRIPT_NAME")
    path = environ_text(environ, "PATH_INFO")
    rest = remove_path_prefix(outer + path, script) if script != outer else None
    environ["SCRIPT_NAME"] = outer if rest is None else script
    environ["PATH_INFO"] = path if rest is None else rest or _path_of_root(request, root_path)
    return environ


def _path_of_root(request: Request, root_path: str) -> str:
    """Return the PATH_INFO of the URL that an application is mounted at.

    It is empty for a mount: the application redirects to "/" below it (PEP 3333). The URL of a
    stage or a base path is that of the whole function, whose path is never empty.
    """
    return "/" if root_path == request.root_path else ""


def serve(
    app: WSGIApp,
    environ: Environ,
    start_response: StartResponse,
    request: Request,
    recover: Callable[[BaseException], Response],
) -> Iterable[bytes]:
    """Run an application for a WSGI server, which iterates over the body after this returns.

    The status and the header fields are checked, and the body ends with its Content-Length.

    Args:
        recover: Called if the application fails before a part of its body was sent. Returns the
            response to send in its place, or raises.
    """
    response = _ServedResponse(start_response, request)
    token = current_request_var.set(request)
    try:
        body = app(environ, response.start)
        if is_list := isinstance(body, (list, tuple)):
            body = response.fit_all(body)
    except BaseException as error:
        current_request_var.reset(token)
        request.finish()
        return response.replace(recover(error), error)
    # A list runs no more code, and servers recognise their own file wrapper by its class.
    file_wrapper = environ.get("wsgi.file_wrapper")
    passive = is_list or (file_wrapper is not None and type(body) is file_wrapper)
    if passive and request.deferred is None:
        current_request_var.reset(token)
        request.finish()  # of what another thread may have deferred meanwhile
        return body
    return _ServedBody(body, token, response, recover)


class _ServedResponse:
    """A response on its way to a WSGI server.

    Attributes:
        request: The request that it answers.
        sent: Whether the server has a part of the body.
        full: Whether the body was longer than its Content-Length.
    """

    def __init__(self, start_response: StartResponse, request: Request) -> None:
        self._start_response = start_response
        self._status = 0
        self._length: BodyLength | None = None
        self._written: list[bytes] = []  # for a server without a `write`
        self.request = request
        self.sent = self.full = False

    def start(
        self, status: str, headers: Iterable[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], None]:
        """Check the start of the response, and pass it on without hop-by-hop fields."""
        fields = list(headers)
        checked = response_headers(fields)
        length = BodyLength.of(checked)
        code = status_code(status)
        fields = kept_as_written(fields, checked)
        self._status, self._length = code, length
        write: Any = self._start_response(latin1(status), fields, *([exc_info] if exc_info else []))

        def write_fitting(part: bytes) -> None:
            write(self.fit(part))

        return write_fitting if write is not None else self._keep

    def _keep(self, part: bytes) -> None:
        """Keep a part for `with_written`: hypercorn has no `write`."""
        sent = self.sent
        self._written.append(self.fit(part))
        self.sent = sent

    def with_written(self, part: bytes) -> bytes:
        """Return a part that is sent next, with what was written before it."""
        if self._written:
            part = b"".join([*self._written, part])
            self._written.clear()
            self.sent = self.sent or bool(part)
        return part

    def replace(self, response: Response, error: BaseException) -> list[bytes]:
        """Send another response in the place of one that failed with an error.

        Only a response that was begun needs the error: uWSGI drops the body that comes with one.
        """
        begun = self._status
        self._written.clear()
        self._status, self._length = response.status, None
        return respond(response, self._start_response, error if begun else None)

    def fit(self, part: bytes) -> bytes:
        """Return as much of a part as Content-Length allows."""
        self._check_started()
        if self._length is not None:
            part = self._length.fit(join_chunks([part]))
            self.full = self._length.left < 0
        self.sent = self.sent or bool(part)
        return part

    def fit_all(self, parts: Iterable[bytes]) -> Iterable[bytes]:
        """Return a whole body, or what fits of one that is too long; it has at least one part."""
        fitting = [self.fit(part) for part in parts]
        self.end()
        if self._written:
            return [self.with_written(b""), *fitting]
        return fitting if self.full else parts or [b""]

    def end(self) -> None:
        """Check a response whose body has ended."""
        self._check_started()
        length, self._length = self._length, None  # a body may be asked for its end again
        if length is not None:
            length.check(self.request, self.request.method, self._status)

    def _check_started(self) -> None:
        if not self._status:
            raise IncompleteResponse("The application never called start_response.")


class _ServedBody:
    """A body during which its request stays the current one; the deferred work follows it."""

    def __init__(
        self,
        body: Iterable[bytes],
        token: Token[Request],
        response: _ServedResponse,
        recover: Callable[[BaseException], Response],
    ) -> None:
        self._body = body
        self._parts: Iterator[bytes] | None = None
        self._token = token
        self._response = response
        self._recover = recover
        self._begun = False  # whether there was a part: hypercorn sends no response without any

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            part = self._next()
        except BaseException as error:
            self._parts = iter(())
            if self._response.sent:
                if (failure := failure_of(error)) is not error:
                    raise failure from error
                raise
            return self._response.replace(self._recover(error), error)[0]
        if part is None:
            raise StopIteration
        return part

    def _next(self) -> bytes | None:
        if self._parts is None:
            self._parts = iter(self._body)
        if not self._response.full:
            for part in self._parts:
                self._begun = True
                return self._response.with_written(self._response.fit(part))
        self._response.end()
        rest = self._response.with_written(b"")
        if rest or not self._begun:
            self._begun = True
            return rest
        return None

    def close(self) -> None:
        with suppress(ValueError):  # closed in another context than the one it was made in
            current_request_var.reset(self._token)
        try:
            close = getattr(self._body, "close", None)
            if close is not None:
                close()
        except BaseException as error:
            if (failure := failure_of(error)) is not error:
                raise failure from error
            raise
        finally:
            self._response.request.finish()


def respond(
    response: Response, start_response: StartResponse, error: BaseException | None = None
) -> list[bytes]:
    """Send a response of the gateway itself to a WSGI server.

    Args:
        error: The failure that it answers; the server raises it if it has sent another response.
    """
    status = f"{response.status} {reason_phrase(response.status)}"
    failure = None if error is None else failure_of(error)
    info = None if failure is None else (type(failure), failure, failure.__traceback__)
    start_response(status, response.headers.pairs, info)
    return [response.body]


# --- the environ ---------------------------------------------------------------------------------

# Copied for each request: what is None here is set then.
_MEMBERS: Environ = {
    "REQUEST_METHOD": None,
    "SCRIPT_NAME": None,
    "PATH_INFO": None,
    "QUERY_STRING": None,
    "SERVER_NAME": None,
    "SERVER_PORT": None,
    "SERVER_PROTOCOL": None,
    "wsgi.version": (1, 0),
    "wsgi.url_scheme": None,
    "wsgi.input": None,
    "wsgi.input_terminated": True,  # reading ends with the body, not with Content-Length
    "wsgi.errors": None,
    "wsgi.multithread": True,
    "wsgi.multiprocess": False,
    "wsgi.run_once": False,
    "unigate.request": None,
}
_OF_EVENTS = (
    *("apig_wsgi.full_event", "apig_wsgi.context", "apig_wsgi.request_context"),
    *("serverless.event", "serverless.context", "serverless.authorizer"),
    *("lambda.event", "lambda.context", "awsgi.event", "awsgi.context"),
)
# Made in two steps, because CPython then gives the dict and its copies room for a request's header
# fields: without it each copy grows, which costs as much as the members of events.
_WITH_EVENT: Environ = {**_MEMBERS, **dict.fromkeys(_OF_EVENTS[:4])}
_WITH_EVENT.update(_MEMBERS | dict.fromkeys(_OF_EVENTS))


def build_environ(request: Request, root_path: str, stream: Any) -> Environ:
    """Build the environ of a request for an application mounted at `root_path` (PEP 3333).

    Repeated header fields are joined. Fields with "_" in their name are dropped, as nginx does: in
    an environ they would look like the ones with "-". So are names that are not tokens: in upper
    case they could look like others.

    An event that is a dict, and its context, are also there under the names that they have in
    apig-wsgi, aws-wsgi, serverless-wsgi and Zappa, for applications that read them.

    Args:
        stream: The file-like object for `wsgi.input`.
    """
    raw = request.raw_path
    path = _PATHS.get(raw) or _PATHS.learn(raw)
    script = root_path
    if root_path:
        if not root_path.isascii():
            script = root_path.encode("utf-8").decode("latin-1")
        rest = remove_path_prefix(path, script)
        if rest is not None:
            path = rest or _path_of_root(request, root_path)
    name, port = _SERVERS.get(request.server) or _SERVERS.learn(request.server)
    version = request.http_version
    event = request.event
    if type(event) is dict:
        environ = _WITH_EVENT.copy()
        context = request.context
        environ["apig_wsgi.full_event"] = environ["awsgi.event"] = event
        environ["serverless.event"] = environ["lambda.event"] = event
        environ["apig_wsgi.context"] = environ["awsgi.context"] = context
        environ["serverless.context"] = environ["lambda.context"] = context
        about = environ["apig_wsgi.request_context"] = event.get("requestContext")
        if request.identify is not None and type(about) is dict:
            environ["serverless.authorizer"] = about.get("authorizer")
    else:
        environ = _MEMBERS.copy()
    environ["REQUEST_METHOD"] = request.method
    environ["SCRIPT_NAME"] = script
    environ["PATH_INFO"] = path
    environ["QUERY_STRING"] = request.query_string.decode("latin-1")
    environ["SERVER_NAME"] = name
    environ["SERVER_PORT"] = port
    environ["SERVER_PROTOCOL"] = "HTTP/1.1" if version == "1.1" else f"HTTP/{version}"
    environ["wsgi.url_scheme"] = request.scheme
    environ["wsgi.input"] = stream
    environ["wsgi.errors"] = sys.stderr
    environ["unigate.request"] = request
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
            if "_" not in name and is_token(name):
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
