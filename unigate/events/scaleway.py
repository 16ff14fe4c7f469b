"""Scaleway Functions, and their emulator for Python (`scaleway-functions-python`).

- `isBase64Encoded` may be a guess: the emulator leaves every body as it is, and sets the flag where
  it could be base64. Content-Length tells; where there is none, the flag is wrong if what it hides
  is text, because the emulator sets it for nothing else and the platform has no need to.
- The emulator replaces bytes that are not UTF-8. A body that has lost some is refused where
  Content-Length tells; a chunked one arrives damaged.
- Path and query arrive decoded: "%2F" and "/" look the same, and of a repeated key one value is
  left. Repeated header fields are joined. A root path is not carried.
- The platform does not pass Host on, so the server is "localhost" there.
- The client is X-Envoy-External-Address, which Envoy overwrites for callers from outside; the
  right-most X-Forwarded-For is an address of the platform's own.
- Answers have a map of strings, but a list for several cookies, which the platform takes as well.
  Names are in Title-Case, because only so they replace the fields of the process in between. The
  platform adds `Access-Control-Allow-Origin: *` to what does not have the field.

Sources: scaleway/serverless-functions-python, `local/event.py`; scaleway/serverless-functions-go,
`framework/core`; Envoy, "HTTP header manipulation"; an event seen live (that has no Host).
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

from .writing import proxied_headers, query_values

MAX_REPLY = 6 * 1024 * 1024


def matches(event: Event) -> bool:
    """Tell whether Scaleway sent this: nobody else writes `stageVariable`."""
    about = json_object(event.get("requestContext"))
    return (
        isinstance(event.get("httpMethod"), str)
        and isinstance(event.get("path"), str)
        and isinstance(event.get("stageVariable"), dict)
        and about.get("httpMethod") == event["httpMethod"]
    )


def to_request(event: Event, context: Any) -> Request:
    """Read an event; InvalidEvent when the emulator has damaged the body."""
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
        event=event,
        context=context,
    )


def _is_base64(event: Event, length: str | None) -> bool:
    """Tell whether the body is base64 indeed."""
    body = event.get("body")
    if not isinstance(body, str):
        return False
    as_it_is = length == str(len(body.encode("utf-8", "replace")))
    if "\ufffd" in body and length and not as_it_is:
        raise InvalidEvent("The body was not UTF-8, and some of its bytes have been replaced.")
    if not event.get("isBase64Encoded") or as_it_is:
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
    """Write the answer."""
    fields: dict[str, Any] = {
        name.title(): value for name, value in response.headers.joined().items()
    }
    cookies = response.headers.getlist("set-cookie")
    if len(cookies) > 1:
        fields["Set-Cookie"] = cookies
    return write_envelope(response, {"headers": fields})


def make_event(request: Request) -> Event:
    """Write an event of the platform, but with Host."""
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
    """Read the answer."""
    return read_envelope(reply)
