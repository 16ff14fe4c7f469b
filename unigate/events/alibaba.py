"""Alibaba Cloud: Function Compute 3.0 HTTP triggers of built-in runtimes, and API Gateway's map.

Function Compute passes the event as JSON in bytes.

- `queryParameters` is treated as decoded. The documents do not say, but a trigger builds its event
  with Go's net/http, whose query is decoded. If it is not, only "%" and "+" arrive encoded twice.
- Repeated values of the query and of header fields arrive as one, joined with commas.
- A trigger's path is as sent. The map's is treated the same way, and characters that a request line
  cannot contain are quoted, so the path is valid either way. Events have no root path.
- The map has no client address, and neither form has a caller.
- A reply has one string for each field. Further cookies go under other spellings of `set-cookie`:
  whether all are sent is not documented, and API Gateway is reported to send one. A list is not
  documented either, and a reply that is not understood is shown to the client as it is.

Sources: Alibaba Cloud, Function Compute, "Use an HTTP trigger to invoke a function", "Configure an
API Gateway trigger", "Why does the first letter of the header key become uppercase when I use an
HTTP trigger", and "EntityTooLarge" (the limit); midwayjs/midway, `serverless-fc-starter`.
"""

from __future__ import annotations

from typing import Any

from unigate.http import (
    Headers,
    Response,
    decode_path,
    encode_body,
    encode_query,
    json_object,
    quote_bytes,
    raw_path,
    read_envelope,
    single_value_map,
    write_envelope,
)
from unigate.request import Request
from unigate.types import Event, Reply

from .forwarded import BELIEVED
from .writing import proxied_headers, query_values

MAX_REPLY = 32 * 1024 * 1024


def matches(event: Event) -> bool:
    """Return True for an event of a trigger, or of API Gateway: only it has `queryParameters`."""
    if event.get("version") == "v1":
        http = json_object(event.get("requestContext")).get("http")
        return isinstance(event.get("rawPath"), str) and isinstance(http, dict)
    return (
        isinstance(event.get("httpMethod"), str)
        and isinstance(event.get("path"), str)
        and isinstance(event.get("queryParameters", ""), dict | None)
    )


def to_request(event: Event, context: Any) -> Request:
    """Read an event of either form; the map's documented base64 flag is a string."""
    about = json_object(event.get("requestContext"))
    http = json_object(about.get("http"))
    path: str = event.get("rawPath") or event.get("path") or "/"
    return Request.from_event(
        http.get("method") or event.get("httpMethod"),
        raw_path(path.replace("?", "%3F")),
        query=encode_query(event.get("queryParameters")),
        headers=Headers.from_map(event.get("headers")),
        body=event.get("body"),
        is_base64=event.get("isBase64Encoded") in (True, "true"),
        host=about.get("domainName"),
        client=http.get("sourceIp"),
        source="alibaba",
        forwarded=BELIEVED["alibaba"],
        event=event,
        context=context,
    )


def to_reply(response: Response, event: Event) -> Reply:
    """Write a reply; both forms share its format."""
    return write_envelope(response, {"headers": single_value_map(response.headers)})


def make_event(request: Request) -> Event:
    """Write the event of an HTTP trigger."""
    fields = proxied_headers(request).joined()
    body, is_base64 = encode_body(request.headers, request.body)
    values = query_values(request)
    return {
        "version": "v1",
        "rawPath": quote_bytes(request.raw_path),
        "body": body,
        "isBase64Encoded": is_base64,
        "headers": {
            "-".join(map(str.capitalize, name.split("-"))): value for name, value in fields.items()
        },
        "queryParameters": {name: ",".join(many) for name, many in values.items()},
        "requestContext": {
            "accountId": "1234567890123456",
            "domainName": request.server[0],
            "domainPrefix": request.server[0].partition(".")[0],
            "http": {
                "method": request.method,
                "path": decode_path(request.raw_path),
                "protocol": f"HTTP/{request.http_version}",
                "sourceIp": request.client[0] if request.client else None,
                "userAgent": fields.get("user-agent", ""),
            },
            "requestId": "local",
        },
    }


def from_reply(reply: Reply) -> Response:
    """Read a reply."""
    return read_envelope(reply)
