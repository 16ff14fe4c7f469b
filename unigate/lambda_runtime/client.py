"""The client of Lambda's Runtime API, and the chunks and trailers of a streamed response.

Source: the Lambda developer guide, "Using the Lambda runtime API for custom runtimes" and "Response
streaming for custom runtimes"; where those leave a choice, AWS's runtime clients for Python and
Node.
"""

from __future__ import annotations

import logging
import re
import time
from binascii import b2a_base64
from typing import Any

from .errors import ErrorReport
from .http_client import HTTPConnection, HTTPResponse, StopEvent
from .invocation import Invocation
from .marshalling import to_json

_log = logging.getLogger("unigate")

_HOST = re.compile(r"[\w.-]+|\[[0-9a-fA-F:.%]+\]|[0-9a-fA-F:.]+", re.ASCII).fullmatch
_PLAIN = re.compile(r"[\w.-]+", re.ASCII).fullmatch
_PORT = re.compile(r"[0-9]{1,5}").fullmatch
_PREFIX = "/2018-06-01/runtime"
TRIES = 5
FIRST_PAUSE = 0.1  # seconds; each pause is twice as long as the one before
# The Runtime API accepts no longer error cause in its header field.
_MAX_CAUSE = 1 << 20


class ApiError(Exception):
    """The Runtime API could not be reached, or its response is not the expected one."""


class StatusError(ApiError):
    """The Runtime API answered with an unexpected status.

    Attributes:
        status: The status.
        fatal: Whether the documentation calls this a non-recoverable state, in which the runtime
            must exit promptly.
    """

    def __init__(self, request: str, expected: int, response: HTTPResponse) -> None:
        text = response.body[:500].decode("utf-8", "replace")
        super().__init__(
            f"The Runtime API must answer {request} with {expected}, got {response.status}: {text}"
        )
        self.status = response.status
        self.fatal = response.status == 500


class RuntimeClient:
    """A client of the Runtime API over one connection; not thread-safe.

    Args:
        address: The host and port, as in `AWS_LAMBDA_RUNTIME_API`.

    Raises:
        ValueError: If the address is another one.
    """

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        if not (_HOST(host) and _PORT(port) and 0 < int(port) < 1 << 16):
            raise ValueError(
                "AWS_LAMBDA_RUNTIME_API must be a host and a port, such as 127.0.0.1:9001, "
                f"got {address!r}."
            )
        self._address = address
        self.connection = HTTPConnection(host.strip("[]"), int(port))
        self._next = self._head("GET", "/invocation/next", "")

    def clone(self) -> RuntimeClient:
        """Return a client of the same Runtime API over another connection."""
        return RuntimeClient(self._address)

    def next_invocation(self, stop: StopEvent) -> Invocation | None:
        """Wait for the next invocation; return None if the event is set first.

        Errors that may be transient are retried.

        Raises:
            ApiError: If the error is not transient, or lasts.
        """
        tries = TRIES
        pause = FIRST_PAUSE
        while not stop.is_set:
            tries -= 1
            try:
                response = self.connection.request_until(stop, self._next)
                if response is None:
                    return None
                if response.status == 200:
                    return Invocation(response)
                unexpected = StatusError("/invocation/next", 200, response)
                if unexpected.fatal or unexpected.status < 500 or not tries:
                    raise unexpected
                _log.warning("%s", unexpected)
            except (OSError, ValueError) as error:
                if not tries:
                    raise ApiError(f"The Runtime API sends no event: {error!r}") from error
                _log.warning("The Runtime API sends no event, trying again: %r", error)
            time.sleep(pause)
            pause *= 2
        return None

    def respond(self, invocation: Invocation, body: bytes, content_type: str) -> None:
        """Post a response, unless the invocation has been answered."""
        if invocation.claim():
            fields = f"Content-Type: {content_type}\r\n"
            self._post_result(invocation, "response", fields, body)

    def fail(self, invocation: Invocation, report: ErrorReport) -> None:
        """Post an error, unless the invocation has been answered."""
        if invocation.claim():
            self.post_error(invocation, report)

    def post_error(self, invocation: Invocation, report: ErrorReport) -> None:
        """Post an error; the caller has claimed the invocation."""
        cause = to_json(report.for_xray(), ascii_only=True).decode()
        fields = _error_fields(report.type)
        if len(cause) < _MAX_CAUSE:
            fields += f"Lambda-Runtime-Function-XRay-Error-Cause: {cause}\r\n"
        body = to_json(report.for_runtime_api(invocation.id))
        self._post_result(invocation, "error", fields, body)

    def begin_stream(self, invocation: Invocation) -> bytes | None:
        """Return the head of a streamed response; None if the invocation has been answered."""
        if not invocation.claim():
            return None
        self.connection.open()
        invocation.stream = self.connection
        return self._head(
            "POST",
            _path(invocation, "response"),
            "Lambda-Runtime-Function-Response-Mode: streaming\r\n"
            "Content-Type: application/vnd.awslambda.http-integration-response\r\n"
            "Transfer-Encoding: chunked\r\n"
            "Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\r\n"
            + _invocation_id_field(invocation),
        )

    def finish_stream(self, invocation: Invocation) -> None:
        """Read the acknowledgement of a streamed response that has been sent whole.

        Raises:
            ApiError: If it is missing or has another status than 202.
        """
        try:
            response = self.connection.read_response()
        except OSError as error:
            self.connection.close()
            raise ApiError(
                f"The Runtime API did not acknowledge a streamed response: {error!r}"
            ) from error
        finally:
            invocation.stream = None
        if response.status != 202:
            raise StatusError("a streamed response", 202, response)

    def report_init_error(self, report: ErrorReport) -> None:
        """Post why the function could not be initialized."""
        self._post_report("/init/error", report)

    def wait_for_restore(self) -> None:
        """Wait until Lambda restores this process from its snapshot."""
        response = self.connection.request(self._head("GET", "/restore/next", ""))
        if response.status != 200:
            raise StatusError("/restore/next", 200, response)

    def report_restore_error(self, report: ErrorReport) -> None:
        """Post why the restored process cannot go on."""
        self._post_report("/restore/error", report)

    def _post_report(self, path: str, report: ErrorReport) -> None:
        body = to_json(report.for_runtime_api(""))
        fields = f"{_error_fields(report.type)}Content-Length: {len(body)}\r\n"
        response = self.connection.request(self._head("POST", path, fields), body)
        if response.status != 202:
            raise StatusError(path, 202, response)

    def _post_result(self, invocation: Invocation, kind: str, fields: str, body: bytes) -> None:
        path = _path(invocation, kind)
        fields += f"{_invocation_id_field(invocation)}Content-Length: {len(body)}\r\n"
        head = self._head("POST", path, fields)
        try:
            response = self.connection.request(head, body)
            problem: object = StatusError(path, 202, response) if response.status > 500 else None
        except OSError as error:
            problem = error
        if problem is not None:
            # The Runtime API rejects a second answer, so none can be counted twice.
            _log.warning("The %s could not be posted, trying again: %r", kind, problem)
            try:
                response = self.connection.request(head, body)
            except OSError as error:
                raise ApiError(f"The {kind} could not be posted: {error!r}") from error
        if response.status != 202:
            raise StatusError(path, 202, response)

    def _head(self, method: str, path: str, fields: str) -> bytes:
        return (
            f"{method} {_PREFIX}{path} HTTP/1.1\r\n"
            f"Host: {self._address}\r\nUser-Agent: unigate\r\n{fields}\r\n"
        ).encode("latin-1", "replace")


def _path(invocation: Invocation, kind: str) -> str:
    name = invocation.id
    if not _PLAIN(name):  # as Lambda's ids are not
        from urllib.parse import quote

        name = quote(name.encode("latin-1"), safe="")
    return f"/invocation/{name}/{kind}"


def chunk(data: bytes) -> tuple[bytes, ...]:
    """Return data in chunked coding, as one piece, or as three if it is too large to copy."""
    size = b"%x\r\n" % len(data)
    return (size + data + b"\r\n",) if len(data) < 4096 else (size, data, b"\r\n")


def last_chunk(report: ErrorReport | None = None) -> bytes:
    """Return the end of a chunked body, with trailers if the response ends in an error."""
    if report is None:
        return b"0\r\n\r\n"
    body = b2a_base64(to_json(report.for_client()), newline=False).decode()
    return (
        f"0\r\nLambda-Runtime-Function-Error-Type: {_printable(report.type)}\r\n"
        f"Lambda-Runtime-Function-Error-Body: {body}\r\n\r\n"
    ).encode("latin-1", "replace")


def _error_fields(error_type: str) -> str:
    return (
        "Content-Type: application/vnd.aws.lambda.error+json\r\n"
        f"Lambda-Runtime-Function-Error-Type: {_printable(error_type)}\r\n"
    )


def _invocation_id_field(invocation: Invocation) -> str:
    """Return the field that the Runtime API expects back if it runs invocations concurrently."""
    value = invocation.headers.get("lambda-runtime-invocation-id")
    return f"Lambda-Runtime-Invocation-Id: {_printable(value)}\r\n" if value else ""


def _printable(text: Any) -> str:
    return "".join(c if c.isprintable() else "?" for c in str(text))
