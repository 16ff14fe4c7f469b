"""ASGI applications: a request in memory, and behind a WSGI server."""

from __future__ import annotations

import asyncio
import io
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

import unigate
from tests.hosts import HOSTS, ask_asgi, wsgi_environ
from unigate import Headers, Request, Response

pytestmark = pytest.mark.usefixtures("bounded")
START = {"type": "http.response.start", "status": 200, "headers": []}
ROADS = {name: HOSTS[name] for name in ("generic", "wsgi", "handle")}
every_road = pytest.mark.parametrize("road", ROADS)


def ask(road: str, app: Any, request: Request | None = None, **options: Any) -> Response:
    """Ask an application that lives on a loop of ours."""
    gateway = unigate.wrap(app, interface="asgi", lifespan="off", **options)
    return ROADS[road](gateway, request or Request("GET", b"/empty"))


def sends(*messages: dict[str, Any]) -> Any:
    """Return an application that sends these messages, whatever it is asked."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        for message in messages:
            await send(message)

    return app


TEXT = {**START, "headers": [(b"content-type", b"text/plain")]}


@every_road
def test_body_message_may_leave_out_the_body(road: str) -> None:
    app = sends(
        TEXT,
        {"type": "http.response.body", "body": b"a", "more_body": True},
        {"type": "http.response.body"},
    )
    assert ask(road, app).body == b"a"


@every_road
@pytest.mark.parametrize(
    ("messages", "words"),
    [
        ([], "returned without a response"),
        ([TEXT], "returned before the end of its response"),
    ],
)
def test_application_without_a_whole_response_is_a_500(
    road: str, messages: Any, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    response = ask(road, sends(*messages))
    assert response.status == 500
    assert words in caplog.text


def test_unfinished_body_in_memory_is_a_500(caplog: pytest.LogCaptureFixture) -> None:
    app = sends(TEXT, {"type": "http.response.body", "body": b"a", "more_body": True})
    response = ask("generic", app)
    assert (response.status, response.body) == (500, b"Internal Server Error")
    assert "before the end of its response" in caplog.text


def test_late_message_is_refused_and_the_response_stands(
    caplog: pytest.LogCaptureFixture,
) -> None:
    last = {"type": "http.response.body", "body": b"done"}
    response = ask("generic", sends(TEXT, last, last))
    assert (response.status, response.body) == (200, b"done")
    assert "out of order" in caplog.text


@pytest.mark.parametrize(
    "messages",
    [
        [{"type": "http.response.body", "body": b"early"}],
        [START, START],
        [{"type": "http.response.push", "path": "/x"}],
        [{"type": "websocket.send", "text": "x"}],
    ],
)
def test_message_out_of_turn_is_an_error(messages: Any) -> None:
    with pytest.raises(RuntimeError, match="out of order"):
        ask("generic", sends(*messages), on_error="raise")


def test_failure_after_the_response_is_logged_and_the_response_stands(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def view(request: Any) -> Any:
        raise KeyError("lost")

    app = Starlette(routes=[Route("/empty", view)], exception_handlers={500: _error_page})
    response = ask("generic", app)
    assert (response.status, response.body) == (500, b"our page")
    assert "KeyError: 'lost'" in caplog.text
    with pytest.raises(KeyError, match="lost"):
        ask("generic", app, on_error="raise")


async def _error_page(request: Any, error: Exception) -> Any:
    return PlainTextResponse("our page", 500)


@every_road
def test_background_task_is_done_when_the_call_returns(road: str) -> None:
    done: list[str] = []

    async def later() -> None:
        await asyncio.sleep(0)
        done.append("yes")

    async def view(request: Any) -> Any:
        return PlainTextResponse("ok", background=BackgroundTask(later))

    assert ask(road, Starlette(routes=[Route("/empty", view)])).body == b"ok"
    assert done == ["yes"]


@every_road
@pytest.mark.parametrize("wrapped", [False, True])
def test_streaming_response_arrives_whole(road: str, wrapped: bool) -> None:
    async def parts() -> Any:
        for part in ("one,", "two,", "three"):
            await asyncio.sleep(0)
            yield part

    async def view(request: Any) -> Any:
        assert not await request.is_disconnected()
        return StreamingResponse(parts(), media_type="text/plain")

    async def untouched(request: Any, call_next: Any) -> Any:
        return await call_next(request)

    middleware = [Middleware(BaseHTTPMiddleware, dispatch=untouched)] if wrapped else []
    app = Starlette(routes=[Route("/empty", view)], middleware=middleware)
    assert ask(road, app).body == b"one,two,three"


@every_road
def test_receive_waits_after_the_body_until_the_response_is_out(road: str) -> None:
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append((await receive())["type"])
        waiting = asyncio.ensure_future(receive())
        await asyncio.sleep(0)
        seen.append(f"done: {waiting.done()}")
        await send(TEXT)
        await send({"type": "http.response.body", "body": b"ok"})
        seen.append((await waiting)["type"])

    assert ask(road, app).body == b"ok"
    assert seen == ["http.request", "done: False", "http.disconnect"]


def test_two_may_wait_for_the_end() -> None:
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        waiting = [asyncio.ensure_future(receive()) for _ in range(2)]
        await asyncio.sleep(0)
        await send(TEXT)
        await send({"type": "http.response.body"})
        seen.extend([message["type"] for message in await asyncio.gather(*waiting)])

    ask("generic", app)
    assert seen == ["http.disconnect", "http.disconnect"]


def test_receive_after_the_response_is_a_disconnect_at_once() -> None:
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(TEXT)
        await send({"type": "http.response.body"})
        seen.extend([(await receive())["type"], (await receive())["type"]])

    ask("generic", app)
    assert seen == ["http.request", "http.disconnect"]


@every_road
def test_scope_holds_what_the_application_expects(road: str) -> None:
    seen: dict[str, Any] = {}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.update(scope)
        await send({**START, "status": 204})
        await send({"type": "http.response.body"})

    request = Request(
        "PUT",
        b"/a%2Fb/caf%C3%A9",
        query_string=b"x=1",
        headers=Headers([("Host", "example.org:8443")]),
        server=("example.org", 8443),
    )
    ask(road, app, request)
    assert (seen["type"], seen["method"], seen["asgi"]["version"]) == ("http", "PUT", "3.0")
    assert seen["path"] == "/a/b/café"
    if road != "handle":  # an HTTP API decodes the path before anybody sees it
        assert seen["raw_path"] == b"/a%2Fb/caf%C3%A9"
    assert seen["query_string"] == b"x=1"
    assert (b"host", b"example.org:8443") in seen["headers"]
    assert tuple(seen["server"]) == ("example.org", 8443)
    assert seen["root_path"] == ""
    assert seen["unigate.request"] is seen["state"]["unigate"]


def test_current_request_and_state_are_at_hand_in_a_view() -> None:
    async def view(request: Any) -> Any:
        assert request.state.unigate is unigate.current_request()
        return PlainTextResponse(unigate.current_request().path)

    app = unigate.wrap(Starlette(routes=[Route("/x", view)]))
    for host in ("generic", "asgi"):
        assert HOSTS[host](app, Request("GET", b"/x")).body == b"/x"
    with pytest.raises(LookupError):
        unigate.current_request()


def test_every_chunked_upload_reaches_an_application_behind_a_wsgi_server() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        await send(TEXT)
        await send({"type": "http.response.body", "body": body})

    environ = wsgi_environ(Request("POST", b"/"))
    environ.update({"wsgi.input": io.BytesIO(b"chunked"), "wsgi.input_terminated": True})
    started: list[Any] = []
    body: Any = unigate.wrap(app, lifespan="off").wsgi(environ, lambda *a: started.append(a))
    assert b"".join(body) == b"chunked"
    body.close()
    assert started[0][0] == "200 OK"


def test_application_is_cancelled_when_the_wsgi_server_gives_up() -> None:
    import threading

    cancelled = threading.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(TEXT)
        try:
            while True:
                await send({"type": "http.response.body", "body": b"x", "more_body": True})
        except asyncio.CancelledError:
            cancelled.set()
            raise

    gateway = unigate.wrap(app, lifespan="off")
    body: Any = gateway.wsgi(wsgi_environ(Request("GET", b"/")), lambda *call: None)
    assert next(iter(body)) == b"x"
    body.close()
    assert cancelled.wait(10)


def test_failure_before_the_response_is_a_plain_500_behind_a_wsgi_server(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise KeyError("lost")

    response = ask("wsgi", app)
    assert (response.status, response.body) == (500, b"Internal Server Error")
    assert "KeyError: 'lost'" in caplog.text


def test_failure_half_way_breaks_off_the_connection_behind_a_wsgi_server() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(TEXT)
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise KeyError("lost")

    with pytest.raises(KeyError, match="lost"):
        ask("wsgi", app)


def test_failure_after_the_response_is_told_once_a_wsgi_server_has_sent_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(TEXT)
        await send({"type": "http.response.body", "body": b"whole"})
        raise KeyError("lost")

    assert ask("wsgi", app).body == b"whole"
    assert "KeyError: 'lost'" in caplog.text
    environ = wsgi_environ(Request("GET", b"/"))
    body: Any = unigate.wrap(app, on_error="raise").wsgi(environ, lambda *start: None)
    assert list(body) == [b"whole"]
    with pytest.raises(KeyError, match="lost"):
        body.close()


def test_live_application_that_stops_half_way_is_left_to_the_server() -> None:
    app = sends(TEXT, {"type": "http.response.body", "body": b"a", "more_body": True})
    with pytest.raises(unigate.IncompleteResponse, match="before the end of its response"):
        ask_asgi(unigate.wrap(app, interface="asgi").asgi, Request("GET", b"/"))


def test_nobody_is_owed_a_response_who_has_gone() -> None:
    sent: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert (await receive())["type"] == "http.disconnect"

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    from tests.hosts import asgi_scope

    asyncio.run(unigate.wrap(app).asgi(asgi_scope(Request("GET", b"/")), receive, send))
    assert sent == []


FIELDS = [(b"x-a", b"1"), (b"x-a", b"2")]
WITH_FIELDS = [
    ("http", {"type": "http.response.start", "status": 200}),
    ("http", {"type": "http.response.push", "path": "/x"}),
    ("http", {"type": "http.response.trailers", "more_trailers": False}),
    ("websocket", {"type": "websocket.accept"}),
    ("websocket", {"type": "websocket.http.response.start", "status": 403}),
]


def told(kind: str, message: Any) -> list[Any]:
    """Return what the server is told of an application that sends a message."""
    messages: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(message)
        if kind == "http":
            await send({"type": "http.response.body"})

    async def send(message: Any) -> None:
        messages.append(message)

    from tests.hosts import asgi_scope

    scope = {**asgi_scope(Request("GET", b"/")), "type": kind}
    gateway = unigate.wrap(app, lifespan="off", on_error="raise")
    asyncio.run(gateway.asgi(scope, asyncio.Event().wait, send))
    return messages


@pytest.mark.parametrize(("kind", "message"), WITH_FIELDS)
def test_a_server_gets_the_fields_of_any_message_in_a_list(kind: str, message: Any) -> None:
    for fields in (FIELDS, tuple(FIELDS), iter(FIELDS), (field for field in FIELDS)):
        assert told(kind, {**message, "headers": fields})[0] == {**message, "headers": FIELDS}
    many = [(bytearray(name), memoryview(value)) for name, value in FIELDS]
    assert told(kind, {**message, "headers": many})[0] == {**message, "headers": FIELDS}


@pytest.mark.parametrize(("kind", "message"), WITH_FIELDS)
@pytest.mark.parametrize(
    "field",
    [
        *[(b"x-a", b"1\r\nx-b: 2"), (b"x-a", b"1\n"), (b"x-a", b"\r"), (b"x-a", b"\0")],
        *[(b"x a", b"1"), (b"", b"1")],
    ],
)
def test_a_server_gets_no_field_that_could_be_another(kind: str, message: Any, field: Any) -> None:
    for fields in ([(b"x-a", b"1"), field], iter([field])):
        with pytest.raises(ValueError, match="line break or NUL"):
            told(kind, {**message, "headers": fields})


@pytest.mark.parametrize("value", [b"x", b"-1", b"1" * 20, b"\xb2"])
def test_a_server_gets_no_length_that_is_not_a_number(value: bytes) -> None:
    fields = [(b"x-a", b"1"), (b"Content-Length", value)]
    with pytest.raises(ValueError, match="Content-Length must be 1 to 19 digits"):
        told("http", {"type": "http.response.start", "status": 200, "headers": fields})


def test_a_server_gets_one_length() -> None:
    start = {"type": "http.response.start", "status": 200}
    twice = [(b"content-length", b"0"), (b"x-a", b"1"), (b"Content-Length", b"0")]
    told_fields = told("http", {**start, "headers": twice})[0]["headers"]
    assert [name.lower() for name, _ in told_fields] == [b"x-a", b"content-length"]


@pytest.mark.parametrize("status", ["403", 99, 101, None])
def test_the_status_that_refuses_a_websocket_is_checked(status: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="The status of a response must be"):
        told("websocket", {"type": "websocket.http.response.start", "status": status})


@pytest.mark.parametrize(
    "message",
    [
        {"type": "http.response.push", "path": "/x", "headers": []},
        {"type": "http.response.early_hint", "links": iter([b"</a>; rel=preload"])},
        {"type": "http.response.debug", "info": {}},
        {"type": "http.response.zerocopysend", "file": 3, "more_body": True},
    ],
)
def test_a_message_that_is_not_the_end_is_not_taken_for_it(message: Any) -> None:
    app = sends(TEXT, message)
    with pytest.raises(unigate.IncompleteResponse, match="before the end of its response"):
        ask_asgi(unigate.wrap(app, interface="asgi").asgi, Request("GET", b"/"))


@pytest.mark.parametrize("kind", ["pathsend", "zerocopysend"])
def test_a_file_may_be_the_whole_response(kind: str) -> None:
    messages: list[Any] = []

    async def send(message: Any) -> None:
        messages.append(message)

    from tests.hosts import asgi_scope

    file = {"type": f"http.response.{kind}", "path": "/etc/hostname"}
    gateway = unigate.wrap(sends(TEXT, file), interface="asgi", lifespan="off", on_error="raise")
    asyncio.run(gateway.asgi(asgi_scope(Request("GET", b"/")), asyncio.Event().wait, send))
    assert messages[1] == file
