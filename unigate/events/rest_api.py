"""API Gateway REST API (proxy integration) and HTTP API payload format 1.0.

Query values arrive decoded, so they are encoded again; a key without "=" gains one, and the order
across keys is lost. The path arrives as sent, except perhaps in payload 1.0 (reported to be decoded
there): characters that a request line cannot contain are quoted, so the path is valid either way.
Source: the API Gateway developer guide, "Lambda proxy integrations".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from unigate.http.bodies import encode_body
from unigate.http.headers import Headers
from unigate.http.identity import Identity
from unigate.http.json_values import json_object, json_text, parse_scopes
from unigate.http.public_address import fill_route, public_root, stage_prefix, without_stage
from unigate.http.responses import Response
from unigate.http.urls import (
    decode_path,
    encode_query,
    quote_bytes,
    raw_path,
    remove_path_prefix,
)
from unigate.memo import Memo
from unigate.request import Request

from .forwarded import BELIEVED

if TYPE_CHECKING:
    from unigate.types import Event, Reply

MAX_REPLY = 6 * 1024 * 1024

# Bound once: to look a class method up takes longer than half of what it does.
_read_headers = Headers.from_maps
_build_request = Request.from_event

_FORWARDED = BELIEVED["rest_api"]


def matches(event: Event) -> bool:
    """Return True for a REST proxy event; with SAM these have `version` "1.0" too."""
    return "httpMethod" in event and (
        "resource" in event
        or (bool(event.get("path")) and isinstance(event.get("requestContext"), dict))
    )


def to_request(event: Event, context: Any) -> Request:
    """Read an event; multi-value members count if they are maps."""
    about: dict[str, Any] = event.get("requestContext") or {}
    headers = _read_headers(event.get("multiValueHeaders"), event.get("headers"))
    values = event.get("multiValueQueryStringParameters")
    if not (values and isinstance(values, dict)):
        values = event.get("queryStringParameters")
    domain = about.get("domainName") or headers.get("host")
    seen = about.get("path")
    if type(seen) is not str:
        seen = None
    key = event.get("path"), seen, about.get("stage"), domain, event.get("version")
    raw, query, root, staged = _known_target(key) or _TARGETS.learn(key)
    if staged:
        route = fill_route(json_text(event.get("resource")) or "", event.get("pathParameters"))
        raw, query, root, _ = _target(key, route)
    identity: dict[str, Any] = about.get("identity") or {}
    caller = about.get("authorizer") or identity.get("userArn") or identity.get("clientCert")
    return _build_request(
        event.get("httpMethod"),
        raw,
        encode_query(values) if values else query,
        headers,
        "rest_api",
        event,
        context,
        event.get("body"),
        event.get("isBase64Encoded"),
        about.get("domainName"),
        identity.get("sourceIp"),
        root,
        _identify if caller else None,
        _FORWARDED,
    )


def _identify(request: Request) -> Identity | None:
    """Return what the authorizer found (Cognito, a function, IAM) and mutual TLS's certificate."""
    about = json_object(json_object(request.event).get("requestContext"))
    caller = json_object(about.get("identity"))
    authorizer = json_object(about.get("authorizer"))
    certificate = json_object(caller.get("clientCert")) or None
    if claims := json_object(authorizer.get("claims")):
        scopes = parse_scopes(claims.get("scope"))
        return Identity("jwt", json_text(claims.get("sub")), claims, scopes, certificate)
    if user := json_text(caller.get("userArn")):
        return Identity("iam", user, caller, certificate=certificate)
    if user := json_text(authorizer.get("principalId")):
        return Identity("lambda", user, authorizer, certificate=certificate)
    if certificate:
        subject = json_text(certificate.get("subjectDN"))
        return Identity("certificate", subject, {}, certificate=certificate)
    return None


def _target(key: tuple[Any, Any, Any, Any, Any], route: str = "") -> tuple[bytes, str, str, bool]:
    """Return the path that clients see, the query if the path has one, and the root path.

    The fourth is True for a path that may begin with the stage: then `route` decides.
    """
    path, seen, stage, domain, version = key
    prefix = stage_prefix(stage)
    path, _, query = (path or "/").partition("?")  # some gateways in front leave the query on it
    path = path if path.startswith("/") else f"/{path}"
    if seen is None and version == "1.0":
        seen = path
    inner = without_stage(path, prefix, route, kept=version == "1.0")
    root = public_root(inner, seen, prefix, domain)
    staged = bool(prefix) and remove_path_prefix(path, prefix) is not None
    if not root:
        return raw_path(inner), query, "", staged
    front = raw_path(root)
    return front + raw_path(inner), query, decode_path(front), staged


_TARGETS = Memo(_target)
_known_target = _TARGETS.get


def to_reply(response: Response, event: Event) -> Reply:
    """Write a reply; API Gateway rejects unknown members."""
    headers = response.headers
    body, is_base64 = encode_body(headers.single or headers, response.body, response.text_types)
    return {
        "statusCode": response.status,
        "multiValueHeaders": headers.grouped(),
        "body": body,
        "isBase64Encoded": is_base64,
    }


def make_event(request: Request) -> Event:
    """Write the event of a regional REST API, on AWS's domain if the request has a root path."""
    from .writing import proxied_headers, query_values  # functions on a platform never need them

    headers = proxied_headers(request)
    body, is_base64 = encode_body(request.headers, request.body)
    query = query_values(request)
    raw = quote_bytes(request.raw_path)
    path = remove_path_prefix(raw, request.root_path)
    path = raw if path is None else path or "/"
    domain = request.server[0]
    if request.root_path:
        domain = "local.execute-api.us-east-1.amazonaws.com"
    return {
        "resource": "/{proxy+}",
        "path": path,
        "httpMethod": request.method,
        "headers": {name: values[-1] for name, values in headers.grouped().items()},
        "multiValueHeaders": headers.grouped(),
        "queryStringParameters": {name: values[-1] for name, values in query.items()} or None,
        "multiValueQueryStringParameters": query or None,
        "pathParameters": {"proxy": path.strip("/")},
        "stageVariables": None,
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "local",
            "domainName": domain,
            "httpMethod": request.method,
            "identity": {"sourceIp": request.client[0] if request.client else None},
            "path": raw,
            "protocol": f"HTTP/{request.http_version}",
            "resourceId": "local",
            "resourcePath": "/{proxy+}",
            "stage": request.root_path.lstrip("/") or "local",
        },
        "body": body or None,
        "isBase64Encoded": is_base64,
    }


def from_reply(reply: Reply) -> Response:
    """Read a reply."""
    from unigate.http.envelope import read_envelope  # functions on a platform never need it

    return read_envelope(reply)
