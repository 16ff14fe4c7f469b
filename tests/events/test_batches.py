"""`each_record`: a function for each record of a batch, and the records that failed."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from typing import Any

import pytest
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

import unigate
from tests.apps import plain
from tests.samples import load
from unigate.events import kinds
from unigate.events.batches import each_record

FIFO = "arn:aws:sqs:eu-west-1:210987654321:jobs.fifo"


def sqs(*bodies: str, queue: str = "arn:aws:sqs:eu-west-1:210987654321:jobs") -> dict[str, Any]:
    records = [
        {"messageId": f"m-{body}", "body": body, "eventSource": "aws:sqs", "eventSourceARN": queue}
        for body in bodies
    ]
    return {"Records": records}


def stream(kind: str, *numbers: str) -> dict[str, Any]:
    key, member = {
        "kinesis": ("sequenceNumber", "kinesis"),
        "dynamodb": ("SequenceNumber", "dynamodb"),
    }[kind]
    source = {"eventSource": f"aws:{kind}", "eventSourceARN": "arn"}
    return {"Records": [{**source, member: {key: number}} for number in numbers]}


def failures(reply: Any) -> list[str]:
    assert reply.keys() == {"batchItemFailures"}
    assert all(failure.keys() == {"itemIdentifier"} for failure in reply["batchItemFailures"])
    return [failure["itemIdentifier"] for failure in reply["batchItemFailures"]]


class Taker:
    """Takes records, and fails for some of them."""

    def __init__(self, *failing: str) -> None:
        self.failing = failing
        self.seen: list[str] = []

    def take(self, record: Any, context: Any) -> None:
        body = record.get("body") or (record.get("kinesis") or record["dynamodb"]).popitem()[1]
        self.seen.append(body)
        if body in self.failing:
            raise LookupError(body)

    async def take_async(self, record: Any, context: Any) -> None:
        await asyncio.sleep(0)
        self.take(record, context)

    async def __call__(self, record: Any, context: Any) -> None:
        await self.take_async(record, context)


FORMS: dict[str, Callable[[Taker], Any]] = {
    "function": lambda taker: lambda record, context: taker.take(record, context),
    "method": lambda taker: taker.take,
    "asynchronous method": lambda taker: taker.take_async,
    "asynchronous object": lambda taker: taker,
    "partial": lambda taker: functools.partial(taker.take_async),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_the_records_that_failed_are_reported(
    form: Callable[[Taker], Any], caplog: pytest.LogCaptureFixture
) -> None:
    taker = Taker("b", "d")
    app = unigate.wrap(plain.wsgi_app)
    app.on_event("sqs")(each_record(form(taker)))
    assert failures(app(sqs("a", "b", "c", "d"), None)) == ["m-b", "m-d"]
    assert taker.seen == ["a", "b", "c", "d"]
    assert "The record m-b failed." in caplog.text
    assert "LookupError: d" in caplog.text
    assert failures(app(sqs("a", "c"), None)) == []
    assert failures(app(sqs("b")["Records"], None)) == ["m-b"]  # from a pipe
    assert failures(asyncio.run(app.handle(sqs("a", "b"), None))) == ["m-b"]


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_fifo_queue_stops_at_the_first_failure(form: Callable[[Taker], Any]) -> None:
    taker = Taker("b", "d")
    app = unigate.wrap(plain.wsgi_app)
    app.on_event("sqs")(each_record(form(taker)))
    assert failures(app(sqs("a", "b", "c", "d", queue=FIFO), None)) == ["m-b", "m-c", "m-d"]
    assert taker.seen == ["a", "b"]


@pytest.mark.parametrize("kind", ["kinesis", "dynamodb"])
def test_a_stream_stops_at_the_first_failure(kind: str) -> None:
    taker = Taker("2")
    app = unigate.wrap(plain.wsgi_app)
    app.on_event(kind)(each_record(taker.take))
    assert failures(app(stream(kind, "1", "2", "3"), None))[0] == "2"
    assert taker.seen == ["1", "2"]
    assert failures(app(stream(kind, "1"), None)) == []


def test_a_pipe_passes_the_number_of_a_kinesis_record_at_the_top() -> None:
    def take(record: Any, context: Any) -> None:
        raise LookupError

    record = {"eventSource": "aws:kinesis", "sequenceNumber": "7", "data": "eA=="}
    assert failures(each_record(take)([record], None)) == ["7"]


@pytest.mark.parametrize("name", ["s3", "ses", "sns"])
def test_a_record_that_cannot_be_reported_fails_the_event(name: str) -> None:
    app = unigate.wrap(plain.wsgi_app)

    @app.on_event(name)
    @each_record
    def take(record: Any, context: Any) -> None:
        raise LookupError("no such thing")

    with pytest.raises(LookupError, match="no such thing"):
        app(load(f"not_http/{name}"), None)


@pytest.mark.parametrize(
    "kind", sorted({*kinds.NAMES} - {"dynamodb", "kinesis", "sqs", "s3", "ses", "sns"})
)
def test_a_kind_without_such_records_is_refused(kind: str) -> None:
    app = unigate.wrap(plain.wsgi_app)
    take = each_record(lambda record, context: None)
    with pytest.raises(TypeError, match=f"SQS, Kinesis or DynamoDB, .* of the kind '{kind}'"):
        app.on_event(kind)(take)
    with pytest.raises(TypeError, match=f"of the kind '{kind}' have no such records"):
        app.on_event(kind)(functools.wraps(take)(lambda event, context: take(event, context)))
    app.on_event("*")(take)
    if kind in ("kafka", "firehose"):
        with pytest.raises(TypeError, match="must get an event with Records, got dict with '"):
            app(load(f"not_http/{kind}"), None)


@pytest.mark.parametrize("event", [{}, {"Records": None}, "text", None])
def test_an_event_without_records_is_an_error_that_says_so(event: Any) -> None:
    with pytest.raises(TypeError, match="must get an event with Records, got "):
        each_record(lambda record, context: None)(event, None)


def test_the_decorators_in_the_other_order_are_refused() -> None:
    app = unigate.wrap(plain.wsgi_app)
    with pytest.raises(TypeError, match=r"take must be .* @each_record below @app\.on_event"):

        @each_record
        @app.on_event("sqs", queue="orders")
        def take(record: Any, context: Any) -> None: ...


def test_a_function_takes_events_of_one_kind_and_records_of_another() -> None:
    taken: list[Any] = []

    def take(payload: Any, context: Any) -> None:
        taken.append(payload)

    app = unigate.wrap(plain.wsgi_app)
    app.on_event("eventbridge")(take)
    app.on_event("sqs")(each_record(take))
    for name in ("eventbridge", "sqs"):
        app(load(f"not_http/{name}"), None)
    assert taken == [load("not_http/eventbridge"), *load("not_http/sqs")["Records"]]


def test_a_batch_without_records_has_no_failures() -> None:
    arn = "arn:aws:kinesis:eu-west-1:210987654321:stream/orders"
    app = unigate.wrap(plain.wsgi_app)
    app.on_event("kinesis")(each_record(lambda record, context: None))
    assert failures(app({"Records": [], "eventSourceARN": arn}, None)) == []


def test_the_context_is_passed_and_what_stops_the_process_is_not_caught() -> None:
    def take(record: Any, context: Any) -> None:
        raise SystemExit(context)

    with pytest.raises(SystemExit, match="7"):
        each_record(take)(sqs("a"), 7)


def test_a_record_can_be_annotated_with_its_class() -> None:
    app = unigate.wrap(plain.wsgi_app)
    seen = []

    @app.on_event("sqs")
    @each_record
    def take(record: SQSRecord, context: Any) -> None:
        """Take an order."""
        seen.append((type(record), record.message_id))

    assert failures(app(sqs("a"), None)) == []
    assert seen == [(SQSRecord, "m-a")]
    assert (take.__doc__, take.__module__) == ("Take an order.", __name__)
    assert take.__qualname__.endswith("take")


def wrapping(function: Any) -> Any:
    @functools.wraps(function)
    def wrapper(*args: Any, **more: Any) -> Any:
        return function(args[0])

    return wrapper


class Called:
    def __call__(self, record: Any) -> None: ...

    def method(self, record: Any) -> None: ...

    @classmethod
    def of_class(cls, record: Any) -> None: ...

    @staticmethod
    def of_none(record: Any) -> None: ...


async def async_one(record: Any) -> None: ...


def two(record: Any, context: Any) -> None: ...


def three(record: Any, context: Any, more: Any) -> None: ...


def by_name(record: Any, *, context: Any) -> None: ...


def needs_more(record: Any, context: Any, *, more: Any) -> None: ...


WRONG = {
    "none": lambda: None,
    "one": lambda record: None,
    "three": three,
    "context by name": by_name,
    "one more by name": needs_more,
    "names only": lambda **more: None,
    "asynchronous": async_one,
    "object": Called(),
    "method": Called().method,
    "class method": Called.of_class,
    "static method": Called.of_none,
    "partial": functools.partial(two, None),
    "partial of one": functools.partial(async_one),
    "method without its object": Called.method.__get__(Called()),
    "no function": None,
    "text": "tests.events.test_batches:two",
}
RIGHT = {
    "any": lambda *args: None,
    "any with names": lambda *args, **more: None,
    "first and any": lambda record, *rest: None,
    "default": lambda record, context=None: None,
    "defaults": lambda record=None, context=None, more=None: None,
    "names with defaults": lambda record, context, *, more=None: None,
    "other names": lambda a, b, /: None,
    "partial": functools.partial(three, more=None),
    "wrapped": wrapping(async_one),
    "written in C": max,
    "class": range,
}
REGISTER: dict[str, Callable[[Any], Any]] = {
    "each_record": each_record,
    "on_event": lambda function: unigate.wrap(plain.wsgi_app).on_event("sqs")(function),
}


@pytest.mark.parametrize("register", REGISTER.values(), ids=REGISTER)
@pytest.mark.parametrize("function", WRONG.values(), ids=WRONG)
def test_a_function_that_cannot_take_its_arguments_is_refused(
    function: Any, register: Callable[[Any], Any]
) -> None:
    with pytest.raises(
        TypeError, match=r"The function must take \((record|event), context\), got "
    ):
        register(function)


@pytest.mark.parametrize("register", REGISTER.values(), ids=REGISTER)
@pytest.mark.parametrize("function", RIGHT.values(), ids=RIGHT)
def test_a_function_that_can_take_its_arguments_is_registered(
    function: Any, register: Callable[[Any], Any]
) -> None:
    assert callable(register(function))
