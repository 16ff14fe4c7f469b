from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, urlencode

import pytest
from hypothesis import given

from tests.events.test_round_trips import FEW, altered, grouped, last_forwarded, requests, responses
from tests.samples import load, names
from unigate import wrap
from unigate.errors import InvalidEvent
from unigate.events import huawei
from unigate.events.writing import proxied_headers
from unigate.http import Headers, Response
from unigate.request import Request
from unigate.types import Environ, StartResponse

Event = dict[str, Any]


def read(event: Event) -> Request:
    return huawei.to_request(event, None)


def test_an_event_is_read_whole() -> None:
    request = read(load("huawei/get"))
    assert request == Request(
        "GET",
        b"/caf%C3%A9/a%2Fb",
        query_string=b"q=a+b%26c&r=1&r=%2B&flag=",
        headers=Headers(
            [
                ("accept", "text/html"),
                ("accept", "application/json"),
                ("cookie", "sid=9; lang=pt"),
                ("host", "shop.example.org"),
                ("x-forwarded-for", "198.51.100.81, 203.0.113.81"),
                ("x-forwarded-port", "443"),
                ("x-forwarded-proto", "https"),
                ("x-real-ip", "198.51.100.81"),
            ]
        ),
        server=("shop.example.org", 443),
        client=("203.0.113.81", 0),
    )
    assert request.source == "huawei"
    assert request.identity is None


def test_a_body_is_base64() -> None:
    request = read(load("huawei/post"))
    assert request.body == b"\x00\xff\xe1b"
    assert request.server == ("shop.example.org", 8443)
    with pytest.raises(InvalidEvent):
        read(load("huawei/post") | {"body": "no base64"})


def test_the_gateways_own_word_for_the_client_comes_first() -> None:
    assert read(load("huawei/post")).client == ("2001:db8::82", 0)


def test_a_clients_own_real_ip_is_not_believed() -> None:
    event = load("huawei/get")
    event["headers"] = {"x-real-ip": "198.51.100.1", "x-client-ip": "198.51.100.1"}
    assert read(event).client is None


def test_what_a_request_line_cannot_hold_is_quoted() -> None:
    assert read(load("huawei/get") | {"path": "/caf\xe9 x"}).raw_path == b"/caf%C3%A9%20x"
    request = read(load("huawei/get") | {"path": "/x?y"})
    assert request.raw_path == b"/x%3Fy"
    assert request.query_string == b"q=a+b%26c&r=1&r=%2B&flag="


def test_nothing_but_a_method_is_indispensable() -> None:
    request = read({"httpMethod": "GET", "path": None, "requestContext": None})
    assert (request.raw_path, request.client) == (b"/", None)


@pytest.mark.parametrize("name", names("huawei"))
def test_each_sample_is_told(name: str) -> None:
    assert huawei.matches(load(name))


CONTEXT = {"apiId": "a", "requestId": "r", "stage": "RELEASE"}


@pytest.mark.parametrize(
    "change",
    [
        {"httpMethod": None},
        {"path": None},
        {"isBase64Encoded": None},
        {"isBase64Encoded": 1},
        {"requestContext": None},
        {"requestContext": "apiId"},
        {"requestContext": {}},
        {"requestContext": {"apiId": "a", "requestId": "r"}},
        {"requestContext": CONTEXT | {"apiId": None}},
        {"requestContext": CONTEXT | {"stage": 7}},
        {"requestContext": CONTEXT | {"accountId": "1"}},
        {"requestContext": CONTEXT | {"serviceId": "1"}},
        {"user_data": "for the authorizer"},
        {"user_data": ""},
        {"resource": "/"},
        {"multiValueHeaders": {}},
    ],
)
def test_what_differs_is_not_told(change: Event) -> None:
    assert not huawei.matches(load("huawei/get") | change)


@pytest.mark.parametrize("name", [*names("rest_api"), *names("alb"), *names("generic")])
def test_relatives_are_not_told(name: str) -> None:
    assert not huawei.matches(load(name))


def test_an_answer_has_its_four_members_always() -> None:
    assert huawei.to_reply(Response(204), {}) == {
        "statusCode": 204,
        "headers": {},
        "body": "",
        "isBase64Encoded": False,
    }


def test_repeated_fields_are_joined() -> None:
    fields = [("vary", "accept"), ("set-cookie", "a=1"), ("vary", "cookie")]
    reply = huawei.to_reply(Response(200, Headers(fields), b"\xff"), {})
    assert reply["headers"] == {"vary": "accept, cookie", "set-cookie": "a=1"}
    assert (reply["body"], reply["isBase64Encoded"]) == ("/w==", True)


def test_several_cookies_make_every_field_a_list() -> None:
    fields = [("vary", "accept"), ("set-cookie", "a=1"), ("set-cookie", "b=2")]
    reply = huawei.to_reply(Response(200, Headers(fields)), {})
    assert reply["headers"] == {"vary": ["accept"], "set-cookie": ["a=1", "b=2"]}


def test_an_event_is_made_as_the_gateway_makes_it() -> None:
    request = Request(
        "PUT",
        b"/a%2Fb",
        query_string=b"q=a%2Bb&r=1&r=2",
        headers=Headers([("Host", "h.example.org"), ("x-real-ip", "198.51.100.1")]),
        body=b"hi",
        client=("203.0.113.9", 0),
    )
    assert huawei.make_event(request) == {
        "body": "aGk=",
        "requestContext": {"apiId": "local", "requestId": "local", "stage": "RELEASE"},
        "queryStringParameters": {"q": "a+b", "r": ["1", "2"]},
        "httpMethod": "PUT",
        "pathParameters": {},
        "headers": {
            "host": "h.example.org",
            "x-real-ip": "203.0.113.9",
            "x-forwarded-proto": "https",
            "x-forwarded-port": "443",
            "x-forwarded-for": "203.0.113.9",
        },
        "path": "/a%2Fb",
        "isBase64Encoded": True,
    }


@FEW
@given(request=requests())
def test_a_request_survives_as_an_event(request: Request) -> None:
    event = json.loads(json.dumps(huawei.make_event(request)))
    assert huawei.matches(event)
    headers = proxied_headers(request)
    if request.client:
        headers.set("x-real-ip", request.client[0])
    query = urlencode(parse_qs(request.query_string.decode(), keep_blank_values=True), doseq=True)
    assert read(event) == altered(
        request,
        headers=Headers(headers.joined().items()),
        query_string=query.encode(),
        client=request.client or last_forwarded(request),
        root_path="",
    )


@FEW
@given(response=responses())
def test_an_answer_survives(response: Response) -> None:
    reply = json.loads(json.dumps(huawei.to_reply(response, load("huawei/get"))))
    headers = grouped(response.headers)
    if len(headers.getlist("set-cookie")) < 2:
        headers = Headers(headers.joined().items())
    assert huawei.from_reply(reply) == Response(response.status, headers, response.body)


def hello(environ: Environ, start_response: StartResponse) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{environ['PATH_INFO']} {environ['REMOTE_ADDR']}".encode("latin-1")]


def test_an_application_answers() -> None:
    reply = wrap(hello, sources=[huawei]).lambda_handler(load("huawei/post"), None)
    assert huawei.from_reply(reply).body == b"/upload 2001:db8::82"
