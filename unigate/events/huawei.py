"""Huawei Cloud FunctionGraph behind API Gateway (APIG).

- The body is base64 always, and an answer needs all of its four members.
- The client is `requestContext.sourceIp` where it is given, else the right-most X-Forwarded-For,
  which is the gateway's own whether that field is appended to or overwritten. X-Real-IP is not
  read: nothing says that a client's own is overwritten.
- The path is taken as sent, the query for decoded: its escapes are ours, and the order across keys
  is lost. Values may be lists. A root path is not carried.
- An event says nothing about who called: APIG puts an app's name or an authorizer's result into
  the header fields that the API names for it, and only its owner knows those.
- A call of a custom authorizer, which has `user_data`, is no request.
- Fields are strings in the documented answer. Repeated ones are joined; with several cookies every
  field is a list, the form in which FunctionGraph's own runtime answers for HTTP functions.

Sources: Huawei Cloud, FunctionGraph developer guide, "Using an APIG (Dedicated) Trigger"; the API
Gateway user guide, "Creating a Frontend Custom Authorizer"; openEuler's openYuanrong (the
FunctionGraph kernel), `pkg/frontend/types/type.go` and the runtime's `faas/executor/http`.
"""

from __future__ import annotations

from binascii import b2a_base64
from typing import Any

from unigate.http import (
    Headers,
    Response,
    encode_query,
    forwarded_peer,
    json_object,
    quote_bytes,
    raw_path,
    read_envelope,
    write_envelope,
)
from unigate.request import Request
from unigate.types import Event, Reply

from .writing import proxied_headers, query_values, unwrap_single

MAX_REPLY = 6 * 1024 * 1024

_CONTEXT = {"apiId", "requestId", "stage"}


def matches(event: Event) -> bool:
    """Tell whether APIG sent this: others that give an `apiId` and a `stage` give much more."""
    about = json_object(event.get("requestContext"))
    return (
        isinstance(event.get("httpMethod"), str)
        and isinstance(event.get("path"), str)
        and isinstance(event.get("isBase64Encoded"), bool)
        and about.keys() - {"sourceIp"} == _CONTEXT
        and all(isinstance(about[name], str) for name in _CONTEXT)
        and not ("user_data" in event or "resource" in event or "multiValueHeaders" in event)
    )


def to_request(event: Event, context: Any) -> Request:
    """Read an event."""
    headers = Headers.from_map(event.get("headers"))
    about: dict[str, Any] = event.get("requestContext") or {}
    return Request.from_event(
        event.get("httpMethod"),
        raw_path((event.get("path") or "/").replace("?", "%3F")),
        query=encode_query(event.get("queryStringParameters")),
        headers=headers,
        body=event.get("body"),
        is_base64=event.get("isBase64Encoded"),
        client=about.get("sourceIp") or forwarded_peer(headers),
        source="huawei",
        event=event,
        context=context,
    )


def to_reply(response: Response, event: Event) -> Reply:
    """Write the answer, with a list for each field where only that keeps cookies apart."""
    several = len(response.headers.getlist("set-cookie")) > 1
    fields = response.headers.grouped() if several else response.headers.joined()
    return write_envelope(response, {"headers": fields})


def make_event(request: Request) -> Event:
    """Write an event of a dedicated gateway."""
    headers = proxied_headers(request)
    if request.client:
        headers.set("x-real-ip", request.client[0])
    return {
        "body": b2a_base64(request.body, newline=False).decode("ascii"),
        "requestContext": {"apiId": "local", "requestId": "local", "stage": "RELEASE"},
        "queryStringParameters": unwrap_single(query_values(request)),
        "httpMethod": request.method,
        "pathParameters": {},
        "headers": headers.joined(),
        "path": quote_bytes(request.raw_path),
        "isBase64Encoded": True,
    }


def from_reply(reply: Reply) -> Response:
    """Read the answer."""
    return read_envelope(reply)
