"""Records from EventBridge Pipes: every kind, its filter, and the classes of Powertools."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aws_lambda_powertools.utilities.data_classes import (
    AppSyncResolverEvent,
    DynamoDBStreamEvent,
    KafkaEvent,
    KinesisStreamEvent,
    SQSEvent,
)
from aws_lambda_powertools.utilities.data_classes.active_mq_event import ActiveMQEvent
from aws_lambda_powertools.utilities.data_classes.kinesis_stream_event import KinesisStreamRecord
from aws_lambda_powertools.utilities.data_classes.rabbit_mq_event import RabbitMQEvent

import unigate
from tests.apps import plain
from tests.samples import load
from unigate.events import kind_of, kinds
from unigate.events.batches import each_record

MQ = "arn:aws:mq:eu-west-1:210987654321:broker:kitchen:b-1"


def records_of(kind: str) -> list[dict[str, Any]]:
    """Return the records of a sample as a pipe passes them."""
    event = load(f"not_http/{kind}")
    if kind == "kinesis":  # without the member around the data
        return [record | record.pop("kinesis") for record in event["Records"]]
    if kind in ("dynamodb", "sqs"):
        return list(event["Records"])
    about = {"eventSource": event["eventSource"], "eventSourceArn": event.get("eventSourceArn", MQ)}
    if kind == "activemq":
        return [about | message for message in event["messages"]]
    groups = event["records" if kind == "kafka" else "rmqMessagesByQueue"]
    return [
        about | {"eventSourceKey": name} | record
        for name, records in groups.items()
        for record in records
    ]


FILTERS = {
    "activemq": {"queue": "soups"},
    "dynamodb": {"table": "orders"},
    "kafka": {"topic": "orders"},
    "kinesis": {"stream": "orders"},
    "rabbitmq": {"queue": "soups"},
    "sqs": {"queue": "jobs"},
}
CLASSES: dict[str, tuple[type[Any], Any]] = {
    "activemq": (ActiveMQEvent, lambda event: event.message.decoded_data),
    "dynamodb": (DynamoDBStreamEvent, lambda event: next(event.records).event_name.name),
    "kafka": (KafkaEvent, lambda event: event.record.decoded_value.decode()),
    "kinesis": (KinesisStreamEvent, lambda event: next(event.records).kinesis.data_as_text()),
    "rabbitmq": (
        RabbitMQEvent,
        lambda event: event.rmq_messages_by_queue["soups::/"][0].decoded_data,
    ),
    "sqs": (SQSEvent, lambda event: next(event.records).message_id),
}
CONTENT = {
    "activemq": "soup",
    "dynamodb": "INSERT",
    "kafka": "ola",
    "kinesis": '{"id": 7}',
    "rabbitmq": "soup",
    "sqs": "m-1",
}


def test_every_kind_of_which_there_are_lists_is_tried_here() -> None:
    assert {*FILTERS, "appsync"} == set(kinds.LISTS)


@pytest.mark.parametrize("kind", FILTERS)
def test_records_without_an_event_around_them_have_a_kind_and_a_filter(kind: str) -> None:
    app = unigate.wrap(plain.wsgi_app)
    app.on_event(kind, **dict.fromkeys(FILTERS[kind], "other"))(lambda event, context: "other")
    app.on_event(kind, **FILTERS[kind])(lambda event, context: len(event))
    assert kind_of(records_of(kind)) == kind
    assert app(records_of(kind) * 2, None) == 2
    assert asyncio.run(app.handle(records_of(kind), None)) == 1
    with pytest.raises(unigate.UnknownEvent, match="the filters of no function match"):
        app([{"eventSource": records_of(kind)[0]["eventSource"]}, None], None)


def test_records_of_a_kafka_of_your_own_are_of_kafka() -> None:
    [record] = records_of("kafka")
    record["eventSource"] = "SelfManagedKafka"
    assert kind_of([record]) == "kafka"


@pytest.mark.parametrize("kind", CLASSES)
def test_records_fill_the_class_for_their_event(kind: str) -> None:
    event_class, read = CLASSES[kind]
    app = unigate.wrap(plain.wsgi_app)

    def function(event: Any, context: Any) -> Any:
        assert type(event) is event_class
        return read(event)

    function.__annotations__["event"] = event_class
    app.on_event(kind)(function)
    assert app(records_of(kind), None) == CONTENT[kind]
    assert app(load(f"not_http/{kind}"), None) == CONTENT[kind]  # as without a pipe


def test_a_record_of_kinesis_fills_the_class_for_it() -> None:
    app = unigate.wrap(plain.wsgi_app)
    seen = []

    @app.on_event("kinesis")
    @each_record
    def function(record: KinesisStreamRecord, context: Any) -> None:
        seen.append(record.kinesis.data_as_text())
        raise LookupError

    number = load("not_http/kinesis")["Records"][0]["kinesis"]["sequenceNumber"]
    for event in (records_of("kinesis"), load("not_http/kinesis")):
        assert app(event, None) == {"batchItemFailures": [{"itemIdentifier": number}]}
    assert seen == ['{"id": 7}'] * 2


def test_each_event_of_a_batch_of_appsync_is_of_the_class() -> None:
    app = unigate.wrap(plain.wsgi_app)

    @app.on_event("appsync", field="soup")
    def function(event: AppSyncResolverEvent, context: Any) -> Any:
        assert isinstance(event, list)
        return [type(each).__name__ for each in event]

    assert app([load("not_http/appsync")] * 2, None) == ["AppSyncResolverEvent"] * 2
