"""What clients, events and applications may do wrong, on every platform: nothing breaks.

An event of any content is answered with what its platform takes, or refused with UnknownEvent.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections import ChainMap, OrderedDict, UserDict
from collections.abc import Callable, Iterator
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

import pytest
from aws_lambda_powertools.utilities.data_classes.common import DictWrapper

import unigate
from tests.hosts import HOSTS, EventHost
from tests.samples import load as load_sample
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
        with pytest.raises(unigate.UnknownEvent, match=r"JSON object, got|list of length"):
            app.lambda_handler(event, None)
        with pytest.raises(unigate.UnknownEvent, match=r"JSON object, got|list of length"):
            asyncio.run(app.handle(event, None))


def frozen(value: Any) -> Any:
    """Return a value with read-only mappings in place of dicts."""
    if isinstance(value, dict):
        return MappingProxyType({name: frozen(member) for name, member in value.items()})
    return [frozen(item) for item in value] if isinstance(value, list) else value


MAPPINGS: dict[str, Callable[[Event], Any]] = {
    "UserDict": UserDict,
    "MappingProxyType": MappingProxyType,
    "frozen": frozen,
    "ChainMap": ChainMap,
    "OrderedDict": OrderedDict,
    "Powertools": DictWrapper,
}


@every_event
@pytest.mark.parametrize("kind", MAPPINGS)
def test_an_event_may_be_any_mapping(host: str, kind: str) -> None:
    event = EVENTS[host].event_of(post(b"a body"))
    for app in ECHOES.values():
        usual = app.lambda_handler(event, None)
        given = MAPPINGS[kind](event)
        assert app.lambda_handler(given, None) == usual
        assert app(given) == usual
        assert asyncio.run(app.handle(given)) == usual


@pytest.mark.parametrize("kind", MAPPINGS)
def test_a_non_http_event_may_be_any_mapping(kind: str) -> None:
    event = load_sample("not_http/sqs")
    app = unigate.wrap(echo_wsgi)
    app.on_event("sqs")(lambda event, context: event)
    for seen in (app(MAPPINGS[kind](event)), asyncio.run(app.handle(MAPPINGS[kind](event)))):
        assert seen == event
        assert type(seen["Records"][0]["attributes"]) is dict


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


every_host = pytest.mark.parametrize("host", HOSTS)
every_interface = pytest.mark.parametrize("interface", ["wsgi", "asgi"])


@every_host
@every_interface
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x-bad", "a\r\nset-cookie: b=1"),
        ("x-bad", "a\nb"),
        ("x-bad", "a\rb"),
        ("x-bad", "a\0"),
        ("x-bad\r\nset-cookie", "b=1"),
        ("x-bad\0", "a"),
        ("", "a"),
        ("x bad", "a"),
        ("x-bad ", "a"),
        ("x: y", "a"),
        (":status", "200"),
        ("x-b\xe4d", "a"),
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


def answers(status: Any, fields: Any, *parts: bytes) -> dict[str, Any]:
    """Return applications that send the same; `fields` makes the header fields as text."""

    def wsgi(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response(status if isinstance(status, str) else f"{status:d} Status", fields())
        yield from parts

    async def asgi(scope: Any, receive: Any, send: Any) -> None:
        headers = fields()
        if headers is not None:
            headers = type(headers)((n.encode(), v.encode()) for n, v in headers)
        await send({"type": "http.response.start", "status": status, "headers": headers})
        for part in parts:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body"})

    return {"wsgi": wsgi, "asgi": asgi}


# What an ASGI application sends to an ASGI server is otherwise the server's own affair: uvicorn
# closes the connection after "connection: close", and counts bodies itself.
every_road_of_ours = pytest.mark.parametrize(
    ("host", "interface"),
    [(host, i) for host in HOSTS for i in ("wsgi", "asgi") if (host, i) != ("asgi", "asgi")],
)


def wrapped(app: Any, interface: Any, **options: Any) -> Gateway:
    return unigate.wrap(app, interface=interface, lifespan="off", **options)


@every_host
@pytest.mark.parametrize(
    ("interface", "status"),
    [
        *(("asgi", status) for status in ("200", b"200", 200.0, None, True, 99, -1, 100, 101, 199)),
        *(("asgi", status) for status in (600, 999, 1000, 10**9)),
        pytest.param("asgi", 10**5000, id="asgi-too long to write"),
        *(("wsgi", status) for status in ("099 X", "100 Continue", "101 X", "600 X", "999 X")),
        *(("wsgi", status) for status in ("1000 X", "-01 X", "\xb2\xb2\xb2 X", "200 OK\r\nx: y")),
        *(("wsgi", status) for status in ("200 OK\0", " 200 OK", "")),
    ],
)
def test_a_status_that_cannot_be_sent_is_a_500(
    host: str, interface: str, status: Any, caplog: pytest.LogCaptureFixture
) -> None:
    app = answers(status, lambda: [("content-type", "text/plain")], b"never")[interface]
    response = HOSTS[host](wrapped(app, interface), Request("GET", b"/here"))
    assert (response.status, response.body) == (500, b"Internal Server Error")
    assert "must be" in caplog.text or "must begin" in caplog.text or "must not" in caplog.text
    assert "status" in caplog.text
    assert "GET '/here'" in caplog.text


@every_host
@pytest.mark.parametrize("status", [200, 299, 418, 451, 599, HTTPStatus.IM_A_TEAPOT])
@every_interface
def test_any_final_status_is_sent(host: str, interface: str, status: int) -> None:
    app = answers(status, lambda: [("content-type", "text/plain")], b"said")[interface]
    response = HOSTS[host](wrapped(app, interface), Request("GET", b"/here"))
    assert (response.status, type(response.status), response.body) == (status, int, b"said")


FIELDS = [("content-type", "text/plain; charset=utf-8"), ("set-cookie", "a=1"), ("x-a", "b")]


class Once:
    """Header fields that can be iterated over once."""

    def __init__(self, fields: Any) -> None:
        self._fields = iter(list(fields))

    def __iter__(self) -> Iterator[Any]:
        return self._fields


@every_host
@every_interface
@pytest.mark.parametrize("kind", [tuple, list, Once])
def test_header_fields_may_be_any_iterable(host: str, interface: str, kind: Any) -> None:
    app = answers(200, lambda: kind(FIELDS), b"fields")[interface]
    response = HOSTS[host](wrapped(app, interface), Request("GET", b"/here"))
    assert (response.status, response.body) == (200, b"fields")
    assert sorted(response.headers) == FIELDS


@every_road_of_ours
def test_fields_of_the_connection_are_dropped(host: str, interface: str) -> None:
    extra = [("connection", "keep-alive"), ("keep-alive", "5"), ("transfer-encoding", "chunked")]
    app = answers(200, lambda: [*FIELDS, *extra], b"fields")[interface]
    response = HOSTS[host](wrapped(app, interface), Request("GET", b"/here"))
    assert (response.status, sorted(response.headers)) == (200, FIELDS)


@every_host
@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_an_asgi_message_may_hold_any_bytes(host: str, kind: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        fields = ((kind(n.encode()), kind(v.encode())) for n, v in FIELDS)
        await send({"type": "http.response.start", "status": 200, "headers": fields})
        buffer = bytearray(b"first,")
        await send({"type": "http.response.body", "body": kind(buffer), "more_body": True})
        buffer[:] = b"second"
        await send({"type": "http.response.body", "body": kind(buffer)})

    response = HOSTS[host](wrapped(app, "asgi"), Request("GET", b"/here"))
    assert (response.status, sorted(response.headers)) == (200, FIELDS)
    assert response.body == b"first,second"


@every_host
@pytest.mark.parametrize("fields", [[("x-a", "b")], [(b"x-a", None)], [(b"x-a", 1)], [b"x"], 7])
def test_fields_of_an_asgi_message_that_are_not_bytes_are_a_500(host: str, fields: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": fields})
        await send({"type": "http.response.body", "body": b"never"})

    assert HOSTS[host](wrapped(app, "asgi"), Request("GET", b"/here")).status == 500


@every_road_of_ours
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    ("length", "parts", "sent", "words"),
    [
        (4, [b"01", b"2345", b"6789"], b"0123", "longer than its Content-Length, 4 bytes"),
        (4, [b"0123", b"4"], b"0123", "longer than"),
        (0, [b"", b"4"], b"", "longer than"),
        (4, [b"01", b"", b"23", b""], b"0123", None),
        (0, [], b"", None),
        (6, [b"0123"], b"0123", "2 bytes shorter than its Content-Length, 6"),
        (6, [], b"", "6 bytes shorter than"),
    ],
)
def test_a_body_ends_with_its_content_length(
    host: str,
    interface: str,
    method: str,
    length: int,
    parts: list[bytes],
    sent: bytes,
    words: str | None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    fields = [("content-type", "text/plain"), ("content-length", str(length))]
    app = answers(200, lambda: fields, *parts)[interface]
    response = HOSTS[host](wrapped(app, interface), Request(method, b"/here"))
    assert response.status == 200
    assert response.body == (b"" if method == "HEAD" else sent)
    if words is None or method == "HEAD":
        assert not caplog.records
    else:
        assert words in caplog.text
        assert "GET '/here'" in caplog.text
        assert len(caplog.records) == 1


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


@every_host
@every_interface
def test_a_path_that_is_not_utf_8_is_answered(host: str, interface: str) -> None:
    request = Request("GET", b"/x/%FF", headers=Headers([("host", "example.org")]))
    seen: list[str] = []

    async def asgi(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["path"])
        await answers(200, lambda: FIELDS, b"fine")["asgi"](scope, receive, send)

    def wsgi(environ: Any, start_response: Any) -> Any:
        seen.append(unigate.current_request().path)
        return answers(200, lambda: FIELDS, b"fine")["wsgi"](environ, start_response)

    app = {"wsgi": wsgi, "asgi": asgi}[interface]
    assert HOSTS[host](wrapped(app, interface), request).body == b"fine"
    assert seen == ["/x/\ufffd"]


@every_host
def test_written_and_returned_parts_stay_in_order(host: str) -> None:
    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        write = start_response("200 OK", FIELDS)
        write(b"1,")

        def body() -> Iterator[bytes]:
            write(b"2,")
            yield b"3,"
            write(b"4,")
            write(b"5,")
            yield b""
            yield b"6,"
            write(b"7")

        return body()

    response = HOSTS[host](wrapped(app, "wsgi"), Request("GET", b"/"))
    assert (response.status, response.body) == (200, b"1,2,3,4,5,6,7")


@every_host
def test_what_is_written_counts_against_the_length(
    host: str, caplog: pytest.LogCaptureFixture
) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        write = start_response("200 OK", [*FIELDS, ("content-length", "5")])
        write(b"123")
        write(b"456")
        return [b"7"]

    response = HOSTS[host](wrapped(app, "wsgi"), Request("GET", b"/"))
    assert (response.status, response.body) == (200, b"12345")
    assert "longer than its Content-Length" in caplog.text


@every_host
@pytest.mark.usefixtures("bounded")
def test_an_endless_body_is_stopped_and_closed(host: str) -> None:
    closed: list[bool] = []

    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [*FIELDS, ("content-length", "4")])
        try:
            while True:
                yield b"123"
        finally:
            closed.append(True)

    assert HOSTS[host](wrapped(app, "wsgi"), Request("GET", b"/")).body == b"1231"
    assert closed == [True]


@pytest.mark.parametrize("length", ["x", "", "-4", "+4", "4,4", "4, 5", "\xb2", "9" * 5000])
@every_host
@every_interface
def test_a_length_that_is_not_a_number_is_a_500(
    host: str, interface: str, length: str, caplog: pytest.LogCaptureFixture
) -> None:
    for fields in (
        [("content-length", length)],
        [("content-length", "4"), ("content-length", length)],
    ):
        caplog.clear()
        app = sends(b"123456", "text/plain", *fields)[interface]
        assert HOSTS[host](wrapped(app, interface), Request("GET", b"/here")).status == 500
        assert "Content-Length must be 1 to 19 digits, got " in caplog.text


@every_host
@every_interface
def test_equal_lengths_are_one(host: str, interface: str) -> None:
    app = sends(b"1234", "text/plain", ("content-length", "4"), ("Content-Length", " 4"))[interface]
    response = HOSTS[host](wrapped(app, interface), Request("GET", b"/here"))
    assert (response.status, response.body) == (200, b"1234")
    assert [value.strip() for name, value in response.headers if name == "content-length"] in (
        ["4"],
        [],
    )


@every_road_of_ours
def test_fields_that_connection_names_are_dropped(host: str, interface: str) -> None:
    extra = [
        ("X-Hop", "1"),
        ("connection", "close,  x-hOP"),
        ("connection", "X-Other"),
        ("x-other", "2"),
    ]
    app = answers(200, lambda: [*FIELDS, *extra], b"fields")[interface]
    response = HOSTS[host](wrapped(app, interface), Request("GET", b"/here"))
    assert (response.status, sorted(response.headers)) == (200, FIELDS)


def nested(error: BaseException) -> BaseException:
    for _ in range(3000):
        error = BaseExceptionGroup("several", [error])
    return error


@pytest.mark.parametrize("error", [ValueError("x"), GeneratorExit()], ids=["exception", "abort"])
@every_host
@every_interface
def test_a_failure_may_be_nested_without_end(
    host: str, interface: str, error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wsgi(environ: Any, start_response: Any) -> Any:
        raise nested(error)

    async def asgi(scope: Any, receive: Any, send: Any) -> None:
        raise nested(error)

    logged: list[Any] = []  # Python itself cannot format such a traceback
    monkeypatch.setattr("unigate.gateway._log.handle", logged.append)
    app = {"wsgi": wsgi, "asgi": asgi}[interface]
    assert HOSTS[host](wrapped(app, interface), Request("GET", b"/here")).status == 500
    assert len(logged) == 1
    assert not isinstance(logged[0].exc_info[1], RecursionError)
    if host in ("asgi", "handle"):  # Python's asyncio.run cannot raise it
        return
    kind = ExceptionGroup if isinstance(error, Exception) else unigate.ApplicationAborted
    with pytest.raises(kind):
        HOSTS[host](wrapped(app, interface, on_error="raise"), Request("GET", b"/here"))


@pytest.mark.parametrize(
    "name", ["x-acce\xdf", "x-acce\u017fs", "x-\u212aey", "x acces", "x:access", "", "\xdf"]
)
@every_event
def test_a_request_name_that_is_not_a_token_is_no_other_name(host: str, name: str) -> None:
    seen: dict[str, Any] = {}

    def app(environ: Any, start_response: Any) -> list[bytes]:
        seen.update(environ)
        start_response("204 No Content", [])
        return []

    event = EVENTS[host].event_of(post(b"", **{"x-mark": "1"}))
    mark = next(mark for mark in ("x-mark", "X-Mark") if mark in json.dumps(event))
    event = replaced(event, mark, name)
    assert asked(host, wrapped(app, "wsgi"), event).status == 204
    keys = {key for key in seen if key.startswith("HTTP_")}
    assert not keys & {"HTTP_X_ACCESS", "HTTP_X_ACCESSS", "HTTP_X_KEY", "HTTP_SS", "HTTP_"}
    assert all(re.fullmatch("[A-Z0-9_]+", key) for key in keys)


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
