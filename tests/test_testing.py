"""The test client: what it sends through each host, and how it reads responses."""

from __future__ import annotations

import functools
import json
import math
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import django
import httpx
import pytest
import wrapt
from django.core.handlers.wsgi import WSGIRequest
from django.test import override_settings

import unigate
from tests.apps import flask_app, plain, starlette_app
from unigate.emulator import EVENT_SOURCES
from unigate.events import generic
from unigate.testing import Client, Response

django.setup()  # override_settings needs settings to override
pytestmark = pytest.mark.usefixtures("bounded")
SOURCES = [*EVENT_SOURCES, "google", "azure", "asgi", "wsgi"]
Fields = list[tuple[str, str]]


def answering(status: int, headers: Fields, body: bytes = b"") -> Callable[..., list[bytes]]:
    """Return a WSGI application with a constant response."""

    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response(f"{status} {HTTPStatus(status).phrase}", headers)
        return [body]

    return app


def echo(environ: Any, start_response: Any) -> list[bytes]:
    """Respond with the request as JSON; /set sets cookies, /go?<status>,<location> redirects."""
    path, query = environ["PATH_INFO"], environ["QUERY_STRING"]
    request = environ["unigate.request"]
    headers: Fields = [("Content-Type", "application/json")]
    status = "200 OK"
    if path.endswith("/set"):
        headers += [("Set-Cookie", value) for value in parse_qs(query)["c"]]
    elif path == "/go":
        code, _, location = query.partition(",")
        status, headers = f"{code} Redirect", [("Location", location), ("Set-Cookie", "went=1")]
    names = ("HTTP_", "CONTENT_")
    facts = {
        "method": environ["REQUEST_METHOD"],
        "root": environ["SCRIPT_NAME"],
        "path": request.path,
        "raw": request.raw_path.decode(),
        "query": query,
        "scheme": environ["wsgi.url_scheme"],
        "source": request.source,
        "server": request.server,
        "client": environ.get("REMOTE_ADDR"),
        "headers": {key: environ[key] for key in environ if key.startswith(names)},
        "body": environ["wsgi.input"].read().decode("latin-1"),
        "lambda": getattr(request.context, "function_name", None),
    }
    start_response(status, headers)
    return [json.dumps(facts).encode()]


async def asgi_failing(scope: Any, receive: Any, send: Any) -> None:
    raise RuntimeError("The view failed.")


def facts_of(response: Response) -> Any:
    assert response.status_code == 200, response.text
    return response.json()


# What is sent.


@pytest.mark.parametrize("source", SOURCES)
def test_a_request_arrives_unchanged_through_each_source(source: str) -> None:
    client = Client(echo, source)
    response = client.post("/a/caf%C3%A9?x=1&y=", json={"n": [1, None]}, headers={"X-One": "1"})
    facts = facts_of(response)
    assert (facts["method"], facts["path"], facts["query"]) == ("POST", "/a/café", "x=1&y=")
    assert response.extensions["request"].source == source
    # Google's functions are a WSGI server, as the application sees it.
    assert facts["source"] == source or source == "google"
    assert json.loads(facts["body"]) == {"n": [1, None]}
    assert facts["headers"]["CONTENT_TYPE"] == "application/json"
    assert facts["headers"]["CONTENT_LENGTH"] == str(len(facts["body"]))
    assert facts["headers"]["HTTP_X_ONE"] == "1"
    assert facts["headers"]["HTTP_HOST"] == "localhost"
    assert facts["headers"]["HTTP_USER_AGENT"] == "unigate"
    if source in EVENT_SOURCES:
        assert facts["lambda"] == "local"
        assert response.event == json.loads(json.dumps(response.event))
        assert response.reply == json.loads(json.dumps(response.reply))
    elif source in ("google", "azure"):
        assert type(response.event).__module__.startswith(("flask", "azure.functions"))
    else:
        assert response.event is None
        assert response.reply is None
    if source != "generic":  # its events do not have them
        assert (facts["scheme"], facts["client"]) == ("https", "127.0.0.1")


@pytest.mark.parametrize("source", SOURCES)
def test_the_application_is_asked_for_its_own_paths(
    source: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    for path in ("/api", "/api/users", "/prod/users", "/"):
        facts = facts_of(Client(echo, source).get(path))
        assert (facts["root"], facts["path"]) == ("", path)


@pytest.mark.parametrize("source", SOURCES)
def test_a_new_django_project_accepts_the_requests(source: str) -> None:
    def application(environ: Any, start_response: Any) -> list[bytes]:
        host = WSGIRequest(environ).get_host()
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [host.encode()]

    with override_settings(DEBUG=True, ALLOWED_HOSTS=[]):
        assert Client(application, source).get("/").text == "localhost"


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize(
    "app", [plain.wsgi_app, starlette_app.app, flask_app.app], ids=["plain", "starlette", "flask"]
)
def test_every_kind_of_response_comes_back(app: Any, source: str) -> None:
    client = Client(app, source)
    cookies = client.get("/cookies")
    assert cookies.status_code == 201
    assert [line.partition(";")[0] for line in cookies.headers.getlist("set-cookie")] == [
        "a=1",
        "b=2",
    ]
    assert client.get("/binary").content == bytes(range(256))
    assert client.get("/chunks").text == "one,two,three"
    assert client.get("/empty").content == b""
    assert client.head("/binary").content == b""
    assert client.get("/redirect").status_code == 302
    assert client.get("/problem").json() == {"title": "café"}


@pytest.mark.parametrize("source", SOURCES)
def test_a_failure_is_a_500_or_raised_as_on_error_says(source: str) -> None:
    for app in (plain.wsgi_app, asgi_failing):
        assert Client(app, source).get("/error").status_code == 500
        raising = Client(unigate.wrap(app, on_error="raise"), source)
        with pytest.raises(RuntimeError, match="The view failed"):
            raising.get("/error")


@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete", "options"])
def test_each_method_of_the_client_sends_its_http_method(method: str) -> None:
    response = getattr(Client(echo), method)("/", data=b"x")
    assert facts_of(response)["method"] == response.request.method == method.upper()
    assert facts_of(response)["body"] == "x"


@pytest.mark.parametrize("source", ["http_api", "asgi", "wsgi"])
def test_any_method_can_be_sent(source: str) -> None:
    assert facts_of(Client(echo, source).request("propfind", "/"))["method"] == "PROPFIND"


@pytest.mark.parametrize(
    ("url", "raw", "query"),
    [
        ("/a%2Fb%20c", "/a%2Fb%20c", ""),
        ("/é ü?q=é ü", "/%C3%A9%20%C3%BC", "q=%C3%A9%20%C3%BC"),
        ("//double//", "//double//", ""),
        ("/../up", "/../up", ""),
        ("/?a=1?b#fragment", "/", "a=1?b"),
        ('/{x}|"?{y}=|"', '/{x}|"', '{y}=|"'),
        ("relative", "/relative", ""),
        ("?a=1", "/", "a=1"),
        ("", "/", ""),
        ("https://localhost?a=1", "/", "a=1"),
    ],
)
@pytest.mark.parametrize("source", ["function_url", "alb", "asgi", "wsgi"])
def test_a_url_is_sent_as_written_except_for_required_quoting(
    url: str, raw: str, query: str, source: str
) -> None:
    facts = facts_of(Client(echo, source).get(url))
    assert (facts["raw"], facts["query"]) == (raw, query)


@pytest.mark.parametrize("source", ["http_api", "alb", "asgi", "wsgi"])
def test_an_absolute_url_sets_scheme_and_host(source: str) -> None:
    facts = facts_of(Client(echo, source).get("http://me@shop.example.org:8080/x"))
    assert facts["headers"]["HTTP_HOST"] == "shop.example.org:8080"
    assert (facts["scheme"], facts["server"]) == ("http", ["shop.example.org", 8080])


def test_the_base_url_sets_scheme_and_host_of_all_requests() -> None:
    facts = facts_of(Client(echo, "asgi", base_url="http://localhost:8000/api/").get("/x"))
    assert (facts["scheme"], facts["server"], facts["raw"]) == (
        "http",
        ["localhost", 8000],
        "/api/x",
    )


def test_a_form_is_encoded_and_lists_repeat() -> None:
    facts = facts_of(Client(echo).post("/", data={"a": ["1", "2"], "b": "ü &"}))
    assert facts["body"] == "a=1&a=2&b=%C3%BC+%26"
    assert facts["headers"]["CONTENT_TYPE"] == "application/x-www-form-urlencoded"


@pytest.mark.parametrize(("data", "body"), [("é", "Ã©"), (b"\xff\x00", "\xff\x00"), ("", "")])
def test_text_and_bytes_are_the_body_without_a_content_type(data: Any, body: str) -> None:
    facts = facts_of(Client(echo).post("/", data=data))
    assert facts["body"] == body
    assert not facts["headers"].get("CONTENT_TYPE")


@pytest.mark.parametrize("value", [None, 0, "", [], {"a": "é"}])
def test_any_json_value_is_a_body(value: Any) -> None:
    body = facts_of(Client(echo).post("/", json=value))["body"]
    assert json.loads(body.encode("latin-1")) == value


def test_content_length_is_sent_with_methods_that_usually_have_a_body() -> None:
    client = Client(echo)
    assert client.post("/").request.headers["content-length"] == "0"
    assert client.delete("/", data="tea").request.headers["content-length"] == "3"
    assert "content-length" not in client.get("/").request.headers


def test_data_and_json_together_are_a_type_error() -> None:
    with pytest.raises(TypeError, match="not both"):
        Client(echo).post("/", data=b"", json=1)


def test_a_given_header_replaces_the_default() -> None:
    fields = [("User-Agent", "kettle"), ("content-type", "text/csv"), ("Host", "example.org")]
    facts = facts_of(Client(echo).post("/", json=1, headers=[*fields, ("x-a", "1"), ("X-A", "2")]))
    assert facts["headers"]["HTTP_USER_AGENT"] == "kettle"
    assert facts["headers"]["CONTENT_TYPE"] == "text/csv"
    assert facts["headers"]["HTTP_HOST"] == "example.org"
    assert facts["headers"]["HTTP_X_A"] in ("1,2", "1, 2")


def test_a_header_beyond_latin_1_is_sent_as_utf_8() -> None:
    assert facts_of(Client(echo, "asgi").get("/", headers={"X": "é"}))["headers"]["HTTP_X"] == "é"
    assert facts_of(Client(echo, "asgi").get("/", headers={"X": "€"}))["headers"]["HTTP_X"] == (
        "€".encode().decode("latin-1")
    )


@pytest.mark.parametrize("source", ["http_api", "rest_api", "alb", "generic", "lattice", "netlify"])
def test_base64_is_forced_on_text_bodies_only(source: str) -> None:
    client = Client(echo, source)
    forced = client.post("/", json="tea", base64=True)
    assert (forced.event["body"], forced.event["isBase64Encoded"]) == ("InRlYSI=", True)
    left = client.post("/", json="tea")
    assert (left.event["body"], left.event["isBase64Encoded"]) == ('"tea"', False)
    binary = client.post("/", data=b"\xff", base64=True)
    assert (binary.event["body"], binary.event["isBase64Encoded"]) == ("/w==", True)
    nothing = client.get("/", base64=True)
    assert nothing.event["isBase64Encoded"] is False
    assert [facts_of(each)["body"] for each in (forced, left, binary, nothing)] == [
        '"tea"',
        '"tea"',
        "\xff",
        "",
    ]


def test_base64_is_forced_where_events_declare_it() -> None:
    older = Client(echo, "lattice_v1").post("/", json="tea", base64=True)
    assert (older.event["body"], older.event["is_base64_encoded"]) == ("InRlYSI=", True)
    deeper = Client(echo, "digitalocean").post("/", json="tea", base64=True)
    assert deeper.event["http"]["body"] == "InRlYSI="
    assert deeper.event["http"]["isBase64Encoded"] is True
    assert facts_of(older)["body"] == facts_of(deeper)["body"] == '"tea"'


@pytest.mark.parametrize("source", ["asgi", "wsgi", "vercel", "google", "azure", "openwhisk"])
def test_base64_is_ignored_where_events_do_not_declare_it(source: str) -> None:
    assert facts_of(Client(echo, source).post("/", data="tea", base64=True))["body"] == "tea"


# What comes back.


@pytest.mark.parametrize(
    ("content_type", "body", "text"),
    [
        ("text/plain; charset=iso-8859-1", b"\xe9", "é"),
        ('text/plain; charset="UTF-8"', b"\xc3\xa9", "é"),
        ("text/plain", b"\xc3\xa9", "é"),
        ("text/plain; charset=klingon", b"\xc3\xa9", "é"),
        ("text/plain", b"\xe9", "�"),
        (None, b"\xc3\xa9", "é"),
    ],
)
def test_text_is_decoded_in_its_charset(content_type: str | None, body: bytes, text: str) -> None:
    headers = [("Content-Type", content_type)] if content_type else []
    response = Client(answering(200, headers, body)).get("/")
    assert response.text == text
    assert response.content == body


def test_a_body_that_is_not_json_is_a_value_error() -> None:
    with pytest.raises(ValueError):
        Client(answering(200, [], b"tea")).get("/").json()


@pytest.mark.parametrize("body", [b"tea", math.nan])
def test_a_reply_that_is_not_json_is_an_error(body: Any) -> None:
    class Broken(unigate.Gateway):
        def lambda_handler(self, event: Any, context: Any = None) -> Any:
            return {"statusCode": 200, "body": body}

    with pytest.raises((TypeError, ValueError), match="not JSON"):
        Client(Broken(echo)).get("/")


def test_changes_of_the_event_by_the_application_are_not_visible() -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        environ["unigate.request"].event.clear()
        start_response("200 OK", [])
        return []

    assert Client(app).get("/").event["version"] == "2.0"


# Cookies.


def sent_after(url: str, *cookies: str, to: str, **options: Any) -> str:
    """Return the Cookie header of a request after a URL has set cookies."""
    client = Client(echo, **options)
    client.get(url, headers=[("x", "1")])
    for cookie in cookies:
        client.get(f"{url}?c={cookie.replace('=', '%3D').replace(';', '%3B').replace('+', '%2B')}")
    return str(facts_of(client.get(to))["headers"].get("HTTP_COOKIE", ""))


@pytest.mark.parametrize(
    ("cookie", "to", "sent"),
    [
        ("a=1", "/in/other", True),
        ("a=1", "/in", True),
        ("a=1", "/", False),
        ("a=1", "/inner", False),
        ("a=1; Path=/", "/", True),
        ("a=1; Path=/elsewhere", "/elsewhere/x", True),
        ("a=1; Path=/elsewhere", "/elsewheres", False),
        ("a=1; Secure", "/in/x", True),
        ("a=1; Secure", "http://localhost/in/x", False),
        ("a=1; Path=/; HttpOnly; SameSite=Strict", "/", True),
        ("a=1; Path=/; Domain=localhost", "/", True),
        ("a=1; Path=/; Domain=example.org", "/", False),
        ("a=1; Path=/; Domain=example.org", "https://example.org/", False),
        ("a=1; Path=/; Max-Age=60", "/", True),
        ("a=1; Path=/; Max-Age=0", "/", False),
        ("a=1; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "/", False),
        ("a=1; Path=/", "https://other.example.org/", False),
        ("a=1; Path=/", "https://www.localhost/", False),
    ],
)
def test_a_cookie_is_sent_where_a_browser_would(cookie: str, to: str, sent: bool) -> None:
    assert sent_after("/in/set", cookie, to=to) == ("a=1" if sent else "")


@pytest.mark.parametrize(
    ("cookie", "to", "sent"),
    [
        ("a=1", "https://example.org/", True),
        ("a=1", "https://www.example.org/", False),
        ("a=1; Domain=example.org", "https://www.example.org/", True),
        ("a=1; Domain=.example.org", "https://www.example.org/", True),
        ("a=1; Domain=example.org", "https://badexample.org/", False),
        ("a=1; Domain=www.example.org", "https://www.example.org/", False),
        ("a=1; Domain=org", "https://example.org/", False),
    ],
)
def test_a_domain_attribute_extends_a_cookie_to_subdomains(
    cookie: str, to: str, sent: bool
) -> None:
    got = sent_after("https://example.org/set", cookie, to=to)
    assert got == ("a=1" if sent else "")


def test_localhost_may_set_its_own_domain() -> None:
    cookie = "a=1; Domain=localhost"
    assert sent_after("/set", cookie, to="/", base_url="http://localhost:8000") == "a=1"


@pytest.mark.parametrize("source", SOURCES)
def test_cookies_are_kept_until_they_are_deleted(source: str) -> None:
    client = Client(echo, source)  # one at a time: some platforms send only one Set-Cookie
    assert dict(client.get("/set?c=a%3D1").cookies) == {"a": "1"}
    assert dict(client.get("/set?c=b%3D2").cookies) == {"b": "2"}
    assert dict(client.cookies) == {"a": "1", "b": "2"}
    assert facts_of(client.get("/"))["headers"]["HTTP_COOKIE"] == "a=1; b=2"
    client.get("/set?c=a%3D3")
    deleted = client.get("/set?c=b%3D%3B+Max-Age%3D0")
    assert len(deleted.headers.getlist("set-cookie")) == 1
    assert dict(deleted.cookies) == {}
    assert dict(client.cookies) == {"a": "3"}
    assert dict(client.get("/").cookies) == {}
    assert dict(Client(echo, source).cookies) == {}


def test_a_cookie_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client(echo)
    soon = datetime.now(UTC) + timedelta(hours=1)
    client.get(f"/set?c=a%3D1%3B+Expires%3D{soon:%a, %d %b %Y %H:%M:%S} GMT&c=b%3D2")
    assert set(client.cookies) == {"a", "b"}
    later = (soon + timedelta(seconds=5)).timestamp()
    monkeypatch.setattr("time.time", lambda: later)
    assert set(client.cookies) == {"b"}
    assert facts_of(client.get("/"))["headers"]["HTTP_COOKIE"] == "b=2"


def test_the_cookies_of_a_client_are_a_mapping() -> None:
    client = Client(echo)
    client.cookies["a"] = "1"
    client.cookies.update(b="2", c="")
    assert facts_of(client.get("/deep/down"))["headers"]["HTTP_COOKIE"] == "a=1; b=2; c="
    assert (client.cookies["b"], client.cookies["c"], len(client.cookies)) == ("2", "", 3)
    assert "d" not in client.cookies
    del client.cookies["a"]
    with pytest.raises(KeyError):
        del client.cookies["a"]
    assert facts_of(client.get("/"))["headers"]["HTTP_COOKIE"] == "b=2; c="
    client.get("/in/set?c=b%3D3")
    client.cookies.clear()
    deep = Client(echo, base_url="https://localhost/api/v1")
    deep.cookies["a"] = "1"
    assert facts_of(deep.get("https://localhost/"))["headers"]["HTTP_COOKIE"] == "a=1"
    assert "HTTP_COOKIE" not in facts_of(client.get("/in/x"))["headers"]


def test_cookies_of_one_request_are_added_to_the_kept_ones() -> None:
    client = Client(echo)
    client.cookies.update(a="1", b="2")
    facts = facts_of(client.get("/", cookies={"b": "20", "c": "ü"}))
    assert facts["headers"]["HTTP_COOKIE"] == "a=1; b=20; c=ü"
    assert dict(client.cookies) == {"a": "1", "b": "2"}
    facts = facts_of(Client(echo, "asgi").get("/", cookies={"c": "€"}))
    assert facts["headers"]["HTTP_COOKIE"] == "c=" + "€".encode().decode("latin-1")
    assert facts_of(client.get("/", cookies={"a": "9", "b": "9"}))["headers"]["HTTP_COOKIE"] == (
        "a=9; b=9"
    )


def test_a_cookie_header_replaces_the_kept_cookies() -> None:
    client = Client(echo)
    client.cookies["a"] = "1"
    facts = facts_of(client.get("/", headers={"Cookie": "x=1; y=2"}, cookies={"y": "3"}))
    assert facts["headers"]["HTTP_COOKIE"] == "x=1; y=3"


# Redirects.


@pytest.mark.parametrize(
    ("status", "method", "after", "body"),
    [
        (301, "POST", "GET", ""),
        (302, "POST", "GET", ""),
        (303, "POST", "GET", ""),
        (303, "PUT", "GET", ""),
        (301, "PUT", "PUT", "x=1"),
        (302, "DELETE", "GET", ""),
        (307, "POST", "POST", "x=1"),
        (308, "POST", "POST", "x=1"),
        (302, "GET", "GET", "x=1"),
    ],
)
def test_a_redirect_is_followed_with_the_right_method(
    status: int, method: str, after: str, body: str
) -> None:
    client = Client(echo)
    url = f"/go?{status},/there?y=2"
    assert client.request(method, url, data={"x": "1"}).status_code == status
    facts = facts_of(client.request(method, url, data={"x": "1"}, follow_redirects=True))
    assert (facts["method"], facts["path"], facts["query"]) == (after, "/there", "y=2")
    assert facts["body"] == body
    assert bool(facts["headers"].get("CONTENT_TYPE")) == bool(body)
    assert facts["headers"]["HTTP_COOKIE"] == "went=1"


def test_head_stays_head() -> None:
    response = Client(echo).head("/go?303,/there", follow_redirects=True)
    assert (response.request.method, response.url.path) == ("HEAD", "/there")


def test_a_relative_location_starts_from_the_request() -> None:
    client = Client(echo, base_url="https://localhost/api")
    facts = facts_of(client.get("https://localhost/go?302,next", follow_redirects=True))
    assert facts["path"] == "/next"


def test_credentials_are_not_sent_to_another_host() -> None:
    client = Client(echo)
    client.cookies["kept"] = "1"
    fields = {"Authorization": "Basic x", "Cookie": "a=1", "Host": "front.example.org", "X-A": "1"}
    url = "/go?302,https://example.org/there"
    facts = facts_of(client.get(url, headers=fields, cookies={"b": "2"}, follow_redirects=True))
    assert facts["headers"]["HTTP_HOST"] == "example.org"
    assert facts["headers"]["HTTP_X_A"] == "1"
    assert not {"HTTP_AUTHORIZATION", "HTTP_COOKIE"} & set(facts["headers"])
    facts = facts_of(client.get("/go?302,/there", headers=fields, follow_redirects=True))
    assert facts["headers"]["HTTP_AUTHORIZATION"] == "Basic x"


def test_responses_that_are_not_redirects_are_not_followed() -> None:
    for status, headers in [(304, [("Location", "/x")]), (302, []), (201, [("Location", "/x")])]:
        client = Client(answering(status, headers))
        assert client.get("/", follow_redirects=True).status_code == status


def test_a_redirect_loop_is_an_error() -> None:
    paths = []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        paths.append(environ["PATH_INFO"])
        start_response("302 Found", [("Location", f"/{len(paths)}")])
        return []

    with pytest.raises(httpx.TooManyRedirects):
        Client(app).get("/", follow_redirects=True)
    assert len(paths) == 21


# Applications and sources.


def test_the_client_accepts_whatever_wrap_accepts() -> None:
    gateway = unigate.wrap(mounts={"/v2": echo})
    assert Client(gateway).app is gateway
    assert Client(gateway).get("/v3").status_code == 404
    for app in ("tests.test_testing:echo", lambda: echo, "tests.test_testing:GATEWAY"):
        assert facts_of(Client(app).get("/x"))["path"] == "/x"
    assert Client("tests.test_testing:GATEWAY").app is GATEWAY
    with pytest.raises(unigate.UnknownInterface):
        Client(3)


GATEWAY = unigate.wrap(echo)


def marked(handler: Any) -> Any:
    """Return a decorated handler, which adds to the reply and has no `__wrapped__`."""

    def decorated(event: Any, context: Any) -> Any:
        reply = handler(event, context)
        reply.setdefault("headers", {})["x-marked"] = context.function_name
        return reply

    return decorated


@wrapt.decorator
def proxy(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
    return marked(wrapped)(*args, **kwargs)


async def asynchronous(event: Any, context: Any) -> Any:
    reply = await GATEWAY.handle(event, context)
    return reply | {"headers": {"x-marked": context.function_name}}


HANDLERS = {
    "a function": marked(GATEWAY),
    "a function around a method": marked(GATEWAY.lambda_handler),
    "functools.wraps": functools.wraps(GATEWAY)(marked(GATEWAY)),
    "functools.wraps with any arguments": functools.wraps(GATEWAY)(
        lambda *args: marked(GATEWAY)(*args)
    ),
    "any arguments": lambda *args: marked(GATEWAY)(*args),
    "a proxy": proxy(GATEWAY),
    "a proxy of a method": proxy(GATEWAY.lambda_handler),
    "a proxy of a function": proxy(lambda event, context: GATEWAY(event, context)),
    "a coroutine function": asynchronous,
}


@pytest.mark.parametrize("name", HANDLERS)
@pytest.mark.parametrize("source", ["http_api", "function_url", "alb", "lattice", "netlify"])
def test_events_reach_the_gateway_through_what_is_around_it(source: str, name: str) -> None:
    client = Client(HANDLERS[name], source)
    assert client.app is GATEWAY
    response = client.get("/x")
    assert response.headers["x-marked"] == "local"
    if name != "a coroutine function":
        assert facts_of(response)["path"] == "/x"


@pytest.mark.parametrize("name", HANDLERS)
@pytest.mark.parametrize("source", ["google", "azure", "asgi", "wsgi"])
def test_requests_that_are_no_events_are_sent_to_the_gateway(source: str, name: str) -> None:
    response = Client(HANDLERS[name], source).get("/x")
    assert facts_of(response)["path"] == "/x"
    assert "x-marked" not in response.headers


def test_what_a_handler_around_a_gateway_raises_is_raised() -> None:
    def refusing(event: Any, context: Any) -> Any:
        raise PermissionError(GATEWAY)

    with pytest.raises(PermissionError):
        Client(refusing).get("/")


@pytest.mark.parametrize("source", ["http_api", "asgi"])
def test_middleware_around_a_gateway_is_an_application(source: str) -> None:
    class Middleware:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await self.app({**scope, "path": "/changed"}, receive, send)

    assert Client(Middleware(GATEWAY), source).get("/x").json()["path"] == "/changed"


def test_a_custom_source_can_be_used() -> None:
    client = Client(unigate.wrap(echo, sources=[generic]), generic)
    assert client.get("/x").event["httpMethod"] == "GET"


def test_an_unknown_source_is_an_error_that_lists_the_names() -> None:
    with pytest.raises(ValueError, match=r"must be one of .*http_api, .*wsgi, got 'abl'"):
        Client(echo, "abl")


class Living:
    """An ASGI application that counts its starts and stops."""

    def __init__(self) -> None:
        self.phases: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            for phase in ("startup", "shutdown"):
                await receive()
                self.phases.append(phase)
                scope["state"]["started"] = True
                await send({"type": f"lifespan.{phase}.complete"})
        else:
            assert scope["state"]["started"]
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"alive"})


@pytest.mark.parametrize("source", ["http_api", "asgi", "wsgi"])
def test_a_lifespan_is_started_once_for_all_clients(source: str) -> None:
    living = Living()
    app = unigate.wrap(living)
    for each in (source, source, "alb"):
        client = Client(app, each)
        assert client.get("/").text == client.get("/").text == "alive"
    assert living.phases == ["startup"]


@pytest.mark.parametrize("source", ["http_api", "asgi", "wsgi"])
def test_a_lifespan_is_stopped_at_the_end_of_the_process(source: str) -> None:
    code = f"""
from tests.test_testing import Living
from unigate.testing import Client

class Loud(Living):
    async def __call__(self, scope, receive, send):
        await super().__call__(scope, receive, send)
        print(scope["type"], *self.phases)

print(Client(Loud(), {source!r}).get("/").text)
"""
    root = Path(__file__).parents[1]
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=root, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert run.stdout.split("\n")[:3] == ["http startup", "alive", "lifespan startup shutdown"]
    assert run.stderr == ""


def test_a_failed_startup_is_raised_for_each_request() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no water"})

    for source in ("asgi", "http_api", "asgi"):
        with pytest.raises(unigate.LifespanFailed, match="no water"):
            Client(GATEWAYS.setdefault("dry", unigate.wrap(app)), source).get("/")


GATEWAYS: dict[str, unigate.Gateway] = {}


def test_it_works_inside_a_running_loop() -> None:
    import asyncio

    async def ask(source: str) -> int:
        return Client(starlette_app.app, source).get("/chunks").status_code

    for source in ("asgi", "wsgi", "alb"):
        assert asyncio.run(ask(source)) == 200


def test_importing_unigate_does_not_import_the_test_client() -> None:
    code = "import sys, unigate; print({'unigate.testing', 'unigate.emulator'} & set(sys.modules))"
    root = Path(__file__).parents[1]
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, timeout=60
    )
    assert run.stdout == "set()\n"
