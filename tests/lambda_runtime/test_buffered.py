"""Answers in one piece: the Runtime API's protocol, and the same answers as AWS's own client's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .function import APPS, Function, event
from .runtime_api import LIMIT, Posted

pytestmark = pytest.mark.usefixtures("bounded")
# With it AWS's client waits for events in a thread, so that Python gets to handle signals.
AS_ON_LAMBDA = {"AWS_EXECUTION_ENV": "AWS_Lambda_python3.13"}


@pytest.fixture(scope="module")
def function(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Function]:
    with Function(f"{APPS}.function", tmp_path_factory.mktemp("function")) as made:
        yield made


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Function]:
    with Function(f"{APPS}.app", tmp_path_factory.mktemp("gateway")) as made:
        yield made


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Function]:
    """AWS's own runtime client around the same gateway."""
    folder = tmp_path_factory.mktemp("stock")
    with Function(f"{APPS}.app", folder, runtime="awslambdaric", env=AS_ON_LAMBDA) as made:
        yield made


@pytest.fixture(scope="module")
def stock_function(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Function]:
    folder = tmp_path_factory.mktemp("stock_function")
    with Function(f"{APPS}.function", folder, runtime="awslambdaric", env=AS_ON_LAMBDA) as made:
        yield made


HTTP = [
    *(
        event(target, source)
        for target in ("/hello", "/v2/hello")
        for source in ("http_api", "function_url", "rest_api", "alb")
    ),
    event("/v2/empty?status=204"),
    event("/empty?status=302"),
    event("/fail?when=before"),
    event("/v2/fail?when=before"),
    event("/v2/hello", method="HEAD"),
]


@pytest.mark.parametrize("asked", HTTP, ids=lambda e: e.get("rawPath") or e["path"])
def test_replies_are_those_of_awss_client(
    gateway: Function, stock: Function, asked: dict[str, Any]
) -> None:
    ours, theirs = gateway.api.invoke(asked), stock.api.invoke(asked)

    assert ours.json() == theirs.json()
    assert (ours.kind, ours.headers["content-type"]) == ("response", theirs.headers["content-type"])


@pytest.mark.parametrize(
    ("asked", "content_type"),
    [
        ({"a": "\u00e9\U0001f600"}, None),
        ({"return": "bytes"}, None),
        (b"no json at all", "text/plain"),
        (b'{"a": 1}', "application/json; charset=utf-8"),
    ],
)
def test_what_a_function_returns_is_posted_as_awss_client_does(
    function: Function, stock_function: Function, asked: Any, content_type: str | None
) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    ours, theirs = (one.api.invoke(asked, headers) for one in (function, stock_function))

    assert ours.headers["content-type"] == theirs.headers["content-type"]
    assert without_changes(ours) == without_changes(theirs)


def without_changes(posted: Posted) -> Any:
    if not posted.body.startswith(b"{"):
        return posted.body
    told = posted.json()
    for name in ("id", "left", "trace", "requestId", "stackTrace"):
        told.pop(name, None)
    return told


@pytest.mark.parametrize(
    ("asked", "kind"),
    [
        (b"{not json", "Runtime.UnmarshalError"),
        ({"return": "object"}, "Runtime.MarshalError"),
        ({"fail": True}, "ValueError"),
    ],
    ids=["invalid-json", "no-json", "raised"],
)
def test_a_failure_is_an_error_as_of_awss_client(
    function: Function, stock_function: Function, asked: Any, kind: str
) -> None:
    ours, theirs = (one.api.invoke(asked) for one in (function, stock_function))

    assert (ours.kind, theirs.kind) == ("error", "error")
    assert ours.json()["errorType"] == theirs.json()["errorType"] == kind
    if kind != "Runtime.UnmarshalError":  # the parsers word that in their own way
        assert ours.json()["errorMessage"] == theirs.json()["errorMessage"]
    assert ours.headers["lambda-runtime-function-error-type"] == kind
    cause = json.loads(ours.headers["lambda-runtime-function-xray-error-cause"])
    assert cause["exceptions"][0]["type"] == kind
    assert bool(ours.json()["stackTrace"]) == (kind == "ValueError")


def test_a_trace_begins_in_the_function(function: Function) -> None:
    told = function.api.invoke({"fail": True}).json()

    assert told["errorMessage"] == "not like this"
    assert "apps.py" in told["stackTrace"][0]
    assert len(told["stackTrace"]) == 1
    function.server.wait_for_output("[ERROR] ValueError: not like this")


def test_half_a_surrogate_pair_does_not_end_the_runtime(function: Function) -> None:
    assert function.api.invoke({"return": "surrogate"}).json() == {"text": "?"}


def test_the_context_tells_what_lambda_told(function: Function) -> None:
    told = function.api.invoke(
        {"a": 1},
        {
            "Lambda-Runtime-Client-Context": json.dumps(
                {
                    "custom": {"k": "v"},
                    "client": {"app_title": "shop"},
                    "w3c": {"traceparent": "00-1", "other": "x", "baggage": 3},
                }
            ),
            "Lambda-Runtime-Cognito-Identity": '{"cognitoIdentityId": "me"}',
            "Lambda-Runtime-Aws-Tenant-Id": "tenant-1",
            "Lambda-Runtime-Trace-Id": "Root=1-2-3",
        },
        seconds=20,
    ).json()

    assert 10_000 < told.pop("left") <= 20_000
    assert told.pop("id")
    assert told == {
        "event": {"a": 1},
        "arn": "arn:aws:lambda:us-east-1:1:function:f",
        "name": "f",
        "memory": "128",
        "client": {"k": "v"},
        "title": "shop",
        "identity": "me",
        "tenant": "tenant-1",
        "w3c": {"traceparent": "00-1"},
        "trace": "Root=1-2-3",
    }


def test_a_context_that_was_not_told_is_empty(function: Function) -> None:
    function.api.invoke({}, {"Lambda-Runtime-Trace-Id": "of the one before"})
    told = function.api.invoke({}, {"Lambda-Runtime-Trace-Id": "Root=2"}).json()

    assert (told["client"], told["identity"], told["tenant"]) == (None, None, None)
    assert (told["w3c"], told["trace"]) == ({}, "Root=2")


def test_there_is_never_less_than_no_time(function: Function) -> None:
    assert function.api.invoke({}, seconds=-5).json()["left"] == 0


@pytest.mark.parametrize("name", ["Client-Context", "Cognito-Identity"])
def test_a_context_that_is_no_json_is_an_error(function: Function, name: str) -> None:
    posted = function.api.invoke({}, {f"Lambda-Runtime-{name}": "{"})

    assert posted.kind == "error"
    assert posted.json()["errorType"] == "Runtime.LambdaContextUnmarshalError"


def test_the_id_of_an_invocation_under_way_is_given_back(function: Function) -> None:
    for asked, kind in (({}, "response"), ({"fail": 1}, "error")):
        posted = function.api.invoke(asked, {"Lambda-Runtime-Invocation-Id": "of-this-one"})

        assert (posted.kind, posted.headers["lambda-runtime-invocation-id"]) == (
            kind,
            "of-this-one",
        )


def test_a_large_event_and_a_large_reply_arrive_whole(function: Function) -> None:
    told = function.api.invoke({"large": "x" * 5_900_000}).json()

    assert len(told["event"]["large"]) == 5_900_000


def test_a_reply_too_large_for_the_api_does_not_end_the_runtime(function: Function) -> None:
    call = function.api.call({"large": "\u00e9" * (LIMIT // 2)})

    function.server.wait_for_output("/response with 202, got 413")
    assert [posted.kind for posted in call.refused] == ["response"]
    assert function.api.invoke({"a": 1}).json()["event"] == {"a": 1}


def test_an_asynchronous_function_is_awaited(tmp_path: Path) -> None:
    with Function(f"{APPS}:async_function", tmp_path) as made:  # as servers write it
        assert made.api.invoke({"a": 1}).json() == {"awaited": {"a": 1}}


def test_events_that_are_no_request_go_to_their_function(gateway: Function) -> None:
    record = {"eventSource": "aws:sqs", "messageId": "1", "body": "", "receiptHandle": "r"}
    assert gateway.api.invoke({"Records": [record]}).json() == {"batchItemFailures": [], "seen": 1}

    posted = gateway.api.invoke({"neither": "here"})
    assert (posted.kind, posted.json()["errorType"]) == ("error", "UnknownEvent")


def test_the_connection_is_kept(function: Function) -> None:
    function.api.invoke({})
    kept = set(function.api._sockets)
    for _ in range(5):
        function.api.invoke({})

    assert set(function.api._sockets) == kept


def test_applications_start_before_the_first_event_and_stop_at_the_end(tmp_path: Path) -> None:
    with Function(f"{APPS}.app", tmp_path) as made:
        made.api.wait_for("next", 1)
        assert made.server.output().count("lifespan.startup") == 1
        made.api.invoke(event("/v2/hello"))
        made.signal()

        assert made.wait() == 128 + 15
        assert made.server.output().count("lifespan.shutdown") == 1
        assert made.server.output().count("lifespan.startup") == 1


def test_a_wsgi_application_needs_no_asyncio(tmp_path: Path) -> None:
    (tmp_path / "bare.py").write_text(
        "import sys, unigate\n"
        "def app(environ, start_response):\n"
        "    start_response('200 OK', [])\n"
        "    return [str(sorted({'asyncio', 'http.client', 'ssl'} & set(sys.modules))).encode()]\n"
        "app = unigate.wrap(app)\n"
    )
    for streaming in ("0", "1"):
        env = {"UNIGATE_RESPONSE_STREAMING": streaming, "COVERAGE_PROCESS_START": ""}
        with Function("bare.app", tmp_path, env=env) as made:
            assert (
                made.api.invoke(event("/"))
                .body.rstrip()
                .endswith(b"[]" if streaming == "1" else b'"body": "[]", "isBase64Encoded": false}')
            )


def test_the_handler_may_come_from_the_environment(tmp_path: Path) -> None:
    (tmp_path / "task").mkdir()
    (tmp_path / "task" / "index.py").write_text("def handler(event, context):\n    return 7\n")
    env = {"_HANDLER": "index.handler", "LAMBDA_TASK_ROOT": str(tmp_path / "task")}
    with Function("", tmp_path, env=env) as made:
        assert made.api.invoke({}).json() == 7


@pytest.mark.parametrize(
    ("handler", "kind"),
    [
        ("nodots", "Runtime.MalformedHandlerName"),
        ("no_module.app", "Runtime.ImportModuleError"),
        (f"{APPS}.nothing", "Runtime.HandlerNotFound"),
        (f"{APPS}.TEXT", "Runtime.HandlerNotFound"),
        ("broken.app", "Runtime.UserCodeSyntaxError"),
        ("failing.app", "KeyError"),
        ("leaving.app", "Runtime.ExitError"),
    ],
)
def test_a_start_that_fails_is_reported(tmp_path: Path, handler: str, kind: str) -> None:
    (tmp_path / "broken.py").write_text("def app(:\n")
    (tmp_path / "failing.py").write_text("{}['SETTING']\n")
    (tmp_path / "leaving.py").write_text("raise SystemExit(0)\n")
    with Function(handler, tmp_path) as made:
        path, headers, told = made.api.reports.get(timeout=10)

        assert (path, told["errorType"]) == ("/init/error", kind)
        assert headers["lambda-runtime-function-error-type"] == kind
        assert made.wait() == 1
        assert kind in made.server.output()
        assert made.api.order("next") == []


def test_an_application_that_does_not_start_is_reported(tmp_path: Path) -> None:
    with Function(f"{APPS}.app", tmp_path, env={"FAIL_START": "1"}) as made:
        path, _, told = made.api.reports.get(timeout=10)

        assert (path, told["errorType"]) == ("/init/error", "LifespanFailed")
        assert "no database" in told["errorMessage"]
        assert made.wait() == 1


def test_without_a_runtime_api_there_is_advice(tmp_path: Path) -> None:
    with Function(f"{APPS}.app", tmp_path, env={"AWS_LAMBDA_RUNTIME_API": ""}) as made:
        assert made.wait() == 1
        assert "usage: python -m unigate.lambda_runtime" in made.server.output()


def test_a_wrapper_on_awss_images_runs_it_in_place_of_awss_client(tmp_path: Path) -> None:
    wrapper = tmp_path / "wrapper"
    wrapper.write_text('#!/bin/sh\nexec "$1" -m unigate.lambda_runtime\n')
    made = Function("", tmp_path, env={"_HANDLER": f"{APPS}.wsgi_only"})
    made.server._arguments = ["sh", str(wrapper), made.server._arguments[0], "/var/bootstrap.py"]
    with made:
        assert made.api.invoke(event("/hello")).json()["body"] == "hello"


def test_numbers_are_written_as_numbers(tmp_path: Path) -> None:
    (tmp_path / "sums.py").write_text(
        "from decimal import Decimal\n"
        "def handler(event, context):\n"
        "    return [Decimal('2'), Decimal('2.5'), {'n': Decimal('1e3')}]\n"
    )
    with Function("sums.handler", tmp_path) as made:
        assert made.api.invoke({}).json() == [2, 2.5, {"n": 1000}]
