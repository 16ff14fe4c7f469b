"""Kinds of non-HTTP events.

Answering one as HTTP would go wrong silently: an authorizer event has a method, a path and headers,
and SQS treats any reply as success. Source: the AWS Lambda developer guide, "Invoking Lambda with
events from other AWS services".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from unigate.http.json_values import json_object, json_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from unigate.types import Event

    _Test = Callable[[Event, dict[str, Any]], Any]

# The kinds that `app.on_event` accepts, beside "*".
NAMES = (
    *("activemq", "alexa", "appsync", "authorizer", "cloudformation", "cognito", "connect"),
    *("documentdb", "dynamodb", "eventbridge", "firehose", "kafka", "kinesis", "lex", "logs"),
    *("manage", "rabbitmq", "s3", "schedule", "ses", "sns", "sqs", "warmup", "websocket"),
)
OTHER = "other"

# The services that name themselves in `eventSource`: in each record, or beside the records. Amazon
# MQ's own guide has "aws:amq" for ActiveMQ, that of Lambda "aws:mq".
_SERVICES = {f"aws:{name}": name for name in ("dynamodb", "kinesis", "s3", "ses", "sns", "sqs")}
_SERVICES_AT_THE_TOP = {
    "aws:amq": "activemq",
    "aws:docdb": "documentdb",
    "aws:mq": "activemq",
    "aws:rmq": "rabbitmq",
}
# In records that come without anything around them. Source: the Amazon EventBridge user guide, "MSK
# topic as a source", "Apache Kafka streams as a source" and "Amazon MQ message broker as a source".
_SERVICES_IN_LISTS = {
    **_SERVICES,
    **_SERVICES_AT_THE_TOP,
    "aws:kafka": "kafka",
    "SelfManagedKafka": "kafka",
}
# Streams, which send the last batch of a window without a record. Source: the AWS Lambda developer
# guide, "Implementing stateful Kinesis Data Streams processing in Lambda".
_STREAMS = ("kinesis", "dynamodb")
LISTS = ("activemq", "appsync", "dynamodb", "kafka", "kinesis", "rabbitmq", "sqs")
"""The kinds of which events can be lists: records from EventBridge Pipes, AppSync's batches."""

COMMANDS = frozenset({"_serverless-wsgi", "command", "raw_command", "manage"})
"""The members in which serverless-wsgi and Zappa take commands; only "manage" alone is one here."""
_SCHEDULERS = ("aws.events", "aws.scheduler")


def _is_schedule(event: Event, context: dict[str, Any]) -> bool:
    return (
        event.get("source") in _SCHEDULERS
        and event.get("detail-type", "Scheduled Event") == "Scheduled Event"
    )


def _is_keep_warm(event: Event, context: dict[str, Any]) -> bool:
    """Check for the rule of Zappa's `keep_warm`, which stays when an application leaves Zappa."""
    rules = event.get("resources")
    return _is_schedule(event, context) and any(
        (json_text(rule) or "").endswith("keep_warm_callback")
        for rule in (rules if isinstance(rules, list) else ())
    )


def _is_appsync(event: Event, context: dict[str, Any]) -> bool:
    """Check for a resolver, also in the form that Amplify's template makes, or a channel."""
    about = json_object(event.get("info"))
    return (
        "fieldName" in about or "channel" in about or ("typeName" in event and "fieldName" in event)
    )


def _is_alexa(event: Event, context: dict[str, Any]) -> bool:
    """Check for a custom skill's request, or a directive for a smart home."""
    header = json_object(json_object(event.get("directive")).get("header"))
    caller = json_object(event.get("context")).get("System") or event.get("session")
    return str(header.get("namespace")).startswith("Alexa") or (
        isinstance(caller, dict) and "type" in json_object(event.get("request"))
    )


# The name, the test, and the top-level members that mark such events. Rows without any have the
# mark of another row, or one for which `detection` looks. Some of these events look like HTTP, so
# all rows are tried before the HTTP sources.
_ROWS: tuple[tuple[str, _Test, tuple[str, ...]], ...] = (
    ("kafka", lambda e, c: isinstance(e.get("records"), dict), ("records",)),
    ("firehose", lambda e, c: "deliveryStreamArn" in e, ("deliveryStreamArn",)),
    (OTHER, lambda e, c: "Records" in e or "records" in e, ("Records",)),
    ("authorizer", lambda e, c: "methodArn" in e or "routeArn" in e, ("methodArn", "routeArn")),
    ("authorizer", lambda e, c: "user_data" in e and "apiId" in c, ("user_data",)),  # Huawei's
    # Yandex's; `cookies` is a list in events of an HTTP API.
    ("authorizer", lambda e, c: isinstance(e.get("cookies"), dict), ()),
    ("websocket", lambda e, c: "connectionId" in c and not c.get("elb"), ()),
    ("warmup", lambda e, c: e.get("source") == "serverless-plugin-warmup", ("source",)),
    ("warmup", lambda e, c: e.get("warmer") is True, ("warmer",)),  # npm's lambda-warmer
    ("warmup", _is_keep_warm, ()),
    ("schedule", _is_schedule, ()),
    ("eventbridge", lambda e, c: "detail-type" in e and "source" in e, ("detail-type",)),
    ("cognito", lambda e, c: "triggerSource" in e, ("triggerSource",)),
    ("logs", lambda e, c: isinstance(e.get("awslogs"), dict), ("awslogs",)),
    (
        "cloudformation",
        lambda e, c: "ResponseURL" in e and "RequestType" in e,
        ("ResponseURL",),
    ),
    ("appsync", _is_appsync, ("info", "fieldName")),
    ("alexa", _is_alexa, ("request", "directive")),
    ("lex", lambda e, c: "bot" in e and "sessionState" in e, ("bot",)),
    ("connect", lambda e, c: "ContactData" in json_object(e.get("Details")), ("Details",)),
    # Nothing else may be in it: a request must not become a command by a member that it gained.
    ("manage", lambda e, c: e.keys() == {"manage"}, ()),
    # Commands for other tools (serverless-wsgi, Zappa): never run here.
    (OTHER, lambda e, c: not COMMANDS.isdisjoint(e), tuple(COMMANDS)),
    # An agent of Bedrock.
    (OTHER, lambda e, c: "messageVersion" in e and "apiPath" in e, ("apiPath",)),
)

MARKS = frozenset({"eventSource"}.union(*(marks for _, _, marks in _ROWS)))
CONTEXT_MARKS = frozenset({"connectionId"})


def kind_of(event: Any) -> str | None:
    """Return one of `NAMES`, "other" for other known non-HTTP events, None for all others.

    A list is of the kind of its first item: EventBridge Pipes passes records without anything
    around them, AppSync the resolvers of a batch.
    """
    if isinstance(event, list):
        first = json_object(event[0]) if event else {}
        service = _service(first, _SERVICES_IN_LISTS)
        return service or ("appsync" if _is_appsync(first, {}) else None)
    if not isinstance(event, dict):
        return None
    records = event.get("Records")
    if isinstance(records, list):
        service = _service(json_object(records[0]), _SERVICES) if records else _stream(event)
        if service is not None:
            return service
    service = _service(event, _SERVICES_AT_THE_TOP)
    if service is not None:
        return service
    context = json_object(event.get("requestContext"))
    return next((name for name, test, _ in _ROWS if test(event, context)), None)


def _service(record: dict[str, Any], services: dict[str, str]) -> str | None:
    """Return the service that a record names, or an event."""
    service = record.get("eventSource") or record.get("EventSource")
    return services.get(service) if isinstance(service, str) else None


def _stream(event: Event) -> str | None:
    """Return the kind of stream that a batch without records is from."""
    arn = (json_text(event.get("eventSourceARN")) or "").split(":")
    return arn[2] if len(arn) > 2 and arn[2] in _STREAMS else None
