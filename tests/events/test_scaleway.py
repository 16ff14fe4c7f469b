from __future__ import annotations

import json
from binascii import b2a_base64
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.events.test_round_trips import FEW, altered, requests, responses
from tests.samples import load, names
from unigate import wrap
from unigate.errors import InvalidEvent
from unigate.events import scaleway
from unigate.events.writing import proxied_headers
from unigate.http import Headers, Response
from unigate.request import Request
from unigate.types import Environ, StartResponse

Event = dict[str, Any]


def read(event: Event) -> Request:
    return scaleway.to_request(event, None)


def sent(body: Any, length: str | None, flag: Any = True) -> Event:
    """Return an event of the emulator with another body, length and flag."""
    event = load("scaleway/emulator") | {"body": body, "isBase64Encoded": flag}
    event["headers"]["Content-Length"] = length
    return event


def test_an_event_of_the_platform_is_read_whole() -> None:
    request = read(load("scaleway/platform"))
    assert request == Request(
        "POST",
        b"/caf%C3%A9/a%20b%25",
        query_string=b"q=a+b%26c&flag=",
        headers=Headers(
            [
                ("accept", "text/html,application/json"),
                ("content-length", "5"),
                ("content-type", "text/plain;charset=UTF-8"),
                ("forwarded", "for=203.0.113.91;proto=https, for=100.64.7.9"),
                ("k-proxy-request", "activator"),
                ("x-envoy-external-address", "203.0.113.91"),
                ("x-forwarded-for", "203.0.113.91, 100.64.7.9, 100.64.0.9"),
                ("x-forwarded-proto", "https"),
                ("x-request-id", "req-91"),
            ]
        ),
        body=b"ol\xc3\xa1!",
        server=("localhost", 443),
        client=("203.0.113.91", 0),
    )
    assert request.source == "scaleway"
    assert request.path == "/caf\xe9/a b%"
    assert request.identity is None


def test_an_event_of_the_emulator_is_read() -> None:
    request = read(load("scaleway/emulator"))
    assert (request.scheme, request.server) == ("http", ("localhost", 8080))
    assert request.client == ("127.0.0.1", 0)


def test_no_other_field_is_the_client() -> None:
    event = load("scaleway/platform")
    event["headers"] = {"X-Forwarded-For": "198.51.100.1", "X-Real-Ip": "198.51.100.1"}
    assert read(event).client is None


@pytest.mark.parametrize(
    ("body", "length", "flag", "content"),
    [
        ("YWJj", "4", True, b"YWJj"),  # a text that only looks like it
        ("YWJj", "3", True, b"abc"),  # encoded indeed: this many bytes were sent
        ("YWJj", None, True, b"YWJj"),  # chunked: nothing but text needs no base64
        ("YWJj", "99", True, b"YWJj"),
        ("YWJj", "3", False, b"YWJj"),
        ("YWJj", None, None, b"YWJj"),
        ("/+8=", "4", True, b"/+8="),
        ("/+8=", "2", True, b"\xff\xef"),
        ("/+8=", None, True, b"\xff\xef"),
        ("/+8=", "99", True, b"\xff\xef"),
        ("\ud800", None, False, b"?"),
        ("", "0", True, b""),
        ("", None, True, b""),
        (None, None, True, b""),
        ("\ufffd", "3", False, b"\xef\xbf\xbd"),  # somebody has sent that character
        ("\ufffd", None, False, b"\xef\xbf\xbd"),
    ],
)
def test_a_body_is_base64_only_if_it_can_be(
    body: Any, length: str | None, flag: Any, content: bytes
) -> None:
    assert read(sent(body, length, flag)).body == content


@pytest.mark.parametrize(
    ("body", "length", "flag"),
    [
        ("no base64", None, True),
        ("no base64", "3", True),
        ({"a": 1}, "4", True),
        ({"a": 1}, "4", False),
        ("\ufffd", "1", False),  # a byte that was not UTF-8
    ],
)
def test_a_body_that_cannot_be_known_is_refused(body: Any, length: str | None, flag: Any) -> None:
    with pytest.raises(InvalidEvent):
        read(sent(body, length, flag))


def test_nothing_but_a_method_is_indispensable() -> None:
    request = read({"httpMethod": "GET", "path": None, "requestContext": None})
    assert (request.raw_path, request.client) == (b"/", None)


@pytest.mark.parametrize("name", names("scaleway"))
def test_each_sample_is_told(name: str) -> None:
    assert scaleway.matches(load(name))


@pytest.mark.parametrize(
    "change",
    [
        {"httpMethod": None},
        {"httpMethod": "PUT"},
        {"httpMethod": 7, "requestContext": {"httpMethod": 7}},
        {"path": None},
        {"stageVariable": None},
        {"stageVariable": "x"},
        {"requestContext": None},
        {"requestContext": []},
        {"requestContext": {}},
    ],
)
def test_what_differs_is_not_told(change: Event) -> None:
    assert not scaleway.matches(load("scaleway/platform") | change)


@pytest.mark.parametrize("name", [*names("rest_api"), *names("alb"), *names("generic")])
def test_relatives_are_not_told(name: str) -> None:
    assert not scaleway.matches(load(name))


def test_an_answer_has_strings_under_names_in_title_case() -> None:
    fields = [("content-type", "text/html"), ("vary", "a"), ("set-cookie", "a=1"), ("vary", "b")]
    assert scaleway.to_reply(Response(201, Headers(fields), b"hi"), {}) == {
        "statusCode": 201,
        "headers": {"Content-Type": "text/html", "Vary": "a, b", "Set-Cookie": "a=1"},
        "body": "hi",
        "isBase64Encoded": False,
    }


def test_several_cookies_are_a_list() -> None:
    fields = [("set-cookie", "a=1"), ("x-a", "1"), ("set-cookie", "b=2")]
    reply = scaleway.to_reply(Response(200, Headers(fields), b"\xff"), {})
    assert reply["headers"] == {"Set-Cookie": ["a=1", "b=2"], "X-A": "1"}
    assert (reply["body"], reply["isBase64Encoded"]) == ("/w==", True)


def test_an_event_is_made_as_the_platform_makes_it() -> None:
    request = Request(
        "PUT",
        b"/caf%C3%A9",
        query_string=b"q=a%2Bb&q=c",
        headers=Headers([("host", "h.example.org"), ("x-envoy-external-address", "198.51.100.1")]),
        body=b"\xff",
        client=("203.0.113.9", 0),
    )
    event = scaleway.make_event(request)
    assert event.keys() == load("scaleway/emulator").keys()
    assert event["requestContext"] == load("scaleway/emulator")["requestContext"] | {
        "httpMethod": "PUT"
    }
    assert (event["path"], event["queryStringParameters"]) == ("/caf\xe9", {"q": "c"})
    assert (event["body"], event["isBase64Encoded"]) == ("/w==", True)
    assert event["headers"] == {
        "Host": "h.example.org",
        "X-Envoy-External-Address": "203.0.113.9",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Port": "443",
        "X-Forwarded-For": "203.0.113.9",
        "Content-Length": "1",
    }
    assert "isBase64Encoded" not in scaleway.make_event(Request("GET"))


@FEW
@given(request=requests())
def test_a_request_survives_as_an_event(request: Request) -> None:
    event = json.loads(json.dumps(scaleway.make_event(request)))
    assert scaleway.matches(event)
    headers = proxied_headers(request)
    if request.client:
        headers.set("x-envoy-external-address", request.client[0])
    path = quote(unquote(request.raw_path.decode()), safe="/:@!$&'()*+,;=-._~")
    values = parse_qs(request.query_string.decode(), keep_blank_values=True)
    assert read(event) == altered(
        request,
        raw_path=path.encode(),
        headers=Headers(headers.joined().items()),
        query_string=urlencode({name: many[-1] for name, many in values.items()}).encode(),
        root_path="",
    )


@FEW
@given(content=st.binary(max_size=9), told=st.booleans())
def test_bytes_survive_however_they_are_encoded(content: bytes, told: bool) -> None:
    length = str(len(content)) if told else None
    encoded = b2a_base64(content, newline=False).decode()
    if told or content.decode("utf-8", "ignore").encode() != content:
        assert read(sent(encoded, length)).body == content  # encoded where it had to be
    assert read(sent(encoded, str(len(encoded)))).body == encoded.encode()  # sent like that


@FEW
@given(response=responses())
def test_an_answer_survives(response: Response) -> None:
    reply = json.loads(json.dumps(scaleway.to_reply(response, load("scaleway/platform"))))
    fields = Headers(response.headers.joined().items())
    headers = Headers(
        (name, one)
        for name, value in fields.pairs
        for one in (response.headers.getlist(name) if name == "set-cookie" else [value])
    )
    assert scaleway.from_reply(reply) == Response(response.status, headers, response.body)


def hello(environ: Environ, start_response: StartResponse) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["PATH_INFO"].encode("latin-1"), environ["wsgi.input"].read()]


def test_an_application_answers() -> None:
    app = wrap(hello, sources=[scaleway])
    reply = app.lambda_handler(load("scaleway/platform"), None)
    assert scaleway.from_reply(reply).body == "/caf\xe9/a b%ol\xe1!".encode()
    assert app.lambda_handler(sent("\ufffd", "1", False), None)["statusCode"] == 400
