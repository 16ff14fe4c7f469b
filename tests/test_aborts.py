"""Applications that end with what no `except Exception` catches, at every door.

They fail their own request, the process goes on, and what the host cancels itself is cancelled.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from typing import Any

import anyio
import pytest

import unigate
from tests.hosts import HOSTS, asgi_scope
from unigate import Gateway, Request

pytestmark = pytest.mark.usefixtures("bounded")

GET = {"httpMethod": "GET", "path": "/here"}
TYPE = (b"content-type", b"text/plain")


class Odd(BaseException):
    pass


ABORTS: dict[str, Callable[[], BaseException]] = {
    "cancellation": asyncio.CancelledError,
    "generator exit": GeneratorExit,
    "group": lambda: BaseExceptionGroup("several", [asyncio.CancelledError(), KeyError("lost")]),
    "other": Odd,
    "stop": lambda: StopIteration("lost"),
}
every_abort = pytest.mark.parametrize("abort", ABORTS)
every_interface = pytest.mark.parametrize("interface", ["wsgi", "asgi"])
# These respond while the application runs.
LIVE = ("asgi", "wsgi", "google")


def aborting(interface: str, abort: str, after: str = "") -> Any:
    """Return an application that aborts: before, or after the "start" or a "part" of a response."""

    def abort_here() -> None:
        raise ABORTS[abort]()

    def wsgi(environ: Any, start_response: Any) -> Iterator[bytes]:
        if after:
            start_response("200 OK", [("content-type", "text/plain")])
        if after == "part":
            yield b"a part"
        abort_here()

    def wsgi_at_once(environ: Any, start_response: Any) -> Any:
        return abort_here()

    async def asgi(scope: Any, receive: Any, send: Any) -> None:
        if after:
            await send({"type": "http.response.start", "status": 200, "headers": [TYPE]})
        if after == "part":
            await send({"type": "http.response.body", "body": b"a part", "more_body": True})
        abort_here()

    return {"wsgi": wsgi if after else wsgi_at_once, "asgi": asgi}[interface]


def wrapped(app: Any, interface: Any, on_error: Any = "respond") -> Gateway:
    return unigate.wrap(app, interface=interface, on_error=on_error, lifespan="off")


@every_interface
@every_abort
@pytest.mark.parametrize("host", HOSTS)
def test_an_aborted_application_is_a_logged_500(
    host: str, abort: str, interface: str, caplog: pytest.LogCaptureFixture
) -> None:
    gateway = wrapped(aborting(interface, abort), interface)
    response = HOSTS[host](gateway, Request("GET", b"/here"))
    assert (response.status, response.body) == (500, b"Internal Server Error")
    assert "GET '/here'" in caplog.text
    assert "in abort_here" in caplog.text  # the traceback shows where


@every_interface
@every_abort
@pytest.mark.parametrize("host", HOSTS)
def test_an_aborted_application_is_an_exception_when_asked(
    host: str, abort: str, interface: str
) -> None:
    gateway = wrapped(aborting(interface, abort), interface, "raise")
    if (abort, interface) == ("stop", "asgi"):  # Python's own error for a coroutine
        with pytest.raises(RuntimeError, match="coroutine raised StopIteration"):
            HOSTS[host](gateway, Request("GET", b"/"))
        return
    with pytest.raises(unigate.ApplicationAborted) as raised:
        HOSTS[host](gateway, Request("GET", b"/"))
    assert type(raised.value.__cause__) is type(ABORTS[abort]())


@every_interface
@pytest.mark.parametrize("after", ["start", "part"])
@pytest.mark.parametrize("abort", ["cancellation", "other"])
@pytest.mark.parametrize("host", HOSTS)
def test_an_application_may_abort_in_the_middle_of_its_response(
    host: str, abort: str, after: str, interface: str
) -> None:
    gateway = wrapped(aborting(interface, abort, after), interface)
    sent = (
        after == "part" if host in ("wsgi", "google") else (interface, after) != ("wsgi", "start")
    )
    if host in LIVE and sent:
        with pytest.raises(unigate.ApplicationAborted):
            HOSTS[host](gateway, Request("GET", b"/here"))
    else:
        response = HOSTS[host](gateway, Request("GET", b"/here"))
        assert (response.status, response.body) == (500, b"Internal Server Error")


@pytest.mark.parametrize("where", ["a thread", "a running loop"])
def test_an_aborted_application_is_a_500_wherever_the_event_is_handled(
    where: str, caplog: pytest.LogCaptureFixture
) -> None:
    gateway = wrapped(aborting("asgi", "cancellation"), "asgi")

    async def in_loop() -> Any:
        return gateway(GET, None)

    if where == "a thread":
        with ThreadPoolExecutor() as pool:
            reply = pool.submit(gateway, GET, None).result()
    else:
        reply = asyncio.run(in_loop())
    assert reply["statusCode"] == 500
    assert "in abort_here" in caplog.text


@pytest.mark.parametrize("host", HOSTS)
def test_a_leaked_scope_cancels_its_request_alone(
    host: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/leak":
            leaked = anyio.CancelScope()
            leaked.__enter__()
            leaked.cancel()
            await anyio.sleep(20)
        await send({"type": "http.response.start", "status": 200, "headers": [TYPE]})
        await send({"type": "http.response.body", "body": b"fine"})

    gateway = wrapped(app, "asgi")
    assert HOSTS[host](gateway, Request("GET", b"/leak")).status == 500
    assert "CancelledError" in caplog.text
    assert HOSTS[host](gateway, Request("GET", b"/here")).body == b"fine"


def abort_late(abort: str) -> None:
    """Abort, or leave the cancellation of the running task to its end."""
    if abort != "pending cancellation":
        raise ABORTS[abort]()
    task = asyncio.current_task()
    assert task is not None
    task.cancel()


def aborting_late(abort: str) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [TYPE]})
        await send({"type": "http.response.body", "body": b"whole"})
        abort_late(abort)

    return app


late = pytest.mark.parametrize("abort", [*ABORTS, "pending cancellation"])


@late
@pytest.mark.parametrize("host", [host for host in HOSTS if host != "asgi"])
def test_an_application_that_aborts_after_its_response_has_answered(
    host: str, abort: str, caplog: pytest.LogCaptureFixture
) -> None:
    response = HOSTS[host](wrapped(aborting_late(abort), "asgi"), Request("GET", b"/"))
    assert (response.status, response.body) == (200, b"whole")
    assert caplog.text.count("failed after its response was complete") == 1


@late
@pytest.mark.parametrize("host", HOSTS)
def test_an_application_that_aborts_after_its_response_is_an_exception_when_asked(
    host: str, abort: str
) -> None:
    gateway = wrapped(aborting_late(abort), "asgi", "raise")
    error: Any = RuntimeError if abort == "stop" else unigate.ApplicationAborted
    with pytest.raises(error):
        HOSTS[host](gateway, Request("GET", b"/"))


@pytest.mark.parametrize("host", HOSTS)
def test_a_cancellation_that_an_application_has_handled_is_none(
    host: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        abort_late("pending cancellation")
        try:
            await asyncio.sleep(20)
        except asyncio.CancelledError:
            await send({"type": "http.response.start", "status": 200, "headers": [TYPE]})
            await send({"type": "http.response.body", "body": b"whole"})

    assert HOSTS[host](wrapped(app, "asgi"), Request("GET", b"/")).body == b"whole"
    assert not caplog.records


def result_of_cancelled() -> None:
    """Raise the CancelledError of concurrent.futures, which is an ordinary exception."""
    future: Future[None] = Future()
    future.cancel()
    future.result()


def taking_a_result(interface: str) -> Any:
    def wsgi(environ: Any, start_response: Any) -> Any:
        result_of_cancelled()

    async def asgi(scope: Any, receive: Any, send: Any) -> None:
        result_of_cancelled()

    return {"wsgi": wsgi, "asgi": asgi}[interface]


@every_interface
@pytest.mark.parametrize("host", HOSTS)
def test_the_result_of_a_cancelled_future_is_an_ordinary_failure(
    host: str, interface: str, caplog: pytest.LogCaptureFixture
) -> None:
    gateway = wrapped(taking_a_result(interface), interface)
    assert HOSTS[host](gateway, Request("GET", b"/here")).status == 500
    assert "in result_of_cancelled" in caplog.text
    raising = wrapped(taking_a_result(interface), interface, "raise")
    with pytest.raises(CancelledError):
        HOSTS[host](raising, Request("GET", b"/here"))


@pytest.mark.parametrize("asynchronous", [False, True])
def test_the_result_of_a_cancelled_future_is_an_ordinary_failure_of_a_function(
    asynchronous: bool,
) -> None:
    gateway = unigate.wrap(taking_a_result("wsgi"), interface="wsgi")

    def take(event: Any, context: Any) -> None:
        result_of_cancelled()

    async def take_later(event: Any, context: Any) -> None:
        result_of_cancelled()

    gateway.on_event("sqs")(take_later if asynchronous else take)
    event = {"Records": [{"eventSource": "aws:sqs"}]}
    with pytest.raises(CancelledError):
        gateway.lambda_handler(event)
    with pytest.raises(CancelledError):
        asyncio.run(gateway.handle(event))


@every_interface
def test_a_request_that_its_server_cancels_is_cancelled(interface: str) -> None:
    begun, ended = threading.Event(), threading.Event()

    async def asgi(scope: Any, receive: Any, send: Any) -> None:
        begun.set()
        try:
            await asyncio.sleep(20)
        finally:
            ended.set()

    def wsgi(environ: Any, start_response: Any) -> Any:
        begun.set()
        ended.wait(20)
        start_response("204 No Content", [])
        return []

    async def serve() -> None:
        gateway = wrapped({"asgi": asgi, "wsgi": wsgi}[interface], interface)
        messages: asyncio.Queue[Any] = asyncio.Queue()
        messages.put_nowait({"type": "http.request"})
        scope = asgi_scope(Request("GET", b"/"))
        task = asyncio.ensure_future(gateway.asgi(scope, messages.get, send))
        assert await asyncio.to_thread(begun.wait, 20)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert interface == "wsgi" or ended.is_set()
        ended.set()

    async def send(message: Any) -> None:
        raise AssertionError("nothing is sent to a client that has gone")

    asyncio.run(serve())


def test_a_request_may_be_cancelled_before_it_begins() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(20)  # with Python 3.12 and later it has begun
        raise Odd

    async def serve() -> None:
        gateway = wrapped(app, "asgi")
        for door in (
            gateway.handle(GET),
            gateway.asgi(asgi_scope(Request("GET", b"/")), asyncio.Event().wait, print),
        ):
            task = asyncio.ensure_future(door)
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(serve())


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("door", ["lambda_handler", "handle"])
@every_abort
def test_an_aborted_function_is_an_exception(abort: str, door: str, asynchronous: bool) -> None:
    gateway = unigate.wrap(aborting("wsgi", abort))

    def take(event: Any, context: Any) -> Any:
        raise ABORTS[abort]()

    async def take_later(event: Any, context: Any) -> Any:
        raise ABORTS[abort]()

    gateway.on_event("sqs")(take_later if asynchronous else take)
    event = {"Records": [{"eventSource": "aws:sqs"}]}
    own = RuntimeError if asynchronous and abort == "stop" else unigate.ApplicationAborted
    doors: dict[str, Callable[[], Any]] = {
        "lambda_handler": lambda: gateway.lambda_handler(event),
        "handle": lambda: asyncio.run(gateway.handle(event)),
    }
    with pytest.raises(own):
        doors[door]()


def test_an_aborted_websocket_is_an_exception_for_the_server() -> None:
    gateway = wrapped(aborting("asgi", "cancellation"), "asgi")
    scope = {**asgi_scope(Request("GET", b"/")), "type": "websocket"}
    with pytest.raises(unigate.ApplicationAborted):
        asyncio.run(gateway.asgi(scope, asyncio.Event().wait, asyncio.Event().wait))


@pytest.mark.parametrize("group", [False, True])
@pytest.mark.parametrize("host", HOSTS)
@every_interface
def test_a_wish_to_exit_gets_through_every_door(interface: str, host: str, group: bool) -> None:
    error = BaseExceptionGroup("two", [SystemExit(3), KeyError()]) if group else SystemExit(3)

    def wsgi(environ: Any, start_response: Any) -> Any:
        raise error

    async def asgi(scope: Any, receive: Any, send: Any) -> None:
        raise error

    with pytest.raises(type(error)):
        HOSTS[host](wrapped({"wsgi": wsgi, "asgi": asgi}[interface], interface), Request("GET"))
