"""Huawei Cloud FunctionGraph behind API Gateway (APIG).

- The body is always base64, and a reply needs all of its four members.
- The client is `requestContext.sourceIp` if present, else the right-most X-Forwarded-For, which the
  gateway writes whether it appends to that field or overwrites it. X-Real-IP is not read: nothing
  documents that a client's own value is overwritten.
- The path is treated as sent, the query as decoded: it is encoded again, and the order across keys
  is lost. Values can be lists. Events have no root path.
- An event contains nothing about the caller: APIG puts an app's name or an authorizer's result into
  header fields that each API's owner names.
- An event for a custom authorizer, which has `user_data`, is not a request.
- Fields are strings in the documented reply. Repeated ones are joined; with several cookies every
  field is a list, the form in which FunctionGraph's own runtime replies for HTTP functions.

Sources: Huawei Cloud, FunctionGraph developer guide, "Using an APIG (Dedicated) Trigger"; the API
Gateway user guide, "Creating a Frontend Custom Authorizer"; openEuler's openYuanrong (the
FunctionGraph kernel), `pkg/frontend/types/type.go` and the runtime's `faas/executor/http`.
"""

from __future__ import annotations

from typing import Any

from unigate.http import (
    Headers,
    Response,
    encode_base64,
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

from .forwarded import BELIEVED
from .writing import proxied_headers, query_values, unwrap_single

MAX_REPLY = 6 * 1024 * 1024

_CONTEXT = {"apiId", "requestId", "stage"}


def matches(event: Event) -> bool:
    """Return True for an event of APIG: others with `apiId` and `stage` have many more members."""
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
        forwarded=BELIEVED["huawei"],
        event=event,
        context=context,
    )


def to_reply(response: Response, event: Event) -> Reply:
    """Write a reply; with several cookies, each field is a list."""
    several = len(response.headers.getlist("set-cookie")) > 1
    fields = response.headers.grouped() if several else response.headers.joined()
    return write_envelope(response, {"headers": fields})


def make_event(request: Request) -> Event:
    """Write an event of a dedicated gateway."""
    headers = proxied_headers(request)
    if request.client:
        headers.set("x-real-ip", request.client[0])
    return {
        "body": encode_base64(request.body),
        "requestContext": {"apiId": "local", "requestId": "local", "stage": "RELEASE"},
        "queryStringParameters": unwrap_single(query_values(request)),
        "httpMethod": request.method,
        "pathParameters": {},
        "headers": headers.joined(),
        "path": quote_bytes(request.raw_path),
        "isBase64Encoded": True,
    }


def from_reply(reply: Reply) -> Response:
    """Read a reply."""
    return read_envelope(reply)
