from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, urlencode

import pytest
from hypothesis import given

from tests.events.test_round_trips import FEW, altered, grouped, requests, responses
from tests.samples import load, names
from unigate import wrap
from unigate.events import yandex
from unigate.events.writing import proxied_headers
from unigate.http import Headers, Identity, Response
from unigate.request import Request
from unigate.types import Environ, StartResponse

Event = dict[str, Any]


def read(event: Event) -> Request:
    return yandex.to_request(event, None)


def test_a_direct_call_is_read_whole() -> None:
    request = read(load("yandex/direct"))
    assert request == Request(
        "POST",
        b"/",
        query_string=b"a=%2B&a=1%262&b=c+d",
        headers=Headers(
            [
                ("accept", "text/html"),
                ("accept", "application/json"),
                ("content-length", "4"),
                ("content-type", "text/plain"),
                ("host", "functions.example.org"),
                ("x-forwarded-for", "198.51.100.71, 203.0.113.71"),
                ("x-real-remote-address", "[203.0.113.71]:40110"),
            ]
        ),
        body=b"ol\xc3\xa1",
        server=("functions.example.org", 443),
        client=("203.0.113.71", 0),
    )
    assert request.source == "yandex"
    assert request.identity is None


def test_the_event_of_old_had_an_empty_path() -> None:
    request = read(load("yandex/direct_old"))
    assert (request.raw_path, request.query_string, request.body) == (b"/", b"", b"")
    assert request.client == ("2001:db8::71", 0)


def test_format_0_1_has_the_target_in_its_url() -> None:
    request = read(load("yandex/gateway_01"))
    assert (request.raw_path, request.path) == (b"/notes/caf%C3%A9%2F7", "/notes/caf\xe9/7")
    assert request.query_string == b"b=%2B&a=1&b=2&flag"
    assert request.headers["cookie"] == "sid=9; lang=pt"


@pytest.mark.parametrize("url", ["/notes?", "/notes"])
def test_a_url_without_a_query_has_none(url: str) -> None:
    request = read(load("yandex/gateway_01") | {"url": url})
    assert (request.raw_path, request.query_string) == (b"/notes", b"")


def test_what_a_request_line_cannot_hold_is_quoted() -> None:
    request = read(load("yandex/gateway_01") | {"url": "/caf\xe9 x?q=\xe9"})
    assert (request.raw_path, request.query_string) == (b"/caf%C3%A9%20x", b"q=%C3%A9")


def test_format_1_0_has_the_real_path() -> None:
    request = read(load("yandex/gateway_10"))
    assert (request.method, request.raw_path) == ("PUT", b"/notes/7")
    assert request.query_string == b"q=c%3Dd&q=a%2Bb"
    assert request.body == b'{"n": 1}'
    assert request.root_path == ""


def test_a_question_mark_in_the_path_of_format_1_0_begins_no_query() -> None:
    request = read(load("yandex/gateway_10") | {"path": "/a?b=1"})
    assert (request.raw_path, request.query_string) == (b"/a%3Fb=1", b"q=c%3Dd&q=a%2Bb")


def test_single_values_count_where_there_are_no_lists() -> None:
    event = load("yandex/gateway_10")
    event |= {"multiValueHeaders": None, "multiValueQueryStringParameters": None}
    request = read(event)
    assert request.headers["host"] == "notes.example.org"
    assert request.query_string == b"q=a%2Bb"


def test_a_token_that_the_gateway_has_verified_is_known() -> None:
    claims = {"sub": "ana", "iss": "https://id.example.org"}
    identity = read(load("yandex/gateway_10")).identity
    assert identity == Identity("jwt", "ana", claims, ("read", "write"))


def test_what_an_authorizer_function_said_is_known() -> None:
    identity = read(load("yandex/gateway_01")).identity
    assert identity == Identity("lambda", None, {"tenant": "blue", "level": 3})


@pytest.mark.parametrize(
    ("found", "identity"),
    [
        (None, None),
        ({}, None),
        ("x", None),
        ([1], None),
        ({"jwt": None}, Identity("lambda", None, {"jwt": None})),
        ({"jwt": {"claims": {"a": 1}}}, Identity("jwt", None, {"a": 1})),
        ({"jwt": {"claims": {"sub": []}, "scopes": 7}}, Identity("jwt", None, {"sub": []})),
        ({"jwt": {"claims": {"sub": 7}, "scopes": [1]}}, Identity("jwt", "7", {"sub": 7}, ("1",))),
    ],
)
def test_an_identity_of_another_shape_is_no_error(found: Any, identity: Identity | None) -> None:
    event = load("yandex/gateway_10")
    event["requestContext"]["authorizer"] = found
    assert read(event).identity == identity


def test_a_forged_header_is_not_the_client() -> None:
    event = load("yandex/direct")
    event["requestContext"]["identity"] = None
    assert read(event).client is None


def test_nothing_but_a_method_is_indispensable() -> None:
    request = read({"httpMethod": "GET", "path": "", "url": None, "requestContext": None})
    assert (request.raw_path, request.client) == (b"/", None)


@pytest.mark.parametrize("name", names("yandex"))
def test_each_sample_is_told(name: str) -> None:
    assert yandex.matches(load(name))


NUMBERED = load("yandex/gateway_10")["requestContext"] | {"httpMethod": 7}
AUTHORIZER = {
    "resource": "/notes/{id}",
    "path": "/notes/7",
    "httpMethod": "GET",
    "headers": {"Authorization": "Bearer x"},
    "queryStringParameters": {},
    "pathParameters": {"id": "7"},
    "requestContext": load("yandex/direct_old")["requestContext"],
    "cookies": {},
}


@pytest.mark.parametrize(
    "event",
    [
        {},
        AUTHORIZER,
        load("yandex/gateway_10") | {"httpMethod": None},
        load("yandex/gateway_10") | {"httpMethod": "POST"},
        load("yandex/gateway_10") | {"httpMethod": 7, "requestContext": NUMBERED},
        load("yandex/gateway_10") | {"multiValueHeaders": None},
        load("yandex/gateway_10") | {"requestContext": None},
        load("yandex/gateway_10") | {"requestContext": []},
        load("yandex/direct") | {"pathParams": None, "path": "/"},
        load("yandex/direct") | {"pathParams": None, "resource": "/"},
    ],
)
def test_what_lacks_a_mark_is_not_told(event: Event) -> None:
    assert not yandex.matches(event)


@pytest.mark.parametrize("mark", ["pathParams", "multiValueParameters", "apiGateway", ""])
def test_one_mark_of_a_form_is_enough(mark: str) -> None:
    event = load("yandex/gateway_10")
    del event["multiValueParameters"], event["requestContext"]["apiGateway"]
    assert not yandex.matches(event)
    if mark == "apiGateway":
        event["requestContext"][mark] = {}
    elif mark:
        event[mark] = {}
    else:
        event |= {"path": None, "resource": ""}
    assert yandex.matches(event)


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("identity", None),
        ("requestId", None),
        ("httpMethod", None),
        ("accountId", "123456789012"),
        ("apiId", "a1"),
        ("connectionId", "c1"),
        ("resourceId", "r1"),
        ("resourcePath", "/{proxy+}"),
        ("stage", "prod"),
    ],
)
def test_a_context_of_another_kind_is_not_told(member: str, value: Any) -> None:
    for name in names("yandex"):
        event = load(name)
        event["requestContext"][member] = value
        assert not yandex.matches(event)


@pytest.mark.parametrize("name", [*names("rest_api"), *names("alb"), *names("generic")])
def test_relatives_are_not_told_even_with_the_marks(name: str) -> None:
    event = load(name)
    assert not yandex.matches(event)
    assert not yandex.matches(event | {"pathParams": {}, "url": "/", "operationId": "x"})


def test_an_answer_has_lists_and_leaves_out_what_would_make_it_an_error() -> None:
    response = Response(
        401,
        Headers(
            [
                ("set-cookie", "a=1"),
                ("www-authenticate", "Basic"),
                ("via", "1.1 cache"),
                ("proxy-authenticate", "Basic"),
                ("transfer-encoding", "chunked"),
                ("set-cookie", "b=2"),
                ("www-authenticate", "Bearer"),
            ]
        ),
        b"who?",
    )
    assert yandex.to_reply(response, {}) == {
        "statusCode": 401,
        "multiValueHeaders": {
            "set-cookie": ["a=1", "b=2"],
            "x-yf-remapped-www-authenticate": ["Basic", "Bearer"],
        },
        "body": "who?",
        "isBase64Encoded": False,
    }


def test_an_event_is_made_as_a_gateway_makes_it() -> None:
    request = Request(
        "PUT",
        b"/a%2Fb",
        query_string=b"q=a%2Bb&q=c",
        headers=Headers([("host", "h.example.org"), ("user-agent", "x"), ("x-request-id", "7")]),
        client=("203.0.113.9", 0),
    )
    event = yandex.make_event(request)
    assert yandex.matches(event)
    assert (event["path"], event["url"]) == ("/{proxy+}", "/a%2Fb?q=a%2Bb&q=c")
    assert (event["body"], event["isBase64Encoded"]) == ("", True)
    assert event["pathParams"] == event["params"] == {"proxy": "a%2Fb"}
    assert event["multiValueParams"] == {"proxy": ["a%2Fb"]}
    assert event["queryStringParameters"] == {"q": "c"}
    assert event["multiValueQueryStringParameters"] == {"q": ["a+b", "c"]}
    assert event["requestContext"]["identity"] == {"sourceIp": "203.0.113.9", "userAgent": "x"}
    assert list(event["headers"]) == [
        "Host",
        "User-Agent",
        "X-Request-Id",
        "X-Forwarded-Proto",
        "X-Forwarded-Port",
        "X-Forwarded-For",
    ]


@FEW
@given(request=requests())
def test_a_request_survives_as_an_event(request: Request) -> None:
    event = json.loads(json.dumps(yandex.make_event(request)))
    assert yandex.matches(event)
    headers = grouped(proxied_headers(request))
    lost = {"root_path": "", "scheme": "https"}
    assert read(event) == altered(request, headers=headers, **lost)
    # As format 1.0: the query is decoded, and the order across keys is lost.
    event |= {"url": None, "path": request.raw_path.decode()}
    query = urlencode(parse_qs(request.query_string.decode(), keep_blank_values=True), doseq=True)
    arrived = read(event)
    assert arrived == altered(request, headers=headers, query_string=query.encode(), **lost)


@pytest.mark.parametrize("name", names("yandex"))
@FEW
@given(response=responses())
def test_an_answer_survives(name: str, response: Response) -> None:
    reply = json.loads(json.dumps(yandex.to_reply(response, load(name))))
    headers = grouped(response.headers)
    assert yandex.from_reply(reply) == Response(response.status, headers, response.body)


def hello(environ: Environ, start_response: StartResponse) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain"), ("Via", "1.1 me")])
    return [f"{environ['PATH_INFO']} {environ['REMOTE_ADDR']}".encode("latin-1")]


def test_an_application_answers() -> None:
    app = wrap(hello, sources=[yandex])
    reply = app.lambda_handler(load("yandex/gateway_10"), None)
    assert yandex.from_reply(reply).body == b"/notes/7 203.0.113.73"
    assert "via" not in reply["multiValueHeaders"]
