"""Every host times every framework: the same request, the same answer."""

from __future__ import annotations

import base64
import json
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import parse_qsl

import django
import pytest

import unigate
from tests.apps import flask_app, plain, starlette_app
from tests.hosts import HOSTS
from unigate import Gateway, Headers, Request, Response

django.setup()

from tests.apps.django_views import handlers  # noqa: E402  # needs Django set up

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
    ["a=1&a=2", "q=a%2Bb", "q=a+b", "q=a%20b", "r=1,2&r=3", "e=%C3%A9", "flag", "k=", "x=%26%3D"],
)
def test_query_reaches_the_application(framework: str, host: str, query: str) -> None:
    seen = echo(ask(host, GATEWAYS[framework], b"/query?" + query.encode()))["query"]
    assert parse_qsl(seen, keep_blank_values=True) == parse_qsl(query, keep_blank_values=True)


@every_host
@every_framework
@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b'{"caf\xc3\xa9": 1}'),
        ("application/octet-stream", bytes(range(256)) * 40),
        ("application/x-www-form-urlencoded", b"a=1&b=%C3%A9"),
        ("text/plain; charset=iso-8859-1", b"\xe9"),
    ],
)
def test_body_reaches_the_application(
    framework: str, host: str, content_type: str, body: bytes
) -> None:
    headers = [("content-type", content_type)]
    seen = echo(ask(host, GATEWAYS[framework], b"/body", "POST", headers, body))
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
    assert seen["x-latin"] == "caf\xe9"
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
    assert response.headers["content-disposition"] == 'inline; filename="\xe9.txt"'
