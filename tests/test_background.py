"""Work that goes on when the application has answered: by every door, from every kind of view."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

import unigate
from tests.hosts import HOSTS, wsgi_environ
from tests.hosts import _ask_asgi as ask_asgi_here
from tests.waiting import SECONDS, until
from unigate import Gateway, Request, wait_until
from unigate.background import MARGIN, MOST_STARTS, Deferred
from unigate.background_work import MOST_CALLS
from unigate.context import current_request_var
from unigate.events import azure, google

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


class Deadline:
    """What Lambda passes, in real time."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._end: float | None = None  # counted from the first question

    def get_remaining_time_in_millis(self) -> int:
        now = time.monotonic()
        self._end = self._end or now + self._seconds
        return max(0, int((self._end - now) * 1000))


class Again:
    """Work of each kind that gives `wait_until` itself, until `over` is set."""

    def __init__(self) -> None:
        self.over = threading.Event()
        self.calls = 0

    def _again(self, work: Any) -> None:
        self.calls += 1
        if not self.over.is_set():
            wait_until(work)

    def call_again(self) -> None:
        self._again(self.call_again)

    async def await_again(self) -> None:
        await asyncio.sleep(0)
        self._again(self.await_again)

    async def coroutine_again(self) -> None:
        await asyncio.sleep(0)
        self._again(None if self.over.is_set() else self.coroutine_again())

    def thread_again(self) -> None:
        context = contextvars.copy_context()
        thread = threading.Thread(target=context.run, args=(self._again, self.thread_again))
        thread.start()
        thread.join(SECONDS)


AGAIN = {
    "a call": lambda again: again.call_again,
    "an asynchronous function": lambda again: again.await_again,
    "a coroutine": lambda again: lambda: wait_until(again.coroutine_again()),
    "a call in another thread": lambda again: again.thread_again,
}
again_and_again = pytest.mark.parametrize("kind", AGAIN.values(), ids=AGAIN)


def on_event(work: Callable[[], Any], order: ORDER) -> Gateway:
    gateway: Gateway = wsgi_app(work, order)

    @gateway.on_event("sqs")
    def react(event: Any, context: Any) -> None:
        wait_until(work)

    @gateway.on_event("sns")
    async def react_async(event: Any, context: Any) -> None:
        wait_until(work)

    return gateway


def handled(gateway: Gateway, event: Any, context: Any) -> Any:
    async def main() -> Any:
        return await gateway.handle(event, context)

    return asyncio.run(main())


class UntilCalled:
    """The context of an invocation whose time is over once work has been called a few times."""

    def __init__(self, again: Again) -> None:
        self._again = again

    def get_remaining_time_in_millis(self) -> int:
        return 0 if self._again.calls > 3 else SECONDS * 1000


SQS = {"Records": [{"eventSource": "aws:sqs", "body": ""}]}
SNS = {"Records": [{"EventSource": "aws:sns", "Sns": {}}]}
# How each door is asked within a deadline.
DOORS: dict[str, Callable[[Any, Any], Any]] = {
    "lambda_handler, wsgi": lambda work, c: wsgi_app(work, []).lambda_handler(EVENT, c),
    "lambda_handler, asgi": lambda work, c: asgi_app(work, []).lambda_handler(EVENT, c),
    "handle, wsgi": lambda work, c: handled(wsgi_app(work, []), EVENT, c),
    "handle, asgi": lambda work, c: handled(asgi_app(work, []), EVENT, c),
    "azure": lambda work, c: wsgi_app(work, []).azure(azure.make_event(GET), c),
    "on_event": lambda work, c: on_event(work, []).lambda_handler(SQS, c),
    "on_event, asynchronous": lambda work, c: on_event(work, []).lambda_handler(SNS, c),
    "handle, on_event": lambda work, c: handled(on_event(work, []), SQS, c),
    "handle, on_event, asynchronous": lambda work, c: handled(on_event(work, []), SNS, c),
}
every_door = pytest.mark.parametrize("door", DOORS.values(), ids=DOORS)


@every_door
@again_and_again
def test_work_that_adds_work_ends_with_the_time_of_the_function(
    door: Callable[[Any, Any], Any], kind: Any, caplog: pytest.LogCaptureFixture
) -> None:
    again = Again()
    try:
        door(kind(again), UntilCalled(again))
        assert again.calls > 1
    finally:
        again.over.set()
    lost = [r.message for r in caplog.records if "the function has no time left" in r.message]
    assert len(lost) in (1, 2), "the piece of work that is running, and the one that it adds"
    assert all("Again." in message for message in lost), "by its name"


@every_door
def test_all_work_is_dropped_by_name_when_no_time_is_left(
    door: Callable[[Any, Any], Any], caplog: pytest.LogCaptureFixture
) -> None:
    called: list[str] = []

    async def coroutine() -> None:
        called.append("coroutine")

    def asks() -> None:
        wait_until(coroutine())
        for name in ("first", "second"):
            wait_until(called.append, name)
        wait_until(coroutine)
        context.seconds = 0

    class Passing:
        seconds = 60

        def get_remaining_time_in_millis(self) -> int:
            return self.seconds * 1000

    context = Passing()
    door(asks, context)
    assert called == []
    dropped = [r.message for r in caplog.records if r.message.endswith("no time left.")]
    assert len(dropped) == 4
    assert sum("coroutine" in message for message in dropped) == 2
    assert sum("append" in message for message in dropped) == 2
    gc.collect()  # a coroutine that was never awaited would warn here


@pytest.mark.parametrize("door", list(DOORS.values())[:4], ids=list(DOORS)[:4])
def test_work_that_ignores_its_cancellation_does_not_hold_the_reply(
    door: Callable[[Any, Any], Any], caplog: pytest.LogCaptureFixture
) -> None:
    over = threading.Event()

    async def stubborn() -> None:
        while not over.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(0.01)

    try:
        door(stubborn, Deadline(MARGIN + 0.1))
    finally:
        over.set()
    assert caplog.text.count("is unfinished, and the function has no time left") == 1
    assert "stubborn" in caplog.text


def test_work_of_a_call_that_outlives_the_function_is_dropped(
    caplog: pytest.LogCaptureFixture,
) -> None:
    release, added = threading.Event(), threading.Event()

    def late() -> None:
        release.wait(SECONDS)
        wait_until(print, "late")
        added.set()

    wsgi_app(late, []).lambda_handler(EVENT, Deadline(MARGIN + 0.1))
    release.set()
    assert added.wait(SECONDS)
    assert "'late') is dropped: the function has no time left" in caplog.text


@pytest.mark.parametrize("host", ["wsgi", "http_api", "handle", "google", "azure"])
@again_and_again
def test_work_that_adds_work_does_not_keep_a_host_without_a_deadline(
    host: str, kind: Any, impatient: None, caplog: pytest.LogCaptureFixture
) -> None:
    again = Again()
    try:
        assert HOSTS[host](wsgi_app(kind(again), []), GET).body == b"body"
        assert caplog.text.count("goes on in the background") == 1
        calls = again.calls
        until(lambda: again.calls > calls)  # it goes on
    finally:
        again.over.set()
    until(lambda: not copy_threads() and not tasks())
    assert "is dropped" not in caplog.text


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let hosts wait for work a short time only."""
    monkeypatch.setattr("unigate.background.HOST_SECONDS", 0.2)


class Hanging:
    """Work of each kind that hangs until `over` is set, even if it is cancelled."""

    def __init__(self) -> None:
        self.over = threading.Event()
        self.done = 0

    def call(self) -> None:
        self.over.wait(SECONDS)
        self.done += 1

    async def asynchronous(self) -> None:
        while not self.over.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(0.01)
        self.done += 1


HANGING = {
    "a call": lambda hanging: hanging.call,
    "an asynchronous function": lambda hanging: hanging.asynchronous,
    "a coroutine": lambda hanging: lambda: wait_until(hanging.asynchronous()),
}
hangs = pytest.mark.parametrize("kind", HANGING.values(), ids=HANGING)


@pytest.mark.parametrize("host", ["wsgi", "http_api", "handle", "google", "azure"])
@pytest.mark.parametrize("make_app", [wsgi_app, asgi_app])
@hangs
def test_work_that_hangs_goes_on_without_its_host(
    host: str, make_app: Any, kind: Any, impatient: None, caplog: pytest.LogCaptureFixture
) -> None:
    hanging = Hanging()
    after: list[str] = []

    def work() -> Any:
        wait_until(after.append, "later work")
        return kind(hanging)()

    try:
        assert HOSTS[host](make_app(work, []), GET).body == b"body"
        assert not hanging.done
        assert caplog.text.count("has taken 0.2 seconds and goes on in the background") == 1
    finally:
        hanging.over.set()
    until(lambda: hanging.done == 1 and after == ["later work"])
    until(lambda: not copy_threads() and not tasks())
    assert len(caplog.records) == 1


@pytest.mark.parametrize("event", [SQS, SNS], ids=["a function", "an asynchronous function"])
@pytest.mark.parametrize("handle", [False, True])
@hangs
def test_work_of_an_event_that_hangs_goes_on_without_its_host(
    event: Any, handle: bool, kind: Any, impatient: None, caplog: pytest.LogCaptureFixture
) -> None:
    hanging = Hanging()
    app = on_event(kind(hanging), [])
    try:
        if handle:
            handled(app, event, None)
        else:
            app.lambda_handler(event, None)
        assert not hanging.done
        assert caplog.text.count("goes on in the background") == 1
    finally:
        hanging.over.set()
    until(lambda: hanging.done)
    until(lambda: not copy_threads() and not tasks())


@hangs
def test_work_that_hangs_keeps_no_task_of_a_server(
    kind: Any, impatient: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("unigate.background_tasks.EXIT_SECONDS", 0.2)
    hanging = Hanging()
    app = wsgi_app(kind(hanging), [])

    async def main() -> None:
        async def begin() -> None:
            await ask_asgi_here(app, GET)

        await through_a_lifespan(app, begin)

    try:
        asyncio.run(main())
        assert not hanging.done
    finally:
        hanging.over.set()
    assert caplog.text.count("goes on in the background") == 1
    assert caplog.text.count("is dropped: ") == 1
    until(lambda: not copy_threads())


def test_a_server_that_stops_waiting_for_work_does_not_drop_it() -> None:
    release, done = threading.Event(), threading.Event()

    async def main() -> None:
        deferred = Deferred(None)
        with deferring_to(deferred):
            wait_until(release.wait, SECONDS)
            wait_until(done.set)
        host = asyncio.create_task(deferred.finish_async())
        await asyncio.sleep(0)
        host.cancel()
        with pytest.raises(asyncio.CancelledError):
            await host
        release.set()
        assert await asyncio.to_thread(done.wait, SECONDS)

    asyncio.run(main())


@contextlib.contextmanager
def deferring_to(deferred: Deferred) -> Any:
    request = Request("GET")
    request.deferred = deferred
    token = current_request_var.set(request)
    yield
    current_request_var.reset(token)


def test_a_limited_number_of_calls_runs_for_an_event_loop() -> None:
    running: list[int] = []
    most: list[int] = []
    full = threading.Event()

    def call() -> None:
        running.append(1)
        most.append(len(running))
        if len(running) == MOST_CALLS:
            full.set()
        full.wait(SECONDS)
        running.pop()

    def work() -> None:
        for _ in range(2 * MOST_CALLS):
            wait_until(call)

    HOSTS["asgi"](wsgi_app(work, []), GET)
    assert len(most) == 2 * MOST_CALLS
    assert max(most) == MOST_CALLS


@pytest.mark.parametrize("host", ["wsgi", "http_api", "google", "azure"])
def test_work_cannot_end_the_thread_of_its_host(
    host: str, caplog: pytest.LogCaptureFixture
) -> None:
    def work() -> None:
        wait_until(print, "more")
        sys.exit(3)

    assert HOSTS[host](wsgi_app(work, []), GET).body == b"body"
    assert caplog.text.count("is dropped: background work cannot end the process") == 2


def copy_threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name == "unigate-background"]


def tasks() -> Any:
    from unigate import background_tasks

    return background_tasks._tasks


@again_and_again
def test_work_that_adds_work_is_dropped_when_the_loop_of_its_server_ends(
    kind: Any, impatient: None, caplog: pytest.LogCaptureFixture
) -> None:
    again = Again()
    try:
        assert HOSTS["asgi"](wsgi_app(kind(again), []), GET).body == b"body"
    finally:
        again.over.set()
    assert caplog.text.count("goes on in the background") == 1
    assert caplog.text.count("is dropped: its event loop ends") in (1, 2)


@pytest.mark.parametrize("host", ["asgi", "wsgi", "http_api", "handle"])
def test_work_may_add_work_before_the_host_goes_on(host: str) -> None:
    done: list[int] = []

    def countdown(left: int) -> None:
        done.append(left)
        if left:
            wait_until(countdown, left - 1)

    HOSTS[host](wsgi_app(lambda: countdown(200), []), GET)
    assert len(done) == 201


@every_host
def test_work_that_cancels_itself_has_failed_and_the_rest_is_done(
    host: str, caplog: pytest.LogCaptureFixture
) -> None:
    done: list[str] = []

    async def later() -> None:
        raise asyncio.CancelledError("by itself")

    def work() -> None:
        wait_until(later)
        wait_until(later())
        wait_until(done.append, "worked")
        raise asyncio.CancelledError("a call")

    assert HOSTS[host](wsgi_app(work, []), GET).body == b"body"
    assert done == ["worked"]
    assert len([r for r in caplog.records if "in the background" in r.message]) == 3


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


UNENDING = """
import threading, time, unigate
from unigate import background, background_tasks

background_tasks.EXIT_SECONDS = 0.3

def again():
    time.sleep(0.01)
    unigate.wait_until(again)

def hang():
    threading.Event().wait()

async def hang_on_the_loop():
    import asyncio
    await asyncio.Event().wait()
"""


@pytest.mark.parametrize("work", ["again", "hang", "hang_on_the_loop()"])
def test_work_in_the_background_does_not_keep_a_process_that_ends(work: str) -> None:
    code = f"{UNENDING}\nunigate.wait_until({work})"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    # For `again`, Python 3.12 starts no thread any more.
    assert "is dropped: the process ends" in done.stderr or "is dropped: no thread" in done.stderr
    assert work.strip("()") in done.stderr


def test_work_that_a_request_has_left_behind_is_named_when_the_process_ends() -> None:
    code = (
        f"{UNENDING}\n"
        "background.HOST_SECONDS = 0.3\n"
        "def app(environ, start_response):\n"
        "    unigate.wait_until(again)\n"
        "    start_response('200 OK', [])\n"
        "    return [b'']\n"
        "gateway = unigate.wrap(app, interface='wsgi')\n"
        "print(gateway.lambda_handler({'httpMethod': 'GET', 'path': '/'})['statusCode'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "200\n"
    assert "again" in done.stderr.partition("goes on in the background")[2]
    assert "is dropped: the process ends" in done.stderr


NO_THREADS = """
import resource, threading, unigate

def take_threads():  # as if threads that hang had used all there are
    threading.stack_size(64_000_000 // 4096 * 4096)
    pages = int(open("/proc/self/statm").read().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + 4_000_000, -1))

def app(environ, start_response):
    unigate.wait_until(work)
    take_threads()
    start_response('200 OK', [])
    return [b'']

def work():
    print("worked")

class Context:
    def get_remaining_time_in_millis(self):
        return 60_000
"""


@pytest.mark.parametrize(
    "call",
    [
        "unigate.wrap(app, interface='wsgi').lambda_handler(EVENT, Context())",
        "take_threads(); unigate.wait_until(work)",
    ],
)
def test_work_for_which_no_thread_can_be_started_is_dropped(call: str) -> None:
    code = f"{NO_THREADS}\nEVENT = {EVENT!r}\n{call}\nprint('ended')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == "ended\n", done.stderr
    assert "is dropped: no thread can be started for it" in done.stderr
    assert "function work" in done.stderr


@again_and_again
@pytest.mark.parametrize("answered", [False, True])
def test_work_in_the_background_that_starts_more_work_without_end_is_logged(
    kind: Any, answered: bool, caplog: pytest.LogCaptureFixture
) -> None:
    contexts: list[contextvars.Context] = [contextvars.copy_context()]
    if answered:
        HOSTS["wsgi"](keeps_its_context("wsgi", contexts, []), GET)
    again = Again()
    contexts[-1].run(wait_until, kind(again))
    try:
        until(lambda: "has started more work 100 times" in caplog.text)
    finally:
        again.over.set()
    until(lambda: not copy_threads())
    assert "Again." in caplog.text.partition("has started more work 100 times")[2]
    wait_until(kind(again))  # of another origin, which starts to count anew
    until(lambda: not copy_threads())
    assert caplog.text.count("has started more work 100 times") == 1


async def through_a_lifespan(gateway: Gateway, work: Callable[[], Any]) -> None:
    """Start and stop the lifespan as a server does; call `work` in between."""
    messages: asyncio.Queue[Any] = asyncio.Queue()
    sent: asyncio.Queue[Any] = asyncio.Queue()
    scope = {"type": "lifespan", "asgi": {"version": "3.0"}}
    task = asyncio.create_task(gateway.asgi(scope, messages.get, sent.put))
    async with asyncio.timeout(SECONDS):
        messages.put_nowait({"type": "lifespan.startup"})
        assert (await sent.get())["type"] == "lifespan.startup.complete"
        await work()
        messages.put_nowait({"type": "lifespan.shutdown"})
        assert (await sent.get())["type"] == "lifespan.shutdown.complete"
        await task


@pytest.mark.parametrize("kind", ["call", "coroutine"])
def test_a_server_stops_when_work_in_the_background_has_ended(
    kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    done: list[str] = []

    def call() -> None:
        time.sleep(0.1)
        done.append("worked")

    async def coroutine() -> None:
        await asyncio.sleep(0.1)
        done.append("worked")

    async def main() -> None:
        async def begin() -> None:
            wait_until(call if kind == "call" else coroutine())

        await through_a_lifespan(wsgi_app(call, []), begin)
        assert done == ["worked"]

    asyncio.run(main())
    assert not caplog.records


@again_and_again
@pytest.mark.parametrize("through", ["a request", "nothing"])
def test_work_without_end_does_not_keep_a_server_that_stops(
    kind: Any,
    through: str,
    impatient: None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("unigate.background_tasks.EXIT_SECONDS", 0.2)
    again = Again()

    async def main() -> None:
        app = wsgi_app(kind(again), [])

        async def begin() -> None:
            if through == "a request":
                await ask_asgi_here(app, GET)
            else:
                wait_until(kind(again))
                while again.calls < 2 * MOST_STARTS:
                    await asyncio.sleep(0.01)

        await through_a_lifespan(app, begin)

    try:
        asyncio.run(main())
    finally:
        again.over.set()
    dropped = [r.message for r in caplog.records if "is dropped: " in r.message]
    assert len(dropped) in (1, 2), "the piece of work that is running, and the one that it adds"
    until(lambda: not copy_threads())


@pytest.mark.parametrize("work", ["hang", "coroutine"])
def test_work_that_hangs_does_not_keep_a_server_that_stops(
    work: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unigate.background_tasks.EXIT_SECONDS", 0.2)
    over = threading.Event()

    async def coroutine() -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        async def begin() -> None:
            wait_until(coroutine() if work == "coroutine" else over.wait)

        await through_a_lifespan(wsgi_app(over.wait, []), begin)

    try:
        asyncio.run(main())
    finally:
        over.set()
    assert caplog.text.count("is dropped: ") == 1
    until(lambda: not copy_threads())
