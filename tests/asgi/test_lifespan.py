"""Applications are started once per process, and stopped at its end."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import anyio
import fastapi
import httpx
import pytest
import starlette.applications
import starlette.requests
import starlette.responses
import starlette.routing

import unigate
from tests.hosts import ask_wsgi
from unigate import Gateway, Request
from unigate.asgi.lifespan import Lifespan, Lifespans
from unigate.errors import LifespanFailed
from unigate.loop import ProcessLoop

SECONDS = 10  # more than anything here takes; only a failure waits for so long
pytestmark = pytest.mark.usefixtures("bounded")


class Process:
    """A process whose end can be brought about."""

    def __init__(self) -> None:
        self.loop = ProcessLoop()
        self.stops: list[Callable[[], object]] = []

    def end(self) -> None:
        while self.stops:
            self.stops.pop()()
        self.loop.close()


@pytest.fixture(autouse=True)
def process(bounded: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Process]:
    fresh = Process()
    monkeypatch.setattr("unigate.loop._process_loop", fresh.loop)
    monkeypatch.setattr("unigate.asgi.runtime.at_exit", fresh.stops.append)
    yield fresh
    fresh.end()


@pytest.fixture(autouse=True)
def _no_lost_exceptions(process: Process, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Whatever failed was reported by us, not found in the rubbish by asyncio."""
    gc.freeze()  # only what the test leaves is looked through
    yield
    process.end()
    gc.collect()
    gc.unfreeze()
    assert not [record for record in caplog.records if record.name == "asyncio"]


class App:
    """An application that notes in a log when it starts and stops; its answer is its state."""

    def __init__(self, log: list[str], name: str = "app", **state: object) -> None:
        self.log = log
        self.name = name
        self.state = state

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self.live(scope, receive, send)
        else:
            state = {key: value for key, value in scope["state"].items() if key != "unigate"}
            await respond(send, str(state or self.name))

    async def live(self, scope: Any, receive: Any, send: Any) -> None:
        assert await receive() == {"type": "lifespan.startup"}
        self.log.append(f"start {self.name}")
        scope["state"].update(self.state)
        await send({"type": "lifespan.startup.complete"})
        assert await receive() == {"type": "lifespan.shutdown"}
        self.log.append(f"stop {self.name}")
        await send({"type": "lifespan.shutdown.complete"})


class Failing(App):
    """An application that says that it cannot start, the first few times."""

    times = 100

    async def live(self, scope: Any, receive: Any, send: Any) -> None:
        if self.times == 0:
            return await super().live(scope, receive, send)
        self.times -= 1
        await receive()
        self.log.append(f"fail {self.name}")
        scope["state"]["left"] = "over"
        await send({"type": "lifespan.startup.failed", "message": "no database"})
        raise RuntimeError("no database")  # as Starlette does


class Raising(App):
    """An application that answers the lifespan with an exception."""

    error: BaseException = AssertionError("lifespan?")

    async def live(self, scope: Any, receive: Any, send: Any) -> None:
        self.log.append("asked")
        await receive()
        raise self.error


class Silent(App):
    """An application that returns without an answer."""

    async def live(self, scope: Any, receive: Any, send: Any) -> None:
        self.log.append("asked")


class Hanging(App):
    """An application that never answers."""

    async def live(self, scope: Any, receive: Any, send: Any) -> None:
        self.log.append("asked")
        try:
            await asyncio.sleep(SECONDS)
        except asyncio.CancelledError:
            self.log.append("cancelled")
            raise


async def respond(send: Any, text: str) -> None:
    headers = [(b"content-type", b"text/plain")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": text.encode()})


def event(path: str = "/") -> dict[str, Any]:
    return {"path": path, "httpMethod": "GET", "headers": {}, "body": ""}


def ask(gateway: Gateway, path: str = "/") -> str:
    reply = gateway.lambda_handler(event(path))
    assert reply["statusCode"] == 200
    body: str = reply["body"]
    return body


# --- once -----------------------------------------------------------------------------------------


def test_three_invocations_make_one_start_and_the_end_of_the_process_one_stop(
    process: Process,
) -> None:
    log: list[str] = []
    gateway = unigate.wrap(App(log))
    assert log == [], "not before the first request"
    assert [ask(gateway) for _ in range(3)] == ["app"] * 3
    assert log == ["start app"]
    assert len(process.stops) == 1
    process.end()
    assert log == ["start app", "stop app"]


def test_without_a_request_nothing_is_started_or_stopped(process: Process) -> None:
    log: list[str] = []
    unigate.wrap(App(log))
    process.end()
    assert log == []


def test_32_first_requests_at_once_make_one_start() -> None:
    log: list[str] = []
    answers: list[str] = []
    barrier = threading.Barrier(32)

    class Slow(App):
        async def live(self, scope: Any, receive: Any, send: Any) -> None:
            self.log.append("starting")
            for _ in range(1000):
                await asyncio.sleep(0)
            await super().live(scope, receive, send)

    gateway = unigate.wrap(Slow(log, pool="open"))

    def first() -> None:
        barrier.wait(SECONDS)
        answers.append(ask(gateway))

    threads = [threading.Thread(target=first, daemon=True) for _ in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    assert answers == ["{'pool': 'open'}"] * 32
    assert log == ["starting", "start app"]


def test_all_who_ask_while_it_starts_get_the_same_outcome() -> None:
    log: list[str] = []
    lifespans = Lifespans([Lifespan(Failing(log), "auto")])

    async def main() -> list[BaseException | None]:
        return await asyncio.gather(*(lifespans.start() for _ in range(5)), return_exceptions=True)

    assert {type(outcome) for outcome in asyncio.run(main())} == {LifespanFailed}
    assert log == ["fail app"]


def test_a_request_that_is_cancelled_while_it_starts_does_not_stop_the_start() -> None:
    log: list[str] = []
    go_on = asyncio.Event()

    class Slow(App):
        async def live(self, scope: Any, receive: Any, send: Any) -> None:
            await asyncio.wait_for(go_on.wait(), SECONDS)
            await super().live(scope, receive, send)

    lifespans = Lifespans([Lifespan(Slow(log), "on")])

    async def main() -> None:
        first, second = (asyncio.create_task(lifespans.start()) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.wait({first}, timeout=SECONDS)
        assert first.cancelled()
        go_on.set()
        await asyncio.wait_for(second, SECONDS)
        assert log == ["start app"]
        await lifespans.stop()

    asyncio.run(main())


def test_an_application_that_can_start_only_once_survives_warm_calls(
    process: Process, caplog: pytest.LogCaptureFixture
) -> None:
    """As the session manager of an MCP server."""
    started: list[bool] = []

    @contextlib.asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        if started:
            raise RuntimeError("run() can only be called once per instance.")
        started.append(True)
        async with anyio.create_task_group() as group:
            yield
            group.cancel_scope.cancel()

    async def home(request: starlette.requests.Request) -> starlette.responses.Response:
        return starlette.responses.PlainTextResponse("answered")

    routes = [starlette.routing.Route("/", home)]
    app = starlette.applications.Starlette(routes=routes, lifespan=lifespan)
    gateway = unigate.wrap(app, lifespan="on")
    assert [ask(gateway) for _ in range(3)] == ["answered"] * 3
    process.end()
    assert not caplog.records


# --- state ----------------------------------------------------------------------------------------


def test_each_request_has_its_own_copy_of_the_state_with_shared_members() -> None:
    class Counting(App):
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http":
                assert scope["state"]["unigate"] is scope["unigate.request"]
                scope["state"]["count"] += 1
                scope["state"]["new"] = "new"
                scope["state"]["shared"].append(len(scope["state"]))
            await super().__call__(scope, receive, send)

    gateway = unigate.wrap(Counting([], count=0, shared=[]))
    assert ask(gateway) == "{'count': 1, 'shared': [4], 'new': 'new'}"
    assert ask(gateway) == "{'count': 1, 'shared': [4, 4], 'new': 'new'}"


@pytest.mark.parametrize(
    "application", [starlette.applications.Starlette, fastapi.FastAPI], ids=["starlette", "fastapi"]
)
def test_what_a_frameworks_lifespan_yields_reaches_its_requests(
    process: Process, application: Any
) -> None:
    log: list[str] = []

    @contextlib.asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[dict[str, str]]:
        log.append("start")
        yield {"pool": "open"}
        log.append("stop")

    async def home(request: starlette.requests.Request) -> starlette.responses.Response:
        text = f"{request.state.pool} {request.state.unigate.path}"
        return starlette.responses.PlainTextResponse(text)

    app = application(routes=[starlette.routing.Route("/", home)], lifespan=lifespan)
    gateway = unigate.wrap(app)
    assert [ask(gateway), ask(gateway)] == ["open /", "open /"]
    process.end()
    assert log == ["start", "stop"]


def test_a_task_group_is_entered_and_left_by_the_same_task(
    process: Process, caplog: pytest.LogCaptureFixture
) -> None:
    log: list[str] = []

    @contextlib.asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[dict[str, Any]]:
        requests, receiver = anyio.create_memory_object_stream[anyio.Event](1)

        async def worker() -> None:
            async for request in receiver:
                request.set()
            log.append("worker done")

        async with requests, receiver, anyio.create_task_group() as group:
            group.start_soon(worker)
            yield {"requests": requests}
            requests.close()
        log.append("left")

    async def home(request: starlette.requests.Request) -> starlette.responses.Response:
        done = anyio.Event()
        await request.state.requests.send(done)
        with anyio.fail_after(SECONDS):
            await done.wait()
        return starlette.responses.PlainTextResponse("done by the worker")

    routes = [starlette.routing.Route("/", home)]
    gateway = unigate.wrap(starlette.applications.Starlette(routes=routes, lifespan=lifespan))
    assert [ask(gateway), ask(gateway)] == ["done by the worker"] * 2
    process.end()
    assert log == ["worker done", "left"]
    assert not caplog.records


def test_the_lifespan_knows_nothing_of_the_request_that_starts_it(process: Process) -> None:
    user = contextvars.ContextVar[str]("user", default="nobody")
    seen: list[str] = []

    class Looking(App):
        async def live(self, scope: Any, receive: Any, send: Any) -> None:
            seen.append(user.get())
            await super().live(scope, receive, send)
            seen.append(user.get())

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http":
                seen.append(user.get())
            await super().__call__(scope, receive, send)

    gateway = unigate.wrap(Looking([]))

    def as_ada() -> None:
        user.set("Ada")
        ask(gateway)

    contextvars.copy_context().run(as_ada)
    process.end()
    assert seen == ["nobody", "Ada", "nobody"]


# --- applications that do not start ---------------------------------------------------------------


@pytest.mark.parametrize("on_error", ["respond", "raise"])
@pytest.mark.parametrize("mode", ["auto", "on"])
def test_a_refusal_to_start_is_raised_with_its_message_and_tried_again(
    process: Process, mode: Any, on_error: Any
) -> None:
    log: list[str] = []
    app = Failing(log, pool="open")
    app.times = 2
    gateway = unigate.wrap(app, lifespan=mode, on_error=on_error)
    for _ in range(2):
        with pytest.raises(LifespanFailed, match="failed to start: no database"):
            ask(gateway)
    assert ask(gateway) == "{'pool': 'open'}", "nothing is left of the failures"
    assert ask(gateway) == "{'pool': 'open'}"
    process.end()
    assert log == ["fail app", "fail app", "start app", "stop app"]


def test_a_failing_lifespan_of_starlette_says_why() -> None:
    @contextlib.asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        raise OSError("connection refused")
        yield

    gateway = unigate.wrap(starlette.applications.Starlette(lifespan=lifespan))
    with pytest.raises(LifespanFailed, match="OSError: connection refused"):
        ask(gateway)


@pytest.mark.parametrize("application", [Raising, Silent])
def test_auto_asks_an_application_without_a_lifespan_once(
    process: Process, application: type[App]
) -> None:
    log: list[str] = []
    gateway = unigate.wrap(application(log))
    assert [ask(gateway) for _ in range(3)] == ["app"] * 3
    process.end()
    assert log == ["asked"]


@pytest.mark.parametrize(
    ("application", "seen"), [(Raising, r"AssertionError\('lifespan\?'\)"), (Silent, "None")]
)
def test_on_insists_on_a_lifespan(application: type[App], seen: str) -> None:
    log: list[str] = []
    gateway = unigate.wrap(application(log), lifespan="on")
    for _ in range(3):
        with pytest.raises(LifespanFailed, match=f"it ended with {seen}"):
            ask(gateway)
    assert log == ["asked"] * 3


def test_off_never_asks(process: Process) -> None:
    log: list[str] = []
    gateway = unigate.wrap(Raising(log), lifespan="off")
    assert [ask(gateway) for _ in range(3)] == ["app"] * 3
    process.end()
    assert log == []


@pytest.mark.parametrize("mode", ["auto", "on"])
def test_an_application_that_never_answers_is_given_up(
    process: Process, monkeypatch: pytest.MonkeyPatch, mode: Any
) -> None:
    monkeypatch.setattr("unigate.asgi.lifespan.START_SECONDS", 0.02)
    log: list[str] = []
    gateway = unigate.wrap(Hanging(log), lifespan=mode)
    for _ in range(2):
        with pytest.raises(LifespanFailed, match=r'within 0\.02 seconds.*lifespan="off"'):
            ask(gateway)
    process.end()
    assert log == ["asked", "cancelled"] * 2


def test_an_application_that_is_cancelled_by_itself_has_no_lifespan() -> None:
    app = Raising([])
    app.error = asyncio.CancelledError()
    assert ask(unigate.wrap(app)) == "app"


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
@pytest.mark.parametrize("thread", [False, True], ids=["inline", "thread"])
def test_an_application_that_exits_as_it_starts_is_not_taken_for_one_without_a_lifespan(
    process: Process, thread: bool, kind: type[BaseException]
) -> None:
    if thread:
        process.loop.in_thread()
    log: list[str] = []
    app = Raising(log)
    app.error = kind("no configuration")
    gateway = unigate.wrap(app)
    for _ in range(3):
        with pytest.raises(kind, match="no configuration"):
            ask(gateway)


def test_a_message_that_no_lifespan_has_is_an_error_in_the_application() -> None:
    class Odd(App):
        async def live(self, scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "lifespan.startup.done"})

    with pytest.raises(LifespanFailed, match=r"got 'lifespan\.startup\.done'"):
        ask(unigate.wrap(Odd([]), lifespan="on"))


def test_a_second_answer_changes_nothing(process: Process) -> None:
    class Repeating(App):
        async def live(self, scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "lifespan.startup.complete"})
            await send({"type": "lifespan.startup.failed", "message": "on second thoughts"})
            await super().live(scope, receive, send)

    log: list[str] = []
    assert ask(unigate.wrap(Repeating(log), lifespan="on")) == "app"
    process.end()
    assert log == ["start app", "stop app"]


# --- several applications -------------------------------------------------------------------------


def hello(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]


def test_mounts_start_in_order_and_stop_in_reverse_each_with_its_state(process: Process) -> None:
    log: list[str] = []
    mounts = {
        "/b": App(log, "b", pool="of b"),
        "/wsgi": hello,
        "/c": App(log, "c", pool="of c"),
        "/d": App(log, "d"),
    }
    gateway = unigate.wrap(App(log, "a", pool="of a"), mounts=mounts)
    assert ask(gateway, "/wsgi") == "hello"
    assert log == [], "a WSGI application needs none of them"
    assert ask(gateway, "/c") == "{'pool': 'of c'}"
    assert log == ["start a", "start b", "start c", "start d"]
    assert ask(gateway, "/") == "{'pool': 'of a'}"
    assert ask(gateway, "/b") == "{'pool': 'of b'}"
    assert ask(gateway, "/d") == "d"
    process.end()
    assert log[4:] == ["stop d", "stop c", "stop b", "stop a"]


def test_a_failure_to_start_stops_those_that_had_started(process: Process) -> None:
    log: list[str] = []
    second = Failing(log, "b")
    second.times = 1
    gateway = unigate.wrap(App(log, "a"), mounts={"/b": second, "/c": App(log, "c")})
    with pytest.raises(LifespanFailed, match="no database"):
        ask(gateway)
    assert log == ["start a", "fail b", "stop a"]
    assert ask(gateway) == "a"
    process.end()
    assert log[3:] == ["start a", "start b", "start c", "stop c", "stop b", "stop a"]


def test_one_without_a_lifespan_is_passed_over(process: Process) -> None:
    log: list[str] = []
    mounts = {"/b": Raising(log, "b"), "/c": App(log, "c")}
    gateway = unigate.wrap(App(log, "a"), mounts=mounts)
    assert ask(gateway, "/b") == "b"
    process.end()
    assert log == ["start a", "asked", "start c", "stop c", "stop a"]


# --- applications that do not stop ----------------------------------------------------------------


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]


class Ending(App):
    """An application that is started, and ends as it is told."""

    async def live(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.end(send)

    async def end(self, send: Any) -> None:
        """Return."""


def stop(
    process: Process, monkeypatch: pytest.MonkeyPatch, end: Callable[[Any, Any], Awaitable[None]]
) -> None:
    """Start three applications and end the process; the one in the middle ends in its own way."""
    log: list[str] = []
    monkeypatch.setattr(Ending, "end", end)
    mounts = {"/b": Ending(log, "b"), "/c": App(log, "c")}
    gateway = unigate.wrap(App(log, "a"), mounts=mounts)
    assert ask(gateway) == "a"
    process.end()
    assert log == ["start a", "start c", "stop c", "stop a"], "the others stop all the same"


def test_a_refusal_to_stop_is_logged_with_its_message(
    process: Process, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def end(self: Any, send: Any) -> None:
        await send({"type": "lifespan.shutdown.failed", "message": "still busy"})
        raise RuntimeError("still busy")  # as Starlette does

    stop(process, monkeypatch, end)
    assert errors(caplog) == ["The application failed to stop: still busy"]


def test_an_exception_as_it_stops_is_logged_with_its_traceback(
    process: Process, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def end(self: Any, send: Any) -> None:
        raise RuntimeError("while closing the pool")

    stop(process, monkeypatch, end)
    assert errors(caplog) == ["The application failed to stop."]
    assert "RuntimeError: while closing the pool" in caplog.text


def test_an_application_that_returns_without_a_word_has_stopped(
    process: Process, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def end(self: Any, send: Any) -> None:
        return None

    stop(process, monkeypatch, end)
    assert errors(caplog) == []


def test_an_application_that_does_not_stop_is_logged_and_cancelled(
    process: Process, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("unigate.asgi.lifespan.STOP_SECONDS", 0.02)
    cancelled: list[bool] = []

    async def end(self: Any, send: Any) -> None:
        try:
            await asyncio.sleep(SECONDS)
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    stop(process, monkeypatch, end)
    assert errors(caplog) == ["The application did not stop within 0.02 seconds."]
    assert cancelled == [True]


def test_an_application_that_has_answered_is_not_waited_for(
    process: Process, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def end(self: Any, send: Any) -> None:
        await send({"type": "lifespan.shutdown.complete"})
        await asyncio.sleep(4 * SECONDS)

    stop(process, monkeypatch, end)
    assert errors(caplog) == []


def test_stopping_twice_asks_once(caplog: pytest.LogCaptureFixture) -> None:
    class Refusing(Ending):
        async def end(self, send: Any) -> None:
            await send({"type": "lifespan.shutdown.failed"})

    async def main() -> None:
        lifespan = Lifespan(Refusing([]), "on")
        await lifespan.start()
        await lifespan.stop()
        await lifespan.stop()

    asyncio.run(main())
    assert errors(caplog) == ["The application failed to stop: "]


@pytest.mark.parametrize("pending", [False, True])
def test_a_lifespan_that_cancels_itself_is_told_at_the_end(
    pending: bool, process: Process, caplog: pytest.LogCaptureFixture
) -> None:
    class Cancelled(App):
        async def live(self, scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "lifespan.startup.complete"})
            if not pending:
                raise asyncio.CancelledError
            task = asyncio.current_task()
            assert task is not None
            task.cancel()

    assert ask(unigate.wrap(Cancelled([]))) == "app"
    process.end()
    assert errors(caplog) == ["The application failed to stop."]
    assert "CancelledError" in caplog.text


def test_an_application_that_died_long_ago_is_told_at_the_end(
    process: Process, caplog: pytest.LogCaptureFixture
) -> None:
    class Dying(App):
        async def live(self, scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "lifespan.startup.complete"})
            raise RuntimeError("lost the connection")

    assert ask(unigate.wrap(Dying([]))) == "app"
    process.end()
    assert errors(caplog) == ["The application failed to stop."]
    assert "RuntimeError: lost the connection" in caplog.text


# --- under a server -------------------------------------------------------------------------------


class Server:
    """An ASGI server's side of the lifespan."""

    def __init__(self, gateway: Gateway) -> None:
        self.state: dict[str, Any] = {}
        self._messages: asyncio.Queue[dict[str, str]] = asyncio.Queue()
        self._answers: asyncio.Queue[Any] = asyncio.Queue()
        scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": self.state}
        door = gateway.asgi(scope, self._messages.get, self._answers.put)
        self.task = asyncio.create_task(door)
        transport = httpx.ASGITransport(gateway.asgi)
        self._client = httpx.AsyncClient(transport=transport, base_url="http://example.org")

    async def tell(self, phase: str) -> Any:
        self._messages.put_nowait({"type": f"lifespan.{phase}"})
        return await asyncio.wait_for(self._answers.get(), SECONDS)

    async def ask(self, path: str = "/") -> str:
        response = await self._client.get(path)
        assert response.status_code == 200
        return response.text


def test_a_servers_lifespan_starts_and_stops_the_applications() -> None:
    log: list[str] = []
    gateway = unigate.wrap(App(log, "a", pool="of a"), mounts={"/b": App(log, "b", pool="of b")})

    async def main() -> None:
        server = Server(gateway)
        assert await server.tell("startup") == {"type": "lifespan.startup.complete"}
        assert log == ["start a", "start b"]
        assert await server.ask("/") == "{'pool': 'of a'}"
        assert await server.ask("/b") == "{'pool': 'of b'}"
        assert await server.tell("shutdown") == {"type": "lifespan.shutdown.complete"}
        await asyncio.wait_for(server.task, SECONDS)
        assert log[2:] == ["stop b", "stop a"]

    asyncio.run(main())


def test_a_servers_lifespan_is_told_of_a_refusal_to_start() -> None:
    log: list[str] = []
    gateway = unigate.wrap(App(log, "a"), mounts={"/b": Failing(log, "b")})

    async def main() -> None:
        server = Server(gateway)
        answer = await server.tell("startup")
        assert answer["type"] == "lifespan.startup.failed"
        assert answer["message"] == "The application failed to start: no database"
        await asyncio.wait_for(server.task, SECONDS)

    asyncio.run(main())
    assert log == ["start a", "fail b", "stop a"]


@pytest.mark.parametrize(
    "gateway",
    [
        unigate.wrap(hello),
        unigate.wrap(Raising([])),
        unigate.wrap(Raising([]), lifespan="off"),
    ],
    ids=["wsgi", "without", "off"],
)
def test_a_servers_lifespan_is_answered_when_no_application_has_one(gateway: Gateway) -> None:
    async def main() -> None:
        server = Server(gateway)
        assert await server.tell("startup") == {"type": "lifespan.startup.complete"}
        assert await server.ask() in ("hello", "app")
        assert await server.tell("shutdown") == {"type": "lifespan.shutdown.complete"}
        await asyncio.wait_for(server.task, SECONDS)

    asyncio.run(main())


def test_a_server_starts_the_applications_again_after_it_stopped_them(process: Process) -> None:
    log: list[str] = []
    gateway = unigate.wrap(App(log))

    async def main() -> None:
        server = Server(gateway)
        await server.tell("startup")
        await server.tell("shutdown")
        await asyncio.wait_for(server.task, SECONDS)

    asyncio.run(main())
    asyncio.run(main())
    assert ask(gateway) == "app"
    process.end()
    assert log == ["start app", "stop app"] * 3


def test_a_servers_lifespan_leaves_alone_what_an_event_started(process: Process) -> None:
    log: list[str] = []
    gateway = unigate.wrap(App(log, pool="open"))
    assert ask(gateway) == "{'pool': 'open'}"

    async def main() -> None:
        server = Server(gateway)
        assert await server.tell("startup") == {"type": "lifespan.startup.complete"}
        assert await server.ask() == "{'pool': 'open'}"
        assert await server.tell("shutdown") == {"type": "lifespan.shutdown.complete"}
        await asyncio.wait_for(server.task, SECONDS)

    asyncio.run(main())
    assert ask(gateway) == "{'pool': 'open'}"
    assert log == ["start app"]
    process.end()
    assert log == ["start app", "stop app"]


def test_the_wsgi_door_starts_asgi_applications_once(process: Process) -> None:
    log: list[str] = []
    gateway = unigate.wrap(hello, mounts={"/v2": App(log, pool="open")})
    assert ask_wsgi(gateway.wsgi, Request("GET", b"/")).body == b"hello"
    assert log == []
    for _ in range(3):
        answer = ask_wsgi(gateway.wsgi, Request("GET", b"/v2"))
        assert (answer.status, answer.body) == (200, b"{'pool': 'open'}")
    assert log == ["start app"]
    process.end()
    assert log == ["start app", "stop app"]


def test_the_wsgi_door_answers_500_and_logs_why_an_application_does_not_start(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = Failing([])
    app.times = 1
    gateway = unigate.wrap(app)
    assert ask_wsgi(gateway.wsgi, Request("GET", b"/")).status == 500
    assert "LifespanFailed: The application failed to start: no database" in caplog.text
    assert ask_wsgi(gateway.wsgi, Request("GET", b"/")).status == 200


# --- in a process of its own ----------------------------------------------------------------------

PRELUDE = """
import asyncio, signal, sys, threading, time
import unigate

signal.alarm(15)

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        print("stopped", flush=True)
        await send({"type": "lifespan.shutdown.complete"})
        return
    if scope["path"] == "/wait":
        try:
            print("ready", flush=True)
            await asyncio.sleep(10)
        finally:
            print("cancelled", flush=True)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})

gateway = unigate.wrap(app)

def ask(path="/"):
    gateway.lambda_handler({"path": path, "httpMethod": "GET", "headers": {}, "body": ""})

def ask_in_thread(path="/", wait=True):
    thread = threading.Thread(target=ask, args=[path], daemon=not wait)
    thread.start()
    if wait:
        thread.join(10)
        assert not thread.is_alive()
"""


def run_script(script: str, *, terminate: bool = False) -> tuple[str, int]:
    """Run a script; send it SIGTERM when it is ready; return its output and exit code."""
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", PRELUDE + script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        if terminate:
            assert child.stdout.readline() == "ready\n"
            child.send_signal(signal.SIGTERM)
        output, complaints = child.communicate(timeout=30)
    assert complaints == ""
    return output, child.returncode


@pytest.mark.parametrize(
    "script",
    [
        "ask(), ask()",
        "ask_in_thread()",
        "ask(), ask_in_thread()",
        "asyncio.run(gateway.handle({'path': '/', 'httpMethod': 'GET', 'headers': {}}))",
    ],
)
def test_applications_stop_at_the_end_of_the_process(script: str) -> None:
    assert run_script(script) == ("stopped\n", 0)


def test_applications_stop_when_the_process_exits_with_an_error() -> None:
    assert run_script("ask()\nsys.exit(3)") == ("stopped\n", 3)


@pytest.mark.parametrize("calls", ["ask()", "ask(), ask_in_thread()"], ids=["inline", "thread"])
def test_applications_stop_on_sigterm(calls: str) -> None:
    script = f"{calls}\nprint('ready', flush=True)\ntime.sleep(10)"
    assert run_script(script, terminate=True) == ("stopped\n", 143)


@pytest.mark.parametrize("calls", ["", "ask(), ask_in_thread()"], ids=["inline", "thread"])
def test_sigterm_in_the_middle_of_a_request_cancels_it(calls: str) -> None:
    output, code = run_script(f"{calls}\nask('/wait')", terminate=True)
    assert sorted(output.split()) == ["cancelled", "stopped"]
    assert code == 143


@pytest.mark.parametrize("thread", ["", "process_loop().in_thread()"], ids=["inline", "thread"])
def test_an_exit_at_startup_ends_the_process_with_its_code_alone(thread: str) -> None:
    script = f"""
from unigate.loop import process_loop

async def app(scope, receive, send):
    print("not configured", flush=True)
    sys.exit(5)

gateway = unigate.wrap(app)
{thread}
ask()
print("unreachable")
"""
    assert run_script(script) == ("not configured\n", 5)


def test_a_sigterm_handler_of_the_users_own_is_left_alone() -> None:
    script = """
def mine(number, frame):
    print("mine", flush=True)
    sys.exit(7)

signal.signal(signal.SIGTERM, mine)
ask()
print("ready", flush=True)
time.sleep(10)
"""
    assert run_script(script, terminate=True) == ("mine\nstopped\n", 7)


def test_applications_of_the_parent_are_not_stopped_by_its_child() -> None:
    script = """
import atexit, os

ask()
pid = os.fork()
if pid == 0:
    print("child", flush=True)
    ask()
    atexit._run_exitfuncs()
    os._exit(0)
assert os.waitpid(pid, 0) == (pid, 0)
print("parent", flush=True)
"""
    assert run_script(script) == ("child\nstopped\nparent\nstopped\n", 0)
