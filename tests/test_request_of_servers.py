"""`Request.from_scope` and `Request.from_environ`: what servers pass."""

from __future__ import annotations

from typing import Any

import pytest

import unigate
from tests.hosts import ask_asgi, wsgi_environ
from unigate.http import Headers
from unigate.request import Request


def scope(**members: Any) -> dict[str, Any]:
    """Return an ASGI scope as uvicorn builds it."""
    return {
        "type": "http",
        "method": "POST",
        "path": "/caf\xe9",
        "raw_path": b"/caf%C3%A9",
        "query_string": b"a=1&a=2",
        "headers": [(b"host", b"example.org"), (b"x-a", b"\xe9"), (b"x-a", b"2")],
        "scheme": "https",
        "server": ("127.0.0.1", 8443),
        "client": ("203.0.113.1", 51000),
        "root_path": "",
        "http_version": "2",
    } | members


def environ(**members: Any) -> dict[str, Any]:
    """Return a WSGI environ as PEP 3333 demands it, without what is optional."""
    return {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/caf\xc3\xa9",
        "SERVER_NAME": "example.org",
        "SERVER_PORT": "8443",
        "SERVER_PROTOCOL": "HTTP/1.0",
        "wsgi.url_scheme": "https",
    } | members


def test_a_scope_is_read_whole() -> None:
    request = Request.from_scope(scope(root_path="/v1"))
    assert request.method == "POST"
    assert request.path == "/v1/caf\xe9"  # the server left its root path out
    assert request.raw_path == b"/v1/caf%C3%A9"
    assert request.query_string == b"a=1&a=2"
    assert request.headers.pairs == [("host", "example.org"), ("x-a", "\xe9"), ("x-a", "2")]
    assert request.scheme == "https"
    assert request.server == ("127.0.0.1", 8443)
    assert request.client == ("203.0.113.1", 51000)
    assert request.root_path == "/v1"
    assert request.http_version == "2"
    assert request.source == "asgi"
    assert request.body == b""


def test_a_scope_may_be_minimal() -> None:
    request = Request.from_scope({"type": "http", "path": "/a b"})
    assert request == Request("GET", b"/a%20b", scheme="http", server=("localhost", 80))
    assert request.path == "/a b"


def test_a_websocket_scope_has_no_method() -> None:
    request = Request.from_scope({"type": "websocket", "path": "/", "scheme": "wss"})
    assert request.method == "GET"
    assert request.server == ("localhost", 443)


@pytest.mark.parametrize("raw", [None, b""])
def test_a_scope_without_a_raw_path_has_it_quoted(raw: bytes | None) -> None:
    assert Request.from_scope(scope(raw_path=raw)).raw_path == b"/caf%C3%A9"


def test_a_query_in_the_raw_path_is_no_part_of_it() -> None:
    assert Request.from_scope(scope(raw_path=b"/caf%C3%A9?a=1&a=2")).raw_path == b"/caf%C3%A9"


def test_a_path_rewritten_on_the_way_counts() -> None:
    request = Request.from_scope(scope(path="/n\xe9w"))
    assert (request.path, request.raw_path) == ("/n\xe9w", b"/n%C3%A9w")


def test_cookies_that_http_2_split_are_joined() -> None:
    pairs = [(b"cookie", b"a=1"), (b"x-a", b"1"), (b"cookie", b"b=2")]
    headers = Request.from_scope(scope(headers=pairs)).headers
    assert headers.pairs == [("cookie", "a=1; b=2"), ("x-a", "1")]


def test_a_scope_may_have_no_client_and_a_server_on_a_unix_socket() -> None:
    request = Request.from_scope(scope(client=None, server=("/run/app.sock", None)))
    assert request.client is None
    assert request.server == ("/run/app.sock", 0)


def test_an_environ_is_read_whole() -> None:
    request = Request.from_environ(
        environ(
            SCRIPT_NAME="/v1",
            QUERY_STRING="q=\xe9",
            CONTENT_TYPE="text/plain",
            CONTENT_LENGTH="3",
            HTTP_HOST="example.org",
            HTTP_X_CAFE="caf\xe9",
            REMOTE_ADDR="203.0.113.1",
            REMOTE_PORT="51000",
        )
    )
    assert request.method == "POST"
    assert request.path == "/v1/caf\xe9"
    assert request.raw_path == b"/v1/caf%C3%A9"
    assert request.root_path == "/v1"
    assert request.query_string == b"q=\xe9"
    assert request.headers.pairs == [
        ("content-type", "text/plain"),
        ("content-length", "3"),
        ("host", "example.org"),
        ("x-cafe", "caf\xe9"),
    ]
    assert request.scheme == "https"
    assert request.server == ("example.org", 8443)
    assert request.client == ("203.0.113.1", 51000)
    assert request.http_version == "1.0"
    assert request.source == "wsgi"
    assert request.body == b""


def test_an_environ_may_be_minimal() -> None:
    request = Request.from_environ(environ(PATH_INFO=""))
    assert request == Request(
        "POST", b"/", server=("example.org", 8443), scheme="https", http_version="1.0"
    )


@pytest.mark.parametrize(
    ("members", "path", "raw"),
    [
        ({"REQUEST_URI": "/a%2Fb?x=1", "PATH_INFO": "/a/b"}, "/a/b", b"/a%2Fb"),
        ({"RAW_URI": "/a%2Fb", "PATH_INFO": "/a/b"}, "/a/b", b"/a%2Fb"),
        ({"REQUEST_URI": "", "RAW_URI": "/%7Ex", "PATH_INFO": "/~x"}, "/~x", b"/%7Ex"),
        ({"REQUEST_URI": "/v1/a%2Fb", "SCRIPT_NAME": "/v1", "PATH_INFO": "/a/b"},)
        + ("/v1/a/b", b"/v1/a%2Fb"),
        ({"REQUEST_URI": "//x/", "PATH_INFO": "//x/"}, "//x/", b"//x/"),
        ({"REQUEST_URI": "/%FF", "PATH_INFO": "/\xff"}, "/\ufffd", b"/%FF"),
        # absolute form (RFC 9112 section 3.2.2), as a proxy asks
        ({"REQUEST_URI": "http://example.org/a%2Fb", "PATH_INFO": "/a/b"}, "/a/b", b"/a/b"),
        # rewritten between server and application
        ({"REQUEST_URI": "/old?x=1", "PATH_INFO": "/n\xc3\xa9w"}, "/n\xe9w", b"/n%C3%A9w"),
        ({"PATH_INFO": "/100%25"}, "/100%25", b"/100%2525"),
        ({"PATH_INFO": "/\xff"}, "/\ufffd", b"/%FF"),
    ],
)
def test_the_path_of_an_environ(members: dict[str, str], path: str, raw: bytes) -> None:
    request = Request.from_environ(environ(**members))
    assert (request.path, request.raw_path) == (path, raw)


def test_keys_of_an_environ_that_are_not_text_are_no_fields() -> None:
    members: dict[Any, Any] = {**environ(HTTP_X_A="1"), 5: 6, b"HTTP_X_B": "2", None: "", ("a",): 1}
    assert list(Request.from_environ(members).headers) == [("x-a", "1")]


def test_empty_fields_of_the_body_are_absent() -> None:
    request = Request.from_environ(environ(CONTENT_TYPE="", CONTENT_LENGTH="", HTTP_X_A=""))
    assert request.headers.pairs == [("x-a", "")]


@pytest.mark.parametrize("port", ["", "/run/app.sock"])
def test_a_server_on_a_unix_socket_may_have_no_port(port: str) -> None:
    assert Request.from_environ(environ(SERVER_PORT=port)).server == ("example.org", 0)


def test_the_bodys_fields_come_from_their_own_keys() -> None:
    request = Request.from_environ(
        environ(
            CONTENT_TYPE="text/plain",
            HTTP_CONTENT_TYPE="forged/type",
            HTTP_CONTENT_LENGTH="9",
            HTTP_CONTENT_ENCODING="gzip",
        )
    )
    assert request.headers.pairs == [("content-type", "text/plain"), ("content-encoding", "gzip")]


@pytest.mark.parametrize(
    ("members", "client"),
    [
        ({}, None),
        ({"REMOTE_ADDR": ""}, None),
        ({"REMOTE_ADDR": "", "REMOTE_PORT": "5"}, None),
        ({"REMOTE_ADDR": "203.0.113.1"}, ("203.0.113.1", 0)),
        ({"REMOTE_ADDR": "203.0.113.1", "REMOTE_PORT": ""}, ("203.0.113.1", 0)),
        ({"REMOTE_ADDR": "203.0.113.1", "REMOTE_PORT": "None"}, ("203.0.113.1", 0)),
        ({"REMOTE_ADDR": "203.0.113.1", "REMOTE_PORT": 51000}, ("203.0.113.1", 51000)),
    ],
)
def test_the_peer_of_an_environ(members: dict[str, Any], client: tuple[str, int] | None) -> None:
    assert Request.from_environ(environ(**members)).client == client


MEMBERS = (
    *("REQUEST_METHOD", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING", "SERVER_NAME", "SERVER_PORT"),
    *("SERVER_PROTOCOL", "REMOTE_ADDR", "REMOTE_PORT", "CONTENT_TYPE", "CONTENT_LENGTH"),
    *("HTTP_HOST", "HTTP_X_A", "RAW_URI", "REQUEST_URI", "wsgi.url_scheme", "HTTP_"),
)
MISSING = object()


@pytest.mark.parametrize("interface", ["wsgi", "asgi"])
@pytest.mark.parametrize(
    "value", [MISSING, None, "", b"", 8000, 0, b"/b", "\u20ac", "\xff", "9" * 5000]
)
@pytest.mark.parametrize("member", MEMBERS)
def test_any_member_of_an_environ_may_be_anything(
    member: str, value: Any, interface: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def wsgi(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("content-type", "text/plain")])
        return [unigate.current_request().method.encode("latin-1")]

    async def asgi(scope: Any, receive: Any, send: Any) -> None:
        assert (await receive())["type"] in ("http.request", "http.disconnect")
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": scope["method"].encode("latin-1")})

    members = wsgi_environ(Request("GET", b"/x", client=("203.0.113.7", 4711)))
    members[member] = value
    if value is MISSING:
        del members[member]
    app = {"wsgi": wsgi, "asgi": asgi}[interface]
    gateway = unigate.wrap(app, mounts={"/mount": app}, interface=interface, lifespan="off")
    started: list[str] = []
    body: Any = gateway.wsgi(members, lambda status, headers, exc_info=None: started.append(status))
    assert b"".join(body)
    getattr(body, "close", list)()
    assert started == ["200 OK"]
    assert not caplog.records


@pytest.mark.parametrize(
    ("member", "value", "attribute", "read"),
    [
        ("SERVER_PORT", 8000, "server", ("example.org", 8000)),
        ("SERVER_PORT", "\xb2", "server", ("example.org", 0)),
        ("SERVER_PORT", "9" * 5000, "server", ("example.org", 0)),
        ("SERVER_PORT", None, "server", ("example.org", 0)),
        ("SERVER_NAME", None, "server", ("localhost", 443)),
        ("SERVER_PROTOCOL", None, "http_version", "1.1"),
        ("SERVER_PROTOCOL", "INCLUDED", "http_version", "1.1"),
        ("REMOTE_PORT", "\xb2", "client", ("203.0.113.7", 0)),
        ("REMOTE_PORT", 4711, "client", ("203.0.113.7", 4711)),
        ("REMOTE_ADDR", b"203.0.113.7", "client", ("203.0.113.7", 4711)),
        ("REQUEST_METHOD", None, "method", "GET"),
        ("wsgi.url_scheme", None, "scheme", "http"),
        ("PATH_INFO", None, "path", "/"),
        ("HTTP_X_A", 7, "headers", Headers([("x-a", "7")])),
        ("HTTP_X_ACCE\xdf", "1", "headers", Headers()),
        ("HTTP_X A", "1", "headers", Headers()),
    ],
)
def test_a_member_of_another_type_is_read_for_what_it_means(
    member: str, value: Any, attribute: str, read: Any
) -> None:
    request = Request("GET", b"/", server=("example.org", 443), client=("203.0.113.7", 4711))
    members = {**wsgi_environ(request), member: value}
    assert getattr(Request.from_environ(members), attribute) == read


def test_the_fields_of_a_scope_may_come_from_an_iterator() -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.extend(scope["headers"])
        await send({"type": "http.response.start", "status": 204})
        await send({"type": "http.response.body"})

    fields = [(b"host", b"example.org"), (b"x-a", b"1")]
    for headers in (iter(fields), tuple(fields), (field for field in fields)):
        seen.clear()
        ask_asgi(with_fields(unigate.wrap(app, lifespan="off").asgi, headers), Request("GET"))
        assert [tuple(field) for field in seen] == fields


def with_fields(app: Any, headers: Any) -> Any:
    async def asgi(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, "headers": headers}, receive, send)

    return asgi
