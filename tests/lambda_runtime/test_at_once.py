"""Many invocations at once, in one process."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.waiting import until

from .function import APPS, Function, event
from .runtime_api import Call

pytestmark = pytest.mark.usefixtures("bounded")
BOTH = pytest.mark.parametrize("prefix", ["", "/v2"], ids=["wsgi", "asgi"])


@pytest.fixture(scope="module", params=["0", "1"], ids=["buffered", "streaming"])
def function(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Function]:
    env = {"AWS_LAMBDA_MAX_CONCURRENCY": "64", "UNIGATE_RESPONSE_STREAMING": request.param}
    with Function(f"{APPS}.app", tmp_path_factory.mktemp("at_once"), env=env) as made:
        made.api.wait_for("next", 64)
        yield made


@BOTH
def test_as_many_wait_at_the_same_time_as_lambda_wants(
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


def test_applications_share_one_process_and_one_start(function: Function) -> None:
    calls = [function.api.call(event(f"/v2/token?token={n}&seconds=0.05")) for n in range(64)]

    assert len({call.wait().body.rpartition(b" ")[2] for call in calls}) == 1
    assert function.server.output().count("lifespan.startup") == 1


@BOTH
def test_nothing_is_mixed_up(tmp_path: Path, prefix: str) -> None:
    env = {"AWS_LAMBDA_MAX_CONCURRENCY": "32", "AWS_LAMBDA_LOG_FORMAT": "JSON"}
    with Function(f"{APPS}.app", tmp_path, env=env) as made:

        def ask(number: int) -> tuple[int, Call]:
            pause = number % 7 / 1000
            call = made.api.call(event(f"{prefix}/token?token=t{number}&seconds={pause}"))
            call.wait()
            return number, call

        with ThreadPoolExecutor(32) as pool:
            calls = dict(pool.map(ask, range(1000)))
        logged = {
            line["requestId"]: line["message"]
            for line in map(
                json.loads, re.findall(r"\{\"timestamp.*\}$", made.server.output(), re.M)
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


def test_threads_of_wsgi_applications_live_on(function: Function) -> None:
    names: set[bytes] = set()
    for _ in range(3):
        calls = [function.api.call(event(f"/token?token={n}&seconds=0.05")) for n in range(64)]
        names |= set(re.findall(rb"unigate-worker-\d+", b"".join(c.wait().body for c in calls)))

    assert 1 < len(names) <= 64


def test_the_trace_of_one_is_not_everybodys(tmp_path: Path) -> None:
    env = {"AWS_LAMBDA_MAX_CONCURRENCY": "2", "_X_AMZN_TRACE_ID": ""}
    with Function(f"{APPS}.function", tmp_path, env=env) as made:
        assert made.api.invoke({}).json()["trace"] == ""


def test_work_after_an_answer_holds_only_its_own_place_up(
    function: Function, tmp_path: Path
) -> None:
    slow = function.api.call(event(f"/v2/later?folder={tmp_path}&name=slow"))
    slow.wait()
    others = [function.api.call(event(f"/v2/token?token={n}")) for n in range(64)]
    for other in others:
        other.wait()

    (tmp_path / "0").touch()
    function.server.wait_for_output("later: done slow")


def test_an_application_that_hangs_gives_its_place_back(tmp_path: Path) -> None:
    with Function(f"{APPS}.app", tmp_path, env={"AWS_LAMBDA_MAX_CONCURRENCY": "2"}) as made:
        made.api.wait_for("next", 2)
        hung = [made.api.call(event("/v2/hang"), seconds=0.5) for _ in range(2)]
        asked = made.api.call(event("/v2/hello"))

        assert asked.wait().json()["body"] == "hello"
        assert [call.wait().json()["statusCode"] for call in hung] == [500, 500]
        made.server.wait_for_output("hang: cancelled", 2)


def test_an_application_that_exits_ends_the_process_with_nothing_unanswered(
    tmp_path: Path,
) -> None:
    for number, prefix in enumerate(("", "/v2")):
        folder = tmp_path / str(number)
        folder.mkdir()
        with Function(f"{APPS}.app", folder, env={"AWS_LAMBDA_MAX_CONCURRENCY": "4"}) as made:
            other = made.api.call(event(f"{prefix}/token?token=x&seconds=0.3"))
            until(lambda other=other, made=made: ("given", other.id) in made.api.order("given"))
            posted = made.api.invoke(event(f"{prefix}/exit?when=start"))

            assert (posted.kind, posted.json()["errorType"]) == ("error", "Runtime.ExitError")
            assert other.wait().json()["body"].startswith("x ")
            assert made.wait() == 3


@pytest.mark.parametrize("path", ["/token", "/v2/token"])
def test_sigterm_lets_what_is_under_way_end(tmp_path: Path, path: str) -> None:
    with Function(f"{APPS}.app", tmp_path, env={"AWS_LAMBDA_MAX_CONCURRENCY": "4"}) as made:
        calls = [made.api.call(event(f"{path}?token={n}&seconds=0.4")) for n in range(3)]
        made.server.wait_for_output("token ", 3)  # all have begun
        made.signal()

        assert [call.wait().json()["statusCode"] for call in calls] == [200] * 3
        assert made.wait() == 128 + 15
        assert "lifespan.shutdown" in made.server.output()


@BOTH
def test_events_that_have_arrived_unread_at_sigterm_are_answered(
    tmp_path: Path, prefix: str
) -> None:
    with Function(f"{APPS}.app", tmp_path, env={"AWS_LAMBDA_MAX_CONCURRENCY": "4"}) as made:
        made.api.wait_for("next", 4)
        with made.asleep():
            calls = [made.api.call(event(f"{prefix}/hello")) for _ in range(3)]
            made.api.wait_for("arrived", 3)
            made.signal()

        assert [call.wait().json()["body"] for call in calls] == ["hello"] * 3
        assert made.wait() == 128 + 15
        assert not any(call.refused for call in calls)


def test_sigterm_leaves_nothing_unanswered(tmp_path: Path) -> None:
    env = {"AWS_LAMBDA_MAX_CONCURRENCY": "4", "UNIGATE_RESPONSE_STREAMING": "1"}
    with Function(f"{APPS}.app", tmp_path, env=env) as made:
        steps, hang = "/steps?count=1&folder=/nowhere", "/hang"
        streams = [made.api.call(event(f"{prefix}{steps}")) for prefix in ("", "/v2")]
        hung = [made.api.call(event(f"{prefix}{hang}")) for prefix in ("", "/v2")]
        for call in streams:
            call.part()
            assert call.part() == b"data: 0\n\n"
        made.server.wait_for_output("hang: begun", 2)
        made.signal()

        assert made.wait() == 128 + 15
        # A thread that waits cannot be told: its stream is cut off, which is a failure too.
        assert streams[0].parts.get(timeout=10) is None
        assert not streams[0].answers
        assert streams[1].wait().failure["errorType"] == "IncompleteResponse"
        assert hung[0].wait().json()["errorType"] == "Runtime.ExitError"
        assert hung[1].wait().prelude["statusCode"] == 500
        assert not any(call.refused for call in (*streams, *hung))


@pytest.mark.parametrize("streaming", ["0", "1"])
def test_a_thread_that_hangs_is_replaced(tmp_path: Path, streaming: str) -> None:
    env = {"AWS_LAMBDA_MAX_CONCURRENCY": "2", "UNIGATE_RESPONSE_STREAMING": streaming}
    with Function(f"{APPS}.app", tmp_path, env=env) as made:
        made.api.wait_for("next", 2)
        hung = [made.api.call(event("/hang"), seconds=0.5) for _ in range(2)]
        asked = made.api.call(event("/hello"))

        assert b"hello" in asked.wait().body
        assert [call.wait().json()["errorType"] for call in hung] == ["TimeoutError"] * 2


def test_a_thread_that_comes_back_late_is_one_too_many(tmp_path: Path) -> None:
    env = {"AWS_LAMBDA_MAX_CONCURRENCY": "1", "UNIGATE_RESPONSE_STREAMING": "1"}
    with Function(f"{APPS}.app", tmp_path, env=env) as made:
        late = made.api.call(event(f"/steps?count=1&folder={tmp_path}"), seconds=0.5)
        assert made.api.invoke(event("/hello")).streamed == b"hello"
        (tmp_path / "0").touch()
        made.server.wait_for_output("wsgi: closed", 2)

        assert made.api.invoke(event("/hello")).streamed == b"hello"
        made.api.wait_until_idle()
        assert len(made.api.order("next")) == 4
        assert not late.answers


def test_sigterm_closes_the_bodies_that_it_cuts_off(tmp_path: Path) -> None:
    env = {"AWS_LAMBDA_MAX_CONCURRENCY": "2", "UNIGATE_RESPONSE_STREAMING": "1"}
    with Function(f"{APPS}.app", tmp_path, env=env) as made:
        calls = [made.api.call(event("/endless"), drop=True) for _ in range(2)]
        until(lambda: all(call.read > 3000 for call in calls))
        made.signal()

        assert made.wait() == 128 + 15
        assert made.server.output().count("wsgi: closed") == 2
