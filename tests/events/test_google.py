"""Google Cloud Functions: responses to the request objects that the framework passes."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any
from urllib.parse import quote

import flask
import pytest
from functions_framework import crash_handler, read_request
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request as StarletteRequest
from starlette.responses import JSONResponse
from starlette.responses import Response as StarletteResponse
from starlette.routing import Route
from werkzeug.routing import Rule

import unigate
from tests.events.test_round_trips import FEW, requests
from tests.hosts import ask_asgi, ask_wsgi, wsgi_environ
from unigate.errors import IncompleteResponse
from unigate.events import google
from unigate.events.writing import proxied_headers
from unigate.http import Headers, Response
from unigate.request import Request

Start = Callable[..., Any]
TEXT = [("content-type", "text/plain")]


def framework(wsgi: Any) -> flask.Flask:
    """Return Flask as functions-framework sets it up around a function that has our door."""
    app = flask.Flask("framework")
    app.url_map.add(Rule("/", defaults={"path": ""}, endpoint="run"))
    app.url_map.add(Rule("/<path:path>", endpoint="run"))
    app.view_functions["run"] = lambda path: google.answer(
        wsgi, flask.request._get_current_object()
    )
    app.after_request(read_request)
    app.register_error_handler(500, crash_handler)
    return app


def ask(wsgi: Any, method: str = "GET", path: bytes = b"/a", body: bytes = b"") -> Response:
    fields = [("host", "example.org"), *([("content-length", str(len(body)))] if body else [])]
    client = ("203.0.113.7", 4711)
    request = Request(method, path, headers=Headers(fields), body=body, client=client)
    return ask_wsgi(framework(wsgi), request)


def reply_of(wsgi: Any, method: str = "GET") -> Response:
    """Return an application's response under gunicorn, before a server has changed it."""
    return google.from_reply(google.answer(wsgi, google.make_event(Request(method))))


def fixed(status: str, headers: list[tuple[str, str]], *parts: bytes) -> Any:
    """Return an application that always answers the same, with a list."""

    def app(environ: dict[str, Any], start_response: Start) -> list[bytes]:
        start_response(status, headers)
        return list(parts)

    return app


class Parts:
    """A body that counts the parts that were read and the calls of `close`."""

    def __init__(self, *parts: bytes) -> None:
        self.given = 0
        self.closed = 0
        self._parts = parts

    def __iter__(self) -> Iterator[bytes]:
        for part in self._parts:
            self.given += 1
            yield part

    def close(self) -> None:
        self.closed += 1


def answering(body: Any) -> Any:
    def app(environ: dict[str, Any], start_response: Start) -> Any:
        start_response("200 OK", TEXT)
        return body

    return app


# --- the request ---------------------------------------------------------------------------------


def test_the_common_request_is_of_google_and_holds_flasks() -> None:
    seen: list[Request] = []

    def app(environ: dict[str, Any], start_response: Start) -> list[bytes]:
        seen.append(environ["unigate.request"])
        return fixed("200 OK", TEXT)(environ, start_response)

    event = google.make_event(
        Request("PUT", b"/caf%C3%A9%2Fx", query_string=b"a=1", client=("203.0.113.7", 4711))
    )
    google.answer(unigate.wrap(app).wsgi, event)

    (request,) = seen
    assert (request.source, request.event, request.context) == ("google", event, None)
    assert (request.method, request.raw_path, request.path) == ("PUT", b"/caf%C3%A9%2Fx", "/café/x")
    assert (request.query_string, request.client) == (b"a=1", ("203.0.113.7", 4711))


def test_the_client_is_the_servers_peer_whatever_is_forwarded() -> None:
    seen: list[Any] = []

    def app(environ: dict[str, Any], start_response: Start) -> list[bytes]:
        seen.append(environ["unigate.request"].client)
        return fixed("200 OK", TEXT)(environ, start_response)

    headers = Headers([("x-forwarded-for", "198.51.100.1"), ("x-appengine-user-ip", "::1")])
    request = Request("GET", headers=headers, client=("203.0.113.7", 4711))
    ask_wsgi(framework(unigate.wrap(app).wsgi), request)
    assert seen == [("203.0.113.7", 4711)]


def test_the_frameworks_own_request_is_left_alone() -> None:
    def app(environ: dict[str, Any], start_response: Start) -> list[bytes]:
        environ["PATH_INFO"] = "/changed"
        return fixed("200 OK", TEXT)(environ, start_response)

    event = google.make_event(Request("GET", b"/v1/a"))
    google.answer(unigate.wrap(mounts={"/v1": app}).wsgi, event)
    assert event.environ["PATH_INFO"] == "/v1/a"
    assert event.environ["SCRIPT_NAME"] == ""
    assert "unigate.request" not in event.environ


@pytest.mark.parametrize("status", ["200 OK", "204 No Content"])
@pytest.mark.parametrize("size", [0, 3, 9])
@pytest.mark.parametrize("kind", [list, tuple])
def test_the_framework_reads_what_the_application_has_left(
    kind: Any, size: int, status: str
) -> None:
    def app(environ: dict[str, Any], start_response: Start) -> Any:
        assert environ["wsgi.input"].read(size) == b"nine byte"[:size]
        return kind(fixed(status, TEXT, b"answer")(environ, start_response))

    stream = io.BytesIO(b"nine byte")
    request = Request("POST", headers=Headers([("content-length", "9")]))
    environ = {**wsgi_environ(request), "wsgi.input": stream, "wsgi.input_terminated": True}
    assert ask_environ(app, environ) == (status, b"answer" if status == "200 OK" else b"")
    assert stream.tell() == 9


@pytest.mark.parametrize("status", ["200 OK", "204 No Content"])
@pytest.mark.parametrize("size", [0, 3, 9])
def test_where_a_server_does_not_tell_the_end_nobody_reads_beyond_it(
    size: int, status: str
) -> None:
    def app(environ: dict[str, Any], start_response: Start) -> list[bytes]:
        assert environ["wsgi.input"].read(size) == b"nine byte"[:size]
        return fixed(status, TEXT, b"answer")(environ, start_response)

    stream = io.BytesIO(b"nine byte, and of the next request")
    request = Request("POST", headers=Headers([("content-length", "9")]))
    environ = {**wsgi_environ(request), "wsgi.input": stream}
    assert ask_environ(app, environ) == (status, b"answer" if status == "200 OK" else b"")
    assert stream.tell() == size


def ask_environ(app: Any, environ: dict[str, Any]) -> tuple[str, bytes]:
    started: list[str] = []
    body = framework(app)(environ, lambda status, headers: started.append(status))
    return started[0], b"".join(body)


def test_an_upload_is_not_read_ahead() -> None:
    stream = io.BytesIO(b"x" * 100_000)

    def app(environ: dict[str, Any], start_response: Start) -> Iterator[bytes]:
        start_response("200 OK", TEXT)
        while part := environ["wsgi.input"].read(1000):
            yield str(stream.tell()).encode() + b" "
            assert part == b"x" * 1000

    event = google.make_event(Request("POST", headers=Headers([("content-length", "100000")])))
    event.environ["wsgi.input"] = stream
    with closing(google.answer(app, event)) as reply:
        parts = reply.iter_encoded()
        assert [next(parts), next(parts)] == [b"1000 ", b"2000 "]


# --- the answer ----------------------------------------------------------------------------------


def test_fields_are_sent_in_order_repeated_ones_too() -> None:
    headers = [
        ("vary", "accept"),
        ("set-cookie", "a=1; Expires=Thu, 01 Jan 2026 00:00:00 GMT"),
        ("content-type", "text/plain"),
        ("vary", "x-a"),
        ("set-cookie", "b=2"),
    ]
    assert ask(fixed("201 Created", headers, b"x")) == Response(201, Headers(headers), b"x")


@pytest.mark.parametrize("parts", [(), (b"",), (b"a", b"b")])
@pytest.mark.parametrize("as_list", [True, False])
def test_nothing_is_added(parts: tuple[bytes, ...], as_list: bool) -> None:
    def app(environ: dict[str, Any], start_response: Start) -> Any:
        start_response("200 OK", [("x-a", "1")])
        return list(parts) if as_list else iter(parts)

    # "/no-type" is not checked for a Content-Type.
    answer = ask(app, path=b"/no-type")
    assert answer == Response(200, Headers([("x-a", "1")]), b"".join(parts))


@pytest.mark.parametrize("location", ["/caf\xc3\xa9", "/a?", "//[", "HTTP://Example.org", "/%2f%"])
def test_a_location_is_the_applications_word(location: str) -> None:
    answer = ask(fixed("302 Found", [*TEXT, ("location", location)]))
    assert answer.headers.getlist("location") == [location]


def test_fields_of_the_connection_are_not_an_applications_to_send() -> None:
    fields = [("connection", "close"), ("transfer-encoding", "chunked"), *TEXT]
    assert ask(fixed("200 OK", fields)).headers == Headers(TEXT)


def test_the_status_line_is_the_applications() -> None:
    reply = google.answer(fixed("299 Odd, indeed", TEXT), google.make_event(Request("GET")))
    assert reply.status == "299 Odd, indeed"


@pytest.mark.parametrize("body", [[b"12345"], Parts(b"123", b"45")])
def test_the_answer_to_head_has_its_length_and_no_body(body: Any) -> None:
    def app(environ: dict[str, Any], start_response: Start) -> Any:
        start_response("200 OK", [*TEXT, ("content-length", "5")])
        return body

    assert reply_of(app, "HEAD") == Response(200, Headers([*TEXT, ("content-length", "5")]))
    assert getattr(body, "closed", 1) == 1
    assert ask(app, "HEAD") == Response(200, Headers([*TEXT, ("content-length", "5")]))


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_a_status_without_a_body_has_none_and_no_length(status: str) -> None:
    body = Parts(b"forgotten")

    def app(environ: dict[str, Any], start_response: Start) -> Any:
        fields = [("etag", '"1"'), ("last-modified", "yesterday"), ("content-length", "9")]
        start_response(status, fields)
        return body

    kept = Headers([("etag", '"1"'), ("last-modified", "yesterday")])
    assert reply_of(app) == Response(int(status[:3]), kept)
    assert body.closed == 1
    assert ask(app) == Response(int(status[:3]), kept)


def test_a_body_is_passed_on_as_it_is_made() -> None:
    body = Parts(b"", b"one", b"two", b"three")
    event = google.make_event(Request("GET"))
    reply = google.answer(answering(body), event)

    assert body.given == 2  # to the first part that is not empty, with which a head is sent
    parts = iter(reply(event.environ, lambda status, headers: None))
    assert next(parts) == b"one"
    assert (next(parts), body.given) == (b"two", 3)


def test_a_body_is_closed_once_at_its_end_and_when_nobody_wants_the_rest() -> None:
    for get in (ask, reply_of):
        body = Parts(b"one", b"two")
        assert get(answering(body)).body == b"onetwo"
        assert (body.given, body.closed) == (2, 1)

    body = Parts(b"one", b"two")
    event = google.make_event(Request("GET"))
    sent: Any = google.answer(answering(body), event)(event.environ, lambda status, headers: None)
    assert next(iter(sent)) == b"one"
    assert body.closed == 0
    sent.close()
    assert (body.given, body.closed) == (1, 1)


@pytest.mark.parametrize("rest", [[b"b"], (b"b",), Parts(b"b")], ids=["list", "tuple", "other"])
def test_what_is_written_comes_first(rest: Any) -> None:
    def app(environ: dict[str, Any], start_response: Start) -> Any:
        write = start_response("200 OK", TEXT)
        write(b"w1,")
        write(b"w2,")
        return rest

    assert ask(app).body == reply_of(app).body == b"w1,w2,b"


def test_an_application_may_start_with_its_first_part() -> None:
    def app(environ: dict[str, Any], start_response: Start) -> Iterator[bytes]:
        start_response("200 OK", TEXT)
        yield b"late"

    assert ask(app).body == b"late"


# --- failures ------------------------------------------------------------------------------------


def failing(environ: dict[str, Any], start_response: Start) -> list[bytes]:
    raise RuntimeError("a detail for the log")


def test_a_failure_is_the_gateways_500() -> None:
    answer = ask(unigate.wrap(failing, interface="wsgi").wsgi)
    assert answer == Response.plain(500, "Internal Server Error")


def test_a_failure_after_the_start_is_the_gateways_500_too() -> None:
    def app(environ: dict[str, Any], start_response: Start) -> list[bytes]:
        start_response("200 OK", [("content-length", "0")])
        raise RuntimeError("a detail for the log")

    assert ask(unigate.wrap(app).wsgi) == Response.plain(500, "Internal Server Error")


def fail_at_once(environ: dict[str, Any], start_response: Start) -> Iterator[bytes]:
    start_response("200 OK", TEXT)
    yield b""
    raise RuntimeError("a detail for the log")


@pytest.mark.parametrize(
    "app",
    [
        unigate.wrap(failing, interface="wsgi", on_error="raise").wsgi,
        fail_at_once,
        fixed("200 OK", [("x-a", "1\r\nx-b: 2")]),
        fixed("OK", TEXT),
    ],
)
def test_what_the_function_raises_is_counted_by_the_framework(app: Any) -> None:
    answer = ask(app)
    assert answer.status == 500
    assert answer.headers.get("x-google-status") == "crash"
    assert b"detail" not in answer.body


def test_a_failure_before_the_first_part_can_still_be_answered() -> None:
    def app(environ: dict[str, Any], start_response: Start) -> Iterator[bytes]:
        start_response("200 OK", [("x-a", "1")])
        try:
            yield b""
            raise RuntimeError
        except RuntimeError as error:
            start_response("503 Later", TEXT, (type(error), error, None))
            yield b"later"

    assert ask(app) == Response(503, Headers(TEXT), b"later")


def test_a_failure_half_way_does_not_look_like_an_end() -> None:
    def app(environ: dict[str, Any], start_response: Start) -> Iterator[bytes]:
        start_response("200 OK", TEXT)
        yield b"a part"
        try:
            raise RuntimeError("too late")
        except RuntimeError as error:
            start_response("500 Late", TEXT, (type(error), error, error.__traceback__))
            yield b"an error page"

    reply = google.answer(app, google.make_event(Request("GET")))
    with pytest.raises(RuntimeError, match="too late"):
        google.from_reply(reply)


@pytest.mark.parametrize("parts", [[], [b""], Parts(), Parts(b"x")])
def test_an_application_has_to_start_its_response(parts: Any) -> None:
    event = google.make_event(Request("GET"))
    with pytest.raises(IncompleteResponse, match="never called start_response"):
        google.answer(lambda environ, start_response: parts, event)
    assert getattr(parts, "closed", 1) == 1


def test_a_body_that_fails_at_once_is_closed() -> None:
    class Broken(Parts):
        def __iter__(self) -> Iterator[bytes]:
            raise RuntimeError("broken")

    body = Broken()
    with pytest.raises(RuntimeError, match="broken"):
        google.answer(answering(body), google.make_event(Request("GET")))
    assert body.closed == 1


# --- applications --------------------------------------------------------------------------------


def test_a_flask_application_may_stream_with_its_request() -> None:
    inner = flask.Flask("inner")

    @inner.get("/v1/<name>")
    def view(name: str) -> Any:
        def parts() -> Iterator[str]:
            yield f"{flask.current_app.name} "
            yield flask.request.path

        return flask.Response(flask.stream_with_context(parts()), content_type="text/plain")

    outer = framework(unigate.wrap(inner).wsgi)
    after: list[str] = []
    outer.teardown_request(lambda error: after.append(flask.current_app.name))
    for _ in range(2):
        assert ask_wsgi(outer, Request("GET", b"/v1/x")).body == b"inner /v1/x"
    assert after == ["framework"] * 2
    assert not flask.has_request_context()


def test_a_flask_application_that_streams_may_be_left_half_way() -> None:
    inner = flask.Flask("inner")
    left: list[str] = []

    @inner.get("/")
    def view() -> Any:
        def parts() -> Iterator[str]:
            try:
                yield from "abc"
            finally:
                left.append(flask.request.path)

        return flask.Response(flask.stream_with_context(parts()), content_type="text/plain")

    environ = wsgi_environ(Request("GET"))
    body: Any = framework(unigate.wrap(inner).wsgi)(environ, lambda status, headers: None)
    assert next(iter(body)) == b"a"
    body.close()
    assert left == ["/"]
    assert not flask.has_request_context()


def test_the_request_is_current_as_long_as_its_answer_is_made() -> None:
    seen: list[Any] = []

    def app(environ: dict[str, Any], start_response: Start) -> Iterator[bytes]:
        seen.append(unigate.current_request() is environ["unigate.request"])
        start_response("200 OK", TEXT)
        yield b"one"
        seen.append(unigate.current_request() is environ["unigate.request"])

    event = google.make_event(Request("GET"))
    reply = google.answer(unigate.wrap(app).wsgi, event)
    with pytest.raises(LookupError):
        unigate.current_request()
    google.from_reply(reply)
    assert seen == [True, True]


async def asgi(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        raise RuntimeError("There is no lifespan here.")
    request = scope["unigate.request"]
    body = f"{request.source} {type(request.event).__module__} ".encode()
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    fields = [(b"content-type", b"text/plain"), (b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]
    await send({"type": "http.response.start", "status": 201, "headers": fields})
    await send({"type": "http.response.body", "body": body, "more_body": True})
    await send({"type": "http.response.body", "body": b"."})


def test_an_asgi_application_answers_too() -> None:
    answer = ask(unigate.wrap(asgi).wsgi, "POST", body=b"hello")
    headers = Headers([*TEXT, ("set-cookie", "a=1"), ("set-cookie", "b=2")])
    assert answer == Response(201, headers, b"google flask.wrappers hello.")


# --- functions_framework.aio ---------------------------------------------------------------------


def ask_aio(door: Any, path: bytes, query: bytes = b"", body: bytes = b"") -> Response:
    """Ask Starlette, set up as functions-framework does it."""

    async def function(request: StarletteRequest) -> Any:
        return google.answer_async(door, request)

    starlette = Starlette(routes=[Route("/{path:path}", function, methods=["GET", "POST"])])

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await starlette({**scope, "extensions": {"of.a.server": {}}}, receive, send)

    headers = Headers([("host", "example.org")])
    method = "POST" if body else "GET"
    client = ("203.0.113.7", 4711)
    request = Request(method, path, query_string=query, headers=headers, body=body, client=client)
    return ask_asgi(app, request)


def test_starlettes_request_is_answered_by_the_asgi_door() -> None:
    answer = ask_aio(unigate.wrap(asgi).asgi, b"/a", body=b"hello")
    headers = Headers([*TEXT, ("set-cookie", "a=1"), ("set-cookie", "b=2")])
    assert answer == Response(201, headers, b"google starlette.requests hello.")


def test_nothing_of_the_frameworks_starlette_reaches_the_application() -> None:
    scopes: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scopes.append(scope)
        await StarletteResponse(b"")(scope, receive, send)

    ask_aio(app, b"/caf%C3%A9", b"a=1")
    (scope,) = scopes
    assert scope["path"] == "/café"
    assert scope["query_string"] == b"a=1"
    assert scope["extensions"] == {"of.a.server": {}}
    assert scope["client"] == ("203.0.113.7", 4711)
    names = {"type", "http_version", "method", "scheme", "path", "raw_path", "query_string"}
    names |= {"root_path", "headers", "client", "server", "state", "asgi", "extensions"}
    assert scope.keys() == names | {"unigate.request"}


def test_a_starlette_application_finds_its_own_routes() -> None:
    async def view(request: StarletteRequest) -> JSONResponse:
        return JSONResponse([str(request.url_for("thing", name="b")), request.path_params])

    inner = Starlette(routes=[Route("/things/{name}", view, name="thing")])
    answer = ask_aio(unigate.wrap(inner).asgi, b"/things/a")
    assert json.loads(answer.body) == ["https://example.org/things/b", {"name": "a"}]


# --- for the test client -------------------------------------------------------------------------


@FEW
@given(request=requests())
def test_a_request_survives_as_flasks(request: Request) -> None:
    event = google.make_event(request)
    arrived = Request.from_environ(event.environ)
    # Repeated fields are joined, as in CGI; the body is in the stream; nothing is mounted.
    expected = Request(
        request.method,
        request.raw_path,
        query_string=request.query_string,
        headers=Headers(proxied_headers(request).joined().items()),
        scheme=request.scheme,
        server=request.server,
        client=request.client,
    )
    assert arrived == expected
    assert event.get_data() == request.body


def test_names_with_an_underscore_are_left_out_of_a_request() -> None:
    headers = Headers([("x_forwarded_for", "6.6.6.6"), ("content-type", "text/x")])
    event = google.make_event(Request("GET", headers=headers))
    assert "HTTP_X_FORWARDED_FOR" not in event.environ
    assert event.headers["content-type"] == "text/x"
    assert "REMOTE_ADDR" not in event.environ


@FEW
@given(
    status=st.sampled_from([200, 299, 404, 500]),
    pairs=st.lists(
        st.tuples(
            st.sampled_from(["set-cookie", "vary", "x-a", "content-type"]),
            st.text('aZ0 ,;="\\/\t\x80\xa0\xe9\xff', max_size=6),
        )
    ),
    parts=st.lists(st.binary(max_size=3)),
)
def test_an_answer_survives_as_flasks(
    status: int, pairs: list[tuple[str, str]], parts: list[bytes]
) -> None:
    app = fixed(f"{status} {quote('é')}", pairs, *parts)
    reply = google.answer(app, google.make_event(Request("GET")))
    fields = Headers((name, value.strip(" \t")) for name, value in pairs)
    assert google.from_reply(reply) == Response(status, fields, b"".join(parts))
