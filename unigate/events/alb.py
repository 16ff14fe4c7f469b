"""Application Load Balancer with a Lambda target.

Query keys and values arrive still encoded and are joined verbatim; a key without "=" gains one. The
reply must use `multiValueHeaders` exactly if the event did. No member holds the client's address:
the load balancer appends it to X-Forwarded-For, so the right-most entry counts. Source: the Elastic
Load Balancing guide, "Lambda functions as targets".
"""

from __future__ import annotations

from typing import Any

from unigate.http import (
    Headers,
    Response,
    encode_body,
    forwarded_peer,
    join_query,
    quote_bytes,
    raw_path,
    read_envelope,
    reason_phrase,
    single_value_map,
    split_query,
    write_envelope,
)
from unigate.request import Request
from unigate.types import Event, Reply

from .forwarded import BELIEVED
from .writing import proxied_headers

MAX_REPLY = 1024 * 1024


def matches(event: Event) -> bool:
    """Return True for an event of a load balancer."""
    context = event.get("requestContext")
    return isinstance(context, dict) and bool(context.get("elb"))


def to_request(event: Event, context: Any) -> Request:
    """Read an event; a health check has neither Host nor X-Forwarded-*."""
    headers = Headers.from_maps(event.get("multiValueHeaders"), event.get("headers"))
    values = event.get("multiValueQueryStringParameters")
    if not (values and isinstance(values, dict)):
        values = event.get("queryStringParameters")
    return Request.from_event(
        event.get("httpMethod"),
        raw_path(event.get("path") or "/"),
        query=join_query(values),
        headers=headers,
        body=event.get("body"),
        is_base64=event.get("isBase64Encoded"),
        scheme="http",
        client=forwarded_peer(headers),
        source="alb",
        forwarded=BELIEVED["alb"],
        event=event,
        context=context,
    )


def to_reply(response: Response, event: Event) -> Reply:
    """Write a reply with the kind of header map that the event has."""
    reply = write_envelope(response, {})
    phrase = reason_phrase(response.status)
    reply["statusDescription"] = f"{response.status} {phrase}".rstrip()
    lists = event.get("multiValueHeaders")
    if isinstance(lists, dict) and (lists or not event.get("headers")):
        reply["multiValueHeaders"] = response.headers.grouped()
    else:
        reply["headers"] = single_value_map(response.headers)
    return reply


def make_event(request: Request) -> Event:
    """Write the event of a target group with multi-value headers."""
    body, is_base64 = encode_body(request.headers, request.body)
    return {
        "requestContext": {
            "elb": {
                "targetGroupArn": "arn:aws:elasticloadbalancing:us-east-1:123456789012:"
                "targetgroup/local/0123456789abcdef"
            }
        },
        "httpMethod": request.method,
        "path": quote_bytes(request.raw_path),
        "multiValueQueryStringParameters": split_query(quote_bytes(request.query_string)),
        "multiValueHeaders": proxied_headers(request).grouped(),
        "body": body,
        "isBase64Encoded": is_base64,
    }


def from_reply(reply: Reply) -> Response:
    """Read a reply with either kind of header map."""
    return read_envelope(reply)
