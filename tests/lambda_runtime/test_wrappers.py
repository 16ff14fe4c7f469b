"""Decorators of other tools around a gateway, under AWS's runtime client and under ours."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.applications.environments import environment
from tests.samples import load
from tests.servers.processes import ROOT
from unigate.testing import Client

from .function import Function, event
from .runtime_api import Posted
from .wrapper_rows import PAGE, ROWS, cases, with_tables

pytestmark = pytest.mark.usefixtures("bounded")

HANDLER = "tests.lambda_runtime.wrapped_apps.handler"
TRACE = {
    "Lambda-Runtime-Trace-Id": "Root=1-5759e988-bd862e3fe1be46a994272793;"
    "Parent=53995c3f42cd8ad8;Sampled=1"
}
SQS, SNS = load("not_http/sqs"), load("not_http/sns")
NOT_STREAMED = "are not streamed: the handler"

COMMANDS = {
    "awslambdaric": ("awslambdaric", "0"),
    "buffered": ("unigate.lambda_runtime", "0"),
    "streaming": ("unigate.lambda_runtime", "1"),
}
every_runtime = pytest.mark.parametrize("runtime", COMMANDS)


@contextmanager
def running(
    wrapper: str, place: str, runtime: str, folder: Path, handler: str = HANDLER, **more: str
) -> Iterator[Function]:
    """Run the handler with a decorator in a place, and with more environment variables."""
    module, streaming = COMMANDS[runtime]
    env = {
        "WRAPPER": wrapper,
        "PLACE": place,
        "UNIGATE_RESPONSE_STREAMING": streaming,
        "LAMBDA_TASK_ROOT": str(folder),
        "_HANDLER": HANDLER,
        "DD_FLUSH_TO_LOG": "true",
        **more,
    }
    python = sys.executable
    if wrapper == "datadog":
        python = str(environment("datadog", ("datadog-lambda>=8.100", "awslambdaric>=4")))

    def with_python(command: list[str]) -> list[str]:
        return [python, *command[1:]]

    with Function(handler, folder, runtime=module, env=env, wrap_command=with_python) as function:
        yield function


def is_streamed(posted: Posted) -> bool:
    return "lambda-runtime-function-response-mode" in posted.headers


def text_of(posted: Posted) -> str:
    assert posted.kind == "response", posted.body
    if not is_streamed(posted):
        text: str = posted.json()["body"]
        return text
    # Sent as the application sends it: the beginning, and two parts.
    assert [bytes(part) for part in posted.chunks[1:]] == [b"one ", b"two"]
    return posted.streamed.decode()


@pytest.mark.parametrize(("wrapper", "place", "runtime", "streams"), list(cases()))
def test_a_decorator_and_the_gateway_both_work(
    wrapper: str, place: str, runtime: str, streams: bool, tmp_path: Path
) -> None:
    row = ROWS[wrapper]
    with running(wrapper, place, runtime, tmp_path) as function:
        api, server = function.api, function.server
        api.wait_until_idle()
        if runtime != "awslambdaric":
            assert "lifespan.startup" in server.output()  # before the first event

        posted = api.invoke(event("/parts"), TRACE)
        assert (text_of(posted), is_streamed(posted)) == ("one two", streams)
        assert text_of(api.invoke(event("/parts", "http_api"), TRACE)) == "one two"

        if runtime != "awslambdaric":
            assert not (tmp_path / "0").exists()  # the work waits for it
            posted = api.invoke(event(f"/later?folder={tmp_path}&name=work"), TRACE)
            assert b"hello" in posted.body
        (tmp_path / "0").touch()
        api.invoke(event(f"/later?folder={tmp_path}&name=work&again=1"), TRACE)

        assert api.invoke(SQS, TRACE).json() == {"seen": 1}
        server.wait_for_output("taken: done")
        failed = api.invoke(SNS, TRACE)
        assert (failed.kind, failed.json()["errorMessage"]) == ("error", "not noted")
        api.wait_until_idle()

        output = server.output()
    events = len(api.order("given"))
    assert output.count("later: done work") == events - 4
    assert output.count("site: ") == events - 2
    assert output.count(row.mark) >= (1 if row.only_failures else events)
    assert output.count(NOT_STREAMED) == (runtime == "streaming" and not streams)


@every_runtime
@pytest.mark.parametrize("place", ["around", "function"])
def test_a_kept_reply_is_repeated_whole_or_refused(
    place: str, runtime: str, tmp_path: Path
) -> None:
    with running("powertools_idempotency", place, runtime, tmp_path) as function:
        first = function.api.invoke(event("/parts"))
        second = function.api.invoke(event("/parts"))
        assert function.api.invoke(SQS).json() == {"seen": 1}
        output = function.server.output()
    assert text_of(first) == "one two"
    assert output.count("site: ") == 1
    if (place, runtime) == ("around", "streaming"):
        assert is_streamed(first)
        assert "return app(event, context)" in second.json()["errorMessage"]
    else:
        assert second.json() == first.json()


@pytest.mark.parametrize("wrapper", [name for name, row in ROWS.items() if row.function_only])
def test_some_decorators_take_only_functions(wrapper: str, tmp_path: Path) -> None:
    with running(wrapper, "outside", "buffered", tmp_path) as function:
        assert function.wait() == 1
        assert "MiddlewareInvalidArgumentError" in function.server.output()


def test_sentrys_integration_reports_under_awss_client_alone(tmp_path: Path) -> None:
    with running("sentry_integration", "around", "awslambdaric", tmp_path) as function:
        assert function.api.invoke(SNS).kind == "error"
        function.server.wait_for_output("wrapper: seen not noted")
        assert "serverless_function" not in function.server.output()
    (tmp_path / "ours").mkdir()
    with running("sentry_integration", "around", "buffered", tmp_path / "ours") as function:
        assert function.api.invoke(SNS).kind == "error"
        function.api.wait_until_idle()
        assert "wrapper: seen" not in function.server.output()
        assert "around=[serverless_function]" in function.server.output()


def test_a_change_of_a_streamed_reply_is_warned_of(tmp_path: Path) -> None:
    with running("changing", "around", "streaming", tmp_path) as function:
        for _ in range(2):
            posted = function.api.invoke(event("/parts"))
            assert text_of(posted) == "one two"
            assert "x-changed" not in posted.prelude["headers"]
        whole = function.api.invoke(event("/parts", "http_api"))
        function.api.wait_until_idle()
        assert function.server.output().count("returned another reply than it got") == 1
    assert whole.json()["headers"]["x-changed"] == "1"


def test_a_second_response_to_one_event_is_warned_of_as_that(tmp_path: Path) -> None:
    with running("repeating", "around", "streaming", tmp_path) as function:
        for _ in range(2):
            assert text_of(function.api.invoke(event("/parts"))) == "one two"
        assert text_of(function.api.invoke(event("/parts", "http_api"))) == "one two"
        function.api.wait_until_idle()
        output = function.server.output()
    assert output.count("called the handler again") == 1
    assert NOT_STREAMED not in output
    assert "returned another reply" not in output


@every_runtime
def test_an_asynchronous_decorator_is_refused_by_every_runtime(
    runtime: str, tmp_path: Path
) -> None:
    with running("late", "around", runtime, tmp_path) as function:
        for given in (event("/parts"), event("/parts", "http_api"), SQS):
            failed = function.api.invoke(given)
            assert (failed.kind, failed.json()["errorType"]) == ("error", "TypeError")
            assert "write `def` in place of `async def`" in failed.json()["errorMessage"]
        assert "site: " not in function.server.output()


def test_a_reply_of_the_decorator_itself_is_streamed(tmp_path: Path) -> None:
    with running("changing", "around", "streaming", tmp_path) as function:
        posted = function.api.invoke(event("/early"))
        assert posted.prelude["statusCode"] == 403
        assert posted.prelude["headers"]["x-early"] == "1"
        assert posted.streamed == b"not you"
        assert "site: " not in function.server.output()


@pytest.mark.parametrize("runtime", ["buffered", "streaming"])
def test_a_coroutine_around_the_gateway_keeps_all_but_streaming(
    runtime: str, tmp_path: Path
) -> None:
    with running("asynchronous", "outside", runtime, tmp_path) as function:
        function.api.wait_until_idle()
        assert "lifespan.startup" in function.server.output()
        assert text_of(function.api.invoke(event("/parts"))) == "one two"
        posted = function.api.invoke(event(f"/later?folder={tmp_path}&name=work"))
        assert b"hello" in posted.body
        assert "later: done" not in function.server.output()
        (tmp_path / "0").touch()
        function.server.wait_for_output("later: done work")
        assert function.api.invoke(SQS).json() == {"seen": 1}
        assert function.server.output().count(NOT_STREAMED) == (runtime == "streaming")


def test_a_gateway_that_is_not_found_starts_late_with_a_warning(tmp_path: Path) -> None:
    with running("hidden", "outside", "buffered", tmp_path) as function:
        function.api.wait_until_idle()
        assert "lifespan.startup" not in function.server.output()
        for _ in range(2):
            assert text_of(function.api.invoke(event("/parts"))) == "one two"
        output = function.server.output()
    assert output.count("not during the initialization") == 1
    assert output.count("lifespan.startup") == 1


@pytest.mark.parametrize("door", ["lambda_handler", "handle"])
@pytest.mark.parametrize("place", ["around", "outside"])
def test_a_door_of_the_gateway_is_a_handler_that_streams(
    place: str, door: str, tmp_path: Path
) -> None:
    name = HANDLER.replace(".handler", f":app.{door}")
    with running("plain", place, "streaming", tmp_path, name) as function:
        function.api.wait_until_idle()
        assert "lifespan.startup" in function.server.output()
        posted = function.api.invoke(event("/parts"))
        assert (text_of(posted), is_streamed(posted)) == ("one two", True)
        assert function.api.invoke(SQS).json() == {"seen": 1}
        assert NOT_STREAMED not in function.server.output()


@pytest.mark.parametrize(("place", "runtime"), [("around", "streaming"), ("outside", "buffered")])
def test_concurrent_invocations_stay_apart(place: str, runtime: str, tmp_path: Path) -> None:
    count = 8
    with running(
        "plain", place, runtime, tmp_path, AWS_LAMBDA_MAX_CONCURRENCY=str(count)
    ) as function:
        api = function.api
        calls = [api.call(event(f"/later?folder={tmp_path}&name=n{n}.")) for n in range(count)]
        for call in calls:  # each thread has responded, and its work waits
            assert b"hello" in call.wait().body
        assert "later: done" not in function.server.output()
        (tmp_path / "0").touch()
        for n in range(count):
            function.server.wait_for_output(f"later: done n{n}.")


@pytest.mark.parametrize("place", ["around", "outside"])
def test_a_gateway_within_the_application_answers_as_usual(place: str, tmp_path: Path) -> None:
    with running("plain", place, "streaming", tmp_path) as function:
        assert text_of(function.api.invoke(event("/nested"))) == "one two"
        function.api.wait_until_idle()
        output = function.server.output()
    # Its reply is whole, and its work ends with it.
    assert "nested: done\nnested: inner\n" in output


@every_runtime
@pytest.mark.parametrize("place", ["around", "outside"])
def test_a_failure_of_the_application_passes_through_decorators(
    place: str, runtime: str, tmp_path: Path
) -> None:
    with running("sentry_function", place, runtime, tmp_path, RAISING="1") as function:
        failed = function.api.invoke(event("/fail"))
        assert (failed.kind, failed.json()["errorMessage"]) == ("error", "not found")
        function.server.wait_for_output("wrapper: seen not found")
        assert text_of(function.api.invoke(event("/parts"))) == "one two"


def test_the_documentation_has_the_tables() -> None:
    text = PAGE.read_text("utf-8")
    assert text == with_tables(text)
    assert "](docs/wrappers.md)" in (ROOT / "README.md").read_text("utf-8")


def test_the_examples_of_the_documentation_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POWERTOOLS_TRACE_DISABLED", "1")
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "main.py").write_text("from tests.apps.plain import wsgi_app as site\n")
    examples = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert len(examples) == 2
    try:
        for example in examples:
            names: dict[str, Any] = {}
            exec(example, names)
            for handler in (names["app"], names["handler"]):
                assert Client(handler).get("/chunks").text == "one,two,three"
    finally:
        sys.modules.pop("main", None)
