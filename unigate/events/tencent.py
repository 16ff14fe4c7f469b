"""Tencent Cloud SCF: event functions behind a function URL, and behind API Gateway.

- The client is `requestContext.sourceIp`, which a function URL may leave out. X-Scf-Remote-Addr is
  not read: it is documented as the client's address, but reported to keep a value that the client
  sent.
- `queryString` is the whole query; `queryStringParameters` is what the API declares. It is treated
  as decoded, as in Tencent's own adapters, and encoded again. Values can be lists.
- The path is treated as sent, and characters that a request line cannot contain are quoted. On API
  Gateway's own domains it lacks the stage, which is the root path; elsewhere there is no root path.
- Repeated request fields arrive as one. A function URL passes bodies as text, without a flag for
  base64: other bodies arrive damaged.
- `identity.secretId` is a key whose signature API Gateway has verified.
- Repeated fields of a reply are lists. `Location` is documented not to be passed on by API Gateway.

Sources: Tencent Cloud, Serverless Cloud Function, "Function URL Overview", "API Gateway Trigger
Overview", and "Quota Limits"; serverless-components/tencent-flask, `severless_wsgi.py`, and
serverless-plus/tencent-serverless-http.
"""

from __future__ import annotations

from typing import Any

from unigate.http import (
    Headers,
    Identity,
    Response,
    encode_body,
    encode_query,
    json_object,
    json_text,
    quote_bytes,
    raw_path,
    read_envelope,
    remove_path_prefix,
    split_host,
    write_envelope,
)
from unigate.request import Request
from unigate.types import Event, Reply

from .forwarded import BELIEVED
from .writing import proxied_headers, query_values, unwrap_single

MAX_REPLY = 6 * 1024 * 1024

_GATEWAYS = (".apigw.tencentcs.com", ".apigateway.myqcloud.com")


def matches(event: Event) -> bool:
    """Return True for an event of API Gateway or of a function URL."""
    about = json_object(event.get("requestContext"))
    return (
        isinstance(event.get("httpMethod"), str)
        and isinstance(event.get("path"), str)
        and (
            isinstance(about.get("serviceId"), str)
            or isinstance(event.get("queryString", ""), dict | None)
        )
    )


def to_request(event: Event, context: Any) -> Request:
    """Read an event; those of a function URL lack most members."""
    about = json_object(event.get("requestContext"))
    headers = Headers.from_map(event.get("headers"))
    path: str = event.get("path") or "/"
    stage = json_text(about.get("stage")) if _on_gateway(headers) else None
    root = f"/{stage}" if stage else ""
    return Request.from_event(
        event.get("httpMethod"),
        (raw_path(root) if root else b"") + raw_path(path.replace("?", "%3F")),
        query=encode_query(event.get("queryString")),
        headers=headers,
        body=event.get("body"),
        is_base64=event.get("isBase64Encoded"),
        client=about.get("sourceIp"),
        root_path=root,
        source="tencent",
        forwarded=BELIEVED["tencent"],
        event=event,
        context=context,
        identify=_identify if about.get("identity") else None,
    )


def _on_gateway(headers: Headers) -> bool:
    """Return True if the request was for one of API Gateway's own domains."""
    return split_host(headers.get("host") or "", "https")[0].endswith(_GATEWAYS)


def _identify(request: Request) -> Identity | None:
    """Return the owner of the key that signed the request."""
    caller = json_object(json_object(request.event.get("requestContext")).get("identity"))
    user = json_text(caller.get("secretId"))
    return Identity("principal", user, caller) if user else None


def to_reply(response: Response, event: Event) -> Reply:
    """Write an integrated response, which a function URL accepts as well."""
    return write_envelope(response, {"headers": unwrap_single(response.headers.grouped())})


def make_event(request: Request) -> Event:
    """Write the event of API Gateway; it has a root path only on API Gateway's own domains."""
    headers = proxied_headers(request)
    body, is_base64 = encode_body(request.headers, request.body)
    raw = quote_bytes(request.raw_path)
    path = remove_path_prefix(raw, request.root_path) if _on_gateway(headers) else raw
    return {
        "requestContext": {
            "serviceId": "service-local",
            "path": "/",
            "httpMethod": request.method,
            "requestId": "local",
            "identity": {},
            "sourceIp": request.client[0] if request.client else None,
            "stage": request.root_path.lstrip("/"),
        },
        "headers": headers.joined(),
        "body": body,
        "isBase64Encoded": is_base64,
        "pathParameters": {},
        "queryStringParameters": {},
        "headerParameters": {},
        "stageVariables": {},
        "path": path or "/",
        "queryString": unwrap_single(query_values(request)),
        "httpMethod": request.method,
    }


def from_reply(reply: Reply) -> Response:
    """Read a reply."""
    return read_envelope(reply)
