"""What functions for one kind of event can be told apart by: a queue, a rule, a bucket.

A filter is a name and a function that returns all names which an event has in that place. A name
out of an ARN is its last part; the whole ARN matches too. Source: the AWS Lambda developer guide,
"Invoking Lambda with events from other AWS services".
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from unigate.http import decode_base64, json_object, json_text

Names = Iterable[Any]
_Read = Callable[[Any], Names]


def _at(*path: str | int, up_to: str = "") -> _Read:
    """Return a filter for the text at a path; in a list, for each item.

    Args:
        up_to: The text in front of this separator is a name too.
    """

    def read(event: Any) -> Names:
        value = _value(event, path)
        for text in value if isinstance(value, list) else (value,):
            yield text
            if up_to and isinstance(text, str):
                yield text.partition(up_to)[0]

    return read


def _arn(*path: str | int, part: int = -1) -> _Read:
    """Return a filter for an ARN at a path, or a list of them.

    Args:
        part: The place of the name among the parts of the resource that "/" separates.
    """

    def read(event: Any) -> Names:
        value = _value(event, path)
        for arn in value if isinstance(value, list) else (value,):
            if isinstance(arn, str):
                parts = arn.rpartition(":")[2].split("/") if part < 0 else arn.split("/")
                yield arn
                yield from parts[part:][:1]

    return read


def _bucket(event: Any) -> Names:
    """Yield the name and the ARN of a bucket."""
    bucket = json_object(_value(event, ("Records", 0, "s3", "bucket")))
    yield from (bucket.get("name"), bucket.get("arn"))


def _table(event: Any) -> Names:
    """Yield the name and the ARN of a table, from the ARN of its stream, and that too."""
    stream = json_text(_value(event, ("Records", 0, "eventSourceARN"))) or ""
    yield from (stream, stream.partition("/stream/")[0], *stream.split("/")[1:2])


def _value(event: Any, path: tuple[str | int, ...]) -> Any:
    """Return the value at a path, None if there is none.

    In a list, the first item is the first record of an event, or the first of several events.
    """
    value = event
    if isinstance(event, list):
        value = event[0] if event else None
        path = path[2:] if path[1:2] == (0,) else path
    for step in path:
        if isinstance(step, str):
            value = json_object(value).get(step)
        else:
            value = value[step] if isinstance(value, list) and len(value) > step else None
    return value


def _kafka_topics(event: Any) -> Names:
    """Yield the topics of a batch, whose records are grouped by topic and partition."""
    groups = [event] if isinstance(event, list) else json_object(event.get("records")).values()
    for records in groups:
        if isinstance(records, list):
            yield from (json_object(record).get("topic") for record in records)


def _rabbitmq_queues(event: Any) -> Names:
    """Yield the queues of a batch; behind "::" stands the virtual host."""
    if isinstance(event, list):
        names = [json_text(json_object(message).get("eventSourceKey")) or "" for message in event]
    else:
        names = [*json_object(event.get("rmqMessagesByQueue"))]
    for name in names:
        yield from (name, name.partition("::")[0])


def _log_groups(event: Any) -> Names:
    """Yield the log group of a subscription, whose data is compressed."""
    import gzip

    data: Any = json_object(event.get("awslogs")).get("data")
    try:
        yield json_object(json.loads(gzip.decompress(decode_base64(data)))).get("logGroup")
    except (AttributeError, EOFError, OSError, TypeError, ValueError):
        return


FILTERS: dict[str, dict[str, _Read]] = {
    "activemq": {"queue": _at("messages", 0, "destination", "physicalName")},
    "alexa": {
        "intent": _at("request", "intent", "name"),
        "namespace": _at("directive", "header", "namespace"),
        "request": _at("request", "type"),
    },
    "appsync": {"field": _at("info", "fieldName"), "type": _at("info", "parentTypeName")},
    "authorizer": {"type": _at("type")},
    "cloudformation": {"request": _at("RequestType"), "resource": _at("ResourceType")},
    "cognito": {"pool": _at("userPoolId"), "trigger": _at("triggerSource", up_to="_")},
    "connect": {"queue": _at("Details", "ContactData", "Queue", "Name")},
    "documentdb": {
        "collection": _at("events", 0, "event", "ns", "coll"),
        "database": _at("events", 0, "event", "ns", "db"),
    },
    "dynamodb": {"table": _table},
    "eventbridge": {
        "detail_type": _at("detail-type"),
        "resource": _arn("resources"),
        "source": _at("source"),
    },
    "firehose": {"stream": _arn("deliveryStreamArn")},
    "kafka": {"topic": _kafka_topics},
    "kinesis": {"stream": _arn("Records", 0, "eventSourceARN", part=1)},
    "lex": {"bot": _at("bot", "name"), "intent": _at("sessionState", "intent", "name")},
    "logs": {"group": _log_groups},
    "rabbitmq": {"queue": _rabbitmq_queues},
    "s3": {
        "bucket": _bucket,
        "event": _at("Records", 0, "eventName", up_to=":"),
    },
    "schedule": {"rule": _arn("resources")},
    "ses": {"recipient": _at("Records", 0, "ses", "receipt", "recipients")},
    "sns": {"topic": _arn("Records", 0, "Sns", "TopicArn")},
    "sqs": {"queue": _arn("Records", 0, "eventSourceARN")},
    "websocket": {"route": _at("requestContext", "routeKey")},
}

ARNS = {
    "dynamodb": "table",
    "firehose": "stream",
    "kinesis": "stream",
    "s3": "bucket",
    "schedule": "rule",
    "sns": "topic",
    "sqs": "queue",
}
"""The filters whose value is a name without "/", or an ARN."""

# The second parts of S3's names of events, which several first parts have.
_S3_ACTIONS = (
    *("CompleteMultipartUpload", "Completed", "Copy", "Delete", "DeleteMarkerCreated", "Post"),
    *("Put",),
)


def checked(kind: str, wanted: dict[str, Any]) -> dict[str, str]:
    """Check the filters for a kind of event, and return them in one notation.

    Raises:
        TypeError: The kind has no such filter, or its value is not text.
        ValueError: A value is empty, has a "*" in a place where it means nothing, or is a URL or
            another text in place of a name.
    """
    known = FILTERS.get(kind, {})
    for name, value in wanted.items():
        if name not in known:
            has = f"the filters {', '.join(known)}" if known else "no filters"
            raise TypeError(f"Events of the kind {kind!r} have {has}, got {name!r}.{_advice(name)}")
        if not isinstance(value, str):
            raise TypeError(f"The filter {name!r} must be text, got {value!r}.")
    found = dict(wanted)
    if kind == "s3" and "event" in found:
        found["event"] = _s3_event(found["event"])
    for name, value in found.items():
        if not value.strip():
            raise ValueError(f"The filter {name!r} must not be empty, got {wanted[name]!r}.")
        if name == ARNS.get(kind):
            _check_name(name, value)
    return found


# How a source is read, which Chalice has beside its name.
_SETTINGS = ("batch_size", "maximum_batching_window_in_seconds", "prefix", "suffix")


def _advice(name: str) -> str:
    if name.endswith("_arn"):
        return " A filter takes an ARN in place of a name."
    if name in _SETTINGS:
        return " How a source is read is a setting of the build: [tool.unigate.aws.events]."
    return ""


def _check_name(name: str, value: str) -> None:
    """Refuse what no name or ARN of a resource can be, such as a URL or a pattern."""
    if "*" in value:
        advice = "patterns are not known: register a function for each, or one without a filter"
    elif "/" in value and not value.startswith("arn:"):
        parts = value.rpartition("://")[2].strip("/").split("/")
        advice = f"write {parts[0 if name == 'bucket' else -1]!r}"
    else:
        return
    raise ValueError(
        f"The filter {name!r} must be an exact name or an ARN, got {value!r}; {advice}."
    )


def _s3_event(value: str) -> str:
    """Return S3's name of an event as records have it, without what a bucket's settings add.

    Source: the Amazon S3 user guide, "Supported event types for SQS, SNS, and Lambda", and "Event
    message structure" ("eventName").
    """
    name = value.removeprefix("s3:").removesuffix(":*")
    if name == "*":
        raise ValueError(
            f"The filter 'event' must name events, got {value!r}: for all of them, leave it out."
        )
    if name in _S3_ACTIONS:
        raise ValueError(
            "The filter 'event' must begin with what happened to the object, as in "
            f"'ObjectCreated:Put', got {value!r}."
        )
    if "*" in name:
        message = 'may have a "*" at its end only, as in "s3:ObjectCreated:*"'
        raise ValueError(f"The filter 'event' {message}, got {value!r}.")
    return name


def match(kind: str, wanted: dict[str, str], event: Any) -> bool:
    """Return True if an event of a kind has all the names that a function wants."""
    return all(value in FILTERS[kind][name](event) for name, value in wanted.items())
