"""Lambda's Runtime API: events come from it, and answers go to it.

Source: the Lambda developer guide, "Using the Lambda runtime API for custom runtimes" and "Response
streaming for custom runtimes"; what those leave open, as AWS's runtime clients for Python and Node
have it.
"""

from __future__ import annotations

import logging
import threading
import time
from binascii import b2a_base64
from collections.abc import Callable
from typing import Any

from .errors import Failure
from .http_client import Answer, Connection, Stop
from .marshalling import to_json

_log = logging.getLogger("unigate")

_RUNTIME = "/2018-06-01/runtime"
TRIES = 5
FIRST_PAUSE = 0.1  # seconds, then twice as long each time
# The API does not take more in a header field.
_MOST_CAUSE = 1 << 20


class ApiError(Exception):
    """The Runtime API did not take part."""


class Refused(ApiError):
    """The Runtime API answered, but not as hoped.

    `fatal` is what the documentation calls a state that cannot be recovered from: the runtime has
    to exit promptly.
    """

    def __init__(self, what: str, answer: Answer) -> None:
        said = answer.body[:500].decode("utf-8", "replace")
        super().__init__(f"The Runtime API answered {what} with {answer.status}: {said}")
        self.status = answer.status
        self.fatal = answer.status == 500


class Invocation:
    """An event, and who answers it: nobody more than once.

    `after` is what is to be done once it is answered; `cancel` ends an application that is
    answering it on the event loop.
    """

    __slots__ = (
        *("_lock", "after", "body", "cancel", "claimed", "deadline", "given_up", "headers", "id"),
        "stream",
    )

    def __init__(self, answer: Answer) -> None:
        self.headers = answer.headers
        self.body = answer.body
        self.id = self.headers["lambda-runtime-aws-request-id"]
        self.after: list[Callable[[], object]] = []
        self.cancel: Callable[[], object] | None = None
        self.stream: Connection | None = None
        self.claimed = self.given_up = False
        told = int(self.headers.get("lambda-runtime-deadline-ms") or 0) / 1000
        self.deadline = max(told, time.time())  # what comes too late gets a try all the same
        self._lock = threading.Lock()

    @property
    def trace_id(self) -> str | None:
        """Return the X-Ray trace that the invocation is part of."""
        return self.headers.get("lambda-runtime-trace-id")

    def claim(self) -> bool:
        """Take the right to answer; False where somebody has it."""
        with self._lock:
            first = not self.claimed
            self.claimed = True
        return first


class RuntimeApi:
    """The Runtime API, over one connection: for one thread."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self._address = address
        self.connection = Connection(host.strip("[]"), int(port))
        self._next = self._head("GET", "/invocation/next", "")

    def another(self) -> RuntimeApi:
        """Return the same API over another connection."""
        return RuntimeApi(self._address)

    def next(self, stop: Stop) -> Invocation | None:
        """Wait for the next event; None where the process is to stop before one has come.

        What may be a passing trouble is tried again.
        """
        left = TRIES
        pause = FIRST_PAUSE
        while not stop.wanted:
            left -= 1
            try:
                answer = self.connection.ask_until(stop, self._next)
                if answer is None:
                    return None
                if answer.status == 200:
                    return Invocation(answer)
                refused = Refused("the wait for an event", answer)
                if refused.fatal or refused.status < 500 or not left:
                    raise refused
                _log.warning("%s", refused)
            except (OSError, KeyError) as error:
                if not left:
                    raise ApiError(f"The Runtime API gives no event: {error!r}") from error
                _log.warning("The Runtime API gives no event, trying again: %r", error)
            time.sleep(pause)
            pause *= 2
        return None

    def respond(self, invocation: Invocation, body: bytes, content_type: str) -> None:
        """Post an answer; nothing where the invocation has one."""
        if invocation.claim():
            fields = f"Content-Type: {content_type}\r\n"
            self._answer(invocation, "response", fields, body)

    def fail(self, invocation: Invocation, failure: Failure) -> None:
        """Post what went wrong in place of an answer; nothing where the invocation has one."""
        if invocation.claim():
            cause = to_json(failure.cause, ascii_only=True).decode()
            fields = _error_fields(failure.type)
            if len(cause) < _MOST_CAUSE:
                fields += f"Lambda-Runtime-Function-XRay-Error-Cause: {cause}\r\n"
            body = to_json(failure.report(invocation.id))
            self._answer(invocation, "error", fields, body)

    def stream(self, invocation: Invocation) -> bytes | None:
        """Return how a streamed answer begins; None where the invocation has an answer."""
        if not invocation.claim():
            return None
        self.connection.open()
        invocation.stream = self.connection
        return self._head(
            "POST",
            f"/invocation/{invocation.id}/response",
            "Lambda-Runtime-Function-Response-Mode: streaming\r\n"
            "Content-Type: application/vnd.awslambda.http-integration-response\r\n"
            "Transfer-Encoding: chunked\r\n"
            "Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\r\n"
            + _echo(invocation),
        )

    def streamed(self, invocation: Invocation) -> None:
        """Read what the API says to a streamed answer that was sent whole; Refused if it is bad."""
        try:
            answer = self.connection.read()
        except OSError as error:
            self.connection.close()
            raise ApiError(f"The end of a stream was not acknowledged: {error!r}") from error
        finally:
            invocation.stream = None
        if answer.status != 202:
            raise Refused("a streamed response", answer)

    def init_failed(self, failure: Failure) -> None:
        """Report that there is nobody to answer events."""
        self._report("/init/error", failure)

    def restore_next(self) -> None:
        """Wait for the life after the snapshot."""
        answer = self.connection.ask(self._head("GET", "/restore/next", ""))
        if answer.status != 200:
            raise Refused("the wait for the snapshot", answer)

    def restore_failed(self, failure: Failure) -> None:
        """Report that what was restored cannot go on."""
        self._report("/restore/error", failure)

    def _report(self, path: str, failure: Failure) -> None:
        body = to_json(failure.report(""))
        fields = f"{_error_fields(failure.type)}Content-Length: {len(body)}\r\n"
        answer = self.connection.ask(self._head("POST", path, fields), body)
        if answer.status != 202:
            raise Refused(f"a report to {path}", answer)

    def _answer(self, invocation: Invocation, kind: str, fields: str, body: bytes) -> None:
        path = f"/invocation/{invocation.id}/{kind}"
        fields += f"{_echo(invocation)}Content-Length: {len(body)}\r\n"
        head = self._head("POST", path, fields)
        what = f"a post of the {kind}"
        try:
            answer = self.connection.ask(head, body)
            trouble: object = Refused(what, answer) if answer.status > 500 else None
        except OSError as error:
            trouble = error
        if trouble is not None:
            # The API knows which invocations are answered, and refuses a second answer to one.
            _log.warning("The Runtime API took no %s, trying again: %r", kind, trouble)
            try:
                answer = self.connection.ask(head, body)
            except OSError as again:
                raise ApiError(f"The Runtime API takes no {kind}: {again!r}") from again
        if answer.status != 202:
            raise Refused(what, answer)

    def _head(self, method: str, path: str, fields: str) -> bytes:
        return (
            f"{method} {_RUNTIME}{path} HTTP/1.1\r\n"
            f"Host: {self._address}\r\nUser-Agent: unigate\r\n{fields}\r\n"
        ).encode("latin-1", "replace")


def chunk(data: bytes) -> tuple[bytes, ...]:
    """Return a part of a body in chunked coding; in pieces where it is too large to be copied."""
    size = b"%x\r\n" % len(data)
    return (size + data + b"\r\n",) if len(data) < 4096 else (size, data, b"\r\n")


def last_chunk(failure: Failure | None = None) -> bytes:
    """Return the end of a chunked body, and in its trailers why it is not whole."""
    if failure is None:
        return b"0\r\n\r\n"
    told = b2a_base64(to_json(failure.summary()), newline=False).decode()
    name = _one_line(failure.type)
    return (
        f"0\r\nLambda-Runtime-Function-Error-Type: {name}\r\n"
        f"Lambda-Runtime-Function-Error-Body: {told}\r\n\r\n"
    ).encode("latin-1", "replace")


def _error_fields(kind: str) -> str:
    return (
        "Content-Type: application/vnd.aws.lambda.error+json\r\n"
        f"Lambda-Runtime-Function-Error-Type: {_one_line(kind)}\r\n"
    )


def _echo(invocation: Invocation) -> str:
    """Return what the API wants back where many invocations are under way."""
    value = invocation.headers.get("lambda-runtime-invocation-id")
    return f"Lambda-Runtime-Invocation-Id: {value}\r\n" if value else ""


def _one_line(text: Any) -> str:
    return "".join(c if c.isprintable() else "?" for c in str(text))
