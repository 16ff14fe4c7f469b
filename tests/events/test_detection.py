from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import unigate
from tests.samples import load, names
from unigate import events
from unigate.errors import UnknownEvent
from unigate.events import (
    EventSource,
    alb,
    detection,
    find_source,
    http_api,
    kind_of,
    kinds,
    name_of,
    openwhisk,
    parse_event,
    rest_api,
    source_named,
    sources,
    unknown_event,
)
from unigate.events.detection import all_sources
from unigate.events.sources import SourceRow, first_match

SOURCES = tuple(dict.fromkeys(all_sources().values()))

SOURCE_NAMES = [name_of(source) for source in SOURCES]
HTTP_SAMPLES = [name for source in SOURCE_NAMES for name in names(source)]

# The kind of each non-HTTP event, None for an unknown one.
KINDS = {
    "activemq": "activemq",
    "alexa": "alexa",
    "alexa_home": "alexa",
    "appsync": "appsync",
    "appsync_amplify": "appsync",
    "appsync_channel": "appsync",
    "authorizer_huawei": "authorizer",
    "authorizer_token": "authorizer",
    "authorizer_v1": "authorizer",
    "authorizer_v2": "authorizer",
    "authorizer_yandex": "authorizer",
    "bedrock": "other",
    "cloudformation": "cloudformation",
    "cloudwatch_logs": "logs",
    "cognito": "cognito",
    "config_rule": None,
    "connect": "connect",
    "documentdb": "documentdb",
    "dynamodb": "dynamodb",
    "edge_response": "other",
    "empty": None,
    "eventbridge": "eventbridge",
    "firehose": "firehose",
    "kafka": "kafka",
    "kinesis": "kinesis",
    "lambda_command": "other",
    "lambda_warmer": "warmup",
    "lex": "lex",
    "no_records": "other",
    "rabbitmq": "rabbitmq",
    "s3": "s3",
    "schedule": "schedule",
    "schedule_bare": "schedule",
    "scheduler": "schedule",
    "serverless_wsgi_command": "other",
    "ses": "ses",
    "sns": "sns",
    "sqs": "sqs",
    "tencent_timer": None,
    "warm_up": "warmup",
    "websocket_connect": "websocket",
    "websocket_message": "websocket",
    "zappa_command": "other",
    "zappa_keep_warm": "warmup",
    "zappa_manage": "manage",
}


class Telegraph:
    """A source from outside: not a module, but with all members that detection uses."""

    __name__ = "stations.telegraph"

    def matches(self, event: Any) -> bool:
        return isinstance(event, dict) and "morse" in event


def refusal(event: Any, **options: Any) -> str:
    assert find_source(event, **options) is None
    error = unknown_event(event, **options)
    assert isinstance(error, UnknownEvent)
    return str(error)


def test_every_source_has_samples_and_every_sample_a_source() -> None:
    assert {name.partition("/")[0] for name in names()} == {*SOURCE_NAMES, "not_http"}


@pytest.mark.parametrize("name", HTTP_SAMPLES)
def test_each_sample_is_of_its_source(name: str) -> None:
    source = find_source(load(name))
    assert source is not None
    assert name_of(source) == name.partition("/")[0]


@pytest.mark.parametrize("name", HTTP_SAMPLES)
def test_a_sample_of_one_source_is_of_no_other_that_comes_earlier(name: str) -> None:
    event = load(name)
    first = next(source for source in SOURCES if source.matches(event))
    assert name_of(first) == name.partition("/")[0]


def test_every_event_that_is_no_request_has_a_row() -> None:
    assert [f"not_http/{name}" for name in KINDS] == names("not_http")


@pytest.mark.parametrize(("name", "kind"), KINDS.items())
def test_what_is_no_request_is_refused_and_its_kind_named(name: str, kind: str | None) -> None:
    event = load(f"not_http/{name}")
    assert kind_of(event) == kind
    message = refusal(event)
    seen = f"the keys {', '.join(repr(key) for key in event)}" if event else "no keys"
    assert message.startswith(f"Got an event with {seen}. ")
    if kind is None:
        assert f"Tried: {', '.join(SOURCE_NAMES)}." in message
        assert "wrap(..., source=...)" in message
        assert '@app.on_event("*")' in message
    else:
        assert f'@app.on_event("{"*" if kind == "other" else kind}")' in message


@pytest.mark.parametrize("source", SOURCES, ids=name_of)
@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if kind])
def test_a_source_that_was_named_takes_no_event_of_a_known_kind(
    name: str, source: EventSource
) -> None:
    assert find_source(load(f"not_http/{name}"), named=source) is None


@pytest.mark.parametrize("source", SOURCES, ids=name_of)
def test_a_source_that_was_named_takes_what_looks_like_another(source: EventSource) -> None:
    for name in HTTP_SAMPLES:
        assert find_source(load(name), named=source) is source


@pytest.mark.parametrize("event", [None, "GET /", b"{}", 7, True])
def test_what_is_no_dict_is_refused_by_its_type(event: Any) -> None:
    message = refusal(event)
    assert message.startswith(f"An event must be a JSON object, got {type(event).__name__}. ")
    assert f"Tried: {', '.join(SOURCE_NAMES)}." in message
    assert '@app.on_event("*")' in message


@pytest.mark.parametrize("event", [[], [{"httpMethod": "GET"}], ["hello", "world"], [None]])
def test_a_list_of_an_unknown_kind_is_refused_with_those_that_lists_have(event: Any) -> None:
    message = refusal(event)
    assert message.startswith(f"Got a list of length {len(event)} as the event. ")
    assert f"({', '.join(kinds.LISTS)})" in message
    assert '@app.on_event("*")' in message
    assert set(kinds.LISTS) <= set(kinds.NAMES)


@pytest.mark.parametrize("as_text", [str, str.encode, lambda text: bytearray(text.encode())])
def test_json_text_is_read_as_the_event_it_holds(as_text: Any) -> None:
    event = load("generic/map_query")
    assert parse_event(as_text(json.dumps(event))) == event


@pytest.mark.parametrize("event", [b"\xff", "[1]", b"7", "{", "[" * 100_000, None, 7])
def test_other_text_stays_as_it_is(event: Any) -> None:
    assert parse_event(event) is event


@pytest.mark.parametrize(
    "change",
    [
        {"version": "1.0"},
        {"version": 2.0},
        {"version": None},
        {"rawPath": ...},
        {"requestContext": None},
        {"requestContext": {"http": None}},
        {"requestContext": "http"},
    ],
)
def test_a_payload_2_event_needs_all_its_marks(change: dict[str, Any]) -> None:
    event = load("http_api/get") | change
    refusal({key: value for key, value in event.items() if value is not ...})


@pytest.mark.parametrize(
    "event",
    [
        {"body": "{}"},
        {"body": "[1]"},
        {"body": "no json"},
        {"body": '{"method": "GET"}'},
        {"body": '{"path": "/"}'},
        {"body": {"method": "GET", "path": "/"}},
        {"Action": "Invoke"},
        {"Action": "Invoke", "body": None},
        {"Action": "Stop", "body": '{"method": "GET", "path": "/"}'},
        {"trigger": "cron", "body": '{"method": "GET", "path": "/"}'},
    ],
)
def test_an_invocation_needs_an_action_or_nothing_but_a_request(event: dict[str, Any]) -> None:
    refusal(event)


@pytest.mark.parametrize(
    "event",
    [
        {"httpMethod": "GET"},
        {"path": "/"},
        {"httpMethod": None, "path": "/"},
        {"httpMethod": "GET", "path": None},
        {"httpMethod": "GET", "path": {"id": "7"}},
    ],
)
def test_a_generic_event_needs_a_method_and_a_path(event: dict[str, Any]) -> None:
    refusal(event)


def test_a_load_balancers_word_counts_above_every_mark_of_another_request() -> None:
    event = load("alb/single_value") | {"resource": "/", "rawUrl": "https://example.org/"}
    assert find_source(event) is alb
    event["requestContext"]["connectionId"] = "L0SM9cOFvHcCIhw="
    assert find_source(event) is alb
    event["requestContext"] = {"elb": {}}
    assert find_source(event) is not alb


MERGED = ["openwhisk/get", "openwhisk/digitalocean_parsed"]


@pytest.mark.parametrize("name", MERGED)
@pytest.mark.parametrize("other", [name for name in names() if name not in MERGED])
def test_merged_parameters_cannot_choose_a_source(name: str, other: str) -> None:
    """A client's query and JSON body stand at the top level of these events."""
    marks = {key: value for key, value in load(other).items() if not key.startswith("__ow_")}
    marks.pop("http", None)
    assert find_source(marks | load(name)) is openwhisk


def test_a_schedule_has_to_be_of_eventbridge_itself() -> None:
    event = load("not_http/schedule")
    assert kind_of(event | {"source": "shop.orders"}) == "eventbridge"
    assert kind_of(event | {"detail-type": "Order"}) == "eventbridge"


@pytest.mark.parametrize(
    "event",
    [
        {"Records": []},
        {"Records": [None]},
        {"Records": {"eventSource": "aws:sqs"}},
        {"Records": [{"eventSource": ["aws:sqs"]}]},
        {"Records": [{"eventSource": "aws:unheard-of"}]},
        {"records": [1]},
    ],
)
def test_records_of_an_unknown_kind_are_still_no_request(event: dict[str, Any]) -> None:
    assert kind_of(event) == "other"
    assert find_source(event | {"httpMethod": "GET", "path": "/"}) is None


@pytest.mark.parametrize("name", ["sqs", "kinesis", "dynamodb"])
def test_a_list_of_records_is_of_their_kind(name: str) -> None:
    """EventBridge Pipes passes records without an object around them."""
    records = load(f"not_http/{name}")["Records"]
    assert kind_of(records) == name
    message = refusal(records)
    assert f"a list of length 1 as the event. It is not an HTTP request (kind: {name})" in message


@pytest.mark.parametrize("name", ["kinesis", "dynamodb"])
def test_the_last_batch_of_a_window_has_no_records(name: str) -> None:
    event: dict[str, Any] = load(f"not_http/{name}")
    arn = event["Records"][0]["eventSourceARN"]
    final = {"Records": [], "state": {}, "eventSourceARN": arn, "isFinalInvokeForWindow": True}
    assert kind_of(final) == name
    assert f"(kind: {name})" in refusal(final)
    assert kind_of({"Records": [], "eventSourceARN": arn.replace(name, "sqs")}) == "other"
    assert kind_of({"Records": [], "eventSourceARN": 7}) == "other"


@pytest.mark.parametrize("name", ["aws:amq", "aws:mq"])
def test_activemq_has_two_names(name: str) -> None:
    assert kind_of(load("not_http/activemq") | {"eventSource": name}) == "activemq"


def test_the_marks_of_kinds_are_written_out_in_the_table_of_sources() -> None:
    assert sources.KIND_MARKS == kinds.MARKS
    assert sources.KIND_CONTEXT_MARKS == kinds.CONTEXT_MARKS


def test_a_list_of_resolvers_is_of_appsync() -> None:
    assert kind_of([load("not_http/appsync")] * 2) == "appsync"


@pytest.mark.parametrize(
    "event", [[], [None], [[]], [{}], [1], [{"eventSource": ["aws:sqs"]}], "x", 7]
)
def test_other_lists_are_of_no_kind(event: Any) -> None:
    assert kind_of(event) is None


LOOSE = ["info", "request", "directive", "bot", "Details", "awslogs", "ResponseURL", "eventSource"]


@pytest.mark.parametrize("mark", [*LOOSE, "fieldName", "session", "sessionState"])
@pytest.mark.parametrize("value", [None, "x", {}, [], {"type": "x"}, {"header": {}}])
@pytest.mark.parametrize("name", ["rest_api/custom_domain", "http_api/get", "generic/map_query"])
def test_one_member_alone_makes_no_event_of_a_service(name: str, mark: str, value: Any) -> None:
    if mark == "awslogs" and isinstance(value, dict):
        return
    source = find_source(load(name))
    assert find_source(load(name) | {mark: value}) is source


def test_a_command_has_nothing_beside_it() -> None:
    assert kind_of({"manage": "migrate"}) == "manage"
    for name in ("rest_api/custom_domain", "http_api/get", "generic/map_query", "alb/multi_value"):
        assert kind_of(load(name) | {"manage": "migrate"}) == "other"
    assert kind_of({"manage": "migrate", "headers": {}}) == "other"


MARKS = {"methodArn": "arn", "routeArn": "arn", "Records": [], "records": {}}
MARKS |= {"warmer": True, "source": "serverless-plugin-warmup", "triggerSource": "PreSignUp"}
MARKS |= {"manage": "migrate", "command": "report", "raw_command": "1", "_serverless-wsgi": {}}


@pytest.mark.parametrize("mark", MARKS)
@pytest.mark.parametrize("name", ["rest_api/custom_domain", "http_api/get", "generic/map_query"])
def test_one_mark_is_enough_to_make_an_event_no_request(name: str, mark: str) -> None:
    event = load(name)
    assert find_source(event) is not None
    assert find_source(event | {mark: MARKS[mark]}) is None


def test_a_websocket_is_told_by_its_connection() -> None:
    event = load("rest_api/custom_domain")
    event["requestContext"]["connectionId"] = "L0SM9cOFvHcCIhw="
    assert find_source(event) is None


def test_a_source_from_outside_is_tried_first_and_named() -> None:
    mine: Any = Telegraph()
    event = load("not_http/sqs") | {"morse": ".-"}
    assert find_source(event, (mine,)) is mine
    assert find_source(load("alb/single_value"), (mine,)) is alb
    assert f"Tried: telegraph, {', '.join(SOURCE_NAMES)}." in refusal({}, extra=(mine,))
    assert "Tried: telegraph, " in refusal(None, extra=(mine,))


def test_the_source_that_is_named_comes_before_one_from_outside() -> None:
    mine: Any = Telegraph()
    assert find_source({"morse": ".-"}, (mine,), named=alb) is alb


def test_a_source_is_known_by_its_name() -> None:
    assert source_named("rest_api") is rest_api
    assert source_named("function_url") is http_api
    mine: Any = Telegraph()
    assert source_named("telegraph", (mine,)) is mine
    assert source_named("alb", (mine,)) is alb
    with pytest.raises(ValueError, match=r"must be one of .+, generic, telegraph, got 'telex'"):
        source_named("telex", (mine,))


# --- the table ------------------------------------------------------------------------------------

POSTBOX = """
from unigate.events.generic import from_reply, make_event, to_reply
from unigate.request import Request

MAX_REPLY = 1000


def matches(event):
    return "stamp" in event or "stamp" in (event.get("requestContext") or {})


def to_request(event, context):
    return Request("GET", b"/letters", source="postbox", event=event, context=context)
"""

AddRow = Callable[..., EventSource]


@pytest.fixture
def add_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[AddRow]:
    """Return a function that puts a source of a new module into the table, as the first row."""

    def add(before_rest_api: bool = False, **marks: Any) -> EventSource:
        (tmp_path / "postbox.py").write_text(POSTBOX)
        row = SourceRow("postbox", **marks)
        with monkeypatch.context() as patch:
            patch.setattr(events, "__path__", [*events.__path__, str(tmp_path)])
            source = row.source
        if before_rest_api:
            rows = list(sources.AFTER_KINDS)
            rows.insert(rows.index(sources.REST_API), row)
            monkeypatch.setattr(sources, "AFTER_KINDS", tuple(rows))
        else:
            monkeypatch.setattr(sources, "BEFORE_KINDS", (row, *sources.BEFORE_KINDS))
        importlib.reload(detection)
        return source

    yield add
    monkeypatch.undo()
    sys.modules.pop("unigate.events.postbox", None)
    importlib.reload(detection)


LOOK_ALIKES = ["http_api/get", "http_api/function_url", "rest_api/custom_domain"]
LOOK_ALIKES += ["alb/single_value", "generic/map_query", "openwhisk/get", "not_http/sqs"]


@pytest.mark.parametrize("name", LOOK_ALIKES)
@pytest.mark.parametrize("marks", [{"marks": ["stamp"]}, {"marks": ["seal", "stamp"]}, {}])
def test_a_source_in_the_first_row_is_chosen_by_a_mark_at_the_top(
    name: str, marks: dict[str, Any], add_row: AddRow
) -> None:
    postbox = add_row(**marks)
    event = load(name)
    assert detection.find_source(event) is not postbox
    assert detection.find_source(event | {"stamp": "1 penny"}) is postbox


@pytest.mark.parametrize("name", ["http_api/get", "rest_api/custom_domain", "alb/single_value"])
@pytest.mark.parametrize(
    "marks", [{"context_marks": ["stamp"]}, {"marks": ["seal"], "context_below": 99}, {}]
)
def test_a_source_in_the_first_row_is_chosen_by_a_mark_in_the_context(
    name: str, marks: dict[str, Any], add_row: AddRow
) -> None:
    postbox = add_row(**marks)
    event = load(name)
    assert detection.find_source(event) is not postbox
    event["requestContext"]["stamp"] = "1 penny"
    assert detection.find_source(event) is postbox


def test_a_gateway_reads_the_events_of_a_source_in_the_first_row(add_row: AddRow) -> None:
    add_row(marks=["stamp"])

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [environ["PATH_INFO"].encode()]

    gateway = unigate.wrap(app)
    for name in LOOK_ALIKES:
        assert gateway(load(name) | {"stamp": "1 penny"}, None)["body"] == "/letters"
    assert "Tried: postbox, openwhisk, " in str(unknown_event({}))
    named = unigate.wrap(app, source="postbox")
    assert named(load("http_api/get"), None)["body"] == "/letters"


def test_a_source_without_the_mark_in_an_event_is_not_asked(add_row: AddRow) -> None:
    postbox: Any = add_row(marks=["seal"])
    postbox.matches = lambda event: True
    for name in HTTP_SAMPLES:
        assert detection.find_source(load(name)) is not postbox
        assert detection.find_source(load(name) | {"seal": None}) is postbox


@pytest.mark.parametrize("name", [*HTTP_SAMPLES, *(f"not_http/{name}" for name in KINDS)])
def test_a_source_without_marks_is_asked_for_every_event(name: str, add_row: AddRow) -> None:
    postbox: Any = add_row()
    event = load(name)
    asked: list[Any] = []
    postbox.matches = asked.append
    detection.find_source(event)
    assert asked == [event]


@pytest.mark.parametrize(
    "marks", [{"marks": ["stamp"]}, {"context_marks": ["stamp"]}, {"context_below": 99}, {}]
)
def test_a_source_in_the_row_before_rest_api_is_chosen_for_what_looks_like_it(
    marks: dict[str, Any], add_row: AddRow
) -> None:
    postbox = add_row(before_rest_api=True, **marks)
    event = load("rest_api/custom_domain")
    assert detection.find_source(event) is rest_api
    if "marks" in marks:
        event["stamp"] = "1 penny"
    else:
        event["requestContext"]["stamp"] = "1 penny"
    assert detection.find_source(event) is postbox
    assert detection.find_source(load("http_api/get") | {"stamp": "1 penny"}) is http_api


def test_a_source_in_the_row_before_rest_api_may_share_a_mark_with_http_api(
    add_row: AddRow,
) -> None:
    postbox = add_row(before_rest_api=True, marks=["rawPath"])
    event = load("rest_api/custom_domain") | {"rawPath": "/letters", "stamp": "1 penny"}
    assert detection.find_source(event) is postbox
    assert detection.find_source(load("http_api/get") | {"stamp": "1 penny"}) is http_api


@pytest.mark.parametrize("name", LOOK_ALIKES)
def test_a_source_from_outside_is_chosen_for_what_looks_like_another(name: str) -> None:
    mine: Any = Telegraph()
    assert find_source(load(name) | {"morse": ".-"}, (mine,)) is mine


@pytest.mark.parametrize("name", HTTP_SAMPLES)
def test_every_sample_has_a_mark_of_its_source(name: str) -> None:
    event = load(name)
    module = name.partition("/")[0]
    rows = [row for row in (*sources.BEFORE_KINDS, *sources.AFTER_KINDS) if row.module == module]
    assert first_match(rows, event) is rows[0].source
