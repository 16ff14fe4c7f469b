"""API Gateway REST API (proxy integration) and HTTP API payload format 1.0.

Query values arrive decoded, so they are encoded again; a key without "=" comes back with one, and
the order across keys is lost. The path arrives as sent, except perhaps in payload 1.0 (reported to
be decoded there): what a request line cannot hold is quoted, so either reading gives a valid path.
Source: the API Gateway developer guide, "Lambda proxy integrations".
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
    remove_path_prefix,
)
from unigate.memo import Memo
from unigate.request import Request
from unigate.types import Event, Reply

MAX_REPLY = 6 * 1024 * 1024

# Bound once: to look a class method up takes longer than half of what it does.
_read_headers = Headers.from_maps
_build_request = Request.from_event


def matches(event: Event) -> bool:
    """Tell whether this is a REST proxy event; SAM gives those `version` "1.0" too."""
    return "httpMethod" in event and (
        "resource" in event
        or (bool(event.get("path")) and isinstance(event.get("requestContext"), dict))
    )


def to_request(event: Event, context: Any) -> Request:
    """Read an event; multi-value maps win, where they are maps."""
    about: dict[str, Any] = event.get("requestContext") or {}
    headers = _read_headers(event.get("multiValueHeaders"), event.get("headers"))
    values = event.get("multiValueQueryStringParameters")
    if not isinstance(values, dict):
        values = event.get("queryStringParameters")
    domain = about.get("domainName") or headers.get("host")
    asked = event.get("path"), event.get("version"), about.get("stage"), domain
    raw, query, root = _TARGETS.get(asked) or _TARGETS.learn(asked)
    identity: dict[str, Any] = about.get("identity") or {}
    known = about.get("authorizer") or identity.get("userArn") or identity.get("clientCert")
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
        _identify if known else None,
    )


def _identify(request: Request) -> Identity | None:
    """Read what the method's authorizer found: of Cognito, a function, or IAM; and mutual TLS."""
    about = json_object(json_object(request.event).get("requestContext"))
    caller = json_object(about.get("identity"))
    authorizer = json_object(about.get("authorizer"))
    certificate = json_object(caller.get("clientCert")) or None
    if claims := json_object(authorizer.get("claims")):
        granted = parse_scopes(claims.get("scope"))
        return Identity("jwt", json_text(claims.get("sub")), claims, granted, certificate)
    if user := json_text(caller.get("userArn")):
        return Identity("iam", user, caller, certificate=certificate)
    if user := json_text(authorizer.get("principalId")):
        return Identity("lambda", user, authorizer, certificate=certificate)
    if certificate:
        subject = json_text(certificate.get("subjectDN"))
        return Identity("certificate", subject, {}, certificate=certificate)
    return None


def _target(asked: tuple[Any, Any, Any, Any]) -> tuple[bytes, str, str]:
    """Return the path as it was sent, a query left on it, and where the API is mounted.

    It is mounted at its stage on AWS's own domain, else at the root.
    """
    path, version, stage, domain = asked
    stage = json_text(stage)
    on_aws = bool(domain) and domain.endswith((".amazonaws.com", ".amazonaws.com.cn"))
    root = f"/{stage}" if on_aws and stage and stage != "$default" else ""
    path, _, query = (path or "/").partition("?")  # some gateways in front leave it on
    raw = raw_path(path)
    # Payload 1.0 is reported to keep the stage in the path, a REST API leaves it out.
    if root and (version != "1.0" or remove_path_prefix(path, root) is None):
        raw = raw_path(root) + raw
    return raw, query, root


_TARGETS = Memo(_target)


def to_reply(response: Response, event: Event) -> Reply:
    """Write the answer; API Gateway refuses members that it does not know."""
    headers = response.headers
    body, is_base64 = encode_body(headers.as_map(), response.body)
    return {
        "statusCode": response.status,
        "multiValueHeaders": headers.grouped(),
        "body": body,
        "isBase64Encoded": is_base64,
    }


def make_event(request: Request) -> Event:
    """Write the event that a regional REST API sends, on AWS's domain when there is a root path."""
    from .writing import proxied_headers, query_values  # no function needs them

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
    """Read the answer."""
    return read_envelope(reply)
