"""Scaleway Functions, and their emulator for Python (`scaleway-functions-python`).

- `isBase64Encoded` can be a guess: the emulator passes every body unchanged, and sets the flag if
  it could be base64. Content-Length decides; without it, the flag is wrong if the decoded body is
  text, because the platform has no reason to encode text and only the emulator would set the flag.
- The emulator replaces bytes that are not UTF-8. A body that has lost some is rejected if
  Content-Length shows it; a chunked one arrives damaged.
- Path and query arrive decoded: "%2F" and "/" look the same, and only one value of a repeated key
  remains. Repeated header fields are joined. Events have no root path.
- The platform does not pass Host, so the server is "localhost" there.
- The client is X-Envoy-External-Address, which Envoy overwrites for requests from outside; the
  right-most X-Forwarded-For is an address of the platform itself.
- Replies have a map of strings, with a list for several cookies, which the platform accepts. Names
  are in Title-Case, because only then do they replace the fields of the intermediate process. The
  platform adds `Access-Control-Allow-Origin: *` to responses without that field.

Sources: scaleway/serverless-functions-python, `local/event.py`; scaleway/serverless-functions-go,
`framework/core`; Envoy, "HTTP header manipulation"; a live event (which has no Host).
"""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from unigate.errors import InvalidEvent
from unigate.http import (
    Headers,
    Response,
    decode_body,
    encode_body,
    encode_query,
    json_object,
    quote_bytes,
    quote_path,
    read_envelope,
    write_envelope,
)
from unigate.request import Request
from unigate.types import Event, Reply

from .forwarded import BELIEVED
from .writing import proxied_headers, query_values

MAX_REPLY = 6 * 1024 * 1024


def matches(event: Event) -> bool:
    """Return True for an event of Scaleway: only it has `stageVariable`."""
    about = json_object(event.get("requestContext"))
    return (
        isinstance(event.get("httpMethod"), str)
        and isinstance(event.get("path"), str)
        and isinstance(event.get("stageVariable"), dict)
        and about.get("httpMethod") == event["httpMethod"]
    )


def to_request(event: Event, context: Any) -> Request:
    """Read an event; InvalidEvent if the emulator has damaged the body."""
    headers = Headers.from_map(event.get("headers"))
    return Request.from_event(
        event.get("httpMethod"),
        quote_path(event.get("path") or "/"),
        query=encode_query(event.get("queryStringParameters")),
        headers=headers,
        body=event.get("body"),
        is_base64=_is_base64(event, headers.get("content-length")),
        client=headers.get("x-envoy-external-address"),
        source="scaleway",
        forwarded=BELIEVED["scaleway"],
        event=event,
        context=context,
    )


def _is_base64(event: Event, length: str | None) -> bool:
    """Return True if the body really is base64."""
    body = event.get("body")
    if not isinstance(body, str):
        return False
    is_raw = length == str(len(body.encode("utf-8", "replace")))
    if "\ufffd" in body and length and not is_raw:
        raise InvalidEvent("The body must be UTF-8: the emulator has replaced bytes that are not.")
    if not event.get("isBase64Encoded") or is_raw:
        return False
    content = decode_body(body, True)
    if length == str(len(content)):
        return True
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return True
    return False


def to_reply(response: Response, event: Event) -> Reply:
    """Write a reply."""
    fields: dict[str, Any] = {
        name.title(): value for name, value in response.headers.joined().items()
    }
    cookies = response.headers.getlist("set-cookie")
    if len(cookies) > 1:
        fields["Set-Cookie"] = cookies
    return write_envelope(response, {"headers": fields})


def make_event(request: Request) -> Event:
    """Write an event of the platform, with Host in addition."""
    headers = proxied_headers(request)
    if request.client:
        headers.set("x-envoy-external-address", request.client[0])
    if request.body:
        headers.set("content-length", str(len(request.body)))
    values = query_values(request)
    body, is_base64 = encode_body(Headers(), request.body)
    event = {
        "path": unquote(quote_bytes(request.raw_path)),
        "httpMethod": request.method,
        "headers": {name.title(): value for name, value in headers.joined().items()},
        "multiValueHeaders": None,
        "queryStringParameters": {name: many[-1] for name, many in values.items()},
        "multiValueQueryStringParameters": None,
        "pathParameters": None,
        "stageVariable": {},
        "requestContext": {
            **dict.fromkeys(("accountId", "resourceId", "stage", "requestId", "resourcePath"), ""),
            "authorizer": None,
            "httpMethod": request.method,
            "apiId": "",
        },
        "body": body,
    }
    return event | {"isBase64Encoded": True} if is_base64 else event


def from_reply(reply: Reply) -> Response:
    """Read a reply."""
    return read_envelope(reply)
