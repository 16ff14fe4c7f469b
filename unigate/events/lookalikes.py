"""Events that resemble an HTTP request and are none, or are another platform's.

Answering one as HTTP would be wrong quietly: an authorizer event carries a method, a path and
headers, and SQS takes any answer for success.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from unigate.types import Event

_Row = tuple[str, Callable[[Event, dict[str, Any]], bool]]

# In this order: top-level members are the client's to choose where OpenWhisk merges them.
_ROWS: tuple[_Row, ...] = (
    ("an OpenWhisk web action", lambda e, c: "__ow_method" in e or "__ow_headers" in e),
    ("a DigitalOcean function call", lambda e, c: isinstance(e.get("http"), dict)),
    ("", lambda e, c: bool(c.get("elb"))),  # a load balancer's own, and its only mark
    ("a Lambda@Edge event", lambda e, c: _first_record_has(e, "cf")),
    ("a batch of records", lambda e, c: "Records" in e or "records" in e),
    ("an API Gateway authorizer call", lambda e, c: "methodArn" in e or "routeArn" in e),
    ("a WebSocket event", lambda e, c: "connectionId" in c),
    ("a VPC Lattice request", lambda e, c: "serviceNetworkArn" in c or "serviceArn" in c),
    ("a VPC Lattice request", lambda e, c: "raw_path" in e),
    ("a Netlify request", lambda e, c: "rawUrl" in e),
    ("a Bedrock agent call", lambda e, c: "messageVersion" in e and "apiPath" in e),
    ("an API Gateway call without proxy integration", lambda e, c: "requestPath" in e),
    ("a Tencent Cloud request", lambda e, c: "serviceId" in c or "queryString" in e),
    ("a Yandex Cloud request", lambda e, c: "pathParams" in e or "operationId" in e),
    ("a Yandex Cloud request", lambda e, c: "apiGateway" in c),
    ("a Huawei Cloud request", lambda e, c: c.keys() == {"apiId", "requestId", "stage"}),
    ("a Scaleway request", lambda e, c: "stageVariable" in e),
    ("an Alibaba Cloud request", lambda e, c: "queryParameters" in e),
)


# What at least one row looks for: an event without any of it, and a context of another size than
# Huawei's, is none of them.
MARKS = frozenset(
    {
        *("__ow_method", "__ow_headers", "http", "Records", "records", "methodArn", "routeArn"),
        *("raw_path", "rawUrl", "apiPath", "requestPath", "queryString", "pathParams"),
        *("operationId", "stageVariable", "queryParameters"),
    }
)
CONTEXT_MARKS = frozenset(
    {"connectionId", "serviceNetworkArn", "serviceArn", "serviceId", "apiGateway"}
)


def lookalike(event: Event) -> str | None:
    """Say what an event is that no source here may take for an HTTP request, or None."""
    context = event.get("requestContext")
    if not isinstance(context, dict):
        context = {}
    return next((name for name, is_it in _ROWS if is_it(event, context)), "") or None


def _first_record_has(event: Event, member: str) -> bool:
    records = event.get("Records")
    return bool(
        records
        and isinstance(records, list)
        and isinstance(records[0], dict)
        and isinstance(records[0].get(member), dict)
    )
