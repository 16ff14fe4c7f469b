"""API Gateway HTTP API, payload format 2.0, and Lambda function URL.

Both have the same structure and differ in `rawPath`: an HTTP API has percent-decoded it, a function
URL has not. Repeated fields are joined with commas in both directions, except cookies. Sources: the
developer guides of API Gateway ("AWS Lambda proxy integrations for HTTP APIs") and of Lambda
("Invoking function URLs"); the encodings were observed in live events.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from unigate import http as rules
from unigate.http.bodies import encode_body
from unigate.http.headers import Headers
from unigate.http.responses import Response
from unigate.http.urls import QUOTED_PATHS, RAW_PATHS, quote_bytes, remove_path_prefix, unquote
from unigate.request import Request

from .forwarded import BELIEVED

if TYPE_CHECKING:
    from unigate.http.identity import Identity
    from unigate.types import Event, Reply

MAX_REPLY = 6 * 1024 * 1024

# A part of the domain of every function URL.
_FUNCTION_URL = ".lambda-url."

# Bound once: to look a class method up takes longer than half of what it does.
_read_headers = Headers.from_map
_build_request = Request.from_event

# The same for a function URL.
_FORWARDED = BELIEVED["http_api"]


def matches(event: Event) -> bool:
    """Return True for an event in payload format 2.0; `version` alone is not enough."""
    try:  # for most events this takes less time than two more calls of `get`
        return (
            event.get("version") == "2.0"
            and "rawPath" in event
            and isinstance(event["requestContext"]["http"], dict)
        )
    except (KeyError, TypeError):
        return False


def is_function_url(event: Event) -> bool:
    """Return True for an event of a function URL, False for one of an HTTP API."""
    domain = rules.json_object(event.get("requestContext")).get("domainName")
    return isinstance(domain, str) and _FUNCTION_URL in domain


def to_request(event: Event, context: Any) -> Request:
    """Read an event; the path is not from `http.path`, which loses a trailing slash."""
    about: dict[str, Any] = event.get("requestContext") or {}
    http: dict[str, Any] = about.get("http") or {}
    path = event.get("rawPath") or "/"
    domain = about.get("domainName") or ""
    function_url = _FUNCTION_URL in domain
    # A function URL passes cookies here and as a header, an HTTP API only here.
    cookies = event.get("cookies")
    cookie = "; ".join(cookies if all(cookies) else filter(None, cookies)) if cookies else None
    headers = _read_headers(event.get("headers"), cookie)
    stage = about.get("stage") or "$default"
    root = ""
    if stage != "$default":
        asked = None if function_url else domain or headers.get("host")
        path, root = _public_path(event, path, stage, asked)
    paths = RAW_PATHS if function_url else QUOTED_PATHS
    raw = paths.known.get(path) or paths.learn(path)
    return _build_request(
        http.get("method"),
        raw,
        event.get("rawQueryString") or "",
        headers,
        "function_url" if function_url else "http_api",
        event,
        context,
        event.get("body"),
        event.get("isBase64Encoded"),
        domain,
        http.get("sourceIp"),
        root,
        _identify if "authorizer" in about or "authentication" in about else None,
        _FORWARDED,
    )


def _public_path(event: Event, path: str, stage: Any, domain: Any) -> tuple[str, str]:
    """Return the path that clients see, and the root path in it.

    The stage that `rawPath` begins with is in it on the API's own domain, or if no domain is known.
    On a custom domain it is not, unless the route has the same segment.
    """
    address = rules.public_address
    prefix = address.stage_prefix(stage)
    if remove_path_prefix(path, prefix) is None:
        return path, ""
    if not domain or address.is_own_domain(domain):
        return path, prefix
    key = rules.json_text(event.get("routeKey")) or ""
    # "$default" has no parameters, but SAM's local API gives it the whole path in this one.
    route = "/{any_path+}" if key == "$default" else key.partition(" ")[2]
    filled = address.fill_route(route, event.get("pathParameters"))
    return address.without_stage(path, prefix, filled, kept=True), ""


def _identify(request: Request) -> Identity | None:
    """Return what the API's authorizer found, and the client certificate of mutual TLS."""
    json_object, json_text, Identity = rules.json_object, rules.json_text, rules.Identity
    about = json_object(json_object(request.event).get("requestContext"))
    authorizer = json_object(about.get("authorizer"))
    authentication = json_object(about.get("authentication"))
    certificate = json_object(authentication.get("clientCert")) or None
    if jwt := json_object(authorizer.get("jwt")):
        claims = json_object(jwt.get("claims"))
        scopes = rules.parse_scopes(jwt.get("scopes") or claims.get("scope"))
        return Identity("jwt", json_text(claims.get("sub")), claims, scopes, certificate)
    if iam := json_object(authorizer.get("iam")):
        return Identity("iam", json_text(iam.get("userArn")), iam, certificate=certificate)
    if values := json_object(authorizer.get("lambda")):
        user = json_text(values.get("principalId") or values.get("sub"))
        return Identity("lambda", user, values, certificate=certificate)
    if certificate:
        subject = json_text(certificate.get("subjectDN"))
        return Identity("certificate", subject, {}, certificate=certificate)
    return None


def to_reply(response: Response, event: Event) -> Reply:
    """Write a format 2.0 reply: one value for each header, and a list of cookies."""
    fields = response.headers.joined()
    cookies: list[str] = []
    if "set-cookie" in fields:
        cookies = response.headers.getlist("set-cookie")
        del fields["set-cookie"]
    body, is_base64 = encode_body(fields, response.body, response.text_types)
    return {
        "statusCode": response.status,
        "headers": fields,
        "cookies": cookies,
        "body": body,
        "isBase64Encoded": is_base64,
    }


def make_event(request: Request) -> Event:
    """Write the event of an HTTP API, or of a function URL for a `function_url` request.

    The domain is the API's own if the request has a root path.

    An HTTP API loses the difference between "%2F" and "/" in a path, and between repeated fields
    and one with commas.
    """
    from .writing import proxied_headers, query_values  # functions on a platform never need it

    function_url = request.source == "function_url"
    raw = quote_bytes(request.raw_path)
    path = unquote(request.raw_path).decode("utf-8", "replace")
    fields = proxied_headers(request).joined()
    cookie = fields.get("cookie") if function_url else fields.pop("cookie", None)
    body, is_base64 = encode_body(request.headers, request.body)
    stage = request.root_path.lstrip("/") or "$default"
    domain = fields.get("host", request.server[0])
    if function_url:
        domain = "local.lambda-url.us-east-1.on.aws"
    elif request.root_path:
        domain = "local.execute-api.us-east-1.amazonaws.com"
    event: Event = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": raw if function_url else path,
        "rawQueryString": quote_bytes(request.query_string),
        "headers": fields,
        "requestContext": {
            "accountId": "anonymous" if function_url else "123456789012",
            "apiId": "local",
            "domainName": domain,
            "http": {
                "method": request.method,
                "path": path,
                "protocol": f"HTTP/{request.http_version}",
                "sourceIp": request.client[0] if request.client else None,
                "userAgent": fields.get("user-agent", ""),
            },
            "stage": stage,
        },
        "isBase64Encoded": is_base64,
    }
    if query := query_values(request):
        event["queryStringParameters"] = {name: ",".join(many) for name, many in query.items()}
    if cookie:
        event["cookies"] = cookie.split("; ")
    if body:
        event["body"] = body
    return event


def from_reply(reply: Reply) -> Response:
    """Read a reply as the gateway does: without `statusCode`, all of it is the body of a 200."""
    if "statusCode" not in reply:
        return Response(
            200, Headers([("content-type", "application/json")]), json.dumps(reply).encode()
        )
    from unigate.http.envelope import read_envelope  # functions on a platform never need it

    response = read_envelope(reply)
    cookies = [("set-cookie", cookie) for cookie in reply.get("cookies") or ()]
    response.headers = Headers([*response.headers, *cookies])
    return response
