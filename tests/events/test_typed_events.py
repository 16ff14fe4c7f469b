"""Functions annotated with an event class of Powertools for AWS Lambda."""

from __future__ import annotations

import asyncio
import functools
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest
from aws_lambda_powertools.utilities import data_classes
from aws_lambda_powertools.utilities.data_classes import (
    CloudFormationCustomResourceEvent,
    CloudWatchLogsEvent,
    DynamoDBStreamEvent,
    EventBridgeEvent,
    KinesisStreamEvent,
    S3Event,
    SESEvent,
    SNSEvent,
    SQSEvent,
)
from aws_lambda_powertools.utilities.data_classes.active_mq_event import ActiveMQEvent
from aws_lambda_powertools.utilities.data_classes.common import DictWrapper

import unigate
from tests.apps import plain
from tests.samples import load
from unigate.events.typed_events import with_event_class

CLASSES: list[tuple[str, str, type[Any]]] = [
    ("activemq", "activemq", ActiveMQEvent),
    ("cloudformation", "cloudformation", CloudFormationCustomResourceEvent),
    ("dynamodb", "dynamodb", DynamoDBStreamEvent),
    ("eventbridge", "eventbridge", EventBridgeEvent),
    ("kinesis", "kinesis", KinesisStreamEvent),
    ("logs", "cloudwatch_logs", CloudWatchLogsEvent),
    ("s3", "s3", S3Event),
    ("schedule", "schedule", EventBridgeEvent),
    ("ses", "ses", SESEvent),
    ("sns", "sns", SNSEvent),
    ("sqs", "sqs", SQSEvent),
]


@pytest.mark.parametrize(("kind", "name", "event_class"), CLASSES)
def test_a_function_gets_the_class_of_its_annotation(
    kind: str, name: str, event_class: type[Any]
) -> None:
    app = unigate.wrap(plain.wsgi_app)

    def function(event: Any, context: Any) -> Any:
        return type(event), event.raw_event

    function.__annotations__["event"] = event_class
    app.on_event(kind)(function)
    assert app(load(f"not_http/{name}"), None) == (event_class, load(f"not_http/{name}"))


class Orders(SQSEvent):
    """A class of the user's own."""


class Handlers:
    def method(self, event: SQSEvent, context: Any) -> Any:
        return type(event).__name__

    def __call__(self, event: SQSEvent, context: Any) -> Any:
        return type(event).__name__

    @staticmethod
    def static(event: SQSEvent, context: Any) -> Any:
        return type(event).__name__


def as_name(event: SQSEvent, context: Any) -> Any:
    return type(event).__name__


def as_dotted_name(event: data_classes.SQSEvent, context: Unheard) -> Any:  # type: ignore[name-defined] # noqa: F821
    return type(event).__name__


def as_text(event: "SQSEvent", context: Any) -> Any:  # noqa: UP037
    return type(event).__name__


def as_subclass(event: Orders, context: Any) -> Any:
    return type(event).__name__


async def asynchronous(event: SQSEvent, context: Any) -> Any:
    return type(event).__name__


def before(prefix: str, event: SQSEvent, context: Any) -> Any:
    return type(event).__name__


@functools.wraps(as_name)
def wrapper(*args: Any) -> Any:
    return as_name(*args)


TYPED = [
    *(as_name, as_dotted_name, as_text, as_subclass, asynchronous, wrapper),
    *(Handlers().method, Handlers(), Handlers.static, functools.partial(before, "x")),
]


@pytest.mark.parametrize("function", TYPED)
def test_an_annotation_is_found_however_it_is_written(function: Any) -> None:
    app = unigate.wrap(plain.wsgi_app)
    assert app.on_event("sqs")(function) is function
    expected = "Orders" if function is as_subclass else "SQSEvent"
    assert app(load("not_http/sqs"), None) == expected
    assert asyncio.run(app.handle(load("not_http/sqs"), None)) == expected


def without(event, context):  # type: ignore[no-untyped-def]
    return type(event).__name__


def as_dict(event: dict[str, Any], context: Any) -> Any:
    return type(event).__name__


def as_mapping(event: Mapping[str, Any], context: Any) -> Any:
    return type(event).__name__


def as_any(event: Any, context: SQSEvent) -> Any:
    return type(event).__name__


class Foreign:
    """A class that would take the event; who knows what else it would do."""

    def __init__(self, event: Any) -> None:
        raise AssertionError("called")


def as_foreign(event: Foreign, context: Any) -> Any:
    return type(event).__name__


def as_unheard_of(event: Unheard, context: Any) -> Any:  # type: ignore[name-defined] # noqa: F821
    return type(event).__name__


def as_expression(event: list[SQSEvent], context: Any) -> Any:
    return type(event).__name__


def as_code(event: "print('run')", context: Any) -> Any:  # type: ignore[valid-type] # noqa: UP037
    return type(event).__name__


PLAIN = [without, as_dict, as_mapping, as_any, as_foreign, as_unheard_of, as_expression, as_code]


@pytest.mark.parametrize("function", PLAIN)
def test_any_other_annotation_leaves_the_event_as_it_is(
    function: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    app = unigate.wrap(plain.wsgi_app)
    app.on_event("sqs")(function)
    assert app(load("not_http/sqs"), None) == "dict"
    assert capsys.readouterr().out == ""


def test_what_has_no_signature_stays_as_it_is() -> None:
    assert with_event_class(dict) is dict
    assert with_event_class(lambda: None)


def test_records_of_a_pipe_fill_the_class_too() -> None:
    app = unigate.wrap(plain.wsgi_app)

    @app.on_event("sqs")
    def function(event: SQSEvent, context: Any) -> Any:
        return [record.message_id for record in event.records]

    assert app(load("not_http/sqs")["Records"], None) == ["m-1"]


def test_a_class_is_recognised_by_where_it_is_from() -> None:
    def function(event: Any, context: Any) -> Any:
        return event

    function.__annotations__["event"] = type("Own", (DictWrapper,), {})
    assert with_event_class(function) is not function


def test_without_powertools_nothing_is_inspected() -> None:
    code = (
        "import sys\n"
        "sys.modules.pop('inspect', None)  # coverage has imported it\n"
        "import unigate\n"
        "app = unigate.wrap(lambda environ, start: [], interface='wsgi')\n"
        "app.on_event('sqs')(lambda event, context: 7)\n"
        "assert 'inspect' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
