"""The Runtime API, the application, or the time is not what it should be."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.waiting import until

from .function import APPS, Function, event

pytestmark = pytest.mark.usefixtures("bounded")
STREAMING = {"UNIGATE_RESPONSE_STREAMING": "1"}
BOTH = pytest.mark.parametrize("prefix", ["", "/v2"], ids=["wsgi", "asgi"])


@pytest.fixture(scope="module")
def function(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Function]:
    with Function(f"{APPS}.app", tmp_path_factory.mktemp("faults")) as made:
        yield made


@pytest.mark.parametrize("fault", ["drop", 502, 503])
def test_a_passing_trouble_with_events_is_passed_over(tmp_path: Path, fault: int | str) -> None:
    made = Function(f"{APPS}.app", tmp_path)
    made.api.faults["next"].extend([fault, fault])
    with made:
        assert made.api.invoke(event("/hello")).json()["body"] == "hello"


@pytest.mark.parametrize("fault", [403, 500])
def test_a_state_that_cannot_be_recovered_from_ends_the_process(tmp_path: Path, fault: int) -> None:
    made = Function(f"{APPS}.app", tmp_path)
    made.api.faults["next"].append(fault)
    with made:
        assert made.wait() == 1
        assert f"must answer /invocation/next with 200, got {fault}" in made.server.output()
        assert made.api.order("next") == [("next", "next")]


def test_without_events_for_long_the_process_ends(tmp_path: Path) -> None:
    made = Function(f"{APPS}.app", tmp_path)
    made.api.faults["next"].extend(["drop"] * 5)
    with made:
        assert made.wait() == 1
        assert len(made.api.order("next")) == 5


def test_an_answer_that_did_not_arrive_is_sent_again(function: Function) -> None:
    function.api.faults["response"].append("drop")
    call = function.api.call(event("/hello"))

    assert call.wait().json()["body"] == "hello"
    assert len(call.answers) == 1
    assert not call.refused


def test_an_answer_that_may_have_arrived_is_not_counted_twice(function: Function) -> None:
    function.api.faults["response"].append("lose")
    call = function.api.call(event("/hello"))
    call.wait()

    assert function.api.invoke(event("/hello")).json()["body"] == "hello"
    assert len(call.answers) == 1
    assert len(call.refused) == 1  # by the API, which knows what is answered


def test_an_answer_that_cannot_be_sent_is_logged_and_the_runtime_goes_on(
    function: Function,
) -> None:
    function.api.faults["response"].extend(["drop", "drop"])
    function.api.call(event("/hello"))

    function.server.wait_for_output("The response could not be posted: ")
    assert function.api.invoke(event("/hello")).json()["body"] == "hello"


def test_an_error_that_is_refused_is_logged_and_the_runtime_goes_on(function: Function) -> None:
    function.api.faults["error"].append(400)
    function.api.call({"neither": "here"})

    function.server.wait_for_output("/error with 202, got 400")
    assert function.api.invoke(event("/hello")).json()["body"] == "hello"


def test_a_report_that_is_refused_is_logged(tmp_path: Path) -> None:
    made = Function("no_module.app", tmp_path)
    made.api.faults["report"].append(403)
    with made:
        assert made.wait() == 1
        assert "must answer /init/error with 202, got 403" in made.server.output()


def test_a_snapshot_that_is_refused_is_reported(tmp_path: Path) -> None:
    env = {"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"}
    made = Function(f"{APPS}.app", tmp_path, env=env)
    made.api.faults["restore"].append(403)
    with made:
        path, _, told = made.api.reports.get(timeout=10)

        assert path == "/init/error"
        assert "must answer /restore/next with 200, got 403" in told["errorMessage"]
        assert made.wait() == 64


def test_a_reset_in_the_middle_of_a_large_part_ends_the_stream(tmp_path: Path) -> None:
    with Function(f"{APPS}.app", tmp_path, env=STREAMING) as made:
        for prefix in ("", "/v2"):
            made.api.call(event(f"{prefix}/much?size=20000000&count=3"), cut_after=1000)
            made.api.wait_until_idle()

            assert made.api.invoke(event(f"{prefix}/hello")).streamed == b"hello"
        assert made.server.output().count("wsgi: closed") == 2


@pytest.mark.parametrize("fault", [400, 403, 413])
def test_an_answer_that_is_refused_is_logged_and_the_runtime_goes_on(
    function: Function, fault: int
) -> None:
    function.api.faults["response"].append(fault)
    call = function.api.call(event("/v2/hello"))

    function.server.wait_for_output(f"/response with 202, got {fault}")
    assert function.api.invoke(event("/hello")).json()["body"] == "hello"
    assert len(call.refused) == 1
    assert not call.answers


def test_an_answer_that_is_met_with_a_broken_api_ends_the_process(tmp_path: Path) -> None:
    with Function(f"{APPS}.app", tmp_path) as made:
        made.api.faults["response"].append(500)
        call = made.api.call(event("/hello"))

        assert made.wait() == 1
        assert len(call.refused) == 1


@BOTH
def test_a_deadline_that_has_passed_is_no_reason_not_to_answer(
    function: Function, prefix: str
) -> None:
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
def test_an_application_that_exits_ends_the_process(tmp_path: Path, prefix: str) -> None:
    with Function(f"{APPS}.app", tmp_path) as made:
        posted = made.api.invoke(event(f"{prefix}/exit"))

        assert (posted.kind, posted.json()["errorType"]) == ("error", "Runtime.ExitError")
        assert made.wait() == 3


@BOTH
def test_an_application_that_exits_midway_says_so_in_trailers(tmp_path: Path, prefix: str) -> None:
    with Function(f"{APPS}.app", tmp_path, env=STREAMING) as made:
        posted = made.api.invoke(event(f"{prefix}/exit?when=midway"))

        assert posted.streamed == b"a part"
        assert posted.failure["errorType"] == "SystemExit"
        assert made.wait() == 3


@BOTH
def test_a_process_that_is_killed_midway_has_answered_nothing(tmp_path: Path, prefix: str) -> None:
    with Function(f"{APPS}.app", tmp_path, env=STREAMING) as made:
        call = made.api.call(event(f"{prefix}/steps?count=1&folder={tmp_path}"))
        call.part()
        assert call.part() == b"data: 0\n\n"
        made.signal(9)
        made.wait()

        until(lambda: None in call.parts.queue)
        assert not call.answers


def test_sigterm_ends_a_process_that_waits(tmp_path: Path) -> None:
    with Function(f"{APPS}.app", tmp_path) as made:
        made.api.wait_until_idle()
        made.signal()

        assert made.wait() == 128 + 15
        assert "Traceback" not in made.server.output()
        assert "lifespan.shutdown" in made.server.output()


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
    with Function("late.handler", tmp_path) as made:
        assert made.api.invoke(event("/")).json()["statusCode"] == 204
        if name == "SIGTERM":
            assert made.wait() == 128 + signal.SIGTERM
        else:
            made.server.wait_for_output("handled")
            assert made.api.invoke(event("/")).json()["statusCode"] == 204


@BOTH
def test_an_event_that_has_arrived_unread_at_sigterm_is_answered(
    tmp_path: Path, prefix: str
) -> None:
    with Function(f"{APPS}.app", tmp_path) as made:
        made.api.wait_until_idle()
        with made.asleep():
            call = made.api.call(event(f"{prefix}/hello"))
            made.api.wait_for("arrived", 1)
            made.signal()

        assert call.wait().json()["body"] == "hello"
        assert made.wait() == 128 + 15
        assert (len(call.answers), call.refused) == (1, [])
        assert made.api.order("next") == [("next", "next")]
        assert "lifespan.shutdown" in made.server.output()


def test_an_application_may_take_its_time_to_stop(tmp_path: Path) -> None:
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
    with Function("slow.app", tmp_path) as made:
        made.api.wait_until_idle()
        made.signal()

        assert made.wait() == 128 + 15
        assert "slow: stopped" in made.server.output()


@pytest.mark.parametrize("count", ["0", "2"])
def test_what_an_application_has_set_for_sigterm_is_done_last(tmp_path: Path, count: str) -> None:
    (tmp_path / "careful.py").write_text(
        "import signal, sys, tests.lambda_runtime.apps as apps\n"
        "def close(number, frame):\n"
        "    print('careful: closed', flush=True)\n"
        "    sys.exit(7)\n"
        "signal.signal(signal.SIGTERM, close)\n"
        "app = apps.wsgi_only\n"
    )
    with Function("careful.app", tmp_path, env={"AWS_LAMBDA_MAX_CONCURRENCY": count}) as made:
        call = made.api.call(event("/token?token=x&seconds=0.3"))
        made.server.wait_for_output("token x")
        made.signal()

        assert call.wait().json()["body"].startswith("x ")
        assert made.wait() == 7
        assert made.server.output().count("careful: closed") == 1


@BOTH
def test_sigterm_lets_a_stream_end_in_time(tmp_path: Path, prefix: str) -> None:
    with Function(f"{APPS}.app", tmp_path, env=STREAMING) as made:
        call = made.api.call(event(f"{prefix}/steps?count=1&folder={tmp_path}"))
        call.part()
        assert call.part() == b"data: 0\n\n"
        made.signal()
        (tmp_path / "0").touch()

        assert call.wait().trailers == {}
        assert made.wait() == 128 + 15
        assert made.api.order("next") == [("next", "next")]


@BOTH
def test_sigterm_breaks_a_stream_off_that_takes_too_long(tmp_path: Path, prefix: str) -> None:
    with Function(f"{APPS}.app", tmp_path, env=STREAMING) as made:
        call = made.api.call(event(f"{prefix}/steps?count=1&folder={tmp_path}"))
        call.part()
        assert call.part() == b"data: 0\n\n"
        made.signal()

        assert call.wait().failure["errorType"] == "SystemExit"
        assert made.wait() == 128 + 15
        assert "lifespan.shutdown" in made.server.output()


@BOTH
def test_a_second_sigterm_ends_the_process_at_once(tmp_path: Path, prefix: str) -> None:
    with Function(f"{APPS}.app", tmp_path) as made:
        call = made.api.call(event(f"{prefix}/hang"))
        made.server.wait_for_output("hang: begun")
        made.signal()
        time.sleep(0.1)  # two at the same moment count as one
        made.signal()

        posted = call.wait()
        assert (posted.kind, posted.json()["errorType"]) == ("error", "Runtime.ExitError")
        assert made.wait() == 128 + 15


def test_the_end_of_a_stream_that_is_not_acknowledged_is_logged(tmp_path: Path) -> None:
    with Function(f"{APPS}.app", tmp_path, env=STREAMING) as made:
        for fault, what in (
            ("drop", "did not acknowledge"),
            (400, "a streamed response with 202, got 400"),
        ):
            made.api.faults["response"].append(fault)
            made.api.call(event("/v2/hello"))
            made.server.wait_for_output(what)

        assert made.api.invoke(event("/hello")).streamed == b"hello"


@pytest.mark.parametrize("fault", [502, 503])
def test_an_answer_that_met_a_passing_trouble_is_sent_again(function: Function, fault: int) -> None:
    function.api.faults["response"].append(fault)

    assert function.api.invoke(event("/hello")).json()["body"] == "hello"


def test_an_application_that_hangs_past_its_deadline_is_cancelled(function: Function) -> None:
    posted = function.api.invoke(event("/v2/hang"), seconds=-10)

    assert posted.json()["statusCode"] == 500
