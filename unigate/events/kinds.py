"""Kinds of non-HTTP events.

Answering one as HTTP would go wrong silently: an authorizer event has a method, a path and headers,
and SQS treats any reply as success. Source: the AWS Lambda developer guide, "Invoking Lambda with
events from other AWS services".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from unigate.types import Event

# The kinds that `app.on_event` accepts, beside "*".
NAMES = (
    *("authorizer", "cognito", "dynamodb", "eventbridge", "kafka", "kinesis", "s3", "schedule"),
    *("ses", "sns", "sqs", "warmup", "websocket"),
)
OTHER = "other"

_SERVICES = {f"aws:{name}": name for name in ("dynamodb", "kinesis", "s3", "ses", "sns", "sqs")}

_COMMANDS = frozenset({"_serverless-wsgi", "command", "raw_command", "manage"})

_Test = Callable[[Event, dict[str, Any]], Any]

# The name, the test, and the top-level members that mark such events. Rows without any have the
# mark of another row, or one for which `detection` looks. Some of these events look like HTTP, so
# all rows are tried before the HTTP sources.
_ROWS: tuple[tuple[str, _Test, tuple[str, ...]], ...] = (
    ("kafka", lambda e, c: isinstance(e.get("records"), dict), ("records",)),
    (OTHER, lambda e, c: "Records" in e or "records" in e, ("Records",)),
    ("authorizer", lambda e, c: "methodArn" in e or "routeArn" in e, ("methodArn", "routeArn")),
    ("authorizer", lambda e, c: "user_data" in e and "apiId" in c, ("user_data",)),  # Huawei's
    # Yandex's; `cookies` is a list in events of an HTTP API.
    ("authorizer", lambda e, c: isinstance(e.get("cookies"), dict), ()),
    ("websocket", lambda e, c: "connectionId" in c and not c.get("elb"), ()),
    ("warmup", lambda e, c: e.get("source") == "serverless-plugin-warmup", ("source",)),
    ("warmup", lambda e, c: e.get("warmer") is True, ("warmer",)),  # npm's lambda-warmer
    (
        "schedule",
        lambda e, c: (
            e.get("source") == "aws.events"
            and e.get("detail-type", "Scheduled Event") == "Scheduled Event"
        ),
        (),
    ),
    ("eventbridge", lambda e, c: "detail-type" in e and "source" in e, ("detail-type",)),
    ("cognito", lambda e, c: "triggerSource" in e, ("triggerSource",)),
    # Commands for other tools (serverless-wsgi, Zappa): never run here.
    (OTHER, lambda e, c: not _COMMANDS.isdisjoint(e), tuple(_COMMANDS)),
    # An agent of Bedrock, and API Gateway without proxy integration.
    (OTHER, lambda e, c: "messageVersion" in e and "apiPath" in e, ("apiPath",)),
    (OTHER, lambda e, c: "requestPath" in e, ("requestPath",)),
)

MARKS = frozenset(mark for _, _, marks in _ROWS for mark in marks)
CONTEXT_MARKS = frozenset({"connectionId"})


def kind_of(event: Event) -> str | None:
    """Return one of `NAMES`, "other" for other known non-HTTP events, None for all others."""
    records = event.get("Records")
    if isinstance(records, list) and records and isinstance(records[0], dict):
        service = records[0].get("eventSource") or records[0].get("EventSource")
        if isinstance(service, str) and service in _SERVICES:
            return _SERVICES[service]
    context = event.get("requestContext")
    if not isinstance(context, dict):
        context = {}
    return next((name for name, test, _ in _ROWS if test(event, context)), None)
