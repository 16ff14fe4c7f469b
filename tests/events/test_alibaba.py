from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, urlencode

import pytest
from hypothesis import given

from tests.events.test_round_trips import FEW, altered, requests, responses
from tests.samples import load, names
from unigate import wrap
from unigate.errors import InvalidEvent
from unigate.events import alibaba
from unigate.events.writing import proxied_headers
from unigate.http import Headers, Response
from unigate.request import Request
from unigate.types import Environ, StartResponse

Event = dict[str, Any]


def read(event: Event) -> Request:
    return alibaba.to_request(event, None)


def test_a_triggers_event_is_read_whole() -> None:
    request = read(load("alibaba/trigger_get"))
    assert request == Request(
        "GET",
        b"/caf%C3%A9/a%2Fb",
        query_string=b"q=a+b%26c&tag=new%2Cused&flag=",
        headers=Headers(
            [
                ("accept", "text/html,application/json"),
                ("cookie", "sid=9; lang=pt"),
                ("x-forwarded-for", "198.51.100.71"),
                ("x-forwarded-proto", "https"),
            ]
        ),
        server=("notes-abcdefghij.eu-central-1.fcapp.run", 443),
        client=("203.0.113.71", 0),
    )
    assert request.source == "alibaba"
    assert request.identity is None


def test_a_host_field_counts_before_the_triggers_domain() -> None:
    request = read(load("alibaba/trigger_post"))
    assert request.server == ("notes.example.org", 8443)
    assert request.client == ("2001:db8::72", 0)


def test_a_body_that_is_no_text_is_base64() -> None:
    request = read(load("alibaba/trigger_post"))
    assert request.body == b"\x00\xff\xe1b"
    assert request.headers["content-length"] == "4"
    with pytest.raises(InvalidEvent):
        read(load("alibaba/trigger_post") | {"body": "no base64"})


def test_a_gateways_map_is_read_whole() -> None:
    assert read(load("alibaba/gateway")) == Request(
        "PUT",
        b"/notes/7",
        query_string=b"draft=1",
        headers=Headers(
            [
                ("content-type", "text/plain; charset=utf-8"),
                ("host", "api.example.org"),
                ("x-forwarded-for", "198.51.100.73"),
                ("content-length", "4"),
            ]
        ),
        body=b"ol\xc3\xa1",
        server=("api.example.org", 443),
    )


@pytest.mark.parametrize(
    ("flag", "body"),
    [(True, b"hi"), ("true", b"hi"), (False, b"aGk="), ("false", b"aGk="), (None, b"aGk=")],
)
def test_the_flag_may_be_text(flag: Any, body: bytes) -> None:
    event = load("alibaba/gateway") | {"body": "aGk=", "isBase64Encoded": flag}
    assert read(event).body == body


@pytest.mark.parametrize("name", ["gateway", "trigger_get"])
@pytest.mark.parametrize(
    ("path", "raw"), [("/caf\xe9 x?y", b"/caf%C3%A9%20x%3Fy"), ("/x?y=1", b"/x%3Fy=1")]
)
def test_what_a_request_line_cannot_hold_is_quoted(name: str, path: str, raw: bytes) -> None:
    request = read(load(f"alibaba/{name}") | {"path": path, "rawPath": path})
    assert (request.raw_path, request.path) == (raw, path)


def test_a_query_value_that_looks_like_an_escape_is_itself() -> None:
    event = load("alibaba/trigger_get") | {"queryParameters": {"next": "/a%2Fb", "é": "+"}}
    assert read(event).query_string == b"next=%2Fa%252Fb&%C3%A9=%2B"


def test_no_field_is_the_client() -> None:
    event = load("alibaba/trigger_get")
    event["headers"] |= {"X-Real-Ip": "198.51.100.1", "X-Client-Ip": "198.51.100.1"}
    assert read(event).client == ("203.0.113.71", 0)
    event["requestContext"]["http"]["sourceIp"] = "203.0.113.**"
    assert read(event).client is None


@pytest.mark.parametrize("name", names("alibaba"))
def test_each_sample_is_told(name: str) -> None:
    assert alibaba.matches(load(name))


@pytest.mark.parametrize(
    "change",
    [
        {"version": "v2"},
        {"version": "1.0"},
        {"version": "2.0"},
        {"version": ["v1"]},
        {"rawPath": None},
        {"rawPath": ["/"]},
        {"requestContext": None},
        {"requestContext": "http"},
        {"requestContext": {"http": None}},
        {"requestContext": {"http": "GET"}},
    ],
)
def test_a_triggers_event_needs_all_its_marks(change: Event) -> None:
    assert not alibaba.matches(load("alibaba/trigger_get") | change)


@pytest.mark.parametrize(
    "change",
    [
        {"httpMethod": None},
        {"httpMethod": 7},
        {"path": None},
        {"path": {"id": "7"}},
        {"queryParameters": "draft=1"},
        {"queryParameters": []},
        {"version": "v1"},
    ],
)
def test_a_gateways_map_needs_all_its_marks(change: Event) -> None:
    assert not alibaba.matches(load("alibaba/gateway") | change)


@pytest.mark.parametrize("values", [None, {}])
def test_a_gateways_map_may_have_no_query(values: Event | None) -> None:
    event = load("alibaba/gateway") | {"queryParameters": values}
    assert alibaba.matches(event)
    assert read(event).query_string == b""


@pytest.mark.parametrize(
    "name", [*names("rest_api"), *names("http_api"), *names("generic"), *names("tencent")]
)
def test_relatives_are_not_told(name: str) -> None:
    assert not alibaba.matches(load(name))


@pytest.mark.parametrize("name", names("alibaba"))
def test_an_answer_has_one_text_for_each_field(name: str) -> None:
    fields = [("vary", "accept"), ("set-cookie", "a=1"), ("vary", "cookie")]
    assert alibaba.to_reply(Response(201, Headers(fields), b"\xff"), load(name)) == {
        "statusCode": 201,
        "headers": {"vary": "accept, cookie", "set-cookie": "a=1"},
        "body": "/w==",
        "isBase64Encoded": True,
    }


def test_every_cookie_has_a_spelling_of_its_own() -> None:
    cookies = [f"c{number}=1; Expires=Thu, 01 Jan 2026 00:00:00 GMT" for number in range(20)]
    response = Response(200, Headers(("set-cookie", cookie) for cookie in cookies))
    fields = alibaba.to_reply(response, {})["headers"]
    assert list(fields.values()) == cookies
    assert {name.lower() for name in fields} == {"set-cookie"}


def test_an_event_is_made_as_the_trigger_makes_it() -> None:
    request = Request(
        "POST",
        b"/caf%C3%A9/",
        query_string=b"q=a%2Bb&r=1&r=2&flag",
        headers=Headers([("user-agent", "curl/8"), ("x-3d", "y"), ("x-3d", "z")]),
        body=b"\xff",
        server=("f.eu-west-1.fcapp.run", 443),
        client=("203.0.113.9", 0),
    )
    event = alibaba.make_event(request)
    assert event.pop("requestContext") == {
        "accountId": "1234567890123456",
        "domainName": "f.eu-west-1.fcapp.run",
        "domainPrefix": "f",
        "http": {
            "method": "POST",
            "path": "/caf\xe9/",
            "protocol": "HTTP/1.1",
            "sourceIp": "203.0.113.9",
            "userAgent": "curl/8",
        },
        "requestId": "local",
    }
    assert event == {
        "version": "v1",
        "rawPath": "/caf%C3%A9/",
        "body": "/w==",
        "isBase64Encoded": True,
        "headers": {
            "User-Agent": "curl/8",
            "X-3d": "y, z",
            "X-Forwarded-Proto": "https",
            "X-Forwarded-Port": "443",
            "X-Forwarded-For": "203.0.113.9",
        },
        "queryParameters": {"q": "a+b", "r": "1,2", "flag": ""},
    }


@FEW
@given(request=requests())
def test_a_request_survives_as_an_event(request: Request) -> None:
    event = json.loads(json.dumps(alibaba.make_event(request)).encode())
    assert alibaba.matches(event)
    values = parse_qs(request.query_string.decode(), keep_blank_values=True)
    assert read(event) == altered(
        request,
        headers=Headers(proxied_headers(request).joined().items()),
        query_string=urlencode({name: ",".join(many) for name, many in values.items()}).encode(),
        root_path="",
        scheme="https",
    )


@FEW
@given(response=responses())
def test_an_answer_survives(response: Response) -> None:
    reply = json.loads(json.dumps(alibaba.to_reply(response, {})))
    cookies = [("set-cookie", cookie) for cookie in response.headers.getlist("set-cookie")]
    others = Headers(pair for pair in response.headers if pair[0] != "set-cookie").joined()
    headers = Headers([*others.items(), *cookies])
    assert alibaba.from_reply(reply) == Response(response.status, headers, response.body)


def hello(environ: Environ, start_response: StartResponse) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{environ['PATH_INFO']} {environ.get('REMOTE_ADDR')}".encode("latin-1")]


def test_an_application_answers() -> None:
    handler = wrap(hello, sources=[alibaba]).lambda_handler
    reply = handler(json.dumps(load("alibaba/trigger_post")).encode(), None)
    assert alibaba.from_reply(reply).body == b"/upload 2001:db8::72"
    assert alibaba.from_reply(handler(load("alibaba/gateway"), None)).status == 200
