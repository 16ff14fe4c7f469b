"""What clients, events and applications may do wrong, on every platform: nothing breaks.

An event of any content is answered with what its platform takes, or refused with UnknownEvent.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import Callable
from typing import Any

import pytest

import unigate
from tests.hosts import HOSTS, EventHost
from unigate import Gateway, Headers, Request, Response
from unigate.events import name_of
from unigate.events.detection import all_sources

SOURCES = tuple(dict.fromkeys(all_sources().values()))

Event = dict[str, Any]

EVENTS = {name: host for name, host in HOSTS.items() if isinstance(host, EventHost)}
every_event = pytest.mark.parametrize("host", EVENTS)


def echo_wsgi(environ: Any, start_response: Any) -> list[bytes]:
    """Answer with what was asked, in header fields and in the body."""
    request = unigate.current_request()
    path, query = environ["PATH_INFO"], environ["QUERY_STRING"]
    mark = environ.get("HTTP_X_MARK", "")
    told = [("x-path", path), ("x-decoded", request.path), ("x-query", query), ("x-mark", mark)]
    start_response("200 OK", [("content-type", "text/plain"), *told])
    body = environ["wsgi.input"].read()
    return ["\n".join(value for _, value in told).encode(), b"\n", body]


async def echo_asgi(scope: Any, receive: Any, send: Any) -> None:
    path, query = scope["path"].encode(), scope["query_string"]
    mark = dict(scope["headers"]).get(b"x-mark", b"")
    told = [(b"x-path", path), (b"x-decoded", path), (b"x-query", query), (b"x-mark", mark)]
    body = (await receive())["body"]
    headers = [(b"content-type", b"text/plain"), *told]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    lines = b"\n".join([*(value for _, value in told), body])
    await send({"type": "http.response.body", "body": lines})


ECHOES = {
    "wsgi": unigate.wrap(echo_wsgi, on_error="raise"),
    "asgi": unigate.wrap(echo_asgi, on_error="raise", lifespan="off"),
}
every_echo = pytest.mark.parametrize("echo", ECHOES)


def post(body: bytes, content_type: str = "text/plain", **headers: str) -> Request:
    fields = [("host", "example.org"), ("content-type", content_type), *headers.items()]
    return Request("POST", b"/probe", query_string=b"q=probe", headers=Headers(fields), body=body)


def replaced(event: Event, text: str, by: str) -> Event:
    """Return an event with a text replaced wherever it stands, also in JSON inside of JSON."""
    written = json.dumps(event)
    assert text in written
    read: Event = json.loads(written.replace(text, json.dumps(by)[1:-1]))
    return read


def check_reply(name: str, reply: Any) -> None:
    """Check what every platform asks of an answer; `EventHost` has checked that it is JSON."""
    if "errorMessage" in reply:
        reply = json.loads(reply["errorMessage"])
    status = reply["status"] if name == "cloudfront" else reply["statusCode"]
    assert type(status) is (str if name == "cloudfront" else int)
    assert 200 <= int(status) <= 599
    assert isinstance(reply.get("body", ""), str)
    coding = reply.get("encoding") or reply.get("bodyEncoding")
    if reply.get("isBase64Encoded") or coding == "base64":
        base64.b64decode(reply["body"], validate=True)
    assert {"headers", "multiValueHeaders"} & reply.keys()
    for field, values in {**reply.get("headers", {}), **reply.get("multiValueHeaders", {})}.items():
        for value in values if isinstance(values, list) else [values]:
            value = value["value"] if name == "cloudfront" else value
            assert isinstance(value, str), field
            assert not re.search("[\r\n\0]", field + value)


def asked(name: str, gateway: Gateway, event: Event) -> Response:
    """Ask with an event as it stands, and check the reply."""
    reply = EVENTS[name].reply_to(gateway, event)
    check_reply(name, reply)
    return EVENTS[name].source.from_reply(reply)


# --- events ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", [name_of(source) for source in SOURCES])
@pytest.mark.parametrize("event", [None, [{}], (), 7, 1.5, True, "", "text", "[1]", b"\xff", b"{"])
def test_what_is_no_object_is_refused_even_where_the_source_is_named(
    source: str, event: Any
) -> None:
    gateway = unigate.wrap(echo_wsgi, source=source)
    for app in (ECHOES["wsgi"], gateway):
        with pytest.raises(unigate.UnknownEvent, match=r"must be a JSON object, got \w+"):
            app.lambda_handler(event, None)
        with pytest.raises(unigate.UnknownEvent, match=r"must be a JSON object, got \w+"):
            asyncio.run(app.handle(event, None))


@pytest.mark.parametrize("event", [None, [], {}, "text", 7])
def test_what_is_no_request_of_azures_is_refused(event: Any) -> None:
    with pytest.raises(unigate.UnknownEvent):
        ECHOES["wsgi"].azure(event)


BYTES = bytes(range(256))
# OpenWhisk has no flag: by its type the body should be base64, and if it is none, it is text.
FLAGLESS = {"openwhisk"}
# No event of theirs carries base64.
TEXT_ONLY = {"lambda_integration"}
every_base64 = pytest.mark.parametrize("host", [name for name in EVENTS if name not in TEXT_ONLY])


BASE64_SPELLINGS = {
    "lines": lambda text: "\r\n".join(re.findall(".{1,76}", text)) + "\n",
    "unpadded": lambda text: text.rstrip("="),
    "URL-safe": lambda text: text.replace("+", "-").replace("/", "_"),
}


@every_base64
@pytest.mark.parametrize("spell", BASE64_SPELLINGS.values(), ids=BASE64_SPELLINGS)
def test_base64_in_another_spelling_is_read(host: str, spell: Callable[[str], str]) -> None:
    if host in FLAGLESS:
        return  # what is not in the platform's own spelling may be text
    usual = base64.b64encode(BYTES).decode()
    spelled = spell(usual)
    if host == "vercel":
        spelled = json.dumps(spelled)[1:-1]  # its request is JSON inside of the event
    event = EVENTS[host].event_of(post(BYTES, "application/octet-stream"))
    response = asked(host, ECHOES["wsgi"], replaced(event, usual, spelled))
    assert response.body.endswith(b"\n" + BYTES)


@every_base64
@every_echo
@pytest.mark.parametrize("body", ["Hello from Lambda!", "Y", "ol\xe1", "\ud800", "\0"])
def test_a_body_that_is_not_the_base64_it_claims_is_a_400(
    host: str, echo: str, body: str, caplog: pytest.LogCaptureFixture
) -> None:
    event = EVENTS[host].event_of(post(BYTES, "application/octet-stream"))
    event = replaced(event, base64.b64encode(BYTES).decode(), body)
    if host == "vercel" and body == "\0":
        body = "not JSON then"  # a control character ends the JSON inside of the event
    response = asked(host, ECHOES[echo], event)
    if host in FLAGLESS:
        assert response.body.endswith(b"\n" + body.encode("utf-8", "replace"))
        return
    assert (response.status, response.body) == (400, b"Bad Request")
    assert "not the base64" in caplog.text or "not a request" in caplog.text


@every_event
@every_echo
@pytest.mark.parametrize("half", [0xD800, 0xDBFF, 0xDC00, 0xDFFF], ids=hex)
def test_half_a_character_is_answered_in_utf_8(host: str, echo: str, half: int) -> None:
    event = EVENTS[host].event_of(post(b"probe", **{"x-mark": "probe"}))
    response = asked(host, ECHOES[echo], replaced(event, "probe", chr(half)))
    assert response.status == 200
    assert response.headers["x-path"] == "/?"
    assert response.headers["x-decoded"] == "/?"
    assert response.headers["x-query"] in ("q=?", "q=%3F")
    assert response.headers["x-mark"] == "?"
    # Where bodies are always base64, there is nothing to replace.
    assert response.body.splitlines()[-1] in (b"?", b"probe")


@every_event
@pytest.mark.parametrize("method", ["G ET", "GET\r\nx: y", "\ud800", "G\xc9T", "/"])
def test_what_is_no_method_is_a_400(host: str, method: str) -> None:
    event = EVENTS[host].event_of(Request("MARK", b"/"))
    text = "mark" if host == "openwhisk" else "MARK"
    assert asked(host, ECHOES["wsgi"], replaced(event, text, method)).status == 400


@every_event
@every_echo
@pytest.mark.parametrize("headers", [None, {}])
def test_no_headers_at_all_are_none(host: str, echo: str, headers: Any) -> None:
    source = EVENTS[host].source
    event = EVENTS[host].event_of(Request("GET", b"/here", query_string=b"q=1"))
    if source.matches({**event, "multiValueHeaders": None}):
        event["multiValueHeaders"] = headers
    place = event
    if host == "vercel":
        place = json.loads(event["body"])
    elif host == "cloudfront":
        place = event["Records"][0]["cf"]["request"]
    elif host == "digitalocean":
        place = event["http"]
    place["__ow_headers" if host == "openwhisk" else "headers"] = headers
    if host == "vercel":
        event["body"] = json.dumps(place)
    response = asked(host, ECHOES[echo], event)
    assert (response.status, response.headers["x-path"]) == (200, "/here")
    assert response.headers["x-query"] == "q=1"


@pytest.mark.parametrize(
    "inner",
    [
        "[" * 100_000,
        '{"x":' * 100_000,
        '{"method": "GET", "path": "/", "x": ' + "[" * 100_000 + "]" * 100_000 + "}",
        '{"method": "GET", "path": "/", "headers": {"x": ' + '{"x":' * 100_000,
    ],
)
def test_an_invocation_nested_without_end_is_a_400(inner: str) -> None:
    event = {"Action": "Invoke", "body": inner}
    assert asked("vercel", ECHOES["wsgi"], event).status == 400
    with pytest.raises(unigate.UnknownEvent):
        ECHOES["wsgi"]({"body": inner}, None)


# --- answers --------------------------------------------------------------------------------------


def sends(body: bytes, content_type: str, *fields: tuple[str, str]) -> dict[str, Any]:
    """Return applications that send the same."""
    headers = [("content-type", content_type), *fields]

    def wsgi(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", headers)
        return [body]

    async def asgi(scope: Any, receive: Any, send: Any) -> None:
        pairs = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        await send({"type": "http.response.start", "status": 200, "headers": pairs})
        await send({"type": "http.response.body", "body": body})

    return {"wsgi": wsgi, "asgi": asgi}


# Given the server's own `start_response`, which refuses it.
LEFT_TO_THE_SERVER = {("wsgi", "wsgi")}


@pytest.mark.parametrize(
    ("host", "interface"),
    [(host, i) for host in HOSTS for i in ("wsgi", "asgi") if (host, i) not in LEFT_TO_THE_SERVER],
)
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x-bad", "a\r\nset-cookie: b=1"),
        ("x-bad", "a\nb"),
        ("x-bad", "a\rb"),
        ("x-bad", "a\0"),
        ("x-bad\r\nset-cookie", "b=1"),
        ("x-bad\0", "a"),
    ],
)
def test_a_header_with_a_line_break_is_a_500_and_not_sent(
    host: str, interface: str, name: str, value: str, caplog: pytest.LogCaptureFixture
) -> None:
    app = sends(b"secret", "text/plain", ("x-fine", "1"), (name, value))[interface]
    response = HOSTS[host](unigate.wrap(app), Request("GET", b"/here"))
    assert (response.status, response.body) == (500, b"Internal Server Error")
    assert {name for name, _ in response.headers} <= {"content-type", "content-length"}
    assert "line break or NUL" in caplog.text
    assert "GET '/here'" in caplog.text


KB, MB = 1024, 1024 * 1024
# What each platform documents for an answer; for a viewer request, see below.
LIMITS = {
    **dict.fromkeys(("lattice", "generic", "netlify", "tencent", "huawei", "scaleway"), 6 * MB),
    "lambda_integration": 6 * MB,
    **dict.fromkeys(("cloudfront", "openwhisk"), MB),
    "yandex": 3_500_000,
    "alibaba": 32 * MB,
}
ELSEWHERE = {"http_api", "rest_api", "alb", "vercel"}  # in test_gateway.py


@pytest.mark.parametrize("host", ["cloudfront", "alb"])
def test_header_fields_count_against_a_limit(host: str, caplog: pytest.LogCaptureFixture) -> None:
    fields = [(f"x-{number}", "y" * 1000) for number in range(1100)]
    app = sends(b"small", "text/plain", *fields)["wsgi"]
    response = HOSTS[host](unigate.wrap(app), Request("GET", b"/"))
    assert response.status == 500
    assert "too large" in response.body.decode()
    assert "too large" in caplog.text


@pytest.mark.parametrize("interface", ["wsgi", "asgi"])
@pytest.mark.parametrize("name", ["\ud800", "💥", "x-é"])
def test_a_header_name_beyond_ascii_in_an_event_is_no_failure(interface: str, name: str) -> None:
    event = {"httpMethod": "GET", "path": "/", "headers": {name: "1"}}
    app = sends(b"fine", "text/plain")[interface]
    assert unigate.wrap(app).lambda_handler(event, None)["statusCode"] == 200


def test_every_sources_limit_is_tried() -> None:
    assert LIMITS.keys() | ELSEWHERE == {name_of(source) for source in SOURCES}


def check_limit(host: str, event: Event, limit: int, log: pytest.LogCaptureFixture) -> None:
    """Check that what just fits is sent, and that what does not is a 500 that says so."""
    room = limit - 500
    for body, most, content_type in (
        (b"x", room, "text/plain"),
        (b"\xff", room * 3 // 4, "application/octet-stream"),
        ("\xe9".encode(), room // 2, "text/plain; charset=utf-8"),
    ):
        fitting = sends(body * most, content_type)["wsgi"]
        response = asked(host, unigate.wrap(fitting), event)
        assert (response.status, len(response.body)) == (200, len(body) * most)
        assert not log.records
        larger = sends(body * (most + 500), content_type)["wsgi"]
        response = asked(host, unigate.wrap(larger), event)
        assert response.status == 500
        assert re.fullmatch(
            rf"The response is too large: \d+ bytes, and \w+ takes {limit}\.",
            response.body.decode(),
        )
        assert "too large" in log.text
        log.clear()


@pytest.mark.parametrize("host", LIMITS)
def test_a_body_over_the_limit_is_a_500_that_says_so(
    host: str, caplog: pytest.LogCaptureFixture
) -> None:
    check_limit(host, EVENTS[host].event_of(Request("GET", b"/")), LIMITS[host], caplog)


def test_a_viewer_request_has_a_limit_of_its_own(caplog: pytest.LogCaptureFixture) -> None:
    event = EVENTS["cloudfront"].event_of(Request("GET", b"/"))
    event["Records"][0]["cf"]["config"]["eventType"] = "viewer-request"
    check_limit("cloudfront", event, 40 * KB, caplog)


# --- very many header fields ----------------------------------------------------------------------

MANY, COOKIES = 10_000, 600
# Further cookies go under other spellings of the name, of which there are not more.
SPELLINGS = dict.fromkeys(("alb single", "lattice", "lattice v1", "alibaba", "alibaba map"), 2**9)
SPELLINGS["lambda_integration"] = 2**9


@pytest.mark.parametrize(
    ("host", "interface"),
    # What is between a request and an ASGI application is the same for all sources.
    [*((host, "wsgi") for host in HOSTS), *((host, "asgi") for host in ("asgi", "wsgi", "alb"))],
)
def test_ten_thousand_headers_arrive_both_ways(host: str, interface: str) -> None:
    names = [f"x-many-{number}" for number in range(MANY)]
    seen: list[Headers] = []
    answer = sends(
        b"",
        "text/plain",
        *((name, "v") for name in names),
        *[("x-same", "v")] * MANY,
        *(("set-cookie", f"c{number}=1") for number in range(COOKIES)),
    )[interface]

    def wsgi(environ: Any, start_response: Any) -> Any:
        seen.append(unigate.current_request().headers)
        return answer(environ, start_response)

    async def asgi(scope: Any, receive: Any, send: Any) -> None:
        seen.append(unigate.current_request().headers)
        await answer(scope, receive, send)

    fields = Headers([*((name, "v") for name in names), *[("x-same", "v")] * MANY])
    gateway = unigate.wrap(
        {"wsgi": wsgi, "asgi": asgi}[interface], lifespan="off", on_error="raise"
    )
    response = HOSTS[host](gateway, Request("GET", b"/", headers=fields))
    assert response.status == 200
    for headers in (seen[0], response.headers):
        joined = headers.joined()
        assert [joined[name] for name in names] == ["v"] * MANY
        assert joined["x-same"].replace(" ", "") == ",".join(["v"] * MANY)
    cookies = [f"c{number}=1" for number in range(SPELLINGS.get(host, COOKIES))]
    assert response.headers.getlist("set-cookie") == cookies
