"""The least that hand-written events and small platforms have in common.

`{"path", "httpMethod", "headers", "body", "queryStringParameters"}`: the query is a string as sent,
or a map of decoded values. The client is unknown, because nothing here is the platform's own word.
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

MAX_REPLY = 6 * 1024 * 1024


def matches(event: Event) -> bool:
    """Tell whether the event has at least a method and a path."""
    return isinstance(event.get("httpMethod"), str) and isinstance(event.get("path"), str)


def to_request(event: Event, context: Any) -> Request:
    """Read an event; a query that is still part of the path counts where there is no other."""
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
        headers=Headers.from_maps(event.get("multiValueHeaders") or None, event.get("headers")),
        body=event.get("body"),
        is_base64=event.get("isBase64Encoded"),
        source="generic",
        event=event,
        context=context,
    )


def to_reply(response: Response, event: Event) -> Reply:
    """Write the answer in the form that most platforms know."""
    return write_envelope(response, {"multiValueHeaders": response.headers.grouped()})


def make_event(request: Request) -> Event:
    """Write an event; peer, scheme and port are not carried."""
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
    """Read the answer."""
    return read_envelope(reply)
