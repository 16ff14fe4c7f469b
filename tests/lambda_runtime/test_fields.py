"""Values that the Runtime API or the environment should not have: answered, or refused in words."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.servers.processes import ROOT
from tests.waiting import SECONDS

from .function import Function
from .runtime_api import Call

pytestmark = pytest.mark.usefixtures("bounded")

SOURCE = """
import os, unigate
from unigate.background import seconds_for_work

def handler(event, context):
    return {
        "left": context.get_remaining_time_in_millis(),
        "trace": os.environ.get("_X_AMZN_TRACE_ID"),
        "id": context.aws_request_id,
    }

def environ_app(environ, start_response):
    start_response("200 OK", [])
    return [b"wsgi"]

async def asgi_app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"asgi"})

wsgi = unigate.wrap(environ_app, interface="wsgi")
asgi = unigate.wrap(asgi_app, interface="asgi", lifespan="off")
"""
EVENT = {"httpMethod": "GET", "path": "/", "resource": "/", "requestContext": {"stage": "s"}}


@pytest.fixture(scope="module", params=["handler", "wsgi", "asgi", "wsgi, concurrent"])
def function(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Function]:
    folder = tmp_path_factory.mktemp("fields")
    (folder / "odd.py").write_text(SOURCE)
    name, _, concurrent = request.param.partition(", ")
    env = {"AWS_LAMBDA_MAX_CONCURRENCY": "2" if concurrent else ""}
    with Function(f"odd.{name}", folder, env=env) as runtime:
        yield runtime


@pytest.fixture
def handler(tmp_path: Path) -> Iterator[Function]:
    (tmp_path / "odd.py").write_text(SOURCE)
    with Function("odd.handler", tmp_path) as runtime:
        yield runtime


VALUES = {
    "missing": None,
    "empty": "",
    "NUL": "a\0b",
    "a line feed": "a\nb",
    "a long value": "x" * 100_000,
    "no ASCII": "é€",
    "a path": "../a b?c#d",
    "a negative number": "-1",
    "a large number": "9" * 30,
    "a huge number": "9" * 5000,
    "a fraction": "1.5",
    "no number": "nan",
    "half an object": "{",
    "a list": "[]",
    "deep JSON": "[" * 50_000,
    "null": "null",
}
FIELDS = [
    "Lambda-Runtime-Deadline-Ms",
    "Lambda-Runtime-Trace-Id",
    "Lambda-Runtime-Client-Context",
    "Lambda-Runtime-Cognito-Identity",
    "Lambda-Runtime-Invoked-Function-Arn",
    "Lambda-Runtime-Aws-Tenant-Id",
    "Lambda-Runtime-Invocation-Id",
    "Content-Type",
]


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_an_event_with_an_odd_field_is_answered_once(function: Function, value: Any) -> None:
    calls = [function.api.call(EVENT, {field: value}) for field in FIELDS]
    answers = [call.wait() for call in calls]

    assert function.api.invoke(EVENT).kind == "response"
    assert not any(call.refused for call in calls)
    refused = [
        field for field, answer in zip(FIELDS, answers, strict=True) if answer.kind == "error"
    ]
    assert set(refused) <= {
        *("Lambda-Runtime-Client-Context", "Lambda-Runtime-Cognito-Identity"),
        "Content-Type",  # an event that is not JSON
    }


@pytest.mark.parametrize("value", ["a b", "../../next", "é", "a%20b", "x" * 2000, "?", "a\0b"])
def test_an_event_with_an_odd_id_is_answered(function: Function, value: str) -> None:
    assert function.api.invoke(EVENT, {"Lambda-Runtime-Aws-Request-Id": value}).kind == "response"


@pytest.mark.parametrize("value", [None, ""])
def test_an_event_without_an_id_is_logged(function: Function, value: str | None) -> None:
    before = function.server.output().count("has no Lambda-Runtime-Aws-Request-Id")
    function.api.call(EVENT, {"Lambda-Runtime-Aws-Request-Id": value})
    function.server.wait_for_output("has no Lambda-Runtime-Aws-Request-Id", before + 1)
    assert function.api.invoke(EVENT).kind == "response"


@pytest.mark.parametrize("length", ["-5", "99999999999999", "9" * 5000, "x", "1e3", ""])
def test_an_event_of_an_odd_length_is_logged(function: Function, length: str) -> None:
    before = function.server.output().count("The response cannot be read")
    function.api.call(EVENT, {"Content-Length": length})
    function.server.wait_for_output("The response cannot be read", before + 1)
    assert function.api.invoke(EVENT).kind == "response"


@pytest.mark.parametrize("value", [None, "", "soon", "9" * 5000, "1.5"])
def test_without_a_deadline_the_longest_is_assumed(handler: Function, value: str | None) -> None:
    reply = handler.api.invoke({}, {"Lambda-Runtime-Deadline-Ms": value}).json()
    assert 800_000 < reply["left"] <= 900_000
    assert "Lambda-Runtime-Deadline-Ms must be a number, got" in handler.server.output()


@pytest.mark.parametrize(("value", "least", "most"), [("-1", 0, 0), ("9" * 15, 6e8, 7e8)])
def test_a_deadline_far_away_is_brought_near(
    handler: Function, value: str, least: float, most: float
) -> None:
    left = handler.api.invoke({}, {"Lambda-Runtime-Deadline-Ms": value}).json()["left"]
    assert least <= left <= most


def test_a_trace_that_cannot_be_exported_replaces_the_one_before(handler: Function) -> None:
    assert handler.api.invoke({}, {"Lambda-Runtime-Trace-Id": "Root=1"}).json()["trace"] == "Root=1"
    assert handler.api.invoke({}, {"Lambda-Runtime-Trace-Id": "a\0b"}).json()["trace"] is None
    assert "The trace 'a\\x00b' is not exported" in handler.server.output()


def test_an_invocation_id_cannot_add_header_fields(handler: Function) -> None:
    call: Call = handler.api.call({}, {"Lambda-Runtime-Invocation-Id": "a\nX-Added: b"})
    headers = call.wait().headers
    assert headers["lambda-runtime-invocation-id"] == "a?X-Added: b"
    assert "x-added" not in headers


ADDRESSES = [
    *("127.0.0.1", "localhost", "localhost:", ":9001", ":", "host:port", "host:0", "host:65536"),
    *("http://127.0.0.1:9001", "127.0.0.1:9001/path", "a b:9001", "host:-1", "host:٩", "é:9001"),
    *("[::1]", "[::1:9001", "host:9001\nX-Added: b", "host:" + "9" * 5000, " 127.0.0.1:9001"),
]


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_that_is_none_is_refused_in_one_line(address: str) -> None:
    done = run_with({"AWS_LAMBDA_RUNTIME_API": address})
    assert done.returncode == 1
    assert done.stderr.startswith("AWS_LAMBDA_RUNTIME_API must be a host and a port")
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


@pytest.mark.parametrize("count", ["many", "-1", "1.5", "²", "9" * 5000, "1e3", " 2 "])
def test_a_number_of_invocations_that_is_none_is_logged(tmp_path: Path, count: str) -> None:
    (tmp_path / "odd.py").write_text(SOURCE)
    env = {"AWS_LAMBDA_MAX_CONCURRENCY": count}
    with Function("odd.wsgi", tmp_path, env=env) as runtime:
        assert runtime.api.invoke(EVENT).json()["body"] == "wsgi"
        assert "AWS_LAMBDA_MAX_CONCURRENCY must be a number" in runtime.server.output()


def run_with(env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "unigate.lambda_runtime", "tests.lambda_runtime.apps.app"]
    return subprocess.run(
        command,
        env={"PYTHONPATH": str(ROOT), "PYTHONUTF8": "1", **env},
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
