"""Concurrent invocations in one process."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from tests.waiting import SECONDS, until

from .function import APPS, Function, event
from .runtime_api import Call

pytestmark = pytest.mark.usefixtures("bounded")
BOTH = pytest.mark.parametrize("prefix", ["", "/v2"], ids=["wsgi", "asgi"])


@pytest.fixture(scope="module", params=["0", "1"], ids=["buffered", "streaming"])
def function(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Function]:
    env = {"AWS_LAMBDA_MAX_CONCURRENCY": "64", "UNIGATE_RESPONSE_STREAMING": request.param}
    with Function(f"{APPS}.app", tmp_path_factory.mktemp("at_once"), env=env) as runtime:
        runtime.api.wait_for("next", 64)
        yield runtime


@BOTH
def test_the_configured_number_of_invocations_runs_concurrently(
    function: Function, prefix: str, tmp_path: Path
) -> None:
    before = function.server.output().count("steps: begun")
    target = f"{prefix}/steps?count=1&folder={tmp_path}"
    calls = [function.api.call(event(target)) for _ in range(64)]

    function.server.wait_for_output("steps: begun", before + 64)
    assert not any(call.answers for call in calls)
    (tmp_path / "0").touch()
    for call in calls:
        assert b"data: 0" in call.wait().body


def test_concurrent_invocations_share_one_process_and_one_lifespan(function: Function) -> None:
    calls = [function.api.call(event(f"/v2/token?token={n}&seconds=0.05")) for n in range(64)]

    assert len({call.wait().body.rpartition(b" ")[2] for call in calls}) == 1
    assert function.server.output().count("lifespan.startup") == 1


@BOTH
def test_concurrent_invocations_keep_their_responses_traces_and_logs_apart(
    tmp_path: Path, prefix: str
) -> None:
    env = {"AWS_LAMBDA_MAX_CONCURRENCY": "32", "AWS_LAMBDA_LOG_FORMAT": "JSON"}
    with Function(f"{APPS}.app", tmp_path, env=env) as runtime:

        def ask(number: int) -> tuple[int, Call]:
            pause = number % 7 / 1000
            call = runtime.api.call(event(f"{prefix}/token?token=t{number}&seconds={pause}"))
            call.wait()
            return number, call

        with ThreadPoolExecutor(32) as pool:
            calls = dict(pool.map(ask, range(1000)))
        logged = {
            line["requestId"]: line["message"]
            for line in map(
                json.loads, re.findall(r"\{\"timestamp.*\}$", runtime.server.output(), re.M)
            )
        }

        for number, call in calls.items():
            reply = call.answers[0].json()
            assert reply["body"].startswith(f"t{number} ")
            assert reply["cookies"] == [f"token=t{number}"]
            assert reply["headers"]["x-trace"] == call.headers["Lambda-Runtime-Trace-Id"]
            assert logged[call.id] == f"token t{number}"
        assert len(calls) == 1000
        assert not any(call.refused for call in calls.values())


def test_threads_are_reused_for_wsgi_applications(function: Function) -> None:
    names: set[bytes] = set()
    for _ in range(3):
        calls = [function.api.call(event(f"/token?token={n}&seconds=0.05")) for n in range(64)]
        names |= set(re.findall(rb"unigate-worker-\d+", b"".join(c.wait().body for c in calls)))

    assert 1 < len(names) <= 64


def test_the_trace_is_not_exported_with_concurrent_invocations(tmp_path: Path) -> None:
    env = {"AWS_LAMBDA_MAX_CONCURRENCY": "2", "_X_AMZN_TRACE_ID": ""}
    with Function(f"{APPS}.function", tmp_path, env=env) as runtime:
        assert runtime.api.invoke({}).json()["trace"] == ""


def test_background_work_blocks_only_its_own_thread(function: Function, tmp_path: Path) -> None:
    slow = function.api.call(event(f"/v2/later?folder={tmp_path}&name=slow"))
    slow.wait()
    others = [function.api.call(event(f"/v2/token?token={n}")) for n in range(64)]
    for other in others:
        other.wait()

    (tmp_path / "0").touch()
    function.server.wait_for_output("later: done slow")


def test_an_asgi_application_that_hangs_frees_its_thread_at_the_deadline(tmp_path: Path) -> None:
    with Function(f"{APPS}.app", tmp_path, env={"AWS_LAMBDA_MAX_CONCURRENCY": "2"}) as runtime:
        runtime.api.wait_for("next", 2)
        hung = [runtime.api.call(event("/v2/hang"), seconds=0.5) for _ in range(2)]
        responsive = runtime.api.call(event("/v2/hello"))

        assert responsive.wait().json()["body"] == "hello"
        assert [call.wait().json()["statusCode"] for call in hung] == [500, 500]
        runtime.server.wait_for_output("hang: cancelled", 2)


def test_an_application_that_exits_ends_the_process_after_the_other_responses(
    tmp_path: Path,
) -> None:
    for number, prefix in enumerate(("", "/v2")):
        folder = tmp_path / str(number)
        folder.mkdir()
        with Function(f"{APPS}.app", folder, env={"AWS_LAMBDA_MAX_CONCURRENCY": "4"}) as runtime:
            other = runtime.api.call(event(f"{prefix}/token?token=x&seconds=0.3"))
            until(
                lambda other=other, runtime=runtime: (
                    ("given", other.id) in runtime.api.order("given")
                )
            )
            posted = runtime.api.invoke(event(f"{prefix}/exit?when=start"))

            assert (posted.kind, posted.json()["errorType"]) == ("error", "Runtime.ExitError")
            assert other.wait().json()["body"].startswith("x ")
            assert runtime.wait() == 3


@pytest.mark.parametrize("path", ["/token", "/v2/token"])
def test_running_invocations_finish_after_sigterm(tmp_path: Path, path: str) -> None:
    with Function(f"{APPS}.app", tmp_path, env={"AWS_LAMBDA_MAX_CONCURRENCY": "4"}) as runtime:
        calls = [runtime.api.call(event(f"{path}?token={n}&seconds=0.4")) for n in range(3)]
        runtime.server.wait_for_output("token ", 3)  # all are running
        runtime.signal()

        assert [call.wait().json()["statusCode"] for call in calls] == [200] * 3
        assert runtime.wait() == 128 + 15
        assert "lifespan.shutdown" in runtime.server.output()


@BOTH
def test_events_received_but_unread_at_sigterm_get_a_response(tmp_path: Path, prefix: str) -> None:
    with Function(f"{APPS}.app", tmp_path, env={"AWS_LAMBDA_MAX_CONCURRENCY": "4"}) as runtime:
        runtime.api.wait_for("next", 4)
        with runtime.asleep():
            calls = [runtime.api.call(event(f"{prefix}/hello")) for _ in range(3)]
            runtime.api.wait_for("arrived", 3)
            runtime.signal()

        assert [call.wait().json()["body"] for call in calls] == ["hello"] * 3
        assert runtime.wait() == 128 + 15
        assert not any(call.refused for call in calls)


def test_every_invocation_gets_a_response_or_a_failed_stream_at_sigterm(tmp_path: Path) -> None:
    env = {"AWS_LAMBDA_MAX_CONCURRENCY": "4", "UNIGATE_RESPONSE_STREAMING": "1"}
    with Function(f"{APPS}.app", tmp_path, env=env) as runtime:
        steps, hang = "/steps?count=1&folder=/nowhere", "/hang"
        streams = [runtime.api.call(event(f"{prefix}{steps}")) for prefix in ("", "/v2")]
        hung = [runtime.api.call(event(f"{prefix}{hang}")) for prefix in ("", "/v2")]
        for call in streams:
            call.part()
            assert call.part() == b"data: 0\n\n"
        runtime.server.wait_for_output("hang: begun", 2)
        runtime.signal()

        assert runtime.wait() == 128 + 15
        # A blocked thread cannot be cancelled; its stream is cut off, which is an error as well.
        assert streams[0].parts.get(timeout=SECONDS) is None
        assert not streams[0].answers
        assert streams[1].wait().failure["errorType"] == "ApplicationAborted"
        assert hung[0].wait().json()["errorType"] == "Runtime.ExitError"
        assert hung[1].wait().prelude["statusCode"] == 500
        assert not any(call.refused for call in (*streams, *hung))


@pytest.mark.parametrize("streaming", ["0", "1"])
def test_a_thread_that_hangs_is_replaced(tmp_path: Path, streaming: str) -> None:
    env = {"AWS_LAMBDA_MAX_CONCURRENCY": "2", "UNIGATE_RESPONSE_STREAMING": streaming}
    with Function(f"{APPS}.app", tmp_path, env=env) as runtime:
        runtime.api.wait_for("next", 2)
        hung = [runtime.api.call(event("/hang"), seconds=0.5) for _ in range(2)]
        responsive = runtime.api.call(event("/hello"))

        assert b"hello" in responsive.wait().body
        assert [call.wait().json()["errorType"] for call in hung] == ["TimeoutError"] * 2


@pytest.mark.parametrize(("count", "files"), [(4, 1024), (8, 56), (1, 24)])
@pytest.mark.parametrize("streaming", ["0", "1"])
def test_invocations_that_hang_are_all_answered_and_the_process_ends(
    tmp_path: Path, count: int, files: int, streaming: str
) -> None:
    """There are more of them than threads and descriptors."""

    def limited(command: list[str]) -> list[str]:
        return ["sh", "-c", f"ulimit -n {files}; exec {' '.join(command)}"]

    env = {"AWS_LAMBDA_MAX_CONCURRENCY": f"{count}", "UNIGATE_RESPONSE_STREAMING": streaming}
    most: dict[str, int] = {"task": 0, "fd": 0}
    with Function(f"{APPS}.app", tmp_path, env=env, wrap_command=limited) as runtime:
        calls = {
            call.id: call
            for call in (runtime.api.call(event("/hang"), seconds=0.2) for _ in range(60))
        }
        process = Path(f"/proc/{runtime.pid}")
        while runtime.is_alive():
            for what in most:
                with suppress(OSError):
                    most[what] = max(most[what], len(list((process / what).iterdir())))
            time.sleep(0.05)

        assert runtime.wait() == 1
        taken = {which for _, which in runtime.api.order("given")}
        assert count < len(taken) <= 2 * count + 1
        answers = [calls[which].wait().json()["errorType"] for which in taken]
        assert set(answers) <= {"TimeoutError", "Runtime.ExitError"}
        assert "hang after their deadlines: the process" in runtime.server.output()
        assert "lifespan.shutdown" in runtime.server.output()
    assert most["task"] <= 2 * count + 4
    assert most["fd"] <= count + 16


def test_invocations_in_time_are_answered_before_a_process_with_hung_ones_ends(
    tmp_path: Path,
) -> None:
    with Function(f"{APPS}.app", tmp_path, env={"AWS_LAMBDA_MAX_CONCURRENCY": "3"}) as runtime:
        slow = runtime.api.call(event(f"/steps?count=1&folder={tmp_path}"))
        late = runtime.api.call(event("/hang"), seconds=4)
        runtime.server.wait_for_output("steps: begun")
        runtime.server.wait_for_output("hang: begun")
        hung = [runtime.api.call(event("/hang"), seconds=0.2) for _ in range(4)]
        runtime.server.wait_for_output("hang after their deadlines: the process")
        unread = runtime.api.call(event("/hello"))

        assert [call.wait().json()["errorType"] for call in hung] == ["TimeoutError"] * 4
        assert late.wait().json()["errorType"] == "TimeoutError"
        (tmp_path / "0").touch()
        assert slow.wait().json()["body"] == "data: 0\n\n"
        assert runtime.wait() == 1
        assert ("given", unread.id) not in runtime.api.order("given")


def test_the_report_of_a_thread_that_hangs_shows_where(tmp_path: Path) -> None:
    with Function(f"{APPS}.app", tmp_path, env={"AWS_LAMBDA_MAX_CONCURRENCY": "2"}) as runtime:
        report = runtime.api.invoke(event("/hang"), seconds=0.2).json()

    assert "in w_hang\n" in report["stackTrace"][-1]
    assert "threading.py" not in report["stackTrace"][0]


def test_a_number_of_threads_that_cannot_be_started_ends_the_process(tmp_path: Path) -> None:
    def limited(command: list[str]) -> list[str]:  # each thread takes 8 MB of addresses
        return ["sh", "-c", f"ulimit -v 2000000; exec {' '.join(command)}"]

    env = {"AWS_LAMBDA_MAX_CONCURRENCY": "5000"}
    with Function(f"{APPS}.app", tmp_path, env=env, wrap_command=limited) as runtime:
        assert runtime.wait() == 1
        assert "can't start new thread: the process" in runtime.server.output()


def test_a_replaced_thread_ends_when_its_invocation_does(tmp_path: Path) -> None:
    env = {"AWS_LAMBDA_MAX_CONCURRENCY": "1", "UNIGATE_RESPONSE_STREAMING": "1"}
    with Function(f"{APPS}.app", tmp_path, env=env) as runtime:
        late = runtime.api.call(event(f"/steps?count=1&folder={tmp_path}"), seconds=0.5)
        assert runtime.api.invoke(event("/hello")).streamed == b"hello"
        (tmp_path / "0").touch()
        runtime.server.wait_for_output("wsgi: closed", 2)

        assert runtime.api.invoke(event("/hello")).streamed == b"hello"
        runtime.api.wait_until_idle()
        assert len(runtime.api.order("next")) == 4
        assert not late.answers


def test_bodies_whose_stream_is_cut_off_at_sigterm_are_closed(tmp_path: Path) -> None:
    env = {"AWS_LAMBDA_MAX_CONCURRENCY": "2", "UNIGATE_RESPONSE_STREAMING": "1"}
    with Function(f"{APPS}.app", tmp_path, env=env) as runtime:
        calls = [runtime.api.call(event("/endless"), drop=True) for _ in range(2)]
        until(lambda: all(call.read > 3000 for call in calls))
        runtime.signal()

        assert runtime.wait() == 128 + 15
        assert runtime.server.output().count("wsgi: closed") == 2
