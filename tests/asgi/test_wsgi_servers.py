"""ASGI applications behind a WSGI server: requests are read and responses sent in its thread."""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import Callable
from typing import Any

import pytest

import unigate
from tests.hosts import wsgi_environ
from unigate import Headers, Request

pytestmark = pytest.mark.usefixtures("bounded")

START = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/x")]}
END = {"type": "http.response.body"}


def part(body: bytes) -> dict[str, Any]:
    return {"type": "http.response.body", "body": body, "more_body": True}


class Input(io.BytesIO):
    """A request body that notes in which thread it is read, and how much at once."""

    def __init__(self, body: bytes, error: Exception | None = None) -> None:
        super().__init__(body)
        self.reads: list[tuple[threading.Thread, int | None]] = []
        self.error = error

    def read(self, size: int | None = -1) -> bytes:
        self.reads.append((threading.current_thread(), size))
        data = super().read(size)
        if self.error is not None and not data:
            raise self.error
        return data


def ask(app: Any, stream: Any = None, **members: Any) -> tuple[list[str], bytes]:
    """Ask as a WSGI server does; return the statuses that were started, and the body."""
    environ = {**wsgi_environ(Request("POST", b"/")), "wsgi.input": stream, **members}
    started: list[str] = []

    def start_response(status: str, headers: Any, exc_info: Any = None) -> Callable[..., None]:
        started.append(status)
        return lambda data: None

    body: Any = unigate.wrap(app, lifespan="off", interface="asgi").wsgi(environ, start_response)
    parts = list(body)
    if hasattr(body, "close"):
        body.close()
    return started, b"".join(parts)


async def upload(scope: Any, receive: Any, send: Any) -> None:
    """Answer with the request's messages."""
    told = []
    while True:
        message = await receive()
        told.append(f"{message['type']} {len(message.get('body', b''))}")
        if not message.get("more_body"):
            break
    await send(START)
    await send({"type": "http.response.body", "body": ", ".join(told).encode()})


@pytest.mark.parametrize(
    ("body", "members", "told"),
    [
        (b"x" * 100_000, {"CONTENT_LENGTH": "100000"}, "http.request 65536, http.request 34464"),
        (b"x" * 9, {"CONTENT_LENGTH": "4"}, "http.request 4"),
        (b"x" * 9, {}, "http.request 0"),
        (b"x" * 9, {"CONTENT_LENGTH": ""}, "http.request 0"),
        (b"x" * 9, {"CONTENT_LENGTH": "-1"}, "http.request 0"),
        (b"x" * 9, {"CONTENT_LENGTH": "\xb2"}, "http.request 0"),
        (b"x" * 9, {"wsgi.input_terminated": True}, "http.request 9, http.request 0"),
        (b"", {"wsgi.input_terminated": True}, "http.request 0"),
        (b"x" * 4, {"CONTENT_LENGTH": "9"}, "http.request 4, http.disconnect 0"),
    ],
)
def test_a_request_body_is_read_in_parts_to_its_end(
    body: bytes, members: dict[str, Any], told: str
) -> None:
    stream = Input(body)
    assert ask(upload, stream, **members) == (["200 OK"], told.encode())
    assert {thread for thread, _ in stream.reads} <= {threading.current_thread()}
    assert all(size is not None and 0 < size <= 65536 for _, size in stream.reads)


def test_a_server_without_an_input_has_no_body() -> None:
    assert ask(upload, None, CONTENT_LENGTH="4") == (["200 OK"], b"http.request 0")


def test_an_upload_that_breaks_off_is_a_disconnect() -> None:
    stream = Input(b"abc", ConnectionResetError("reset"))
    told = b"http.request 3, http.disconnect 0"
    assert ask(upload, stream, CONTENT_LENGTH="9") == (["200 OK"], told)


def test_any_other_error_of_the_input_fails_the_request(caplog: pytest.LogCaptureFixture) -> None:
    stream = Input(b"", ValueError("no such chunk"))
    assert ask(upload, stream, CONTENT_LENGTH="9") == (["500 Internal Server Error"], PLAIN)
    assert "no such chunk" in caplog.text


PLAIN = b"Internal Server Error"


def test_what_is_read_for_a_receive_that_was_cancelled_is_not_lost() -> None:
    reading, goes_on = threading.Event(), threading.Event()

    class Slow(Input):
        def read(self, size: int | None = -1) -> bytes:
            reading.set()
            assert goes_on.wait(20)
            return super().read(2)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        first = asyncio.ensure_future(receive())
        await asyncio.to_thread(reading.wait, 20)
        first.cancel()
        await asyncio.wait([first])
        goes_on.set()
        bodies = [(await receive())["body"] for _ in range(2)]
        await send(START)
        await send({"type": "http.response.body", "body": b"+".join(bodies)})

    assert ask(app, Slow(b"abcd"), CONTENT_LENGTH="4") == (["200 OK"], b"ab+cd")


@pytest.mark.parametrize(
    "messages",
    [[END], [START, START], [START, END, END], [START, {"type": "http.response.push"}], [{}]],
)
def test_a_message_out_of_order_is_an_error(messages: Any, caplog: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        for message in messages:
            await send(message)

    started, _ = ask(app)
    assert started == (["200 OK"] if END in messages[1:] else ["500 Internal Server Error"])
    assert "out of order" in caplog.text or "KeyError: 'type'" in caplog.text


def test_a_response_starts_with_its_first_part() -> None:
    """Until then, a failure can be answered."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        raise KeyError("lost")

    assert ask(app) == (["500 Internal Server Error"], PLAIN)


def test_an_application_without_a_response_is_a_500(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        pass

    assert ask(app) == (["500 Internal Server Error"], PLAIN)
    assert "returned without a response" in caplog.text


def test_a_part_is_sent_before_the_next_one_is_made() -> None:
    made: list[int] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        for number in range(3):
            made.append(number)
            await send(part(b"%d" % number))
        await send(END)

    gateway = unigate.wrap(app, lifespan="off", interface="asgi")
    seen = []
    body: Any = gateway.wsgi(wsgi_environ(Request("GET")), lambda *args: None)
    for data in body:
        seen.append((data, list(made)))
    body.close()
    assert seen[:3] == [(b"0", [0]), (b"1", [0, 1]), (b"2", [0, 1, 2])]


def test_who_goes_on_after_the_server_has_left_is_told() -> None:
    told: list[str] = []
    over = threading.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            await send(START)
            while True:
                await send(part(b"x"))
        except asyncio.CancelledError:
            try:
                await send(part(b"last words"))
            except OSError as error:
                told.append(str(error))
            told.append((await receive())["type"])
            over.set()

    gateway = unigate.wrap(app, lifespan="off", interface="asgi")
    body: Any = gateway.wsgi(wsgi_environ(Request("GET")), lambda *args: None)
    assert next(body) == b"x"
    body.close()
    assert over.wait(20)
    assert told == ["The client disconnected before the end of the response.", "http.disconnect"]


def test_a_server_that_asks_for_no_part_starts_no_application() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("never")

    gateway = unigate.wrap(app, lifespan="off", interface="asgi")
    body: Any = gateway.wsgi(wsgi_environ(Request("GET")), lambda *args: None)
    body.close()


def test_a_server_that_refuses_the_start_gets_a_500(caplog: pytest.LogCaptureFixture) -> None:
    """A server may refuse what unigate lets pass, as long as it takes the 500."""
    over = threading.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            await send(START)
            await send(END)
        finally:
            over.set()

    def start_response(status: str, headers: Any, exc_info: Any = None) -> None:
        if exc_info is None:
            raise ValueError("no such type")

    gateway = unigate.wrap(app, lifespan="off", interface="asgi")
    environ = wsgi_environ(Request("GET", headers=Headers()))
    body: Any = gateway.wsgi(environ, start_response)
    assert b"".join(body) == PLAIN
    body.close()
    assert "no such type" in caplog.text
    assert over.wait(20)
