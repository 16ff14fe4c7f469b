"""VPC Lattice with a Lambda target: event structures V2 and V1.

The path contains the query as sent; the map of parameters, whose encoding is not documented, is
read (verbatim) only if the path has no "?". No member holds the client's address: Lattice adds it
to X-Forwarded-For, so the right-most entry counts. No member names the scheme; it is read as https.
Events have no root path; V1 joins repeated header fields and has no caller.

Replies have a map of single values. "The same header multiple times" is allowed, but the form is
not documented: further cookies go under other spellings of `set-cookie`, as load balancers accept
them. If Lattice merges those, one cookie remains; a list could make the whole reply invalid, and
joining would turn several cookies into a single broken one. Source: the VPC Lattice user guide,
"Lambda functions as targets".
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

from .forwarded import BELIEVED
from .writing import proxied_headers, quoted_target

MAX_REPLY = 6 * 1024 * 1024


def matches(event: Event) -> bool:
    """Return True for an event of a Lattice service: V2 has its ARN, only V1 has `raw_path`."""
    context = json_object(event.get("requestContext"))
    arns = (context.get("serviceArn"), context.get("serviceNetworkArn"))
    is_v2 = any(isinstance(arn, str) and ":vpc-lattice:" in arn for arn in arns)
    path = event.get("path" if is_v2 else "raw_path")
    method = event.get("method")
    return bool(path and method) and isinstance(path, str) and isinstance(method, str)


def to_request(event: Event, context: Any) -> Request:
    """Read an event of either structure."""
    v1 = bool(event.get("raw_path"))
    path, mark, query = (event.get("raw_path" if v1 else "path") or "/").partition("?")
    if not mark:
        query = join_query(event.get("query_string_parameters" if v1 else "queryStringParameters"))
    headers = Headers.from_map(event.get("headers"))
    caller = json_object(event.get("requestContext")).get("identity")
    source = "lattice_v1" if v1 else "lattice"
    return Request.from_event(
        event.get("method"),
        raw_path(path),
        query=quote_bytes(query.encode("utf-8", "replace")),
        headers=headers,
        body=event.get("body"),
        is_base64=event.get("is_base64_encoded" if v1 else "isBase64Encoded"),
        client=forwarded_peer(headers),
        source=source,
        forwarded=BELIEVED[source],
        event=event,
        context=context,
        identify=_identify if caller else None,
    )


def _identify(request: Request) -> Identity | None:
    """Return the caller whose signature Lattice verified; members of its certificate vary."""
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
    """Write a reply; both structures share its format."""
    return write_envelope(response, {"headers": single_value_map(response.headers)})


def make_event(request: Request) -> Event:
    """Write an event of structure V2, or of V1 for a `lattice_v1` request."""
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
    """Read a reply."""
    return read_envelope(reply)
