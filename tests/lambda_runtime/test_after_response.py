"""Work after the response: `wait_until`, background tasks and end hooks."""

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
NON_HTTP = pytest.mark.parametrize("note", NOTES.values(), ids=NOTES)


@pytest.fixture(scope="module", params=["buffered", "streaming"])
def function(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Function]:
    env = {"UNIGATE_RESPONSE_STREAMING": "1" if request.param == "streaming" else "0"}
    with Function(f"{APPS}.app", tmp_path_factory.mktemp("after"), env=env) as runtime:
        yield runtime


@pytest.mark.parametrize("path", WORKS)
def test_background_work_runs_after_the_response_and_before_the_next_event(
    function: Function, path: str
) -> None:
    kind = path.rpartition("/")[2]
    done = f"{kind}: done here"
    requests = function.api.wait_until_idle()
    before = function.server.output().count(done)
    call = function.api.call(event(f"{path}?name=here&seconds=0.5"))

    assert b"hello" in call.wait().body
    assert function.server.output().count(done) == before
    assert len(function.api.order("next")) == requests  # it does not wait for the next event yet

    assert function.api.wait_until_idle() == requests + 1
    assert function.server.output().count(done) == before + 1


@pytest.mark.parametrize("path", WORKS)
def test_background_work_that_fails_is_logged(function: Function, path: str) -> None:
    call = function.api.call(event(f"{path}?seconds=0.01&fail=1"))

    assert b"hello" in call.wait().body
    function.api.wait_until_idle()
    logged = function.server.output().rpartition(call.id)[2]
    assert "RuntimeError: in the background" in logged
    assert b"hello" in function.api.invoke(event("/v2/hello")).body


@pytest.mark.parametrize("path", WORKS)
def test_background_work_ends_when_the_function_has_no_time_left(
    function: Function, path: str
) -> None:
    function.api.wait_until_idle()
    call = function.api.call(event(f"{path}?seconds=30&name=never"), seconds=0.8)

    assert b"hello" in call.wait().body
    function.api.wait_until_idle()
    logged = function.server.output().rpartition(call.id)[2]
    assert "the function has no time left" in logged
    assert "done never" not in function.server.output()


@NON_HTTP
def test_background_work_of_a_non_http_event_runs_before_the_next_event(
    function: Function, note: dict[str, Any]
) -> None:
    requests = function.api.wait_until_idle()
    before = function.server.output().count("note: done this")
    call = function.api.call({**note, "seconds": 0.5, "name": "this"})

    assert call.wait().json() == {"noted": True}
    assert function.server.output().count("note: done this") == before
    assert function.api.wait_until_idle() == requests + 1
    assert function.server.output().count("note: done this") == before + 1


@NON_HTTP
def test_background_work_of_a_non_http_event_ends_when_the_function_has_no_time_left(
    function: Function, note: dict[str, Any]
) -> None:
    function.api.wait_until_idle()
    call = function.api.call({**note, "seconds": 30, "name": "never"}, seconds=0.8)

    assert call.wait().json() == {"noted": True}
    function.api.wait_until_idle()
    assert "the function has no time left" in function.server.output().rpartition(call.id)[2]


@NON_HTTP
def test_background_work_runs_although_the_event_handler_fails(
    function: Function, note: dict[str, Any]
) -> None:
    function.api.wait_until_idle()
    before = function.server.output().count("note: done that")
    posted = function.api.invoke({**note, "seconds": 0.1, "name": "that", "fail": True})

    assert posted.json()["errorMessage"] == "not noted"
    function.api.wait_until_idle()
    assert function.server.output().count("note: done that") == before + 1


def test_background_work_of_a_plain_handler_runs_before_the_next_event(tmp_path: Path) -> None:
    with Function(f"{APPS}.function", tmp_path) as runtime:
        assert runtime.api.invoke({"seconds": 0.3, "name": "here"}).json() == {"noted": True}
        runtime.api.wait_until_idle()
        assert "note: done here" in runtime.server.output()


def test_background_work_runs_although_the_application_fails(tmp_path: Path) -> None:
    (tmp_path / "late.py").write_text(
        "import unigate\n"
        "def app(environ, start_response):\n"
        "    unigate.wait_until(print, 'late: done', )\n"
        "    raise KeyError('x')\n"
        "app = unigate.wrap(app, on_error='raise')\n"
    )
    with Function("late.app", tmp_path) as runtime:
        assert runtime.api.invoke(event("/")).kind == "error"
        runtime.server.wait_for_output("late: done")


def test_end_hooks_run_after_each_invocation_and_within_their_limit(tmp_path: Path) -> None:
    with Function(f"{APPS}.app", tmp_path, env={"HOOKS": "1"}) as runtime:
        for number in range(2):
            runtime.api.invoke(event("/v2/later?seconds=0.01&name=this"))
            runtime.server.wait_for_output("hook: flushed", number + 1)
        runtime.api.wait_for("next", 3)

        output = runtime.server.output()
        assert output.count("hook: flushed") == 2
        assert output.index("later: done this") < output.index("hook: flushed")
        for what in ("goes on in the background", "cancelled", "RuntimeError: no co"):
            assert output.count(what) >= 2, what


def test_an_application_that_exits_after_its_response_ends_the_process(tmp_path: Path) -> None:
    with Function(f"{APPS}.app", tmp_path) as runtime:
        posted = runtime.api.invoke(event("/v2/background?seconds=0.05&exit=4"))

        assert posted.json()["body"] == "hello"
        assert runtime.wait() == 4


@pytest.mark.parametrize("streaming", ["0", "1"])
def test_a_failure_right_after_the_response_leaves_the_response_unchanged(
    tmp_path: Path, streaming: str
) -> None:
    with Function(
        f"{APPS}.app", tmp_path, env={"UNIGATE_RESPONSE_STREAMING": streaming}
    ) as runtime:
        for target in ("/v2/background?seconds=0&fail=1", "/v2/background?now=1&fail=1"):
            posted = runtime.api.invoke(event(target))

            assert b"hello" in posted.body
            assert (posted.kind, posted.trailers) == ("response", {})
        runtime.server.wait_for_output("RuntimeError: in the background", 2)


def test_a_body_is_sent_although_closing_it_fails(tmp_path: Path) -> None:
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
    with Function("unclosed.app", tmp_path, env={"UNIGATE_RESPONSE_STREAMING": "1"}) as runtime:
        posted = runtime.api.invoke(event("/"))

        assert (posted.streamed, posted.trailers) == (b"whole", {})
        runtime.server.wait_for_output("KeyError: 'when closed'")
        assert runtime.api.invoke(event("/")).streamed == b"whole"


@pytest.mark.parametrize("path", WORKS)
def test_background_failures_are_logged_with_their_request_id(tmp_path: Path, path: str) -> None:
    with Function(f"{APPS}.app", tmp_path, env={"AWS_LAMBDA_LOG_FORMAT": "JSON"}) as runtime:
        call = runtime.api.call(event(f"{path}?seconds=0.01&fail=1"))
        runtime.server.wait_for_output("in the background")
        runtime.api.wait_until_idle()
        lines = [line for line in runtime.server.output().splitlines() if line.startswith("{")]

        assert json.loads(lines[-1])["requestId"] == call.id


AGAIN = """
import asyncio, contextvars, threading, unigate

def call():
    unigate.wait_until(call)

async def awaits():
    await asyncio.sleep(0)
    unigate.wait_until(awaits)

async def coroutine():
    await asyncio.sleep(0)
    unigate.wait_until(coroutine())

def thread():
    context = contextvars.copy_context()
    other = threading.Thread(target=context.run, args=(unigate.wait_until, thread))
    other.start()
    other.join()

def begin(name):
    work = globals()[name]
    unigate.wait_until(work() if name == "coroutine" else work)

def wsgi(environ, start_response):
    if environ["QUERY_STRING"]:
        begin(environ["QUERY_STRING"])
    start_response("200 OK", [])
    return [b"answered"]

async def asgi(scope, receive, send):
    if scope["query_string"]:
        begin(scope["query_string"].decode())
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"answered"})

app = unigate.wrap(wsgi, mounts={"/v2": asgi}, lifespan="off")

def handler(event, context):
    if "name" in event:
        begin(event["name"])
    return "answered"
"""


@pytest.fixture(scope="module", params=["0", "2"], ids=["alone", "concurrent"])
def again(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Function]:
    folder = tmp_path_factory.mktemp("again")
    (folder / "again.py").write_text(AGAIN)
    env = {"AWS_LAMBDA_MAX_CONCURRENCY": request.param}
    with Function("again.app", folder, env=env) as runtime:
        yield runtime


@pytest.mark.parametrize("work", ["call", "awaits", "coroutine", "thread"])
@pytest.mark.parametrize("prefix", ["", "/v2"], ids=["wsgi", "asgi"])
def test_work_that_adds_work_ends_with_the_time_of_its_invocation(
    again: Function, prefix: str, work: str
) -> None:
    before = again.server.output().count("the function has no time left")
    call = again.api.call(event(f"{prefix}/?{work}"), seconds=1.0)
    assert call.wait().json()["body"] == "answered"
    again.server.wait_for_output("the function has no time left", before + 1)

    assert again.api.invoke(event(f"{prefix}/")).json()["body"] == "answered"
    assert work in again.server.output().rpartition("the function has no time left")[0][-200:]


def test_work_of_a_function_that_adds_work_ends_with_the_time_of_its_invocation(
    tmp_path: Path,
) -> None:
    (tmp_path / "again.py").write_text(AGAIN)
    with Function("again.handler", tmp_path) as runtime:
        assert runtime.api.invoke({"name": "call"}, seconds=1.0).json() == "answered"
        assert runtime.api.invoke({}).json() == "answered"
        assert "the function has no time left" in runtime.server.output()


HOOKS = """
import asyncio, contextlib, sys
from unigate.lambda_runtime import on_invocation_end

@on_invocation_end
async def cancels_itself():
    asyncio.current_task().cancel()
    await asyncio.sleep(60)

@on_invocation_end
def raises():
    raise asyncio.CancelledError("a call")

async def ignores_cancellation():
    while True:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(0.01)

on_invocation_end(ignores_cancellation, seconds=0.1)

def handler(event, context):
    return "answered"
"""


@pytest.mark.parametrize("count", ["0", "1"])
def test_hooks_that_are_cancelled_or_ignore_it_do_not_hold_the_next_invocation(
    tmp_path: Path, count: str
) -> None:
    (tmp_path / "hooked.py").write_text(HOOKS)
    env = {"AWS_LAMBDA_MAX_CONCURRENCY": count}
    with Function("hooked.handler", tmp_path, env=env) as runtime:
        for _ in range(2):
            assert runtime.api.invoke({}).json() == "answered"
        runtime.server.wait_for_output("exceeded its limit of 0.1 seconds and was cancelled", 2)
        output = runtime.server.output()
        assert output.count("cancels_itself at 0x") == output.count("raises at 0x") == 2
