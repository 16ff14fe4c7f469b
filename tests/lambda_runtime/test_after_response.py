"""What goes on when the client has its answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .function import APPS, Function, event

pytestmark = pytest.mark.usefixtures("bounded")
WORKS = ["/v2/background", "/v2/later", "/later"]
NOTES = {
    "sns": {"Records": [{"EventSource": "aws:sns"}]},
    "s3": {"Records": [{"eventSource": "aws:s3"}]},
}
NO_REQUEST = pytest.mark.parametrize("note", NOTES.values(), ids=NOTES)


@pytest.fixture(scope="module", params=["buffered", "streaming"])
def function(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Function]:
    env = {"UNIGATE_RESPONSE_STREAMING": "1" if request.param == "streaming" else "0"}
    with Function(f"{APPS}.app", tmp_path_factory.mktemp("after"), env=env) as made:
        yield made


@pytest.mark.parametrize("path", WORKS)
def test_work_does_not_delay_the_answer_and_is_done_before_the_next_event(
    function: Function, path: str
) -> None:
    kind = path.rpartition("/")[2]
    done = f"{kind}: done here"
    asked = function.api.wait_until_idle()
    before = function.server.output().count(done)
    call = function.api.call(event(f"{path}?name=here&seconds=0.5"))

    assert b"hello" in call.wait().body
    assert function.server.output().count(done) == before
    assert len(function.api.order("next")) == asked  # it is not waiting for another event yet

    assert function.api.wait_until_idle() == asked + 1
    assert function.server.output().count(done) == before + 1


@pytest.mark.parametrize("path", WORKS)
def test_work_that_fails_is_logged(function: Function, path: str) -> None:
    call = function.api.call(event(f"{path}?seconds=0.01&fail=1"))

    assert b"hello" in call.wait().body
    function.api.wait_until_idle()
    logged = function.server.output().rpartition(call.id)[2]
    assert "RuntimeError: in the background" in logged
    assert b"hello" in function.api.invoke(event("/v2/hello")).body


@pytest.mark.parametrize("path", WORKS)
def test_work_ends_with_the_time_that_there_is(function: Function, path: str) -> None:
    function.api.wait_until_idle()
    call = function.api.call(event(f"{path}?seconds=30&name=never"), seconds=0.8)

    assert b"hello" in call.wait().body
    function.api.wait_until_idle()
    logged = function.server.output().rpartition(call.id)[2]
    assert "the function has no time left" in logged
    assert "done never" not in function.server.output()


@NO_REQUEST
def test_work_for_an_event_that_is_no_request_is_done_before_the_next(
    function: Function, note: dict[str, Any]
) -> None:
    asked = function.api.wait_until_idle()
    before = function.server.output().count("note: done this")
    call = function.api.call({**note, "seconds": 0.5, "name": "this"})

    assert call.wait().json() == {"noted": True}
    assert function.server.output().count("note: done this") == before
    assert function.api.wait_until_idle() == asked + 1
    assert function.server.output().count("note: done this") == before + 1


@NO_REQUEST
def test_work_for_an_event_that_is_no_request_ends_with_the_time_that_there_is(
    function: Function, note: dict[str, Any]
) -> None:
    function.api.wait_until_idle()
    call = function.api.call({**note, "seconds": 30, "name": "never"}, seconds=0.8)

    assert call.wait().json() == {"noted": True}
    function.api.wait_until_idle()
    assert "the function has no time left" in function.server.output().rpartition(call.id)[2]


@NO_REQUEST
def test_work_for_an_event_whose_handler_fails_is_done(
    function: Function, note: dict[str, Any]
) -> None:
    function.api.wait_until_idle()
    before = function.server.output().count("note: done that")
    posted = function.api.invoke({**note, "seconds": 0.1, "name": "that", "fail": True})

    assert posted.json()["errorMessage"] == "not noted"
    function.api.wait_until_idle()
    assert function.server.output().count("note: done that") == before + 1


def test_work_of_a_function_without_a_gateway_is_done_before_the_next(tmp_path: Path) -> None:
    with Function(f"{APPS}.function", tmp_path) as made:
        assert made.api.invoke({"seconds": 0.3, "name": "here"}).json() == {"noted": True}
        made.api.wait_until_idle()
        assert "note: done here" in made.server.output()


def test_work_is_done_when_the_application_failed(tmp_path: Path) -> None:
    (tmp_path / "late.py").write_text(
        "import unigate\n"
        "def app(environ, start_response):\n"
        "    unigate.wait_until(print, 'late: done', )\n"
        "    raise KeyError('x')\n"
        "app = unigate.wrap(app, on_error='raise')\n"
    )
    with Function("late.app", tmp_path) as made:
        assert made.api.invoke(event("/")).kind == "error"
        made.server.wait_for_output("late: done")


def test_hooks_run_after_each_invocation_and_do_not_hold_the_next_up(tmp_path: Path) -> None:
    with Function(f"{APPS}.app", tmp_path, env={"HOOKS": "1"}) as made:
        for number in range(2):
            made.api.invoke(event("/v2/later?seconds=0.01&name=this"))
            made.server.wait_for_output("hook: flushed", number + 1)
        made.api.wait_for("next", 3)

        output = made.server.output()
        assert output.count("hook: flushed") == 2
        assert output.index("later: done this") < output.index("hook: flushed")
        for what in ("goes on in the background", "cancelled", "RuntimeError: no co"):
            assert output.count(what) >= 2, what


def test_an_application_that_exits_after_its_answer_ends_the_process(tmp_path: Path) -> None:
    with Function(f"{APPS}.app", tmp_path) as made:
        posted = made.api.invoke(event("/v2/background?seconds=0.05&exit=4"))

        assert posted.json()["body"] == "hello"
        assert made.wait() == 4


@pytest.mark.parametrize("streaming", ["0", "1"])
def test_a_failure_right_after_the_answer_does_not_take_that_back(
    tmp_path: Path, streaming: str
) -> None:
    with Function(f"{APPS}.app", tmp_path, env={"UNIGATE_RESPONSE_STREAMING": streaming}) as made:
        for target in ("/v2/background?seconds=0&fail=1", "/v2/background?now=1&fail=1"):
            posted = made.api.invoke(event(target))

            assert b"hello" in posted.body
            assert (posted.kind, posted.trailers) == ("response", {})
        made.server.wait_for_output("RuntimeError: in the background", 2)


def test_a_body_that_fails_to_close_has_been_sent(tmp_path: Path) -> None:
    (tmp_path / "unclosed.py").write_text(
        "import unigate\n"
        "class Body(list):\n"
        "    def close(self):\n"
        "        raise KeyError('when closed')\n"
        "def app(environ, start_response):\n"
        "    start_response('200 OK', [])\n"
        "    return Body([b'whole'])\n"
        "app = unigate.wrap(app)\n"
    )
    with Function("unclosed.app", tmp_path, env={"UNIGATE_RESPONSE_STREAMING": "1"}) as made:
        posted = made.api.invoke(event("/"))

        assert (posted.streamed, posted.trailers) == (b"whole", {})
        made.server.wait_for_output("KeyError: 'when closed'")
        assert made.api.invoke(event("/")).streamed == b"whole"


@pytest.mark.parametrize("path", WORKS)
def test_what_fails_later_is_logged_with_its_request(tmp_path: Path, path: str) -> None:
    with Function(f"{APPS}.app", tmp_path, env={"AWS_LAMBDA_LOG_FORMAT": "JSON"}) as made:
        call = made.api.call(event(f"{path}?seconds=0.01&fail=1"))
        made.server.wait_for_output("in the background")
        made.api.wait_until_idle()
        lines = [line for line in made.server.output().splitlines() if line.startswith("{")]

        assert json.loads(lines[-1])["requestId"] == call.id
