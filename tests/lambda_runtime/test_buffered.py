"""Buffered responses: the protocol, and the same results as with AWS's runtime client."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.waiting import SECONDS

from .function import APPS, Function, event
from .runtime_api import LIMIT, Posted

pytestmark = pytest.mark.usefixtures("bounded")
# With this AWS's client waits for events in a thread, so that Python can handle signals.
AS_ON_LAMBDA = {"AWS_EXECUTION_ENV": "AWS_Lambda_python3.13"}


@pytest.fixture(scope="module")
def function(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Function]:
    with Function(f"{APPS}.function", tmp_path_factory.mktemp("function")) as runtime:
        yield runtime


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Function]:
    with Function(f"{APPS}.app", tmp_path_factory.mktemp("gateway")) as runtime:
        yield runtime


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Function]:
    """AWS's runtime client with the same gateway."""
    folder = tmp_path_factory.mktemp("stock")
    with Function(f"{APPS}.app", folder, runtime="awslambdaric", env=AS_ON_LAMBDA) as runtime:
        yield runtime


@pytest.fixture(scope="module")
def stock_function(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Function]:
    folder = tmp_path_factory.mktemp("stock_function")
    with Function(f"{APPS}.function", folder, runtime="awslambdaric", env=AS_ON_LAMBDA) as runtime:
        yield runtime


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


@pytest.mark.parametrize("payload", HTTP, ids=lambda e: e.get("rawPath") or e["path"])
def test_replies_equal_those_of_the_aws_client(
    gateway: Function, stock: Function, payload: dict[str, Any]
) -> None:
    actual, expected = gateway.api.invoke(payload), stock.api.invoke(payload)

    assert actual.json() == expected.json()
    assert (actual.kind, actual.headers["content-type"]) == (
        "response",
        expected.headers["content-type"],
    )


def test_a_failure_that_the_platform_expects_equals_that_of_the_aws_client(
    gateway: Function, stock: Function
) -> None:
    payload = event("/empty?status=302", "lambda_integration")
    actual, expected = gateway.api.invoke(payload), stock.api.invoke(payload)
    assert (actual.kind, expected.kind) == ("error", "error")
    for name in ("errorMessage", "errorType"):
        assert actual.json()[name] == expected.json()[name]
    assert '"statusDescription": "[302] Found"' in actual.json()["errorMessage"]


@pytest.mark.parametrize(
    ("payload", "content_type"),
    [
        ({"a": "\u00e9\U0001f600"}, None),
        ({"return": "bytes"}, None),
        (b"no json at all", "text/plain"),
        (b'{"a": 1}', "application/json; charset=utf-8"),
    ],
)
def test_results_are_posted_as_by_the_aws_client(
    function: Function, stock_function: Function, payload: Any, content_type: str | None
) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    actual, expected = (each.api.invoke(payload, headers) for each in (function, stock_function))

    assert actual.headers["content-type"] == expected.headers["content-type"]
    assert without_changes(actual) == without_changes(expected)


def without_changes(posted: Posted) -> Any:
    if not posted.body.startswith(b"{"):
        return posted.body
    result = posted.json()
    for name in ("id", "left", "trace", "requestId", "stackTrace"):
        result.pop(name, None)
    return result


@pytest.mark.parametrize(
    ("payload", "kind"),
    [
        (b"{not json", "Runtime.UnmarshalError"),
        ({"return": "object"}, "Runtime.MarshalError"),
        ({"fail": True}, "ValueError"),
    ],
    ids=["invalid-json", "no-json", "raised"],
)
def test_errors_are_posted_as_by_the_aws_client(
    function: Function, stock_function: Function, payload: Any, kind: str
) -> None:
    actual, expected = (each.api.invoke(payload) for each in (function, stock_function))

    assert (actual.kind, expected.kind) == ("error", "error")
    assert actual.json()["errorType"] == expected.json()["errorType"] == kind
    if kind != "Runtime.UnmarshalError":  # the parsers differ in wording
        assert actual.json()["errorMessage"] == expected.json()["errorMessage"]
    assert actual.headers["lambda-runtime-function-error-type"] == kind
    cause = json.loads(actual.headers["lambda-runtime-function-xray-error-cause"])
    assert cause["exceptions"][0]["type"] == kind
    assert bool(actual.json()["stackTrace"]) == (kind == "ValueError")


def test_a_stack_trace_begins_in_the_function(function: Function) -> None:
    result = function.api.invoke({"fail": True}).json()

    assert result["errorMessage"] == "not like this"
    assert "apps.py" in result["stackTrace"][0]
    assert len(result["stackTrace"]) == 1
    function.server.wait_for_output("[ERROR] ValueError: not like this")


def test_a_lone_surrogate_does_not_end_the_runtime(function: Function) -> None:
    assert function.api.invoke({"return": "surrogate"}).json() == {"text": "?"}


def test_the_context_object_has_the_values_of_the_headers(function: Function) -> None:
    result = function.api.invoke(
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

    assert 10_000 < result.pop("left") <= 20_000
    assert result.pop("id")
    assert result == {
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


def test_the_context_object_is_empty_without_optional_headers(function: Function) -> None:
    function.api.invoke({}, {"Lambda-Runtime-Trace-Id": "Root=1"})
    result = function.api.invoke({}, {"Lambda-Runtime-Trace-Id": "Root=2"}).json()

    assert (result["client"], result["identity"], result["tenant"]) == (None, None, None)
    assert (result["w3c"], result["trace"]) == ({}, "Root=2")


def test_the_remaining_time_is_never_negative(function: Function) -> None:
    assert function.api.invoke({}, seconds=-5).json()["left"] == 0


@pytest.mark.parametrize("name", ["Client-Context", "Cognito-Identity"])
def test_a_context_header_that_is_not_json_is_an_error(function: Function, name: str) -> None:
    posted = function.api.invoke({}, {f"Lambda-Runtime-{name}": "{"})

    assert posted.kind == "error"
    assert posted.json()["errorType"] == "Runtime.LambdaContextUnmarshalError"


def test_the_invocation_id_is_sent_back(function: Function) -> None:
    for payload, kind in (({}, "response"), ({"fail": 1}, "error")):
        posted = function.api.invoke(payload, {"Lambda-Runtime-Invocation-Id": "of-this-one"})

        assert (posted.kind, posted.headers["lambda-runtime-invocation-id"]) == (
            kind,
            "of-this-one",
        )


def test_a_large_event_and_a_large_reply_arrive_whole(function: Function) -> None:
    result = function.api.invoke({"large": "x" * 5_900_000}).json()

    assert len(result["event"]["large"]) == 5_900_000


def test_a_reply_too_large_for_the_api_does_not_end_the_runtime(function: Function) -> None:
    call = function.api.call({"large": "\u00e9" * (LIMIT // 2)})

    function.server.wait_for_output("/response with 202, got 413")
    assert [posted.kind for posted in call.refused] == ["response"]
    assert function.api.invoke({"a": 1}).json()["event"] == {"a": 1}


def test_an_asynchronous_function_is_awaited(tmp_path: Path) -> None:
    with Function(f"{APPS}:async_function", tmp_path) as runtime:  # with a colon, as for servers
        assert runtime.api.invoke({"a": 1}).json() == {"awaited": {"a": 1}}


def test_non_http_events_go_to_their_function(gateway: Function) -> None:
    record = {"eventSource": "aws:sqs", "messageId": "1", "body": "", "receiptHandle": "r"}
    assert gateway.api.invoke({"Records": [record]}).json() == {"batchItemFailures": [], "seen": 1}

    posted = gateway.api.invoke({"neither": "here"})
    assert (posted.kind, posted.json()["errorType"]) == ("error", "UnknownEvent")


def test_the_connection_is_reused(function: Function) -> None:
    function.api.invoke({})
    before = set(function.api.connections)
    for _ in range(5):
        function.api.invoke({})

    assert set(function.api.connections) == before


def test_applications_start_before_the_first_event_and_stop_at_the_end(tmp_path: Path) -> None:
    with Function(f"{APPS}.app", tmp_path) as runtime:
        runtime.api.wait_for("next", 1)
        assert runtime.server.output().count("lifespan.startup") == 1
        runtime.api.invoke(event("/v2/hello"))
        runtime.signal()

        assert runtime.wait() == 128 + 15
        assert runtime.server.output().count("lifespan.shutdown") == 1
        assert runtime.server.output().count("lifespan.startup") == 1


def test_a_wsgi_application_runs_without_importing_asyncio(tmp_path: Path) -> None:
    (tmp_path / "bare.py").write_text(
        "import sys, unigate\n"
        "def app(environ, start_response):\n"
        "    start_response('200 OK', [])\n"
        "    return [str(sorted({'asyncio', 'http.client', 'ssl'} & set(sys.modules))).encode()]\n"
        "app = unigate.wrap(app)\n"
    )
    for streaming in ("0", "1"):
        env = {"UNIGATE_RESPONSE_STREAMING": streaming, "COVERAGE_PROCESS_START": ""}
        with Function("bare.app", tmp_path, env=env) as runtime:
            assert (
                runtime.api.invoke(event("/"))
                .body.rstrip()
                .endswith(b"[]" if streaming == "1" else b'"body": "[]", "isBase64Encoded": false}')
            )


def test_the_handler_may_come_from_the_environment(tmp_path: Path) -> None:
    (tmp_path / "task").mkdir()
    (tmp_path / "task" / "index.py").write_text("def handler(event, context):\n    return 7\n")
    env = {"_HANDLER": "index.handler", "LAMBDA_TASK_ROOT": str(tmp_path / "task")}
    with Function("", tmp_path, env=env) as runtime:
        assert runtime.api.invoke({}).json() == 7


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
def test_an_initialization_error_is_reported(tmp_path: Path, handler: str, kind: str) -> None:
    (tmp_path / "broken.py").write_text("def app(:\n")
    (tmp_path / "failing.py").write_text("{}['SETTING']\n")
    (tmp_path / "leaving.py").write_text("raise SystemExit(0)\n")
    with Function(handler, tmp_path) as runtime:
        path, headers, report = runtime.api.reports.get(timeout=SECONDS)

        assert (path, report["errorType"]) == ("/init/error", kind)
        assert headers["lambda-runtime-function-error-type"] == kind
        assert runtime.wait() == 1
        assert kind in runtime.server.output()
        assert runtime.api.order("next") == []


def test_a_failed_lifespan_startup_is_reported(tmp_path: Path) -> None:
    with Function(f"{APPS}.app", tmp_path, env={"FAIL_START": "1"}) as runtime:
        path, _, report = runtime.api.reports.get(timeout=SECONDS)

        assert (path, report["errorType"]) == ("/init/error", "LifespanFailed")
        assert "no database" in report["errorMessage"]
        assert runtime.wait() == 1


def test_usage_is_printed_without_a_runtime_api(tmp_path: Path) -> None:
    with Function(f"{APPS}.app", tmp_path, env={"AWS_LAMBDA_RUNTIME_API": ""}) as runtime:
        assert runtime.wait() == 1
        assert "usage: python -m unigate.lambda_runtime" in runtime.server.output()


def test_a_wrapper_script_runs_it_in_place_of_the_aws_client(tmp_path: Path) -> None:
    wrapper = tmp_path / "wrapper"
    wrapper.write_text('#!/bin/sh\nexec "$1" -m unigate.lambda_runtime\n')

    def wrapped(command: list[str]) -> list[str]:
        return ["sh", str(wrapper), command[0], "/var/bootstrap.py"]

    env = {"_HANDLER": f"{APPS}.wsgi_only"}
    with Function("", tmp_path, env=env, wrap_command=wrapped) as runtime:
        assert runtime.api.invoke(event("/hello")).json()["body"] == "hello"


def test_decimals_are_written_as_numbers(tmp_path: Path) -> None:
    (tmp_path / "sums.py").write_text(
        "from decimal import Decimal\n"
        "def handler(event, context):\n"
        "    return [Decimal('2'), Decimal('2.5'), {'n': Decimal('1e3')}]\n"
    )
    with Function("sums.handler", tmp_path) as runtime:
        assert runtime.api.invoke({}).json() == [2, 2.5, {"n": 1000}]
