"""Run WSGI applications for a WSGI server, which takes the response while they make it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from contextvars import Token
from typing import Any

from .context import current_request_var
from .environ import SERVER_NAMES, path_of_root
from .errors import IncompleteResponse, failure_of
from .http import (
    BodyLength,
    Response,
    kept_as_written,
    latin1,
    reason_phrase,
    remove_path_prefix,
    response_headers,
    unquote,
)
from .http.start_response import check_iterable, join_chunks, status_code
from .request import Request
from .server_requests import environ_text
from .types import Environ, StartResponse, WSGIApp


def moved(environ: Environ, request: Request) -> Environ:
    """Give a server's environ the public address of its request."""
    name, port = SERVER_NAMES.get(request.server) or SERVER_NAMES.learn(request.server)
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
    environ["PATH_INFO"] = path if rest is None else rest or path_of_root(request, root_path)
    return environ


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
        self._token: Token[Request] | None = token
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
            check_iterable(self._body)
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
        token, self._token = self._token, None
        if token is None:  # middleware has closed it before the server
            return
        with suppress(ValueError):  # closed in another context than the one it was made in
            current_request_var.reset(token)
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
