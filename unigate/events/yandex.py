"""Yandex Cloud Functions: called directly, or through API Gateway in format 0.1 or 1.0.

- A direct call has no path: every request is for "/". Its query members `integration` and `tag` are
  the platform's. The guide documents that it loses Authorization and Cookie.
- `?integration=raw` passes the body as the event, so every client that can call a function directly
  can forge all of it, client and identity too: allow only the gateway's service account to call it.
- Format 0.1 (the default) has the target as sent in `url`; `path` is the template of the OpenAPI
  specification. Format 1.0 has the real `path`, and differs from AWS's in additional members.
- Without `url`, the query is treated as decoded and encoded again, and the order across keys is
  lost. Events have no root path.
- A reply with Proxy-Authenticate, Transfer-Encoding or Via is an error, so they are left out.
  WWW-Authenticate used to be one and is now renamed by the platform: it is sent under that new
  name. Browsers do not know the name, but a 401 without a challenge is better than a 502.
- Date, Server, X-Request-Id, X-Content-Type-Options and others do not reach the client.

Sources: Yandex Cloud, "Invoking a function in Cloud Functions" (also of 2020), API Gateway's
"x-yc-apigateway-integration:cloud_functions", "x-yc-apigateway-authorizer:function" and ":jwt".
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
    parse_scopes,
    quote_bytes,
    raw_path,
    read_envelope,
    write_envelope,
)
from unigate.request import Request
from unigate.types import Event, Reply

from .forwarded import BELIEVED
from .writing import proxied_headers, query_values

MAX_REPLY = 3_500_000

# Contexts of AWS have some of these, also in test events of its console; WebSockets have
# `connectionId`.
_FOREIGN = {"accountId", "apiId", "connectionId", "resourceId", "resourcePath", "stage"}
_ERRORS = {"proxy-authenticate", "transfer-encoding", "via"}
_RENAMED = {"www-authenticate": "x-yf-remapped-www-authenticate"}


def matches(event: Event) -> bool:
    """Return True for a request of Yandex; its authorizer events lack `multiValueHeaders`."""
    about = json_object(event.get("requestContext"))
    return (
        isinstance(event.get("httpMethod"), str)
        and isinstance(event.get("multiValueHeaders"), dict)
        and isinstance(about.get("identity"), dict)
        and isinstance(about.get("requestId"), str)
        and about.get("httpMethod") == event["httpMethod"]
        and not any(about.get(name) for name in _FOREIGN)
        and (
            isinstance(event.get("pathParams"), dict)
            or isinstance(event.get("multiValueParameters"), dict)
            or isinstance(about.get("apiGateway"), dict)
            or not (event.get("path") or event.get("resource"))
        )
    )


def to_request(event: Event, context: Any) -> Request:
    """Read an event in any of the three forms."""
    about: dict[str, Any] = event.get("requestContext") or {}
    caller: dict[str, Any] = about.get("identity") or {}
    path, _, query = (event.get("url") or "").partition("?")
    if not path:
        path = (event.get("path") or "/").replace("?", "%3F")
        values = event.get("multiValueQueryStringParameters")
        query = encode_query(values or event.get("queryStringParameters"))
    return Request.from_event(
        event.get("httpMethod"),
        raw_path(path),
        query=quote_bytes(query.encode("utf-8", "replace")),
        headers=Headers.from_maps(event.get("multiValueHeaders"), event.get("headers")),
        body=event.get("body"),
        is_base64=event.get("isBase64Encoded"),
        client=caller.get("sourceIp"),
        source="yandex",
        forwarded=BELIEVED["yandex"],
        event=event,
        context=context,
        identify=_identify if about.get("authorizer") else None,
    )


def _identify(request: Request) -> Identity | None:
    """Return what API Gateway's authorizer found: a token's claims, or a function's result."""
    result = json_object(json_object(request.event.get("requestContext")).get("authorizer"))
    token = json_object(result.get("jwt"))
    if claims := json_object(token.get("claims")):
        scopes = parse_scopes(token.get("scopes"))
        return Identity("jwt", json_text(claims.get("sub")), claims, scopes)
    return Identity("lambda", None, result) if result else None


def to_reply(response: Response, event: Event) -> Reply:
    """Write a reply without the fields that the platform rejects."""
    fields = {
        _RENAMED.get(name, name): values
        for name, values in response.headers.grouped().items()
        if name not in _ERRORS
    }
    return write_envelope(response, {"multiValueHeaders": fields})


def make_event(request: Request) -> Event:
    """Write the event of an API Gateway with a single greedy path, in format 0.1."""
    path, query = quote_bytes(request.raw_path), quote_bytes(request.query_string)
    rest = path.lstrip("/")
    values = query_values(request)
    headers = {name.title(): many for name, many in proxied_headers(request).grouped().items()}
    body, is_base64 = encode_body(request.headers, request.body)
    return {
        "httpMethod": request.method,
        "path": "/{proxy+}",
        "url": f"{path}?{query}",
        "headers": {name: many[-1] for name, many in headers.items()},
        "multiValueHeaders": headers,
        "queryStringParameters": {name: many[-1] for name, many in values.items()},
        "multiValueQueryStringParameters": values,
        "params": {"proxy": rest},
        "multiValueParams": {"proxy": [rest]},
        "pathParams": {"proxy": rest},
        "requestContext": {
            "identity": {
                "sourceIp": request.client[0] if request.client else "",
                "userAgent": request.headers.get("user-agent", ""),
            },
            "httpMethod": request.method,
            "requestId": "local",
            "requestTime": "01/Jan/1970:00:00:00 +0000",
            "requestTimeEpoch": 0,
        },
        "body": body,
        "isBase64Encoded": is_base64 or not body,
    }


def from_reply(reply: Reply) -> Response:
    """Read a reply."""
    return read_envelope(reply)
