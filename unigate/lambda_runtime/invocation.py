"""An invocation, and the context object that a handler gets with its event."""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from .errors import TypedError

if TYPE_CHECKING:
    from .http_client import HTTPConnection, HTTPResponse

_log = logging.getLogger("unigate")

# The time of an invocation without a readable deadline: Lambda's longest; the Lambda developer
# guide, "Lambda quotas". Lambda itself ends the invocation at its real deadline.
UNKNOWN_SECONDS = 900.0
# A clock or a timeout can be set to anything; what waits for a deadline has limits.
LONGEST_SECONDS = 7 * 24 * 3600.0
_W3C = ("traceparent", "tracestate", "baggage")


class Invocation:
    """An invocation: its event, its deadline, and the right to send its one response.

    Args:
        response: The Runtime API's response to `/invocation/next`.

    Raises:
        ValueError: If it names no invocation.

    Attributes:
        after: Callables to run once the response is sent.
        cancel: Cancels the application if it runs on the event loop.
        deadline: The end of the invocation's time, in seconds since the epoch.
        given_up: Whether the thread of this invocation has been replaced.
        stream: The connection on which a streamed response is under way.
        thread: The thread that runs it.
    """

    __slots__ = (
        *("_claimed", "_lock", "after", "body", "cancel", "deadline", "given_up", "headers", "id"),
        *("stream", "thread"),
    )

    def __init__(self, response: HTTPResponse) -> None:
        self.headers = response.headers
        self.body = response.body
        self.id = self.headers.get("lambda-runtime-aws-request-id", "")
        if not self.id:
            raise ValueError("The event has no Lambda-Runtime-Aws-Request-Id.")
        self.after: list[Callable[[], object]] = []
        self.cancel: Callable[[], object] | None = None
        self.stream: HTTPConnection | None = None
        self.given_up = False
        self.thread = threading.get_ident()
        self.deadline = _deadline(self.headers.get("lambda-runtime-deadline-ms"))
        self._claimed = False
        self._lock = threading.Lock()

    @property
    def trace_id(self) -> str | None:
        """The X-Ray trace header of the invocation."""
        return self.headers.get("lambda-runtime-trace-id")

    def claim(self) -> bool:
        """Claim the right to respond; return False if it has been claimed before."""
        with self._lock:
            first = not self._claimed
            self._claimed = True
        return first


def _deadline(milliseconds: str | None) -> float:
    now = time.time()
    try:
        deadline = int(milliseconds or "") / 1000
    except (OverflowError, ValueError):
        _log.warning(
            "Lambda-Runtime-Deadline-Ms must be a number, got %.100r: %d seconds are assumed.",
            milliseconds,
            UNKNOWN_SECONDS,
        )
        return now + UNKNOWN_SECONDS
    # An event that arrives late is tried anyway.
    return min(max(deadline, now), now + LONGEST_SECONDS)


# Tasks and `asyncio.to_thread` pass context variables on, so concurrent invocations stay apart.
current_invocation: ContextVar[Invocation | None] = ContextVar("unigate.invocation", default=None)


class Context:
    """The context object, with the members of AWS's runtime client for Python and a `trace_id`."""

    function_name = os.environ.get("AWS_LAMBDA_FUNCTION_NAME")
    function_version = os.environ.get("AWS_LAMBDA_FUNCTION_VERSION")
    memory_limit_in_mb = os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
    log_group_name = os.environ.get("AWS_LAMBDA_LOG_GROUP_NAME")
    log_stream_name = os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME")

    def __init__(self, invocation: Invocation) -> None:
        headers = invocation.headers
        self.aws_request_id = invocation.id
        self.invoked_function_arn = headers.get("lambda-runtime-invoked-function-arn")
        self.tenant_id = headers.get("lambda-runtime-aws-tenant-id")
        self.trace_id = invocation.trace_id
        self._deadline = invocation.deadline
        self._w3c: dict[str, str] = {}
        self.client_context: ClientContext | None = None
        value = headers.get("lambda-runtime-client-context")
        if value:
            members = _parse(value, "Client Context")
            w3c = members.pop("w3c", None)
            if isinstance(w3c, dict):
                self._w3c = {name: w3c[name] for name in _W3C if isinstance(w3c.get(name), str)}
            self.client_context = ClientContext(members)
        value = headers.get("lambda-runtime-cognito-identity")
        self.identity = CognitoIdentity(_parse(value, "Cognito Identity") if value else {})

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds until the function times out, never below 0."""
        return max(0, int((self._deadline - time.time()) * 1000))

    def w3c(self) -> dict[str, str]:
        """Return the W3C trace context."""
        return dict(self._w3c)

    def log(self, message: object) -> None:
        """Write a message to standard output, unformatted and without a newline."""
        sys.stdout.write(str(message))

    def __repr__(self) -> str:
        return f"<Context {self.aws_request_id}>"


class _Members:
    """The members of a JSON object as attributes; missing ones are None."""

    names: tuple[str, ...] = ()

    def __init__(self, members: dict[str, Any]) -> None:
        for name in self.names:
            setattr(self, name, members.get(name))


class Client(_Members):
    """The mobile application that invoked the function."""

    names = (
        *("installation_id", "app_title", "app_version_name", "app_version_code"),
        "app_package_name",
    )


class ClientContext(_Members):
    """The client context that the invoking application sent: `custom`, `env` and `client`."""

    names = ("custom", "env")

    def __init__(self, members: dict[str, Any]) -> None:
        super().__init__(members)
        client = members.get("client")
        self.client = Client(client) if isinstance(client, dict) else None


class CognitoIdentity:
    """The Cognito identity that authorized the request; both members are None without one."""

    def __init__(self, members: dict[str, Any]) -> None:
        self.cognito_identity_id = members.get("cognitoIdentityId")
        self.cognito_identity_pool_id = members.get("cognitoIdentityPoolId")


def _parse(value: str, name: str) -> dict[str, Any]:
    try:
        # Header fields are read as Latin-1; their content is UTF-8.
        members = json.loads(value.encode("latin-1"))
    except (ValueError, RecursionError) as error:
        raise TypedError(
            "Runtime.LambdaContextUnmarshalError", f"Unable to parse {name} JSON: {error}"
        ) from error
    return members if isinstance(members, dict) else {}
