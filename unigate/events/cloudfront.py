"""CloudFront with a Lambda@Edge function on its viewer-request or origin-request trigger.

The path and the query arrive as sent, the client as `clientIp`; a port only in Host, which is the
origin's on an origin request unless the distribution forwards the viewer's. CloudFront hides
X-Forwarded-Proto and writes no X-Forwarded-Port, so both are removed. An event loses the root path,
the order across header names, and header fields that a function may not send. It has a body only
with the trigger's option "Include body", and a long one is truncated. Source: the CloudFront
developer guide, "Lambda@Edge event structure", "Restrictions on edge functions" and "Generate HTTP
responses in request triggers".
"""

from __future__ import annotations

from typing import Any

from unigate.errors import InvalidEvent, TooLarge
from unigate.http import (
    Headers,
    Response,
    bodiless,
    decode_body,
    encode_base64,
    encode_body,
    json_object,
    json_text,
    quote_bytes,
    raw_path,
    reason_phrase,
)
from unigate.request import Request
from unigate.types import Event, Reply

from .forwarded import BELIEVED

MAX_REPLY = 1_048_576

# Disallowed and read-only header fields: a reply with one of them becomes a 502.
_FORBIDDEN = frozenset(
    {
        *("connection", "expect", "keep-alive", "proxy-authenticate", "proxy-authorization"),
        *("proxy-connection", "trailer", "upgrade", "x-cache", "x-forwarded-proto", "x-real-ip"),
        *("accept-encoding", "cdn-loop", "content-length", "host", "if-modified-since"),
        *("if-none-match", "if-range", "if-unmodified-since", "transfer-encoding", "via"),
    }
)
_FORBIDDEN_PREFIXES = ("x-accel-", "x-amz-cf-", "x-amzn-", "x-edge-")


def matches(event: Event) -> bool:
    """Return True for an event of a request trigger; a response trigger expects no response."""
    cf = _cf(event)
    request = json_object(cf.get("request"))
    return (
        all(request.get(name) and isinstance(request[name], str) for name in ("method", "uri"))
        and not cf.get("response")
        and not _trigger(event).endswith("-response")
    )


def _cf(event: Event) -> dict[str, Any]:
    records = event.get("Records")
    first = records[0] if records and isinstance(records, list) else None
    return json_object(json_object(first).get("cf"))


def _trigger(event: Event) -> str:
    return json_text(json_object(_cf(event).get("config")).get("eventType")) or ""


def max_reply(event: Event) -> int:
    """Return the largest reply in bytes that CloudFront accepts at the event's trigger."""
    return 40_960 if _trigger(event) == "viewer-request" else MAX_REPLY


def to_request(event: Event, context: Any) -> Request:
    """Read an event; TooLarge if its body was truncated, InvalidEvent if it was left out."""
    cf = _cf(event)
    about: dict[str, Any] = cf["request"]
    headers = _headers(about.get("headers"))
    for name in ("x-forwarded-proto", "x-forwarded-port"):
        headers.remove(name)
    # CloudFront adds its own fields after the viewer request; there, this one is from the viewer.
    proto = headers.get("cloudfront-forwarded-proto") if _trigger(event) != "viewer-request" else ""
    body: dict[str, Any] = about.get("body") or {}
    if body.get("inputTruncated"):
        raise TooLarge(
            "CloudFront truncated the request body: it exceeds the limit of the trigger."
        )
    if not body.get("data") and (headers.get("content-length") or "").strip("0"):
        raise InvalidEvent(
            'The request body is missing from the event: enable the option "Include body".'
        )
    return Request.from_event(
        about.get("method"),
        raw_path(about.get("uri") or "/"),
        query=quote_bytes((about.get("querystring") or "").encode("utf-8", "replace")),
        headers=headers,
        body=body.get("data"),
        is_base64=body.get("encoding") != "text",
        scheme="http" if proto == "http" else "https",
        host=json_object(cf.get("config")).get("distributionDomainName"),
        client=about.get("clientIp"),
        source="cloudfront",
        forwarded=BELIEVED["cloudfront"],
        event=event,
        context=context,
    )


def _headers(fields: Any) -> Headers:
    """Read lists of `key` and `value`; the key repeats the name and can be missing."""
    return Headers.from_map(
        {
            name: [json_object(field).get("value") for field in many or ()]
            for name, many in (fields or {}).items()
        }
    )


def _lists(headers: Headers) -> dict[str, list[dict[str, str]]]:
    return {
        name: [{"key": name, "value": value} for value in values]
        for name, values in headers.grouped().items()
    }


def to_reply(response: Response, event: Event) -> Reply:
    """Write a reply without the header fields that CloudFront rejects; it adds Content-Length."""
    headers = Headers(
        (name, value)
        for name, value in response.headers
        if name not in _FORBIDDEN and not name.startswith(_FORBIDDEN_PREFIXES)
    )
    reply: Reply = {"status": str(response.status), "headers": _lists(headers)}
    phrase = reason_phrase(response.status)
    if phrase:
        reply["statusDescription"] = phrase
    if response.body and not bodiless(response.status):
        reply["body"], is_base64 = encode_body(response.headers, response.body, response.text_types)
        reply["bodyEncoding"] = "base64" if is_base64 else "text"
    return reply


def make_event(request: Request) -> Event:
    """Write the event of an origin request with its scheme in CloudFront-Forwarded-Proto."""
    headers = Headers(request.headers)
    headers.set("cloudfront-forwarded-proto", request.scheme)
    data = encode_base64(request.body)
    about = {
        "clientIp": request.client[0] if request.client else None,
        "headers": _lists(headers),
        "method": request.method,
        "querystring": quote_bytes(request.query_string),
        "uri": quote_bytes(request.raw_path),
        "body": {"data": data, "encoding": "base64", "inputTruncated": False},
    }
    config = {"distributionDomainName": request.server[0], "eventType": "origin-request"}
    return {"Records": [{"cf": {"config": config, "request": about}}]}


def from_reply(reply: Reply) -> Response:
    """Read a reply as CloudFront does: a body is text unless `bodyEncoding` is "base64"."""
    body = decode_body(reply.get("body"), reply.get("bodyEncoding") == "base64")
    return Response(int(reply["status"]), _headers(reply.get("headers")), body)
