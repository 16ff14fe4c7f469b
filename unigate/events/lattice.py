"""VPC Lattice with a Lambda target: event structures V2 and V1.

The path holds the query as sent; the map of parameters, whose encoding is not documented, is read
(as it stands) only where the path has no "?". No field is the client's address: Lattice adds it to
X-Forwarded-For, so the right-most entry counts. Without X-Forwarded-Proto the scheme is https. A
root path is not carried; V1 joins repeated header fields and knows no caller.

Answers have a map of single values. "The same header multiple times" is allowed, but not how to
write it: further cookies go under other spellings of `set-cookie`, as load balancers take them. If
Lattice should fold those, one cookie is left; a list could make the whole answer invalid, and a
join would make one broken cookie of several. Source: the VPC Lattice user guide, "Lambda functions
as targets".
"""

from __future__ import annotations

from typing import Any

from unigate.http import (
    Headers,
    Identity,
    Response,
    encode_body,
    forwarded_peer,
    join_query,
    json_object,
    json_text,
    quote_bytes,
    raw_path,
    read_envelope,
    single_value_map,
    split_query,
    write_envelope,
)
from unigate.request import Request
from unigate.types import Event, Reply

from .writing import proxied_headers, quoted_target

MAX_REPLY = 6 * 1024 * 1024


def matches(event: Event) -> bool:
    """Tell whether a Lattice service sent this: V2 names it, V1 alone writes `raw_path`."""
    context = json_object(event.get("requestContext"))
    arns = (context.get("serviceArn"), context.get("serviceNetworkArn"))
    ours = any(isinstance(arn, str) and ":vpc-lattice:" in arn for arn in arns)
    path = event.get("path" if ours else "raw_path")
    method = event.get("method")
    return bool(path and method) and isinstance(path, str) and isinstance(method, str)


def to_request(event: Event, context: Any) -> Request:
    """Read an event of either structure."""
    v1 = bool(event.get("raw_path"))
    path, asks, query = (event.get("raw_path" if v1 else "path") or "/").partition("?")
    if not asks:
        query = join_query(event.get("query_string_parameters" if v1 else "queryStringParameters"))
    headers = Headers.from_map(event.get("headers"))
    caller = json_object(event.get("requestContext")).get("identity")
    return Request.from_event(
        event.get("method"),
        raw_path(path),
        query=quote_bytes(query.encode("utf-8", "replace")),
        headers=headers,
        body=event.get("body"),
        is_base64=event.get("is_base64_encoded" if v1 else "isBase64Encoded"),
        client=forwarded_peer(headers),
        source="lattice_v1" if v1 else "lattice",
        event=event,
        context=context,
        identify=_identify if caller else None,
    )


def _identify(request: Request) -> Identity | None:
    """Return the caller whose signature Lattice has verified; its certificate's names vary."""
    caller = json_object(json_object(request.event.get("requestContext")).get("identity"))
    if caller.get("type") != "AWS_IAM":
        return None
    certificate = {
        name: value
        for name, value in caller.items()
        if value and str(name).lower().startswith("x509")
    }
    user = json_text(caller.get("principal"))
    return Identity("iam", user, caller, certificate=certificate or None)


def to_reply(response: Response, event: Event) -> Reply:
    """Write the answer, which is the same for both structures."""
    return write_envelope(response, {"headers": single_value_map(response.headers)})


def make_event(request: Request) -> Event:
    """Write an event of structure V2, or V1 for a `lattice_v1` request."""
    path = quoted_target(request)
    values = split_query(quote_bytes(request.query_string))
    headers = proxied_headers(request)
    body, is_base64 = encode_body(request.headers, request.body)
    if request.source == "lattice_v1":
        return {
            "raw_path": path,
            "method": request.method,
            "headers": headers.joined(),
            "query_string_parameters": {name: many[-1] for name, many in values.items()},
            "body": body,
            "is_base64_encoded": is_base64,
        }
    arn = "arn:aws:vpc-lattice:us-east-1:123456789012"
    return {
        "version": "2.0",
        "path": path,
        "method": request.method,
        "headers": headers.grouped(),
        "queryStringParameters": values,
        "body": body,
        "isBase64Encoded": is_base64,
        "requestContext": {
            "serviceNetworkArn": f"{arn}:servicenetwork/sn-0123456789abcdef0",
            "serviceArn": f"{arn}:service/svc-0123456789abcdef0",
            "targetGroupArn": f"{arn}:targetgroup/tg-0123456789abcdef0",
            "identity": {"type": "NONE"},
            "region": "us-east-1",
            "timeEpoch": "0",
        },
    }


def from_reply(reply: Reply) -> Response:
    """Read the answer."""
    return read_envelope(reply)
