"""Yandex Cloud Functions: called directly, or through API Gateway in format 0.1 or 1.0.

- A direct call has no path: every one is for "/". Its query members `integration` and `tag` are
  the platform's. The guide says that it loses Authorization and Cookie.
- `?integration=raw` passes the body for the event, so whoever may call a function directly can
  forge all of it, client and identity too: let only the gateway's service account call it.
- Format 0.1 (the default) has the target as sent in `url`; `path` is the template of the OpenAPI
  specification. Format 1.0 has the real `path`, and is told from AWS's by what it has beside it.
- Where there is no `url`, the query is taken for decoded: its escapes are ours, and the order
  across keys is lost. A root path is not carried.
- An answer with Proxy-Authenticate, Transfer-Encoding or Via is an error, so they are left out.
  WWW-Authenticate was one too and is now renamed: it goes under the name that it would get. A
  browser does not know that name, but a 401 without a challenge is better than a 502.
- Lost on the way are, among others, Date, Server, X-Request-Id and X-Content-Type-Options.

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

from .writing import proxied_headers, query_values

MAX_REPLY = 3_500_000

# An AWS context has some of these, a test event of its console too; `connectionId` is a WebSocket.
_NOT_OURS = {"accountId", "apiId", "connectionId", "resourceId", "resourcePath", "stage"}
_ERRORS = {"proxy-authenticate", "transfer-encoding", "via"}
_RENAMED = {"www-authenticate": "x-yf-remapped-www-authenticate"}


def matches(event: Event) -> bool:
    """Tell whether Yandex sent this; calls of an authorizer have no `multiValueHeaders`."""
    about = json_object(event.get("requestContext"))
    return (
        isinstance(event.get("httpMethod"), str)
        and isinstance(event.get("multiValueHeaders"), dict)
        and isinstance(about.get("identity"), dict)
        and isinstance(about.get("requestId"), str)
        and about.get("httpMethod") == event["httpMethod"]
        and not any(about.get(name) for name in _NOT_OURS)
        and (
            isinstance(event.get("pathParams"), dict)
            or isinstance(event.get("multiValueParameters"), dict)
            or isinstance(about.get("apiGateway"), dict)
            or not (event.get("path") or event.get("resource"))
        )
    )


def to_request(event: Event, context: Any) -> Request:
    """Read an event of any of the three forms."""
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
        event=event,
        context=context,
        identify=_identify if about.get("authorizer") else None,
    )


def _identify(request: Request) -> Identity | None:
    """Return what API Gateway's authorizer found: a token, or all that a function said."""
    found = json_object(json_object(request.event.get("requestContext")).get("authorizer"))
    token = json_object(found.get("jwt"))
    if claims := json_object(token.get("claims")):
        granted = parse_scopes(token.get("scopes"))
        return Identity("jwt", json_text(claims.get("sub")), claims, granted)
    return Identity("lambda", None, found) if found else None


def to_reply(response: Response, event: Event) -> Reply:
    """Write the answer, without the fields that would make it an error."""
    fields = {
        _RENAMED.get(name, name): values
        for name, values in response.headers.grouped().items()
        if name not in _ERRORS
    }
    return write_envelope(response, {"multiValueHeaders": fields})


def make_event(request: Request) -> Event:
    """Write the event of an API Gateway with one greedy path, in format 0.1."""
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
    """Read the answer."""
    return read_envelope(reply)
