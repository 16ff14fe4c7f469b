"""PEP 3333, on both roads: called directly for an event, bridged under an ASGI server."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from typing import Any
from wsgiref.validate import validator

import pytest
from werkzeug.middleware.lint import LintMiddleware

import unigate
from tests.hosts import HOSTS, asgi_scope, wsgi_environ
from unigate import Headers, Request, Response
from unigate.context import current_request_var

ROADS = {"direct": HOSTS["generic"], "bridged": HOSTS["asgi"]}
TEXT = [("Content-Type", "text/plain")]

both_roads = pytest.mark.parametrize("road", ROADS)


def ask(road: str, app: Any, request: Request | None = None, **options: Any) -> Response:
    """Ask an application on one of the two roads."""
    gateway = unigate.wrap(app, interface="wsgi", **options)
    return ROADS[road](gateway, request or Request("GET", b"/"))


def post(body: bytes) -> Request:
    return Request("POST", b"/", headers=Headers([("content-length", str(len(body)))]), body=body)


@both_roads
def test_exc_info_before_output_replaces_the_headers(road: str) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("X-First", "1")])
        try:
            raise KeyError("lost")
        except KeyError:
            start_response("503 Gone wrong", TEXT, sys.exc_info())
        return [b"an error page"]

    response = ask(road, app)
    assert (response.status, response.body) == (503, b"an error page")
    assert "x-first" not in response.headers


def _fails_after_output(environ: Any, start_response: Any) -> Iterator[bytes]:
    start_response("200 OK", TEXT)
    yield b"begun"
    try:
        raise KeyError("lost")
    except KeyError:
        start_response("500 Too late", TEXT, sys.exc_info())


def test_exc_info_after_output_is_a_plain_500_while_that_can_be_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    response = ask("direct", _fails_after_output)
    assert (response.status, response.body) == (500, b"Internal Server Error")
    assert "KeyError" in caplog.text


def test_exc_info_after_output_reaches_the_server_of_a_live_connection() -> None:
    with pytest.raises(KeyError, match="lost"):
        ask("bridged", _fails_after_output)


@both_roads
def test_write_sends_before_what_is_returned(road: str) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        write = start_response("200 OK", TEXT)
        write(b"one,")
        write(b"two,")
        return [b"three"]

    assert ask(road, app).body == b"one,two,three"


@both_roads
def test_chunks_may_be_anything_like_bytes(road: str) -> None:
    assert ask(road, _returning([bytearray(b"a"), memoryview(b"b"), b"c"])).body == b"abc"


@both_roads
@pytest.mark.parametrize("chunk", ["text", None, 7])
def test_chunks_of_anything_else_are_refused(road: str, chunk: Any) -> None:
    with pytest.raises(TypeError, match="A WSGI body must yield bytes: "):
        ask(road, _returning([b"begun", chunk]), on_error="raise")


@both_roads
def test_what_is_written_before_the_status_is_refused(road: str) -> None:
    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        yield b"early"
        start_response("200 OK", TEXT)

    with pytest.raises(unigate.IncompleteResponse, match="before it called start_response"):
        ask(road, app, on_error="raise")


@both_roads
def test_generator_may_start_the_response_at_its_first_step(road: str) -> None:
    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        yield b""
        start_response("201 Created", TEXT)
        yield b"late"

    with pytest.raises(unigate.IncompleteResponse, match="before it called start_response"):
        ask(road, app, on_error="raise")

    def lazy(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("201 Created", TEXT)
        yield b"lazy"

    response = ask(road, lazy)
    assert (response.status, response.body) == (201, b"lazy")


class Body:
    """An iterable that notes when it is closed."""

    def __init__(self, parts: list[bytes | Exception]) -> None:
        self.parts = parts
        self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        for part in self.parts:
            if isinstance(part, Exception):
                raise part
            yield part

    def close(self) -> None:
        self.closed += 1


def _returning(body: Any) -> Callable[[Any, Any], Any]:
    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", TEXT)
        return body

    return app


@both_roads
def test_body_is_closed_once_when_all_went_well(road: str) -> None:
    body = Body([b"a", b"b"])
    assert ask(road, _returning(body)).body == b"ab"
    assert body.closed == 1


@both_roads
def test_body_is_closed_when_iterating_it_fails(road: str) -> None:
    body = Body([ValueError("broken")])
    assert ask(road, _returning(body)).status == 500
    assert body.closed == 1


def test_middleware_and_server_may_both_close_a_body() -> None:
    body = Body([b"a", b"b"])
    gateway = unigate.wrap(_returning(body))
    served = gateway.wsgi(wsgi_environ(Request("GET", b"/")), lambda status, fields: None)
    assert b"".join(served) == b"ab"
    served.close()
    outer = unigate.Request("GET", b"/outer")
    token = current_request_var.set(outer)
    served.close()
    assert body.closed == 1
    assert unigate.current_request() is outer
    current_request_var.reset(token)


def test_body_is_closed_early_when_the_client_has_gone() -> None:
    body = Body([b"x" * 10] * 1000)
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)
        if len(sent) > 2:
            raise OSError("gone")

    async def receive() -> Any:
        return {"type": "http.request"}

    gateway = unigate.wrap(_returning(body))
    asyncio.run(gateway.asgi(asgi_scope(Request("GET", b"/")), receive, send))
    assert body.closed == 1
    assert len(sent) < 30


@both_roads
@pytest.mark.parametrize(
    ("read", "expected"),
    [
        (lambda body: [body.readline(100)], [b"line1\n"]),
        (lambda body: [body.readline(3), body.readline()], [b"lin", b"e1\n"]),
        (lambda body: body.readlines(), [b"line1\n", b"line2"]),
        (lambda body: list(body), [b"line1\n", b"line2"]),
        (lambda body: [body.read(4), body.read(4), body.read()], [b"line", b"1\nli", b"ne2"]),
        (lambda body: [body.read(), body.read()], [b"line1\nline2", b""]),
    ],
)
def test_input_reads_like_a_file(road: str, read: Any, expected: list[bytes]) -> None:
    seen: list[bytes] = []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        seen.extend(read(environ["wsgi.input"]))
        start_response("204 No Content", [])
        return []

    ask(road, app, post(b"line1\nline2"), on_error="raise")
    assert seen == expected


@both_roads
@pytest.mark.parametrize(
    ("status", "headers", "body", "words"),
    [
        ("2OO OK", [], [], "three digits"),
        ("20", [], [], "three digits"),
        ("200OK", [], [], "three digits"),
        ("200 OK", [("X", 1)], [], "must be str"),
        ("200 OK", [("X", "a\r\nSet-Cookie: b")], [], "line break"),
        ("200 OK", [], ["text"], "str"),
    ],
)
def test_what_breaks_the_rules_is_a_500_and_named_in_the_log(
    road: str,
    status: str,
    headers: Any,
    body: Any,
    words: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def app(environ: Any, start_response: Any) -> Any:
        start_response(status, headers)
        return body

    response = ask(road, app)
    assert (response.status, response.body) == (500, b"Internal Server Error")
    assert words in caplog.text


@both_roads
def test_application_that_never_starts_a_response_is_a_500(
    road: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert ask(road, lambda environ, start_response: []).status == 500
    assert "never called start_response" in caplog.text


@both_roads
def test_second_start_without_exc_info_is_an_error(road: str) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", TEXT)
        start_response("200 OK", TEXT)
        return []

    with pytest.raises(RuntimeError, match="second time"):
        ask(road, app, on_error="raise")


@both_roads
def test_status_needs_no_reason(road: str) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200", TEXT)
        return [b"ok"]

    assert ask(road, app).status == 200


@both_roads
def test_hop_by_hop_headers_stay_behind(road: str) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [*TEXT, ("Connection", "close"), ("Keep-Alive", "5")])
        return [b"ok"]

    assert [name for name, _ in ask(road, app).headers] == ["content-type"]


@both_roads
def test_whitespace_around_a_value_is_not_passed_on(road: str) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", " text/plain ")])
        return [b"ok"]

    assert ask(road, app).headers["content-type"] == "text/plain"


@both_roads
@pytest.mark.parametrize(("method", "status"), [("HEAD", "200 OK"), ("GET", "204 No Content")])
def test_no_body_where_none_belongs(road: str, method: str, status: str) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response(status, [("Content-Length", "4")])
        return [b"body"]

    response = ask(road, app, Request(method, b"/"))
    assert response.body == b""
    assert ("content-length" in response.headers) == (method == "HEAD")


@both_roads
def test_environ_says_what_pep_3333_asks(road: str) -> None:
    seen: dict[str, Any] = {}

    def app(environ: Any, start_response: Any) -> list[bytes]:
        seen.update(environ)
        start_response("204 No Content", [])
        return []

    request = Request(
        "GET",
        b"/caf%C3%A9/%FF",
        query_string=b"q=\xe9",
        headers=Headers([("host", "[::1]:3000")]),
        server=("::1", 3000),
        client=("203.0.113.7", 4711),
    )
    ask(road, app, request, on_error="raise")
    assert seen["PATH_INFO"] == "/caf\xc3\xa9/\xff"
    assert (seen["SCRIPT_NAME"], seen["REQUEST_METHOD"]) == ("", "GET")
    assert (seen["SERVER_NAME"], seen["SERVER_PORT"]) == ("[::1]", "3000")
    assert seen["SERVER_PROTOCOL"] == "HTTP/1.1"
    assert seen["wsgi.errors"] is sys.stderr
    assert (seen["wsgi.multithread"], seen["wsgi.multiprocess"]) == (True, False)
    assert "CONTENT_LENGTH" not in seen
    assert "CONTENT_TYPE" not in seen
    if road == "bridged":  # a hand-written event names no peer, and its query is text
        assert (seen["REMOTE_ADDR"], seen["REMOTE_PORT"]) == ("203.0.113.7", "4711")
        assert seen["QUERY_STRING"] == "q=\xe9"


def test_root_path_is_cut_at_a_boundary_only() -> None:
    seen: list[str] = []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        seen.extend([environ["SCRIPT_NAME"], environ["PATH_INFO"]])
        start_response("204 No Content", [])
        return []

    for path in (b"/api/y", b"/apix/y", b"/api"):
        ask("bridged", app, Request("GET", path, root_path="/api"))
    assert seen == ["/api", "/y", "/api", "/apix/y", "/api", "/"]


@both_roads
def test_current_request_is_there_while_the_body_is_made(road: str) -> None:
    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        assert environ["unigate.request"] is unigate.current_request()
        start_response("200 OK", TEXT)
        yield unigate.current_request().path.encode()

    assert ask(road, app, Request("GET", b"/here")).body == b"/here"
    with pytest.raises(LookupError, match="no current request"):
        unigate.current_request()


def _reads_and_answers(environ: Any, start_response: Any) -> Iterator[bytes]:
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    start_response("200 OK", [*TEXT, ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")])
    return iter([body, b"!"])


@both_roads
@pytest.mark.parametrize("checked", [validator, LintMiddleware])
def test_what_we_hand_to_an_application_passes_the_validators(road: str, checked: Any) -> None:
    response = ask(road, checked(_reads_and_answers), post(b"hello"), on_error="raise")
    assert (response.status, response.body) == (200, b"hello!")
    assert response.headers.getlist("set-cookie") == ["a=1", "b=2"]


def test_bridged_applications_run_side_by_side() -> None:
    import threading

    together = threading.Barrier(8, timeout=10)

    def app(environ: Any, start_response: Any) -> list[bytes]:
        together.wait()
        start_response("204 No Content", [])
        return []

    gateway = unigate.wrap(app)

    async def ask_once() -> int:
        statuses: list[int] = []

        async def receive() -> Any:
            return {"type": "http.request"}

        async def send(message: Any) -> None:
            statuses.append(message.get("status", 0))

        await gateway.asgi(asgi_scope(Request("GET", b"/")), receive, send)
        return statuses[0]

    async def ask_all() -> list[int]:
        return await asyncio.gather(*(ask_once() for _ in range(8)))

    assert asyncio.run(ask_all()) == [204] * 8
