"""Events that are no request: handlers, warm-ups, and refusals."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import unigate
from tests.apps import plain
from tests.events.test_missing_members import changed, places, variants
from tests.samples import load, names
from unigate import Gateway, LifespanFailed, UnknownEvent
from unigate.events import filters, find_source, kinds
from unigate.events.batches import each_record

Invoke = Callable[[Gateway, Any, Any], Any]

INVOKES: dict[str, Invoke] = {
    "lambda_handler": lambda app, event, context: app.lambda_handler(event, context),
    "call": lambda app, event, context: app(event, context),
    "handle": lambda app, event, context: asyncio.run(app.handle(event, context)),
}
every_door = pytest.mark.parametrize("invoke", INVOKES.values(), ids=INVOKES)

SAMPLES = {
    "activemq": "activemq",
    "alexa": "alexa",
    "appsync": "appsync",
    "authorizer": "authorizer_v2",
    "cloudformation": "cloudformation",
    "cognito": "cognito",
    "connect": "connect",
    "documentdb": "documentdb",
    "dynamodb": "dynamodb",
    "eventbridge": "eventbridge",
    "firehose": "firehose",
    "kafka": "kafka",
    "kinesis": "kinesis",
    "lex": "lex",
    "logs": "cloudwatch_logs",
    "manage": "zappa_manage",
    "rabbitmq": "rabbitmq",
    "s3": "s3",
    "schedule": "schedule",
    "ses": "ses",
    "sns": "sns",
    "sqs": "sqs",
    "warmup": "warm_up",
    "websocket": "websocket_message",
}


def sample(kind: str) -> dict[str, Any]:
    return load(f"not_http/{SAMPLES[kind]}")


def test_there_is_a_sample_of_every_kind() -> None:
    assert tuple(SAMPLES) == kinds.NAMES


@every_door
@pytest.mark.parametrize("kind", SAMPLES)
def test_a_handler_gets_events_of_its_kind_and_its_result_is_the_reply(
    kind: str, invoke: Invoke
) -> None:
    app = unigate.wrap(plain.wsgi_app)
    context = object()

    @app.on_event(kind)
    def handler(event: Any, given: Any) -> Any:
        assert given is context
        return {"seen": event}

    assert invoke(app, sample(kind), context) == {"seen": sample(kind)}
    assert handler({}, context) == {"seen": {}}  # the function itself stays what it was


@every_door
@pytest.mark.parametrize("application", [plain.wsgi_app, plain.asgi_app], ids=["wsgi", "asgi"])
def test_a_handler_may_be_asynchronous(application: Any, invoke: Invoke) -> None:
    app = unigate.wrap(application)

    @app.on_event("sqs")
    async def handler(event: Any, context: Any) -> Any:
        await asyncio.sleep(0)
        return {"batchItemFailures": []}

    assert invoke(app, sample("sqs"), None) == {"batchItemFailures": []}


@every_door
def test_an_asynchronous_handler_runs_on_the_loop_of_the_applications(invoke: Invoke) -> None:
    loops: list[Any] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        loops.append(asyncio.get_running_loop())
        if scope["type"] == "lifespan":
            for step in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{step}.complete"})

    app = unigate.wrap(application)

    @app.on_event("schedule")
    async def handler(event: Any, context: Any) -> Any:
        return loops == [asyncio.get_running_loop()]

    assert invoke(app, sample("schedule"), None) is True


def asynchronous(function: Any) -> Any:
    async def call(event: Any, context: Any) -> Any:
        return function(event, context)

    return call


every_function = pytest.mark.parametrize(
    "form", [lambda function: function, asynchronous], ids=["def", "async"]
)


@every_door
@every_function
def test_the_first_event_finds_what_the_start_up_has_made(form: Any, invoke: Invoke) -> None:
    pool: list[str] = []
    starts: list[str] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "lifespan"
        await receive()
        starts.append("started")
        pool.append("connection")
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})

    app = unigate.wrap(application)
    app.on_event("schedule")(form(lambda event, context: list(pool)))
    for _ in range(2):
        assert invoke(app, sample("schedule"), None) == ["connection"]
    assert starts == ["started"]
    app.stop()


@every_door
@every_function
def test_the_first_event_finds_the_application_imported(
    form: Any, invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "site_of_an_event.py").write_text(
        "import builtins\ndef application(environ, start_response): return []\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "site_of_an_event", raising=False)
    app = unigate.wrap("site_of_an_event:application")
    app.on_event("sqs")(form(lambda event, context: "site_of_an_event" in sys.modules))
    assert invoke(app, sample("sqs"), None) is True


@every_door
@every_function
def test_an_event_fails_with_the_error_of_an_application_that_cannot_be_loaded(
    form: Any, invoke: Invoke
) -> None:
    app = unigate.wrap("tests.no_such_module:application")
    app.on_event("sqs")(form(lambda event, context: "never"))
    with pytest.raises(ImportError, match="no_such_module"):
        invoke(app, sample("sqs"), None)


@every_door
@every_function
def test_an_event_fails_where_the_start_up_does(form: Any, invoke: Invoke) -> None:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})

    app = unigate.wrap(application)
    app.on_event("sqs")(form(lambda event, context: "never"))
    with pytest.raises(LifespanFailed, match="no database"):
        invoke(app, sample("sqs"), None)


def test_handle_does_not_block_its_loop_with_a_synchronous_handler() -> None:
    app = unigate.wrap(plain.wsgi_app)
    release = threading.Event()

    @app.on_event("sqs")
    def handler(event: Any, context: Any) -> Any:
        return release.wait(10)

    async def both() -> Any:
        task = asyncio.create_task(app.handle(sample("sqs")))
        await asyncio.sleep(0.01)
        release.set()
        return await task

    assert asyncio.run(both()) is True


@every_door
@pytest.mark.parametrize("on_error", ["respond", "raise"])
def test_a_handlers_exception_is_the_platforms_to_count(on_error: Any, invoke: Invoke) -> None:
    app = unigate.wrap(plain.wsgi_app, on_error=on_error)

    @app.on_event("sqs")
    def handler(event: Any, context: Any) -> Any:
        raise LookupError("no such order")

    with pytest.raises(LookupError, match="no such order"):
        invoke(app, sample("sqs"), None)


@every_door
@pytest.mark.parametrize("name", ["warm_up", "lambda_warmer", "zappa_keep_warm"])
def test_a_warm_up_without_a_handler_is_answered_at_once(name: str, invoke: Invoke) -> None:
    def application(environ: Any, start_response: Any) -> Any:
        raise AssertionError("called")

    assert invoke(unigate.wrap(application), load(f"not_http/{name}"), None) == {}


@every_door
def test_the_rule_of_zappas_keep_warm_runs_no_function_for_schedules(invoke: Invoke) -> None:
    app = unigate.wrap(plain.wsgi_app)
    app.on_event("schedule")(lambda event, context: "ran")
    assert invoke(app, load("not_http/zappa_keep_warm"), None) == {}
    assert invoke(app, sample("schedule"), None) == "ran"


@every_door
@pytest.mark.parametrize("kind", [kind for kind in SAMPLES if kind != "warmup"])
def test_an_event_without_a_handler_is_an_error_that_says_what_to_do(
    kind: str, invoke: Invoke
) -> None:
    app = unigate.wrap(plain.wsgi_app)
    app.on_event("kafka" if kind != "kafka" else "sqs")(lambda event, context: None)
    key = next(iter(sample(kind)))
    with pytest.raises(UnknownEvent, match=rf"'{key}'.*@app\.on_event\(\"{kind}\"\)"):
        invoke(app, sample(kind), None)


@every_door
@pytest.mark.parametrize(
    "event",
    [
        {"detail": 1},
        {},
        None,
        b"bytes",
        [1],
        {"step": 1, "input": ["plain", "input", "of", "a", "state", "machine"]},
        load("not_http/edge_response"),
        load("not_http/zappa_manage"),
        load("not_http/tencent_timer"),
    ],
    ids=repr,
)
def test_everything_else_goes_to_the_handler_of_everything(event: Any, invoke: Invoke) -> None:
    app = unigate.wrap(plain.wsgi_app)
    with pytest.raises(UnknownEvent):
        invoke(app, event, None)
    app.on_event("*")(lambda event, context: ["seen", event])
    assert invoke(app, event, None) == ["seen", event]


def test_the_most_particular_handler_takes_an_event() -> None:
    app = unigate.wrap(plain.wsgi_app)
    app.on_event("*")(lambda event, context: "*")
    assert app.lambda_handler(sample("schedule")) == "*"
    assert app.lambda_handler(sample("warmup")) == "*"
    app.on_event("eventbridge")(lambda event, context: "eventbridge")
    assert app.lambda_handler(sample("schedule")) == "eventbridge"
    app.on_event("schedule")(lambda event, context: "schedule")
    assert app.lambda_handler(sample("schedule")) == "schedule"
    assert app.lambda_handler(sample("eventbridge")) == "eventbridge"
    assert app.lambda_handler(sample("sqs")) == "*"


# A filter of each kind, a name that its sample has, and one that it does not have.
FILTERS = [
    ("activemq", "queue", "soups", "pies"),
    ("alexa", "intent", "OrderSoup", "OrderPie"),
    ("alexa", "request", "IntentRequest", "LaunchRequest"),
    ("appsync", "field", "soup", "pie"),
    ("appsync", "type", "Query", "Mutation"),
    ("authorizer", "type", "REQUEST", "TOKEN"),
    ("cloudformation", "request", "Create", "Delete"),
    ("cloudformation", "resource", "Custom::Seed", "Seed"),
    ("cognito", "pool", "eu-west-1_Kitchen", "eu-west-1_Bar"),
    ("cognito", "trigger", "PreSignUp", "PostConfirmation"),
    ("cognito", "trigger", "PreSignUp_SignUp", "PreSignUp_AdminCreateUser"),
    ("connect", "queue", "Orders", "Complaints"),
    ("documentdb", "collection", "soups", "pies"),
    ("documentdb", "database", "kitchen", "bar"),
    ("dynamodb", "table", "orders", "stream"),
    (
        *("dynamodb", "table", "arn:aws:dynamodb:eu-central-1:123456789012:table/orders"),
        "arn:aws:dynamodb:eu-central-1:123456789012:table/order",
    ),
    ("eventbridge", "detail_type", "Order Shipped", "Order"),
    ("eventbridge", "source", "shop.orders", "shop"),
    ("firehose", "stream", "clicks", "deliverystream"),
    ("kafka", "topic", "orders", "orders-0"),
    ("kinesis", "stream", "orders", "stream"),
    ("lex", "bot", "Waiter", "B1"),
    ("lex", "intent", "OrderSoup", "OrderPie"),
    ("logs", "group", "/aws/lambda/menu", "/aws/lambda"),
    ("rabbitmq", "queue", "soups", "/"),
    ("rabbitmq", "queue", "soups::/", "soups::/other"),
    ("s3", "bucket", "incoming", "outgoing"),
    ("s3", "bucket", "arn:aws:s3:::incoming", "arn:aws:s3:::in"),
    ("s3", "event", "ObjectCreated", "ObjectRemoved"),
    ("s3", "event", "ObjectCreated:Put", "ObjectCreated:Copy"),
    ("s3", "event", "ObjectCreated:*", "ObjectRemoved:*"),
    ("s3", "event", "s3:ObjectCreated", "s3:ObjectRemoved"),
    ("s3", "event", "s3:ObjectCreated:*", "s3:ObjectRemoved:*"),
    ("s3", "event", "s3:ObjectCreated:Put", "s3:ObjectCreated:Copy"),
    ("schedule", "rule", "nightly", "hourly"),
    ("ses", "recipient", "orders@example.org", "ada@example.org"),
    ("sns", "topic", "news", "olds"),
    ("sqs", "queue", "jobs", "job"),
    ("sqs", "queue", "arn:aws:sqs:eu-west-1:210987654321:jobs", "arn:aws:sqs:::jobs"),
    ("websocket", "route", "say", "$connect"),
]


@every_door
@pytest.mark.parametrize(("kind", "name", "has", "lacks"), FILTERS)
def test_a_filter_chooses_among_the_functions_of_a_kind(
    kind: str, name: str, has: str, lacks: str, invoke: Invoke
) -> None:
    app = unigate.wrap(plain.wsgi_app)
    app.on_event(kind, **{name: lacks})(lambda event, context: "other")
    with pytest.raises(UnknownEvent):
        invoke(app, sample(kind), None)
    app.on_event(kind)(lambda event, context: "rest")
    assert invoke(app, sample(kind), None) == "rest"
    app.on_event(kind, **{name: has})(lambda event, context: "mine")
    assert invoke(app, sample(kind), None) == "mine"


def test_every_filter_is_tried_here() -> None:
    known = {(kind, name) for kind, names in filters.FILTERS.items() for name in names}
    untried = {("alexa", "namespace"), ("eventbridge", "resource")}
    assert known - untried == {(kind, name) for kind, name, _, _ in FILTERS}
    assert filters.FILTERS.keys() <= set(kinds.NAMES)


def test_filters_of_events_with_other_members() -> None:
    app = unigate.wrap(plain.wsgi_app)
    app.on_event("alexa", namespace="Alexa.Discovery")(lambda event, context: "discover")
    app.on_event("schedule", rule="nightly")(lambda event, context: "nightly")
    app.on_event("eventbridge", resource="i-7")(lambda event, context: "instance")
    app.on_event("kinesis", stream="orders")(lambda event, context: "stream")
    app.on_event("sqs", queue="jobs")(lambda event, context: "pipe")
    assert app(load("not_http/alexa_home"), None) == "discover"
    assert app(load("not_http/scheduler"), None) == "nightly"
    bus = "arn:aws:events:eu-west-1:210987654321:rule/bus/nightly"
    assert app(load("not_http/schedule") | {"resources": [bus]}, None) == "nightly"
    instance = "arn:aws:ec2:eu-west-1:210987654321:instance/i-7"
    assert app(sample("eventbridge") | {"resources": ["x", None, instance]}, None) == "instance"
    event = sample("kinesis")
    event["Records"][0]["eventSourceARN"] += "/consumer/mine:1700000000"
    assert app(event, None) == "stream"
    assert app(sample("sqs")["Records"], None) == "pipe"


@pytest.mark.parametrize("kind", filters.FILTERS)
def test_a_filter_does_not_fail_on_damaged_events(kind: str) -> None:
    event = sample(kind)
    app = unigate.wrap(plain.wsgi_app)
    for name in filters.FILTERS[kind]:
        app.on_event(kind, **{name: "?"})(lambda event, context: "?")
    app.on_event("*")(lambda event, context: "*")
    for place in places(event):
        for variant in (*variants(event, place), changed(event, place, 7)):
            if find_source(variant) is None:
                assert app(variant, None) in ("*", "?")


def test_all_filters_of_a_function_must_match_and_the_first_function_wins() -> None:
    app = unigate.wrap(plain.wsgi_app)
    app.on_event("lex")(lambda event, context: "rest")
    app.on_event("lex", bot="Waiter", intent="OrderPie")(lambda event, context: "pie")
    app.on_event("lex", intent="OrderSoup")(lambda event, context: "soup")
    app.on_event("lex", bot="Waiter")(lambda event, context: "waiter")
    assert app(sample("lex"), None) == "soup"
    event = sample("lex")
    event["sessionState"]["intent"]["name"] = "OrderPie"
    assert app(event, None) == "pie"
    event["sessionState"]["intent"]["name"] = "Pay"
    assert app(event, None) == "waiter"
    event["bot"]["name"] = "Barkeeper"
    assert app(event, None) == "rest"


def second(event: Any, context: Any) -> Any: ...


@pytest.mark.parametrize("wanted", [{}, {"queue": "jobs"}])
def test_a_second_function_for_the_same_events_is_refused(wanted: dict[str, str]) -> None:
    app = unigate.wrap(plain.wsgi_app)

    @app.on_event("sqs", **wanted)
    def first(event: Any, context: Any) -> str:
        return "first"

    app.on_event("sqs", queue="mail")(second)
    message = r"kind 'sqs'.*got tests\.test_on_event\.second while .*<locals>\.first is registered "
    advice = r"already\.$" if wanted else r"already\. .* pass a filter: queue\."
    with pytest.raises(ValueError, match=message + advice):
        app.on_event("sqs", **wanted)(second)
    assert app(sample("sqs"), None) == "first"
    app.on_event("*")(first)
    with pytest.raises(ValueError, match=r"kind '\*'.*registered already\.$"):
        app.on_event("*")(second)


def test_a_filter_that_the_kind_does_not_have_is_refused_with_those_it_has() -> None:
    app = unigate.wrap(plain.wsgi_app)
    with pytest.raises(TypeError, match=r"kind 's3' have the filters bucket, event, got 'queue'"):
        app.on_event("s3", queue="jobs")
    for kind in ("*", "warmup", "manage"):
        with pytest.raises(TypeError, match=r"have no filters, got 'queue'"):
            app.on_event(kind, queue="jobs")
    for value in (None, 7, ["jobs"]):
        with pytest.raises(TypeError, match=r"filter 'queue' must be text, got"):
            app.on_event("sqs", queue=value)  # type: ignore[arg-type]


@pytest.mark.parametrize(("kind", "name"), [row[:2] for row in FILTERS])
@pytest.mark.parametrize("value", ["", " ", "\t\n"])
def test_an_empty_filter_is_refused(kind: str, name: str, value: str) -> None:
    app = unigate.wrap(plain.wsgi_app)
    with pytest.raises(ValueError, match=rf"filter '{name}' must not be empty, got"):
        app.on_event(kind, **{name: value})


@pytest.mark.parametrize("value", ["s3:", ":*", "s3::*"])
def test_an_empty_name_of_an_s3_event_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match=r"filter 'event' must not be empty, got '"):
        unigate.wrap(plain.wsgi_app).on_event("s3", event=value)


@pytest.mark.parametrize(
    "value", ["ObjectCreated*", "s3:Object*", "*:Put", "s3:ObjectCreated:P*", "**"]
)
def test_a_star_that_would_never_match_is_refused(value: str) -> None:
    with pytest.raises(
        ValueError, match=r"a \"\*\" at its end only, as in \"s3:ObjectCreated:\*\""
    ):
        unigate.wrap(plain.wsgi_app).on_event("s3", event=value)


@pytest.mark.parametrize("value", ["*", "s3:*"])
def test_all_events_of_s3_need_no_filter(value: str) -> None:
    with pytest.raises(ValueError, match="for all of them, leave it out"):
        unigate.wrap(plain.wsgi_app).on_event("s3", event=value)


@pytest.mark.parametrize("value", ["Put", "s3:Put", "DeleteMarkerCreated"])
def test_the_second_half_of_an_event_of_s3_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="must begin with what happened to the object"):
        unigate.wrap(plain.wsgi_app).on_event("s3", event=value)


@pytest.mark.parametrize(
    ("kind", "value", "advice"),
    [
        ("sqs", "https://sqs.eu-west-1.amazonaws.com/210987654321/jobs", "write 'jobs'"),
        ("sqs", "job*", "patterns are not known"),
        ("sns", "*", "patterns are not known"),
        ("s3", "arn:aws:s3:::incoming/*", "patterns are not known"),
        ("s3", "incoming/photos", "write 'incoming'"),
        ("s3", "s3://incoming", "write 'incoming'"),
        ("s3", "s3://incoming/photos", "write 'incoming'"),
        ("kinesis", "stream/clicks", "write 'clicks'"),
        ("firehose", "deliverystream/clicks", "write 'clicks'"),
        ("dynamodb", "table/orders", "write 'orders'"),
        ("schedule", "rule/nightly", "write 'nightly'"),
    ],
)
def test_a_name_that_would_never_match_is_refused(kind: str, value: str, advice: str) -> None:
    says = rf"must be an exact name or an ARN, got '{re.escape(value)}'; .*{advice}"
    with pytest.raises(ValueError, match=says):
        unigate.wrap(plain.wsgi_app).on_event(kind, **{filters.ARNS[kind]: value})


@pytest.mark.parametrize(
    "value", ["ObjectCreated", "ObjectCreated:*", "s3:ObjectCreated", "s3:ObjectCreated:*"]
)
def test_two_notations_of_one_event_of_s3_are_the_same_filter(value: str) -> None:
    app = unigate.wrap(plain.wsgi_app)
    app.on_event("s3", event="s3:ObjectCreated:*")(lambda event, context: None)
    with pytest.raises(ValueError, match="registered already"):
        app.on_event("s3", event=value)(second)


@every_door
@pytest.mark.parametrize(("kind", "name", "has", "lacks"), FILTERS)
def test_an_event_that_no_filter_matches_is_an_error_that_says_so(
    kind: str, name: str, has: str, lacks: str, invoke: Invoke
) -> None:
    app = unigate.wrap(plain.wsgi_app)
    app.on_event(kind, **{name: lacks})(lambda event, context: None)
    says = rf"filters of no function match it: change those of @app\.on_event\(\"{kind}\"\), or"
    with pytest.raises(UnknownEvent, match=says):
        invoke(app, sample(kind), None)


def test_a_schedule_that_no_filter_matches_names_both_kinds() -> None:
    app = unigate.wrap(plain.wsgi_app)
    app.on_event("eventbridge", source="shop")(lambda event, context: None)
    with pytest.raises(UnknownEvent, match=r'change those of @app\.on_event\("eventbridge"\), or'):
        app(sample("schedule"), None)
    app.on_event("schedule", rule="hourly")(lambda event, context: None)
    with pytest.raises(UnknownEvent, match=r'"schedule"\) and @app\.on_event\("eventbridge"\), or'):
        app(sample("schedule"), None)


def test_a_command_goes_to_the_function_that_was_registered_for_it_alone() -> None:
    app = unigate.wrap(plain.wsgi_app)
    with pytest.raises(UnknownEvent, match="kind: manage"):
        app({"manage": "migrate"}, None)
    app.on_event("manage")(lambda event, context: event["manage"])
    assert app({"manage": "migrate"}, None) == "migrate"
    for name in names():
        event = load(name) | {"manage": "migrate"}
        try:
            reply = app(event, None)
        except UnknownEvent:
            continue
        assert reply != "migrate" or event == {"manage": "migrate"}


def test_a_request_never_goes_to_a_handler() -> None:
    app = unigate.wrap(plain.wsgi_app)
    app.on_event("*")(lambda event, context: "*")
    assert app.lambda_handler(load("http_api/get"))["statusCode"] == 200


def test_merged_parameters_reach_no_handler() -> None:
    app = unigate.wrap(plain.wsgi_app)
    app.on_event("*")(lambda event, context: "*")
    event = load("openwhisk/get") | sample("sqs") | load("not_http/zappa_manage")
    assert "statusCode" in app.lambda_handler(event)


@pytest.mark.parametrize("kind", SAMPLES)
def test_a_named_source_does_not_keep_events_from_their_handlers(kind: str) -> None:
    app = unigate.wrap(plain.wsgi_app, source="rest_api")
    app.on_event(kind)(lambda event, context: kind)
    assert app.lambda_handler(sample(kind)) == kind


def test_an_unheard_of_kind_is_refused_with_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"kind must be one of 'activemq'.*'\*', got 'http'"):
        unigate.wrap(plain.wsgi_app).on_event("http")


def test_a_registration_without_a_kind_is_refused_with_the_form_of_one() -> None:
    app: Any = unigate.wrap(plain.wsgi_app)
    with pytest.raises(TypeError, match=r"write @app\.on_event\(\"sqs\"\) above"):
        app.on_event(lambda event, context: None)


def generator(event: Any, context: Any) -> Any:
    yield event


async def async_generator(event: Any, context: Any) -> Any:
    yield event


@pytest.mark.parametrize("function", [generator, async_generator])
@pytest.mark.parametrize("around", [lambda each: each, each_record], ids=["", "each_record"])
def test_a_generator_is_refused(function: Any, around: Any) -> None:
    with pytest.raises(TypeError, match=f"got {function.__name__}, a generator: write `return`"):
        unigate.wrap(plain.wsgi_app).on_event("sqs")(around(function))


def test_a_synchronous_handler_imports_no_asyncio() -> None:
    code = (
        "import sys, unigate\n"
        "app = unigate.wrap(lambda environ, start: [], interface='wsgi')\n"
        "app.on_event('warmup')(lambda event, context: 7)\n"
        "assert app.lambda_handler({'source': 'serverless-plugin-warmup'}) == 7\n"
        "assert 'asyncio' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


class Context:
    """A context with so much time left."""

    def __init__(self, seconds: float) -> None:
        self.get_remaining_time_in_millis = lambda: seconds * 1000


@every_door
@pytest.mark.parametrize("asynchronous", [False, True], ids=["call", "awaitable"])
@pytest.mark.parametrize("fails", [False, True], ids=["answers", "fails"])
def test_work_for_later_is_done_before_the_reply(
    asynchronous: bool, fails: bool, invoke: Invoke
) -> None:
    app = unigate.wrap(plain.asgi_app)
    done: list[str] = []

    async def work() -> None:
        await asyncio.sleep(0.05)
        done.append("work")
        unigate.wait_until(done.append, "more")

    @app.on_event("sqs")
    def handler(event: Any, context: Any) -> Any:
        unigate.wait_until(work() if asynchronous else lambda: asyncio.run(work()))
        if fails:
            raise LookupError
        return "reply"

    if fails:
        with pytest.raises(LookupError):
            invoke(app, sample("sqs"), None)
    else:
        assert invoke(app, sample("sqs"), None) == "reply"
    assert done == ["work", "more"]


@every_door
def test_work_for_later_ends_with_the_time_that_there_is(
    invoke: Invoke, caplog: pytest.LogCaptureFixture
) -> None:
    app = unigate.wrap(plain.asgi_app)

    @app.on_event("sqs")
    def handler(event: Any, context: Any) -> Any:
        unigate.wait_until(asyncio.sleep(60))
        return "reply"

    assert invoke(app, sample("sqs"), Context(0.6)) == "reply"
    assert "the function has no time left" in caplog.text


def test_tools_can_list_what_is_registered() -> None:
    app = unigate.wrap(plain.wsgi_app)

    @app.on_event("sqs", queue="orders")
    def order(event: Any, context: Any) -> None: ...

    @app.on_event("*")
    def rest(event: Any, context: Any) -> None: ...

    listed = app.event_functions()
    assert listed == [("sqs", {"queue": "orders"}, order), ("*", {}, rest)]
    listed[0][1].clear()
    assert app.event_functions()[0][1] == {"queue": "orders"}
