"""Errors of the Runtime API and the application, deadlines and signals."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.waiting import SECONDS, until

from .function import APPS, Function, event

pytestmark = pytest.mark.usefixtures("bounded")
STREAMING = {"UNIGATE_RESPONSE_STREAMING": "1"}
BOTH = pytest.mark.parametrize("prefix", ["", "/v2"], ids=["wsgi", "asgi"])


@pytest.fixture(scope="module")
def function(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Function]:
    with Function(f"{APPS}.app", tmp_path_factory.mktemp("faults")) as runtime:
        yield runtime


@pytest.mark.parametrize("fault", ["drop", 502, 503])
def test_transient_errors_of_the_next_invocation_are_retried(
    tmp_path: Path, fault: int | str
) -> None:
    runtime = Function(f"{APPS}.app", tmp_path)
    runtime.api.faults["next"].extend([fault, fault])
    with runtime:
        assert runtime.api.invoke(event("/hello")).json()["body"] == "hello"


@pytest.mark.parametrize("fault", [403, 500])
def test_a_non_recoverable_error_ends_the_process(tmp_path: Path, fault: int) -> None:
    runtime = Function(f"{APPS}.app", tmp_path)
    runtime.api.faults["next"].append(fault)
    with runtime:
        assert runtime.wait() == 1
        assert f"must answer /invocation/next with 200, got {fault}" in runtime.server.output()
        assert runtime.api.order("next") == [("next", "next")]


def test_the_process_ends_when_retries_are_exhausted(tmp_path: Path) -> None:
    runtime = Function(f"{APPS}.app", tmp_path)
    runtime.api.faults["next"].extend(["drop"] * 5)
    with runtime:
        assert runtime.wait() == 1
        assert len(runtime.api.order("next")) == 5


def test_a_response_that_was_not_received_is_sent_again(function: Function) -> None:
    function.api.faults["response"].append("drop")
    call = function.api.call(event("/hello"))

    assert call.wait().json()["body"] == "hello"
    assert len(call.answers) == 1
    assert not call.refused


def test_a_response_that_was_received_but_not_acknowledged_counts_once(function: Function) -> None:
    function.api.faults["response"].append("lose")
    call = function.api.call(event("/hello"))
    call.wait()

    assert function.api.invoke(event("/hello")).json()["body"] == "hello"
    assert len(call.answers) == 1
    assert len(call.refused) == 1  # rejected by the Runtime API, which has counted the first


def test_a_response_that_cannot_be_sent_is_logged_and_the_runtime_continues(
    function: Function,
) -> None:
    function.api.faults["response"].extend(["drop", "drop"])
    function.api.call(event("/hello"))

    function.server.wait_for_output("The response could not be posted: ")
    assert function.api.invoke(event("/hello")).json()["body"] == "hello"


def test_an_error_that_is_rejected_is_logged_and_the_runtime_continues(function: Function) -> None:
    function.api.faults["error"].append(400)
    function.api.call({"neither": "here"})

    function.server.wait_for_output("/error with 202, got 400")
    assert function.api.invoke(event("/hello")).json()["body"] == "hello"


def test_a_rejected_init_error_is_logged(tmp_path: Path) -> None:
    runtime = Function("no_module.app", tmp_path)
    runtime.api.faults["report"].append(403)
    with runtime:
        assert runtime.wait() == 1
        assert "must answer /init/error with 202, got 403" in runtime.server.output()


def test_an_error_of_the_restore_request_is_reported(tmp_path: Path) -> None:
    env = {"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"}
    runtime = Function(f"{APPS}.app", tmp_path, env=env)
    runtime.api.faults["restore"].append(403)
    with runtime:
        path, _, report = runtime.api.reports.get(timeout=SECONDS)

        assert path == "/init/error"
        assert "must answer /restore/next with 200, got 403" in report["errorMessage"]
        assert runtime.wait() == 64


def test_a_connection_reset_within_a_large_chunk_ends_the_stream(tmp_path: Path) -> None:
    with Function(f"{APPS}.app", tmp_path, env=STREAMING) as runtime:
        for prefix in ("", "/v2"):
            runtime.api.call(event(f"{prefix}/much?size=20000000&count=3"), cut_after=1000)
            runtime.api.wait_until_idle()

            assert runtime.api.invoke(event(f"{prefix}/hello")).streamed == b"hello"
        assert runtime.server.output().count("wsgi: closed") == 2


@pytest.mark.parametrize("fault", [400, 403, 413])
def test_a_response_that_is_rejected_is_logged_and_the_runtime_continues(
    function: Function, fault: int
) -> None:
    function.api.faults["response"].append(fault)
    call = function.api.call(event("/v2/hello"))

    function.server.wait_for_output(f"/response with 202, got {fault}")
    assert function.api.invoke(event("/hello")).json()["body"] == "hello"
    assert len(call.refused) == 1
    assert not call.answers


def test_a_non_recoverable_error_of_a_response_ends_the_process(tmp_path: Path) -> None:
    with Function(f"{APPS}.app", tmp_path) as runtime:
        runtime.api.faults["response"].append(500)
        call = runtime.api.call(event("/hello"))

        assert runtime.wait() == 1
        assert len(call.refused) == 1


@BOTH
def test_an_event_past_its_deadline_gets_a_response(function: Function, prefix: str) -> None:
    posted = function.api.invoke(event(f"{prefix}/hello"), seconds=-10)

    assert posted.json()["body"] == "hello"


def test_an_application_that_hangs_is_cancelled_at_its_deadline(function: Function) -> None:
    function.api.wait_until_idle()
    posted = function.api.invoke(event("/v2/hang"), seconds=0.5)

    assert posted.json()["statusCode"] == 500
    function.server.wait_for_output("TimeoutError: The application did not answer in time.")
    function.server.wait_for_output("hang: cancelled")
    assert function.api.invoke(event("/v2/hello")).json()["body"] == "hello"


@BOTH
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_cancellation_of_the_applications_own_is_a_500(
    function: Function, prefix: str, when: str
) -> None:
    posted = function.api.invoke(event(f"{prefix}/fail?cancelled=1&when={when}"))

    assert posted.json()["statusCode"] == 500
    function.server.wait_for_output("in fail")
    assert function.api.invoke(event(f"{prefix}/hello")).json()["body"] == "hello"
    assert function.is_alive()


@BOTH
def test_a_cancellation_within_a_streamed_response_is_in_its_trailers(
    tmp_path: Path, prefix: str
) -> None:
    with Function(f"{APPS}.app", tmp_path, env=STREAMING) as runtime:
        posted = runtime.api.invoke(event(f"{prefix}/fail?cancelled=1&when=before"))
        assert posted.prelude["statusCode"] == 500

        posted = runtime.api.invoke(event(f"{prefix}/fail?cancelled=1&when=midway"))
        assert posted.streamed == b"a part"
        assert posted.failure["errorType"] == "ApplicationAborted"
        assert runtime.api.invoke(event(f"{prefix}/hello")).streamed == b"hello"


@pytest.mark.parametrize("handler", ["app", "function"])
def test_a_cancellation_in_a_function_fails_its_invocation_alone(
    tmp_path: Path, handler: str
) -> None:
    record = {"Records": [{"eventSource": "aws:s3"}], "seconds": 0, "name": "x"}
    with Function(f"{APPS}.{handler}", tmp_path) as runtime:
        posted = runtime.api.invoke({**record, "cancelled": True})

        assert (posted.kind, posted.json()["errorType"]) == ("error", "ApplicationAborted")
        assert runtime.api.invoke(record).json() == {"noted": True}


@BOTH
def test_an_application_that_exits_ends_the_process(tmp_path: Path, prefix: str) -> None:
    with Function(f"{APPS}.app", tmp_path) as runtime:
        posted = runtime.api.invoke(event(f"{prefix}/exit"))

        assert (posted.kind, posted.json()["errorType"]) == ("error", "Runtime.ExitError")
        assert runtime.wait() == 3


@BOTH
def test_an_exit_within_a_streamed_response_is_in_its_trailers(tmp_path: Path, prefix: str) -> None:
    with Function(f"{APPS}.app", tmp_path, env=STREAMING) as runtime:
        posted = runtime.api.invoke(event(f"{prefix}/exit?when=midway"))

        assert posted.streamed == b"a part"
        assert posted.failure["errorType"] == "SystemExit"
        assert runtime.wait() == 3


@BOTH
def test_a_process_killed_within_a_streamed_response_has_not_responded(
    tmp_path: Path, prefix: str
) -> None:
    with Function(f"{APPS}.app", tmp_path, env=STREAMING) as runtime:
        call = runtime.api.call(event(f"{prefix}/steps?count=1&folder={tmp_path}"))
        call.part()
        assert call.part() == b"data: 0\n\n"
        runtime.signal(9)
        runtime.wait()

        until(lambda: None in call.parts.queue)
        assert not call.answers


def test_sigterm_ends_an_idle_process(tmp_path: Path) -> None:
    with Function(f"{APPS}.app", tmp_path) as runtime:
        runtime.api.wait_until_idle()
        runtime.signal()

        assert runtime.wait() == 128 + 15
        assert "Traceback" not in runtime.server.output()
        assert "lifespan.shutdown" in runtime.server.output()


@pytest.mark.parametrize("name", ["SIGTERM", "SIGUSR1"])
def test_a_signal_that_does_not_interrupt_the_wait_is_handled(tmp_path: Path, name: str) -> None:
    (tmp_path / "late.py").write_text(
        "import signal, threading, unigate\n"
        "signal.signal(signal.SIGUSR1, lambda number, frame: print('handled', flush=True))\n"
        "def app(environ, start_response):\n"
        f"    threading.Timer(0.3, signal.raise_signal, (signal.{name},)).start()\n"
        "    start_response('204 No Content', [])\n"
        "    return []\n"
        "handler = unigate.wrap(app)\n"
    )
    with Function("late.handler", tmp_path) as runtime:
        assert runtime.api.invoke(event("/")).json()["statusCode"] == 204
        if name == "SIGTERM":
            assert runtime.wait() == 128 + signal.SIGTERM
        else:
            runtime.server.wait_for_output("handled")
            assert runtime.api.invoke(event("/")).json()["statusCode"] == 204


@BOTH
def test_an_event_received_but_unread_at_sigterm_gets_a_response(
    tmp_path: Path, prefix: str
) -> None:
    with Function(f"{APPS}.app", tmp_path) as runtime:
        runtime.api.wait_until_idle()
        with runtime.asleep():
            call = runtime.api.call(event(f"{prefix}/hello"))
            runtime.api.wait_for("arrived", 1)
            runtime.signal()

        assert call.wait().json()["body"] == "hello"
        assert runtime.wait() == 128 + 15
        assert (len(call.answers), call.refused) == (1, [])
        assert runtime.api.order("next") == [("next", "next")]
        assert "lifespan.shutdown" in runtime.server.output()


def test_lifespan_shutdown_may_take_longer_than_the_grace_period(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(
        "import asyncio, unigate\n"
        "async def app(scope, receive, send):\n"
        "    await receive()\n"
        "    await send({'type': 'lifespan.startup.complete'})\n"
        "    await receive()\n"
        "    await asyncio.sleep(1.3)\n"
        "    print('slow: stopped', flush=True)\n"
        "    await send({'type': 'lifespan.shutdown.complete'})\n"
        "app = unigate.wrap(app)\n"
    )
    with Function("slow.app", tmp_path) as runtime:
        runtime.api.wait_until_idle()
        runtime.signal()

        assert runtime.wait() == 128 + 15
        assert "slow: stopped" in runtime.server.output()


@pytest.mark.parametrize("count", ["0", "2"])
def test_the_applications_own_sigterm_handler_runs_last(tmp_path: Path, count: str) -> None:
    (tmp_path / "careful.py").write_text(
        "import signal, sys, tests.lambda_runtime.apps as apps\n"
        "def close(number, frame):\n"
        "    print('careful: closed', flush=True)\n"
        "    sys.exit(7)\n"
        "signal.signal(signal.SIGTERM, close)\n"
        "app = apps.wsgi_only\n"
    )
    with Function("careful.app", tmp_path, env={"AWS_LAMBDA_MAX_CONCURRENCY": count}) as runtime:
        call = runtime.api.call(event("/token?token=x&seconds=0.3"))
        runtime.server.wait_for_output("token x")
        runtime.signal()

        assert call.wait().json()["body"].startswith("x ")
        assert runtime.wait() == 7
        assert runtime.server.output().count("careful: closed") == 1


@BOTH
def test_a_streamed_response_may_finish_after_sigterm(tmp_path: Path, prefix: str) -> None:
    with Function(f"{APPS}.app", tmp_path, env=STREAMING) as runtime:
        call = runtime.api.call(event(f"{prefix}/steps?count=1&folder={tmp_path}"))
        call.part()
        assert call.part() == b"data: 0\n\n"
        runtime.signal()
        (tmp_path / "0").touch()

        assert call.wait().trailers == {}
        assert runtime.wait() == 128 + 15
        assert runtime.api.order("next") == [("next", "next")]


@BOTH
def test_a_streamed_response_that_exceeds_the_grace_period_is_ended_with_an_error(
    tmp_path: Path, prefix: str
) -> None:
    with Function(f"{APPS}.app", tmp_path, env=STREAMING) as runtime:
        call = runtime.api.call(event(f"{prefix}/steps?count=1&folder={tmp_path}"))
        call.part()
        assert call.part() == b"data: 0\n\n"
        runtime.signal()

        assert call.wait().failure["errorType"] == "SystemExit"
        assert runtime.wait() == 128 + 15
        assert "lifespan.shutdown" in runtime.server.output()


@BOTH
def test_a_second_sigterm_ends_the_process_at_once(tmp_path: Path, prefix: str) -> None:
    with Function(f"{APPS}.app", tmp_path) as runtime:
        call = runtime.api.call(event(f"{prefix}/hang"))
        runtime.server.wait_for_output("hang: begun")
        runtime.signal()
        time.sleep(0.1)  # two pending signals count as one
        runtime.signal()

        posted = call.wait()
        assert (posted.kind, posted.json()["errorType"]) == ("error", "Runtime.ExitError")
        assert runtime.wait() == 128 + 15


def test_a_streamed_response_without_acknowledgement_is_logged(tmp_path: Path) -> None:
    with Function(f"{APPS}.app", tmp_path, env=STREAMING) as runtime:
        for fault, what in (
            ("drop", "did not acknowledge"),
            (400, "a streamed response with 202, got 400"),
        ):
            runtime.api.faults["response"].append(fault)
            runtime.api.call(event("/v2/hello"))
            runtime.server.wait_for_output(what)

        assert runtime.api.invoke(event("/hello")).streamed == b"hello"


@pytest.mark.parametrize("fault", [502, 503])
def test_a_response_that_met_a_transient_error_is_sent_again(
    function: Function, fault: int
) -> None:
    function.api.faults["response"].append(fault)

    assert function.api.invoke(event("/hello")).json()["body"] == "hello"


def test_an_application_that_hangs_past_its_deadline_is_cancelled(function: Function) -> None:
    posted = function.api.invoke(event("/v2/hang"), seconds=-10)

    assert posted.json()["statusCode"] == 500
