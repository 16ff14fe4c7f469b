"""Functions annotated with an event class of Powertools for AWS Lambda."""

from __future__ import annotations

import asyncio
import functools
import importlib
import json
import subprocess
import sys
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Optional, Union

import pydantic
import pytest
import typing_extensions
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
from aws_lambda_powertools.utilities.data_classes.cognito_user_pool_event import (
    PreSignUpTriggerEvent,
)
from aws_lambda_powertools.utilities.data_classes.common import DictWrapper
from aws_lambda_powertools.utilities.data_classes.kafka_event import KafkaEventRecord
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.parser import models

import unigate
from tests.apps import plain
from tests.samples import load
from unigate.events.batches import each_record
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


def as_optional(event: Optional[SQSEvent], context: Any) -> Any:  # noqa: UP045
    return type(event).__name__


def as_optional_of_typing(event: typing.Optional[SQSEvent], context: Any) -> Any:  # noqa: UP045
    return type(event).__name__


def as_union(event: SQSEvent | None, context: Any) -> Any:
    return type(event).__name__


def as_old_union(event: Union[dict[str, Any], SQSEvent], context: Any) -> Any:  # noqa: UP007
    return type(event).__name__


def as_annotated(event: Annotated[SQSEvent, "of orders"], context: Any) -> Any:
    return type(event).__name__


def as_text_within(event: Optional["SQSEvent"], context: Any) -> Any:  # noqa: UP037, UP045
    return type(event).__name__


Alias = SQSEvent | None


def as_alias(event: Alias, context: Any) -> Any:
    return type(event).__name__


def evaluated(annotation: Any) -> Any:
    """Return a function whose annotation is not text, as without the import from __future__."""

    def function(event: Any, context: Any) -> Any:
        return type(event).__name__

    function.__annotations__["event"] = annotation
    return function


EVALUATED = [
    *(SQSEvent, SQSEvent | None, Annotated[SQSEvent, "x"], "SQSEvent", "SQSEvent | None"),
    *(Optional[SQSEvent], Optional["SQSEvent"], Annotated["SQSEvent", "x"]),  # noqa: UP045
    *(Union[SQSEvent, dict[str, Any]], Annotated[SQSEvent | None, "x"]),  # noqa: UP007
    typing_extensions.TypeAliasType("Event", SQSEvent),
]


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
    *(as_optional, as_optional_of_typing, as_union, as_old_union, as_annotated),
    *(as_text_within, as_alias, *map(evaluated, EVALUATED)),
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


class Order(pydantic.BaseModel):
    """A model that is not of an event, which Powertools' `event_parser` may unpack."""

    number: int


def as_own_model(event: Order, context: Any) -> Any:
    return type(event).__name__


def as_nothing(event: None, context: Any) -> Any:
    return type(event).__name__


def as_syntax(event: "SQSEvent[", context: Any) -> Any:  # type: ignore[name-defined,syntax] # noqa: F722
    return type(event).__name__


PLAIN = [
    *(without, as_dict, as_mapping, as_any, as_foreign, as_unheard_of, as_expression, as_code),
    *(as_own_model, as_nothing, as_syntax),
]


@pytest.mark.parametrize("function", PLAIN)
def test_any_other_annotation_leaves_the_event_as_it_is(
    function: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    app = unigate.wrap(plain.wsgi_app)
    app.on_event("sqs")(function)
    assert app(load("not_http/sqs"), None) == "dict"
    assert capsys.readouterr().out == ""


def test_a_name_without_a_value_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    app = unigate.wrap(plain.wsgi_app)
    app.on_event("sqs")(as_unheard_of)
    assert "'Unheard' in the annotation of as_unheard_of has no value" in caplog.text
    caplog.clear()
    for function in set(PLAIN) - {as_unheard_of}:
        unigate.wrap(plain.wsgi_app).on_event("sqs")(function)
    assert caplog.text == ""


OUT_OF_REACH = """
from __future__ import annotations

from typing import TYPE_CHECKING, Any, Optional

import unigate

if TYPE_CHECKING:
    {statement}

app = unigate.wrap(lambda environ, start_response: [], interface="wsgi")


def take(event: {annotation}, context):
    return type(event).__name__
"""
CLASSES_MODULE = "aws_lambda_powertools.utilities.data_classes"
MODELS_MODULE = "aws_lambda_powertools.utilities.parser.models"
REFUSED = [
    (f"from {CLASSES_MODULE} import SQSEvent", "SQSEvent", CLASSES_MODULE),
    (f"from {CLASSES_MODULE} import SQSEvent", "Optional[SQSEvent]", CLASSES_MODULE),
    (f"from {CLASSES_MODULE} import SQSEvent as Batch", "Batch | None", CLASSES_MODULE),
    (f"from {CLASSES_MODULE}.sqs_event import SQSEvent", "'SQSEvent'", CLASSES_MODULE),
    (f"import {CLASSES_MODULE} as classes", "classes.SQSEvent", CLASSES_MODULE),
    (f"from {MODELS_MODULE} import SqsModel", "SqsModel", MODELS_MODULE),
]
SILENT = [
    ("from collections.abc import Mapping", "Mapping[str, Any]"),
    ("from unigate.types import Event", "Event"),
    ("from . import nothing", "nothing"),
]


def out_of_reach(folder: Path, statement: str, annotation: str) -> None:
    text = OUT_OF_REACH.format(statement=statement, annotation=annotation)
    (folder / "reaching.py").write_text(text)


@pytest.mark.parametrize("loaded", [True, False], ids=["loaded", "not loaded"])
@pytest.mark.parametrize(("statement", "annotation", "named"), REFUSED)
def test_a_class_that_only_type_checkers_import_is_refused(
    statement: str, annotation: str, named: str, loaded: bool, tmp_path: Path
) -> None:
    out_of_reach(tmp_path, statement, annotation)
    code = f"import {named}\n" if loaded else ""
    code += "import reaching; reaching.app.on_event('sqs')(reaching.take)"
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert ran.returncode == 1
    last = ran.stderr.splitlines()[-1]
    assert last.startswith("TypeError: The annotation '")
    assert f"Import it from {named}" in last


@pytest.mark.parametrize(("statement", "annotation"), SILENT)
def test_other_names_that_only_type_checkers_import_are_none_of_ours(
    statement: str,
    annotation: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    out_of_reach(tmp_path, statement, annotation)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "reaching", raising=False)
    module = importlib.import_module("reaching")
    module.app.on_event("sqs")(module.take)
    assert module.app(load("not_http/sqs"), None) == "dict"
    assert caplog.text == ""


def test_a_class_of_your_own_that_only_type_checkers_import_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out_of_reach(tmp_path, f"from {__name__} import Orders", "Orders")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "reaching", raising=False)
    module = importlib.import_module("reaching")
    with pytest.raises(TypeError, match=f"Import it from {__name__} at the top"):
        module.app.on_event("sqs")(module.take)


def test_one_of_several_classes_is_refused() -> None:
    app = unigate.wrap(plain.wsgi_app)
    with pytest.raises(TypeError, match="must be annotated with one class, got SQSEvent and SNS"):
        app.on_event("sqs")(evaluated(SQSEvent | SNSEvent))


@pytest.mark.parametrize(
    ("kind", "event_class"),
    [
        ("sqs", S3Event),
        ("sns", Orders),
        ("documentdb", SQSEvent),
        ("eventbridge", SNSEvent),
        ("sqs", models.SnsModel),
        ("kafka", models.KinesisDataStreamModel),
    ],
)
def test_a_class_for_another_kind_is_refused(kind: str, event_class: type[Any]) -> None:
    app = unigate.wrap(plain.wsgi_app)
    wanted = f"must be annotated with a class for events of the kind '{kind}', got "
    with pytest.raises(TypeError, match=wanted + event_class.__name__):
        app.on_event(kind)(evaluated(event_class))
    app.on_event("*")(evaluated(event_class))
    with pytest.raises(unigate.UnknownEvent):  # the refused function is not registered
        unigate.wrap(plain.wsgi_app)(load("not_http/sqs"), None)


def test_every_class_of_an_event_is_for_its_kind_or_for_none_that_is_known() -> None:
    for kind, name, event_class in CLASSES:
        unigate.wrap(plain.wsgi_app).on_event(kind)(evaluated(event_class))
        assert load(f"not_http/{name}")


BROKEN: dict[str, Any] = {
    "dynamodb": {"Records": [{"eventSource": "aws:dynamodb"}]},
    "logs": {"awslogs": {}},
    "schedule": {"resources": 7},
}


@pytest.mark.parametrize(
    ("kind", "name", "model"),
    [
        ("dynamodb", "dynamodb", models.DynamoDBStreamModel),
        ("logs", "cloudwatch_logs", models.CloudWatchLogsModel),
        ("schedule", "schedule", models.EventBridgeModel),
    ],
)
def test_a_model_of_powertools_parses_the_event(kind: str, name: str, model: Any) -> None:
    app = unigate.wrap(plain.wsgi_app)
    app.on_event(kind)(evaluated(model))
    assert app(load(f"not_http/{name}"), None) == model.__name__
    with pytest.raises(pydantic.ValidationError):
        app(load(f"not_http/{name}") | BROKEN[kind], None)


def test_a_model_that_is_returned_is_a_dict_again() -> None:
    app = unigate.wrap(plain.wsgi_app)

    @app.on_event("eventbridge")
    def take(event: models.EventBridgeModel, context: Any) -> Any:
        return event

    event = load("not_http/schedule")
    reply = app(event, None)
    assert (reply["source"], reply["detail-type"]) == ("aws.events", "Scheduled Event")
    assert json.loads(json.dumps(reply)) == reply


@pytest.mark.parametrize("is_async", [False, True])
def test_an_event_that_is_returned_is_a_dict_again(is_async: bool) -> None:
    app = unigate.wrap(plain.wsgi_app)

    def confirm(event: PreSignUpTriggerEvent, context: Any) -> Any:
        event.response.auto_confirm_user = True
        return event

    async def confirm_later(event: PreSignUpTriggerEvent, context: Any) -> Any:
        await asyncio.sleep(0)
        return confirm(event, context)

    app.on_event("cognito")(confirm_later if is_async else confirm)
    for reply in (
        app(load("not_http/cognito"), None),
        asyncio.run(app.handle(load("not_http/cognito"), None)),
    ):
        assert type(reply) is dict
        assert reply["response"]["autoConfirmUser"] is True
        assert json.loads(json.dumps(reply)) == reply


def test_a_function_with_the_decorator_of_powertools_may_return_its_event_too() -> None:
    app = unigate.wrap(plain.wsgi_app)

    @app.on_event("cognito")
    @data_classes.event_source(data_class=PreSignUpTriggerEvent)
    def confirm(event: Any, context: Any) -> Any:
        return event

    assert app(load("not_http/cognito"), None) == load("not_http/cognito")


def test_a_record_of_another_kind_is_refused() -> None:
    app = unigate.wrap(plain.wsgi_app)

    @each_record
    def take(record: SQSRecord, context: Any) -> None: ...

    with pytest.raises(TypeError, match="for events of the kind 'kinesis', got SQSRecord"):
        app.on_event("kinesis")(take)
    app.on_event("sqs")(take)


class Job(SQSRecord):
    """A record of its own."""


@pytest.mark.parametrize("kind", ["sqs", "*"])
@pytest.mark.parametrize(
    "record_class",
    [
        *(SQSRecord, Job, KafkaEventRecord, models.SqsRecordModel, models.KinesisDataStreamRecord),
        *(models.DynamoDBStreamRecordModel, models.S3SqsEventNotificationRecordModel),
    ],
)
def test_a_class_of_a_record_is_refused_for_a_whole_event(
    kind: str, record_class: type[Any]
) -> None:
    app = unigate.wrap(plain.wsgi_app)
    with pytest.raises(TypeError, match=rf"got {record_class.__name__}, .* put @each_record below"):
        app.on_event(kind)(evaluated(record_class))


@pytest.mark.parametrize(
    "event_class",
    [
        *(SQSEvent, Orders, S3Event, SNSEvent, SESEvent, KinesisStreamEvent, DynamoDBStreamEvent),
        *(models.SqsModel, models.S3Model, models.SnsModel, models.SesModel),
        *(models.KinesisDataStreamModel, models.DynamoDBStreamModel),
    ],
)
def test_a_class_of_a_whole_event_is_refused_for_a_record(event_class: type[Any]) -> None:
    with pytest.raises(TypeError, match=rf"got {event_class.__name__}, .*Leave out @each_record"):
        each_record(evaluated(event_class))


@pytest.mark.parametrize("around", [lambda function: function, each_record], ids=["", "each"])
@pytest.mark.parametrize(
    "http_class",
    [
        *(data_classes.ALBEvent, data_classes.VPCLatticeEventV2),
        *(data_classes.LambdaFunctionUrlEvent, models.AlbModel, models.LambdaFunctionUrlModel),
    ],
)
def test_a_class_of_http_requests_is_refused(around: Any, http_class: type[Any]) -> None:
    app = unigate.wrap(plain.wsgi_app)
    with pytest.raises(TypeError, match=rf"got {http_class.__name__}, which is for HTTP requests"):
        app.on_event("sqs")(around(evaluated(http_class)))


@pytest.mark.parametrize(
    "http_class", [data_classes.APIGatewayProxyEventV2, models.APIGatewayProxyEventModel]
)
def test_a_class_of_api_gateway_is_for_its_other_events_only(http_class: type[Any]) -> None:
    app = unigate.wrap(plain.wsgi_app)
    app.on_event("websocket")(evaluated(http_class))
    with pytest.raises(TypeError, match=rf"got {http_class.__name__}, which is for 'authorizer'"):
        app.on_event("sqs")(evaluated(http_class))


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


HINTED = """
from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import collections.abc

    from unigate.types import Event


def plain(event: dict[str, Any], context): ...


def hidden(event: Event | collections.abc.Mapping[str, Any], context): ...
"""


def test_without_powertools_annotations_of_others_cost_no_import(tmp_path: Path) -> None:
    (tmp_path / "hinted.py").write_text(HINTED)
    code = (
        "import sys\n"
        "import hinted, unigate\n"
        "for name in ('inspect', 'ast'):\n"
        "    sys.modules.pop(name, None)  # coverage has imported it\n"
        "app = unigate.wrap(lambda environ, start: [], interface='wsgi')\n"
        "app.on_event('sqs')(hinted.plain)\n"
        "app.on_event('sns')(hinted.hidden)\n"
        "assert sys.modules.keys().isdisjoint({'inspect', 'ast'})\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, timeout=60)


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
