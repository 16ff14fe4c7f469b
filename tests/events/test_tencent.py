from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, urlencode

import pytest
from hypothesis import given

from tests.events.test_round_trips import FEW, altered, grouped, requests, responses
from tests.samples import load, names
from unigate import wrap
from unigate.errors import InvalidEvent
from unigate.events import tencent
from unigate.events.writing import proxied_headers
from unigate.http import Headers, Identity, Response
from unigate.request import Request
from unigate.types import Environ, StartResponse

Event = dict[str, Any]


def read(event: Event) -> Request:
    return tencent.to_request(event, None)


def test_a_gateways_event_is_read_whole() -> None:
    request = read(load("tencent/gateway_post"))
    assert request == Request(
        "POST",
        b"/release/notes/caf%C3%A9",
        query_string=b"q=a+b%26c&tag=new&tag=used&flag=",
        headers=Headers(
            [
                ("accept", "text/html"),
                ("content-length", "4"),
                ("content-type", "image/png"),
                ("host", "service-notes1-1250000000.gz.apigw.tencentcs.com"),
                ("x-forwarded-for", "198.51.100.81"),
                ("x-forwarded-proto", "https"),
            ]
        ),
        body=b"\x00\xff\xe1b",
        server=("service-notes1-1250000000.gz.apigw.tencentcs.com", 443),
        client=("203.0.113.81", 0),
        root_path="/release",
    )
    assert request.source == "tencent"


def test_a_function_urls_event_is_read_whole() -> None:
    request = read(load("tencent/function_url"))
    assert request.method == "PATCH"
    assert (request.raw_path, request.root_path) == (b"/notes", "")
    assert request.query_string == b"a=1&b=%2B"
    assert request.body == '{"title": "olá"}'.encode()
    assert request.headers["content-length"] == "17"
    assert request.server == ("1250000000-abcdefghij.ap-guangzhou.tencentscf.com", 443)
    assert request.identity is None


def test_no_field_is_the_client() -> None:
    event = load("tencent/function_url")
    assert read(event).client is None
    event["requestContext"] = {"sourceIp": "203.0.113.83"}
    assert read(event).client == ("203.0.113.83", 0)


def test_a_body_that_is_not_the_base64_it_claims_is_refused() -> None:
    with pytest.raises(InvalidEvent):
        read(load("tencent/gateway_post") | {"body": "no base64"})


@pytest.mark.parametrize(
    ("host", "stage", "root"),
    [
        ("service-x1-125.gz.apigw.tencentcs.com", "release", "/release"),
        ("service-x1-125.gz.apigw.tencentcs.com:443", "test", "/test"),
        ("service-x1-125.ap-guangzhou.apigateway.myqcloud.com", "release", "/release"),
        ("service-x1-125.gz.apigw.tencentcs.com", None, ""),
        ("service-x1-125.gz.apigw.tencentcs.com", ["release"], ""),
        ("api.example.org", "release", ""),
        ("apigw.tencentcs.com.example.org", "release", ""),
        ("evilapigw.tencentcs.com", "release", ""),
        (None, "release", ""),
    ],
)
def test_the_stage_is_the_root_on_the_gateways_own_domains(
    host: str | None, stage: Any, root: str
) -> None:
    event = load("tencent/gateway_domain") | {"headers": {"Host": host}}
    event["requestContext"]["stage"] = stage
    request = read(event)
    assert (request.root_path, request.path) == (root, f"{root}/test/")


@pytest.mark.parametrize(
    ("path", "raw"), [("/caf\xe9 x?y", b"/caf%C3%A9%20x%3Fy"), ("/x?y=1", b"/x%3Fy=1")]
)
def test_what_a_request_line_cannot_hold_is_quoted(path: str, raw: bytes) -> None:
    request = read(load("tencent/function_url") | {"path": path})
    assert (request.raw_path, request.path) == (raw, path)


def test_a_query_value_that_looks_like_an_escape_is_itself() -> None:
    event = load("tencent/function_url") | {"queryString": {"next": "/a%2Fb"}}
    assert read(event).query_string == b"next=%2Fa%252Fb"


def test_a_signed_request_has_the_key_for_an_identity() -> None:
    assert read(load("tencent/gateway_post")).identity == Identity(
        "principal", "AKIDexample", {"secretId": "AKIDexample"}
    )


@pytest.mark.parametrize(
    "identity",
    [
        None,
        {},
        "AKIDexample",
        ["AKIDexample"],
        7,
        {"secretId": None},
        {"secretId": ["x"]},
        {"a": 1},
    ],
)
def test_nobody_is_known_without_a_key(identity: Any) -> None:
    event = load("tencent/gateway_post")
    event["requestContext"]["identity"] = identity
    assert read(event).identity is None


@pytest.mark.parametrize("name", names("tencent"))
def test_each_sample_is_told(name: str) -> None:
    assert tencent.matches(load(name))


@pytest.mark.parametrize(
    "change",
    [
        {"httpMethod": None},
        {"httpMethod": ["GET"]},
        {"path": None},
        {"path": {"id": "7"}},
        {"queryString": "a=1"},
        {"queryString": []},
        {"queryString": "", "requestContext": {"serviceId": None}},
        {"queryString": "", "requestContext": {"serviceId": 7}},
        {"queryString": "", "requestContext": "serviceId"},
    ],
)
def test_an_event_needs_all_its_marks(change: Event) -> None:
    assert not tencent.matches(load("tencent/function_url") | change)


@pytest.mark.parametrize("values", [None, {}])
def test_a_function_urls_event_may_have_no_query(values: Event | None) -> None:
    event = load("tencent/function_url") | {"queryString": values}
    assert tencent.matches(event)
    assert read(event).query_string == b""


def test_a_gateways_event_is_told_without_its_query() -> None:
    event = load("tencent/gateway_domain")
    del event["queryString"]
    assert tencent.matches(event)


def test_a_websocket_is_not_told() -> None:
    """API Gateway's registration of a connection: it is answered with a JSON object of its own."""
    about = load("tencent/gateway_domain")["requestContext"] | {"websocketEnable": True}
    websocket = {"action": "connecting", "secConnectionID": "xawexasdfewezdfsdfeasdfffa=="}
    assert not tencent.matches({"requestContext": about, "websocket": websocket})


@pytest.mark.parametrize(
    "name", [*names("rest_api"), *names("http_api"), *names("generic"), *names("alibaba")]
)
def test_relatives_are_not_told(name: str) -> None:
    assert not tencent.matches(load(name))


@pytest.mark.parametrize("name", names("tencent"))
def test_repeated_fields_of_an_answer_are_lists(name: str) -> None:
    fields = [("vary", "accept"), ("set-cookie", "a=1"), ("vary", "cookie"), ("set-cookie", "b=2")]
    response = Response(201, Headers([*fields, ("x-a", "1")]), b"\xff")
    assert tencent.to_reply(response, load(name)) == {
        "isBase64Encoded": True,
        "statusCode": 201,
        "headers": {"vary": ["accept", "cookie"], "set-cookie": ["a=1", "b=2"], "x-a": "1"},
        "body": "/w==",
    }


def test_an_event_is_made_as_the_gateway_makes_it() -> None:
    request = Request(
        "PUT",
        b"/prod/a%2Fb",
        query_string=b"q=a%2Bb&r=1&r=2",
        headers=Headers([("host", "x.gz.apigw.tencentcs.com")]),
        body=b"hi",
        client=("203.0.113.9", 0),
        root_path="/prod",
    )
    assert tencent.make_event(request) == {
        "requestContext": {
            "serviceId": "service-local",
            "path": "/",
            "httpMethod": "PUT",
            "requestId": "local",
            "identity": {},
            "sourceIp": "203.0.113.9",
            "stage": "prod",
        },
        "headers": {
            "host": "x.gz.apigw.tencentcs.com",
            "x-forwarded-proto": "https",
            "x-forwarded-port": "443",
            "x-forwarded-for": "203.0.113.9",
        },
        "body": "hi",
        "isBase64Encoded": False,
        "pathParameters": {},
        "queryStringParameters": {},
        "headerParameters": {},
        "stageVariables": {},
        "path": "/a%2Fb",
        "queryString": {"q": "a+b", "r": ["1", "2"]},
        "httpMethod": "PUT",
    }
    request.raw_path = b"/prod"
    assert tencent.make_event(request)["path"] == "/"


def survivor(request: Request, **members: Any) -> Request:
    values = parse_qs(request.query_string.decode(), keep_blank_values=True)
    return altered(
        request,
        headers=Headers(proxied_headers(request).joined().items()),
        query_string=urlencode(values, doseq=True).encode(),
        scheme="https",
        **members,
    )


@FEW
@given(request=requests())
def test_a_request_survives_as_an_event(request: Request) -> None:
    event = json.loads(json.dumps(tencent.make_event(request)))
    assert tencent.matches(event)
    assert read(event) == survivor(request, root_path="")


@FEW
@given(request=requests())
def test_a_root_path_survives_on_the_gateways_own_domain(request: Request) -> None:
    host = "service-x1-125.gz.apigw.tencentcs.com"
    request.headers.set("host", f"{host}:{request.server[1]}")
    request.server = (host, request.server[1])
    event = json.loads(json.dumps(tencent.make_event(request)))
    assert read(event) == survivor(request)


@FEW
@given(response=responses())
def test_an_answer_survives(response: Response) -> None:
    reply = json.loads(json.dumps(tencent.to_reply(response, {})))
    headers = grouped(response.headers)
    assert tencent.from_reply(reply) == Response(response.status, headers, response.body)


def hello(environ: Environ, start_response: StartResponse) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{environ['SCRIPT_NAME']} {environ['PATH_INFO']}".encode("latin-1")]


def test_an_application_answers() -> None:
    handler = wrap(hello, sources=[tencent]).lambda_handler
    reply = handler(load("tencent/gateway_post"), None)
    assert tencent.from_reply(reply).body == "/release /notes/café".encode()
    reply = handler(load("tencent/function_url"), None)
    assert tencent.from_reply(reply).body == b" /notes"
