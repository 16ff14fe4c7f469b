"""The identifier that a platform has given a request, by event source.

The request's own comes first, because the client and the platform's access log have it as well; an
invocation's identifier (AWS Lambda's `aws_request_id`) is the platform's word too, and comes next.
A field or header counts only if the platform writes it itself. `trust` reads those of live servers.

Sources: the documents that the modules in `events` name; Elastic Load Balancing, "Request tracing
for your Application Load Balancer"; Vercel, "Request headers"; functions-framework-python,
`execution_id.py`.
"""

from __future__ import annotations

import os
from typing import Any

from unigate.http import Headers, json_object

_CONTEXT = ("requestContext", "requestId")

MEMBERS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("http_api", "function_url", "rest_api"), _CONTEXT),
    **dict.fromkeys(("alibaba", "huawei", "tencent", "yandex"), _CONTEXT),
    "cloudfront": ("cf", "config", "requestId"),  # of its one record
}
"""The path of the member of an event, by source."""

HEADERS = {
    "alb": "x-amzn-trace-id",
    "digitalocean": "x-request-id",
    # functions-framework makes one if Google has sent none, and logs with it.
    "google": "function-execution-id",
    "netlify": "x-nf-request-id",
    "scaleway": "x-request-id",
    "vercel": "x-vercel-id",
}
"""The header field that the platform writes, by source."""

# What platforms call the invocation's identifier in their context object.
_OF_INVOCATION = ("aws_request_id", "invocation_id", "activation_id", "request_id")
# OpenWhisk has no context object: it sets a variable before each activation.
_VARIABLES = {"openwhisk": "__OW_ACTIVATION_ID", "digitalocean": "__OW_ACTIVATION_ID"}


def given(source: str, event: Any, context: Any, headers: Headers) -> str | None:
    """Return the identifier in what the platform passed for a request, or None."""
    if source == "alb":
        return _own_trace(headers.get(HEADERS[source]) or "") or of_invocation(context)
    value = event
    if source == "cloudfront":
        records = json_object(event).get("Records")
        value = records[0] if isinstance(records, list) and records else None
    for name in MEMBERS.get(source, ()):
        value = json_object(value).get(name)
    if source in HEADERS:
        value = headers.get(HEADERS[source])
    found = checked(value) or of_invocation(context)
    return found or checked(os.environ.get(_VARIABLES.get(source, "")))


def checked(value: object) -> str | None:
    """Return an identifier that a line of a log can hold, or None."""
    if isinstance(value, str) and value.isascii() and value.isprintable():
        return value[:256] or None
    return None


def of_invocation(context: Any) -> str | None:
    """Return the identifier in the context object that a platform passes, or None."""
    for name in _OF_INVOCATION:
        try:
            value = context.get(name) if isinstance(context, dict) else getattr(context, name, None)
            if found := checked(value):
                return found
        except Exception:  # a property of an unknown context object can raise anything
            continue
    return None


def _own_trace(header: str) -> str | None:
    """Return the load balancer's part of X-Amzn-Trace-Id.

    That is Self where the client has sent a Root, which the load balancer keeps, and Root else.
    """
    fields = [field.strip().partition("=") for field in header.split(";")]
    for wanted in ("Self", "Root"):
        for name, _, value in fields:
            if name == wanted:
                return checked(value)
    return None
