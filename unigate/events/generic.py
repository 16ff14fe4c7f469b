"""The common subset of small platforms' and hand-written events.

`{"path", "httpMethod", "headers", "body", "queryStringParameters"}`: the query is a string as sent,
or a map of decoded values. The client is unknown, because no member is set by a known platform.
"""

from __future__ import annotations

from typing import Any

from unigate.http import (
    Headers,
    Response,
    encode_body,
    encode_query,
    quote_bytes,
    raw_path,
    read_envelope,
    write_envelope,
)
from unigate.request import Request
from unigate.types import Event, Reply

from .forwarded import BELIEVED

MAX_REPLY = 6 * 1024 * 1024


def matches(event: Event) -> bool:
    """Return True for an event with at least a method and a path."""
    return isinstance(event.get("httpMethod"), str) and isinstance(event.get("path"), str)


def to_request(event: Event, context: Any) -> Request:
    """Read an event; a query in the path counts if there is no other."""
    path, _, query = (event.get("path") or "").partition("?")
    values = event.get("queryStringParameters")
    if isinstance(values, str):
        query = values.removeprefix("?") or query
    elif values:
        query = encode_query(values)
    return Request.from_event(
        event.get("httpMethod"),
        raw_path(path or "/"),
        query=query,
        headers=Headers.from_maps(event.get("multiValueHeaders"), event.get("headers")),
        body=event.get("body"),
        is_base64=event.get("isBase64Encoded"),
        source="generic",
        forwarded=BELIEVED["generic"],
        event=event,
        context=context,
    )


def to_reply(response: Response, event: Event) -> Reply:
    """Write a reply in the envelope that most platforms accept."""
    return write_envelope(response, {"multiValueHeaders": response.headers.grouped()})


def make_event(request: Request) -> Event:
    """Write an event; it has no client address, scheme or port."""
    body, is_base64 = encode_body(request.headers, request.body)
    return {
        "path": quote_bytes(request.raw_path),
        "httpMethod": request.method,
        "headers": request.headers.joined(),
        "queryStringParameters": quote_bytes(request.query_string),
        "body": body,
        "isBase64Encoded": is_base64,
    }


def from_reply(reply: Reply) -> Response:
    """Read a reply."""
    return read_envelope(reply)
