"""Run WSGI applications (PEP 3333), and check what they send against its Content-Length."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from io import BytesIO
from typing import TYPE_CHECKING

from .context import current_request_var
from .environ import build_environ
from .http.start_response import StartedResponse, check_iterable, join_chunks

if TYPE_CHECKING:
    from .http import Response
    from .request import Request
    from .types import Environ, WSGIApp

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
            fields = response.headers.single or response.headers  # a dict answers faster
            length = fields.get("content-length")
            if length is None or length == str(len(data)):  # nothing to cut or close
                response.body = data
                return response
        _write_body(body, request, response, response.write)
    except BaseException as error:
        from .errors import failure_of  # most replies do without the exceptions

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
        from .errors import failure_of  # most replies do without the exceptions

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
    except TypeError:
        check_iterable(body)
        raise
    finally:
        if hasattr(body, "close"):
            body.close()
