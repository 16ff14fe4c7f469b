"""The second argument of a handler, with the members that AWS's runtime client for Python gives."""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

from .client import Invocation
from .errors import Fault

_W3C = ("traceparent", "tracestate", "baggage")


class Context:
    """What Lambda tells about one invocation; `trace_id` is our own addition."""

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
        self._deadline = int(headers.get("lambda-runtime-deadline-ms") or 0)
        self._w3c: dict[str, str] = {}
        self.client_context: ClientContext | None = None
        told = headers.get("lambda-runtime-client-context")
        if told:
            members = _parse(told, "Client Context")
            w3c = members.pop("w3c", None)
            if isinstance(w3c, dict):
                self._w3c = {name: w3c[name] for name in _W3C if isinstance(w3c.get(name), str)}
            self.client_context = ClientContext(members)
        told = headers.get("lambda-runtime-cognito-identity")
        self.identity = CognitoIdentity(_parse(told, "Cognito Identity") if told else {})

    def get_remaining_time_in_millis(self) -> int:
        """Return for how long the function may still run, in milliseconds, never below 0."""
        return max(0, self._deadline - int(time.time() * 1000))

    def w3c(self) -> dict[str, str]:
        """Return the W3C trace context."""
        return dict(self._w3c)

    def log(self, message: object) -> None:
        """Write something to the log, as it is."""
        sys.stdout.write(str(message))

    def __repr__(self) -> str:
        return f"<Context {self.aws_request_id}>"


class _Members:
    """What a JSON object says, as attributes; None for what it does not say."""

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
    """What the invoking client said about itself: `custom`, `env` and `client`."""

    names = ("custom", "env")

    def __init__(self, members: dict[str, Any]) -> None:
        super().__init__(members)
        client = members.get("client")
        self.client = Client(client) if isinstance(client, dict) else None


class CognitoIdentity:
    """The identity that authorized the request, both members None where there was none."""

    def __init__(self, members: dict[str, Any]) -> None:
        self.cognito_identity_id = members.get("cognitoIdentityId")
        self.cognito_identity_pool_id = members.get("cognitoIdentityPoolId")


def _parse(told: str, name: str) -> dict[str, Any]:
    try:
        # Header fields come as Latin-1, and what is in them is UTF-8.
        members = json.loads(told.encode("latin-1"))
    except (ValueError, RecursionError) as error:
        raise Fault(
            "Runtime.LambdaContextUnmarshalError", f"Unable to parse {name} JSON: {error}"
        ) from error
    return members if isinstance(members, dict) else {}
