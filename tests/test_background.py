"""Work that goes on when the application has answered: by every door, from every kind of view."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

import unigate
from tests.hosts import HOSTS, wsgi_environ
from unigate import Gateway, Request, wait_until
from unigate.background import MARGIN, Deferred
from unigate.events import google

pytestmark = pytest.mark.usefixtures("bounded")
GET = Request("GET", server=("example.org", 443))
ORDER = list[str]
colour: contextvars.ContextVar[str] = contextvars.ContextVar("colour", default="none")


def wsgi_app(work: Callable[[], Any], order: ORDER, *, generator: bool = False) -> Any:
    def stream() -> Any:
        wait_until(work)
        yield b"body"
        order.append("answered")

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "4")])
        if generator:
            return stream()
        wait_until(work)
        order.append("answered")
        return [b"body"]

    return unigate.wrap(app, interface="wsgi")


def asgi_app(work: Callable[[], Any], order: ORDER, *, generator: bool = False) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        wait_until(work)
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [(b"content-type", b"text/plain"), (b"content-length", b"4")],
            }
        )
        await send({"type": "http.response.body", "body": b"body"})
        order.append("answered")

    return unigate.wrap(app, interface="asgi", lifespan="off")


APPS: dict[str, Any] = {
    "wsgi": wsgi_app,
    "wsgi stream": lambda work, order: wsgi_app(work, order, generator=True),
    "asgi": asgi_app,
}
every_host = pytest.mark.parametrize("host", ["asgi", "wsgi", "http_api", "handle", "google"])
every_app = pytest.mark.parametrize("make_app", APPS.values(), ids=APPS)


@every_host
@every_app
def test_a_call_is_made_once_when_the_answer_is_there(host: str, make_app: Any) -> None:
    order: ORDER = []
    app = make_app(lambda: order.append("worked"), order)
    assert HOSTS[host](app, GET).body == b"body"
    assert order == ["answered", "worked"]


@every_host
@every_app
def test_an_asynchronous_function_is_awaited(host: str, make_app: Any) -> None:
    order: ORDER = []

    async def work() -> None:
        await asyncio.sleep(0.001)
        order.append("worked")

    app = make_app(work, order)
    assert HOSTS[host](app, GET).body == b"body"
    assert order == ["answered", "worked"]


@every_host
@every_app
def test_a_coroutine_is_awaited(host: str, make_app: Any) -> None:
    order: ORDER = []

    async def work() -> None:
        await asyncio.sleep(0.001)
        order.append("worked")

    # Given within a call that is made late, the work has more work to do.
    app = make_app(lambda: wait_until(work()), order)
    assert HOSTS[host](app, GET).body == b"body"
    assert order == ["answered", "worked"]


@every_host
@every_app
def test_what_fails_is_logged_and_the_rest_is_done(
    host: str, make_app: Any, caplog: pytest.LogCaptureFixture
) -> None:
    order: ORDER = []

    async def later() -> None:
        raise LookupError("no such letter")

    def work() -> None:
        wait_until(later)
        wait_until(order.append, "worked")
        raise ZeroDivisionError("no such post")

    app = make_app(work, order)
    assert HOSTS[host](app, GET).status == 200
    assert order == ["answered", "worked"]
    failures = {str(record.exc_info[1]) for record in caplog.records if record.exc_info}
    assert failures == {"no such letter", "no such post"}
    assert all("failed in the background" in r.message for r in caplog.records if r.exc_info)


@every_host
@every_app
def test_work_sees_the_request_and_the_variables_of_its_view(host: str, make_app: Any) -> None:
    seen: list[Any] = []
    colour.set("red")

    async def later() -> None:
        seen.append((unigate.current_request().path, colour.get()))

    def work() -> None:
        seen.append((unigate.current_request().path, colour.get()))
        wait_until(later())

    def app(environ: Any, start_response: Any) -> Any:
        colour.set("blue")
        wait_until(work)
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"body"]

    HOSTS[host](unigate.wrap(app, interface="wsgi"), GET)
    assert seen == [("/", "blue"), ("/", "blue")]


@every_host
def test_work_is_done_where_the_application_has_failed(
    host: str, caplog: pytest.LogCaptureFixture
) -> None:
    done: list[int] = []

    def app(environ: Any, start_response: Any) -> Any:
        wait_until(done.append, 1)
        raise LookupError("no view")

    assert HOSTS[host](unigate.wrap(app, interface="wsgi"), GET).status == 500
    assert done == [1]


def test_work_is_part_of_a_function_of_google() -> None:
    """Once its answer has ended, an instance has no processor."""
    order: ORDER = []
    app = wsgi_app(lambda: order.append("worked"), order, generator=True)
    response = app.google(google.make_event(GET))
    assert [*response.response, *order] == [b"body", "answered", "worked"]
    response.close()
    assert order == ["answered", "worked"]


class Context:
    """What Lambda passes, with little time left."""

    def __init__(self, milliseconds: int) -> None:
        self._milliseconds = milliseconds

    def get_remaining_time_in_millis(self) -> int:
        return self._milliseconds


EVENT = {"httpMethod": "GET", "path": "/"}


@pytest.mark.parametrize("make_app", [wsgi_app, asgi_app])
@pytest.mark.parametrize("asynchronous", [True, False])
def test_work_ends_with_the_time_of_the_function(
    make_app: Any, asynchronous: bool, caplog: pytest.LogCaptureFixture
) -> None:
    release = threading.Event()

    async def later() -> None:
        await asyncio.sleep(60)

    app: Gateway = make_app(later if asynchronous else lambda: release.wait(60), [])
    try:
        assert app.lambda_handler(EVENT, Context(600))["body"] == "body"
    finally:
        release.set()
    assert "is unfinished, and the function has no time left" in caplog.text


def test_an_error_of_its_own_time_out_is_a_failure(caplog: pytest.LogCaptureFixture) -> None:
    async def later() -> None:
        raise TimeoutError("the mail server")

    asgi_app(later, []).lambda_handler(EVENT, Context(60_000))
    assert "failed in the background" in caplog.text
    assert "no time left" not in caplog.text


def test_the_remaining_time_is_the_contexts() -> None:
    assert Request("GET", context=Context(1500)).remaining_time() == 1.5
    assert Request("GET", context=Context(-5)).remaining_time() == 0.0
    assert Request("GET", context={"get_remaining_time_in_millis": 5}).remaining_time() is None
    assert Request("GET").remaining_time() is None


@pytest.mark.parametrize("work", [7, None, "f"])
def test_what_is_no_work_is_refused(work: Any) -> None:
    with pytest.raises(TypeError, match="an awaitable, or a function"):
        wait_until(work)


def test_an_awaitable_takes_no_arguments() -> None:
    async def later() -> None: ...

    coroutine = later()
    with pytest.raises(TypeError, match="an awaitable, or a function"):
        wait_until(coroutine, 1)
    coroutine.close()


def test_a_request_takes_work_where_it_is_not_the_current_one(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "unigate")
    order: ORDER = []

    def app(environ: Any, start_response: Any) -> Any:
        request: Request = environ["unigate.request"]
        thread = threading.Thread(target=lambda: request.wait_until(order.append, "worked"))
        thread.start()
        thread.join(10)
        assert not thread.is_alive()
        start_response("200 OK", [])
        order.append("answered")
        return [b"body"]

    unigate.wrap(app, interface="wsgi").lambda_handler(EVENT, None)
    assert order == ["answered", "worked"]
    assert not caplog.text
    with pytest.raises(TypeError, match="takes an awaitable, or a function"):
        GET.wait_until(3)


def test_outside_of_a_request_a_call_runs_in_a_thread(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "unigate")
    done = threading.Event()
    colour.set("green")
    seen: list[Any] = []

    def work(what: str) -> None:
        seen.append((what, colour.get(), threading.current_thread().name))
        done.set()

    wait_until(work, "post")
    assert done.wait(10)
    assert seen == [("post", "green", "unigate-background")]
    assert "starts in the background: no request is being answered" in caplog.text


def test_outside_of_a_request_a_coroutine_runs_on_the_loop_of_the_process() -> None:
    done = threading.Event()

    async def later() -> None:
        await asyncio.sleep(0)
        done.set()

    wait_until(later())
    assert done.wait(10)


def test_outside_of_a_request_a_coroutine_runs_on_the_running_loop() -> None:
    loops: list[Any] = []

    async def later() -> None:
        loops.append(asyncio.get_running_loop())

    async def main() -> Any:
        wait_until(later())
        async with asyncio.timeout(10):
            while not loops:
                await asyncio.sleep(0)
        return asyncio.get_running_loop()

    assert asyncio.run(main()) is loops[0]


def keeps_its_context(
    interface: str, contexts: list[contextvars.Context], early: list[int]
) -> Gateway:
    def wsgi(environ: Any, start_response: Any) -> Any:
        contexts.append(contextvars.copy_context())
        for work in early:
            wait_until(early.remove, work)
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"body"]

    async def asgi(scope: Any, receive: Any, send: Any) -> None:
        contexts.append(contextvars.copy_context())
        for work in early:
            wait_until(early.remove, work)
        fields = [(b"content-type", b"text/plain")]
        await send({"type": "http.response.start", "status": 200, "headers": fields})
        await send({"type": "http.response.body", "body": b"body"})

    app: Any = {"wsgi": wsgi, "asgi": asgi}[interface]
    return unigate.wrap(app, interface="wsgi" if interface == "wsgi" else "asgi", lifespan="off")


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("interface", ["wsgi", "asgi"])
@pytest.mark.parametrize("early", [[], [1]], ids=["alone", "after other work"])
def test_work_that_comes_after_the_response_is_not_lost(
    host: str, interface: str, early: list[int]
) -> None:
    contexts: list[contextvars.Context] = []
    done = threading.Event()
    early = early.copy()
    app = keeps_its_context(interface, contexts, early)
    assert HOSTS[host](app, GET).body == b"body"
    assert not early
    contexts[0].run(wait_until, done.set)
    assert done.wait(10)


@pytest.mark.parametrize(
    ("milliseconds", "seconds"), [(3000, 3.0 - MARGIN), (1000 * MARGIN, 0.0), (20, 0.0)]
)
def test_a_part_of_the_remaining_time_is_kept_for_the_reply(
    milliseconds: int, seconds: float
) -> None:
    assert Deferred(Context(milliseconds)).limit() == seconds
    assert Deferred(None).limit() is None


def test_a_list_stays_a_list_for_its_server_where_nothing_is_left_to_do() -> None:
    app = unigate.wrap(lambda environ, start: (start("200 OK", []), [b"body"])[1], interface="wsgi")
    assert app.wsgi(wsgi_environ(GET), lambda *call: None) == [b"body"]


def test_a_process_ends_when_its_background_has() -> None:
    code = (
        "import time, unigate\n"
        "def work():\n"
        "    time.sleep(0.3)\n"
        "    print('worked')\n"
        "async def later():\n"
        "    import asyncio\n"
        "    await asyncio.sleep(0.3)\n"
        "    print('awaited')\n"
        "unigate.wait_until(work)\n"
        "unigate.wait_until(later())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert sorted(done.stdout.split()) == ["awaited", "worked"]
    assert done.stderr == ""
