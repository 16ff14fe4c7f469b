"""Every host times every framework: the same request, the same answer.

What a platform cannot carry stands in the tables at the top, with the reason and with what arrives
instead. Nothing is skipped: a cell with an entry has to be exactly as the entry says.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, unquote

import django
import pytest

import unigate
from tests.apps import flask_app, plain, starlette_app
from tests.apps.django_views import handlers
from tests.hosts import HOSTS
from unigate import Gateway, Headers, Request, Response

django.setup()
_django_wsgi, _django_asgi = handlers()
FRAMEWORKS: dict[str, Any] = {
    "flask": flask_app.app,
    "django wsgi": _django_wsgi,
    "django asgi": _django_asgi,
    "starlette": starlette_app.app,
    "fastapi": starlette_app.fast,
    "plain wsgi": plain.wsgi_app,
    "plain asgi": plain.asgi_app,
}
GATEWAYS = {name: unigate.wrap(app) for name, app in FRAMEWORKS.items()}

Pairs = list[tuple[str, str]]


def grouped(pairs: Pairs) -> Pairs:
    """Return the pairs key by key, in order of the first of each key."""
    keys = list(dict(pairs))
    return sorted(pairs, key=lambda pair: keys.index(pair[0]))


def last(pairs: Pairs) -> Pairs:
    return list(dict(pairs).items())


def joined(pairs: Pairs) -> Pairs:
    return [(key, ",".join(v for k, v in pairs if k == key)) for key in dict(pairs)]


ALL = bytes(range(256)) * 40

# What becomes of the query.
QUERIES: dict[str, Callable[[Pairs], Pairs]] = {
    # A map of lists has no order across its keys.
    **dict.fromkeys(("rest_api", "alb", "tencent", "yandex 1.0", "huawei"), grouped),
    # A map of single values has room for one of each key.
    **dict.fromkeys(("alb single", "scaleway", "lambda_integration"), last),
    # Function Compute and its gateway join the values of a key.
    **dict.fromkeys(("alibaba", "alibaba map"), joined),
}
# What becomes of the request line's path, where the application is told a path that was decoded.
DECODED = {b"/a%2Fb": b"/a/b", b"/%FF": b"/%EF%BF%BD", b"/caf%c3%a9": b"/caf%C3%A9"}
PATHS = {"http_api": DECODED, "handle": DECODED, "scaleway": DECODED}
# What becomes of a body, by Content-Type: OpenWhisk writes text into JSON as if it were UTF-8, and
# the Lambda integration everything that is neither JSON nor a form.
BODIES: dict[tuple[str, str], bytes] = {
    ("lambda_integration", "application/octet-stream"): ALL.decode("utf-8", "replace").encode(),
    ("lambda_integration", "text/plain; charset=iso-8859-1"): "\ufffd".encode(),
    ("openwhisk", "text/plain; charset=iso-8859-1"): "\ufffd".encode(),
}
# What becomes of the request header of which the value is Latin-1: Azure's host reads UTF-8.
LATIN1_REQUEST = {"azure": "caf\ufffd".encode().decode("latin-1")}
# What becomes of the response header of which the value is Latin-1: Azure's host fails on it.
LATIN1_RESPONSE = {"azure": 'inline; filename="%E9.txt"'}
# The client is not known where nothing in the event is the platform's own word for it.
CLIENTLESS = {"generic", "alibaba map"}
# What becomes of a response, by path: OpenWhisk's controller sends all text as UTF-8 and has to be
# told so, and would take compressed text for text.
UTF_8_ONLY: dict[str, tuple[str, bytes]] = {
    "/latin1": ("text/html; charset=utf-8", "<p>\xe9</p>".encode()),
    "/gzip-label": ("application/octet-stream", b"plain ASCII"),
    "/problem": ("application/problem+json; charset=utf-8", b'{"title":"caf\xc3\xa9"}'),
    "/odd-status": ("text/plain; charset=utf-8", b"odd"),
    "/chunks": ("text/plain; charset=utf-8", b"one,two,three"),
}
RESPONSES = {"openwhisk": UTF_8_ONLY, "digitalocean": UTF_8_ONLY}
# What becomes of the name of a response header: an answer with this one is an error to Yandex.
RENAMED = {"www-authenticate": "x-yf-remapped-www-authenticate"}
NAMES = {"yandex": RENAMED, "yandex 1.0": RENAMED}


def test_every_exception_is_of_a_host_that_is_there() -> None:
    tables = (QUERIES, PATHS, LATIN1_REQUEST, LATIN1_RESPONSE, CLIENTLESS, RESPONSES, NAMES)
    excepted = {host for table in tables for host in table} | {host for host, _ in BODIES}
    assert excepted <= HOSTS.keys()


every_host = pytest.mark.parametrize("host", HOSTS)
every_framework = pytest.mark.parametrize("framework", FRAMEWORKS)


def ask(
    host: str,
    gateway: Gateway,
    target: bytes,
    method: str = "GET",
    headers: list[tuple[str, str]] | None = None,
    body: bytes = b"",
) -> Response:
    """Ask for a target, "path?query"; hosts see the same request."""
    path, _, query = target.partition(b"?")
    fields = Headers([("host", "example.org"), *(headers or [])])
    if body:
        fields.set("content-length", str(len(body)))
    return HOSTS[host](
        gateway,
        Request(
            method,
            path,
            query_string=query,
            headers=fields,
            body=body,
            server=("example.org", 443),
            client=("203.0.113.7", 4711),
        ),
    )


def echo(response: Response) -> dict[str, Any]:
    """Return what an application says it was asked."""
    assert response.status == 200, response.body
    seen: dict[str, Any] = json.loads(response.body)
    return seen


@every_host
@every_framework
@pytest.mark.parametrize(
    ("raw", "path"),
    [
        (b"/plain", "/plain"),
        (b"/", "/"),
        (b"/caf%C3%A9", "/café"),
        (b"/a%2Fb", "/a/b"),
        (b"/100%2525", "/100%25"),
        (b"/x/", "/x/"),
        (b"//x", "//x"),
        (b"/a%20b+c", "/a b+c"),
        (b"/q%3Fx%23", "/q?x#"),
        (b"/semi;v=1/@:,", "/semi;v=1/@:,"),
    ],
)
def test_path_is_decoded_exactly_once(framework: str, host: str, raw: bytes, path: str) -> None:
    assert echo(ask(host, GATEWAYS[framework], raw))["path"] == path


@every_host
@every_framework
@pytest.mark.parametrize(
    "query",
    [
        *("a=1&a=2", "q=a%2Bb", "q=a+b", "q=a%20b", "r=1,2&r=3", "e=%C3%A9", "flag", "k="),
        *("x=%26%3D", "b=1&a=2&b=3"),
    ],
)
def test_query_reaches_the_application(framework: str, host: str, query: str) -> None:
    seen = echo(ask(host, GATEWAYS[framework], b"/query?" + query.encode()))["query"]
    expected = QUERIES.get(host, list)(parse_qsl(query, keep_blank_values=True))
    assert parse_qsl(seen, keep_blank_values=True) == expected


@every_host
@every_framework
@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b'{"caf\xc3\xa9": 1}'),
        ("application/octet-stream", ALL),
        ("application/x-www-form-urlencoded", b"a=1&b=%C3%A9"),
        ("text/plain; charset=iso-8859-1", b"\xe9"),
    ],
)
def test_body_reaches_the_application(
    framework: str, host: str, content_type: str, body: bytes
) -> None:
    headers = [("content-type", content_type)]
    seen = echo(ask(host, GATEWAYS[framework], b"/body", "POST", headers, body))
    body = BODIES.get((host, content_type), body)
    assert base64.b64decode(seen["body"]) == body
    assert seen["method"] == "POST"
    assert seen["headers"]["content-type"] == content_type
    assert seen["headers"]["content-length"] == str(len(body))


@every_host
@every_framework
def test_request_headers_reach_the_application(framework: str, host: str) -> None:
    headers = [
        ("X-Multi", "1"),
        ("X-Multi", "2"),
        ("Cookie", "a=1"),
        ("Cookie", "b=2"),
        ("X-Latin", "caf\xe9"),
    ]
    seen = echo(ask(host, GATEWAYS[framework], b"/headers", headers=headers))["headers"]
    assert seen["x-multi"].replace(" ", "") == "1,2"
    assert seen["cookie"] == "a=1; b=2"
    assert seen["x-latin"] == LATIN1_REQUEST.get(host, "caf\xe9")
    assert seen["host"] == "example.org"


@every_host
@every_framework
def test_underscored_name_does_not_pass_for_a_dashed_one(framework: str, host: str) -> None:
    headers = [("x-under-score", "true"), ("x_under_score", "forged")]
    seen = echo(ask(host, GATEWAYS[framework], b"/headers", headers=headers))["headers"]
    assert seen["x-under-score"] == "true"


@every_host
@every_framework
def test_cookies_and_repeated_headers_reach_the_client(framework: str, host: str) -> None:
    response = ask(host, GATEWAYS[framework], b"/cookies")
    assert response.status == 201
    cookies = [SimpleCookie(value) for value in response.headers.getlist("set-cookie")]
    assert len(cookies) == 2  # a field for each: several in one would be parsed as well
    assert [(m.key, m.value) for jar in cookies for m in jar.values()] == [("a", "1"), ("b", "2")]
    assert all(m["expires"].startswith("Wed, 21 Oct 2026") for jar in cookies for m in jar.values())
    vary = {value.strip() for value in response.headers["vary"].split(",")}
    assert {"accept", "x-other"} <= vary
    assert response.body == b"two cookies"


@every_host
@every_framework
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    ("path", "status", "body", "content_type"),
    [
        ("/binary", 200, bytes(range(256)), "application/octet-stream"),
        ("/latin1", 200, b"<p>\xe9</p>", "text/html; charset=iso-8859-1"),
        ("/gzip-label", 200, b"plain ASCII", "text/plain"),
        ("/problem", 404, b'{"title":"caf\xc3\xa9"}', "application/problem+json"),
        ("/no-type", 200, b"no type", None),
        ("/empty", 204, b"", None),
        ("/not-modified", 304, b"", None),
        ("/redirect", 302, b"", None),
        ("/odd-status", 299, b"odd", "text/plain"),
        ("/chunks", 200, b"one,two,three", "text/plain"),
        ("/nothing", 200, b"", "text/plain"),
    ],
)
def test_response_reaches_the_client(
    framework: str,
    host: str,
    method: str,
    path: str,
    status: int,
    body: bytes,
    content_type: str | None,
) -> None:
    response = ask(host, GATEWAYS[framework], path.encode(), method)
    if method != "HEAD":
        content_type, body = RESPONSES.get(host, {}).get(path, (content_type, body))
    assert response.status == status
    assert response.body == (b"" if method == "HEAD" else body)
    assert response.headers.get("content-type") == content_type


@every_host
@pytest.mark.parametrize(
    "framework",
    # Django encodes such a value (RFC 2047) before anybody sees it.
    [name for name in FRAMEWORKS if not name.startswith("django")],
)
def test_latin1_header_reaches_the_client(framework: str, host: str) -> None:
    response = ask(host, GATEWAYS[framework], b"/latin1")
    expected = LATIN1_RESPONSE.get(host, 'inline; filename="\xe9.txt"')
    assert response.headers["content-disposition"] == expected


# --- what no framework has a part in -------------------------------------------------------------


@every_host
def test_what_is_written_while_the_body_is_made_arrives_in_order(host: str) -> None:
    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        write = start_response("200 OK", [("Content-Type", "text/plain")])
        write(b"w1,")
        yield b""
        write(b"w2,")
        yield b"b1,"
        yield b"b2,"
        write(b"w3")

    assert ask(host, unigate.wrap(app, interface="wsgi"), b"/").body == b"w1,w2,b1,b2,w3"


@every_host
def test_what_is_only_written_arrives(host: str) -> None:
    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        write = start_response("200 OK", [("Content-Type", "text/plain")])
        write(b"w1,")
        write(b"w2")
        yield from ()

    assert ask(host, unigate.wrap(app, interface="wsgi"), b"/").body == b"w1,w2"


@every_host
def test_space_around_a_value_does_not_reach_the_client(host: str) -> None:
    # Django's cookies begin with a space.
    fields = [("Content-Type", "text/plain"), ("Set-Cookie", " a=1"), ("X-A", " b ")]

    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", fields)
        return [b""]

    headers = ask(host, unigate.wrap(app), b"/").headers
    assert headers.getlist("set-cookie") == ["a=1"]
    assert headers["x-a"] == "b"


def seen_by(host: str, target: bytes, headers: Pairs | None = None) -> Request:
    """Return the common request as an application finds it."""
    seen: list[Request] = []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        seen.append(unigate.current_request())
        start_response("204 No Content", [])
        return []

    assert ask(host, unigate.wrap(app), target, headers=headers).status == 204
    return seen[0]


@every_host
@pytest.mark.parametrize(
    "raw",
    [
        *(b"/caf%C3%A9", b"/a%2Fb", b"/100%2525", b"/x/", b"//x", b"/%FF", b"/a%20b+c"),
        *(b"/caf%c3%a9", b"/q%3Fx%23", b"/semi;v=1/@:,"),
    ],
)
def test_raw_path_is_as_sent(host: str, raw: bytes) -> None:
    request = seen_by(host, raw + b"?q=1")
    assert request.raw_path == PATHS.get(host, {}).get(raw, raw)
    assert request.path == unquote(raw.decode())
    assert request.query_string == b"q=1"


@every_host
def test_peer_and_server_are_those_of_the_connection(host: str) -> None:
    forged = [("x-forwarded-for", "198.51.100.1"), ("x-real-ip", "198.51.100.2")]
    request = seen_by(host, b"/", forged)
    if host in CLIENTLESS:
        assert request.client is None
    else:
        assert request.client is not None
        assert request.client[0] == "203.0.113.7"
    assert (request.scheme, request.server) == ("https", ("example.org", 443))
    assert request.root_path == ""


@every_host
@pytest.mark.parametrize(
    ("status", "name", "value"),
    [
        (302, "location", "/elsewhere?x=1#y"),
        (401, "www-authenticate", 'Basic realm="a, b"'),
        (304, "etag", '"1"'),
        (503, "retry-after", "7"),
        (200, "x-empty", ""),
    ],
)
def test_header_reaches_the_client(host: str, status: int, name: str, value: str) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response(f"{status} Status", [(name, value)])
        return []

    # Unlike frameworks, the validator for WSGI servers wants a type unless the path is this one.
    response = ask(host, unigate.wrap(app), b"/no-type")
    assert response.status == status
    assert response.headers.pairs == [(NAMES.get(host, {}).get(name, name), value)]
