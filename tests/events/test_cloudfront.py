from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given

from tests.events.test_round_trips import FEW, altered, grouped, requests, responses
from tests.samples import load
from unigate import wrap
from unigate.errors import InvalidEvent, TooLarge
from unigate.events import cloudfront
from unigate.http import Headers, Response
from unigate.request import Request
from unigate.types import Environ, StartResponse

Event = dict[str, Any]


def read(event: Event) -> Request:
    return cloudfront.to_request(event, None)


def inside(event: Event) -> Event:
    cf: Event = event["Records"][0]["cf"]
    return cf


def asked(name: str, **members: Any) -> Event:
    """Return a sample with some members of its request changed."""
    event = load(f"cloudfront/{name}")
    inside(event)["request"] |= members
    return event


def test_a_viewer_request_is_read_whole() -> None:
    request = read(load("cloudfront/viewer_request"))
    assert request == Request(
        "POST",
        b"/caf%C3%A9/a%2Fb",
        query_string=b"b=2&a=1&b=%2B&flag",
        headers=Headers(
            [
                ("host", "shop.example.org"),
                ("accept", "text/html"),
                ("accept", "application/json"),
                ("cookie", "sid=9; lang=pt"),
                ("content-type", "text/plain"),
                ("content-length", "4"),
                ("x-forwarded-for", "198.51.100.66"),
            ]
        ),
        body=b"ol\xc3\xa1",
        server=("shop.example.org", 443),
        client=("2001:0db8:0:0:0:0:0:7", 0),
    )
    assert request.source == "cloudfront"
    assert request.identity is None


def test_an_origin_request_is_read_and_its_headers_need_no_key() -> None:
    request = read(load("cloudfront/origin_request"))
    assert request.server == ("origin.example.org", 80)
    assert request.scheme == "http"
    assert request.client == ("203.0.113.71", 0)
    assert request.headers["host"] == "origin.example.org"
    assert (request.path, request.query_string, request.body) == ("/", b"", b"")


def test_the_distribution_is_the_server_where_there_is_no_host() -> None:
    event = load("cloudfront/origin_request")
    del inside(event)["request"]["headers"]["host"]
    assert read(event).server == ("d1example.cloudfront.net", 80)
    assert read(load("cloudfront/console_test")).server == ("localhost", 443)


@pytest.mark.parametrize(
    ("trigger", "proto", "scheme"),
    [
        ("origin-request", "http", "http"),
        ("origin-request", "https", "https"),
        ("origin-request", "gopher", "https"),
        ("viewer-request", "http", "https"),  # at this trigger the client can forge it
    ],
)
def test_only_what_cloudfront_wrote_tells_the_scheme(trigger: str, proto: str, scheme: str) -> None:
    event = load("cloudfront/origin_request")
    inside(event)["config"]["eventType"] = trigger
    inside(event)["request"]["headers"]["cloudfront-forwarded-proto"][0]["value"] = proto
    assert read(event).scheme == scheme


def test_forwarding_fields_of_the_viewer_change_nothing() -> None:
    names = ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-port", "x-real-ip", "forwarded"]
    values = ["198.51.100.66", "http", "81", "198.51.100.66", "for=198.51.100.66;proto=http"]
    forged = {name: [{"value": value}] for name, value in zip(names, values, strict=True)}
    request = read(asked("viewer_request", headers=forged))
    assert request.client == ("2001:0db8:0:0:0:0:0:7", 0)
    assert (request.scheme, request.server) == ("https", ("d1example.cloudfront.net", 443))
    assert "x-forwarded-proto" not in request.headers
    assert "x-forwarded-port" not in request.headers


def test_no_field_but_its_own_is_the_client() -> None:
    assert read(asked("viewer_request", clientIp=None)).client is None


def test_bytes_beyond_ascii_are_quoted_as_utf_8() -> None:
    request = read(asked("console_test", uri="/café\u20ac", querystring="q=é&r=%E9"))
    assert request.raw_path == b"/caf%C3%A9%E2%82%AC"
    assert request.query_string == b"q=%C3%A9&r=%E9"


def test_a_replaced_body_may_be_text() -> None:
    body = {"action": "replace", "data": "olá", "encoding": "text"}
    assert read(asked("viewer_request", body=body)).body == b"ol\xc3\xa1"


def test_a_body_that_was_cut_is_too_large() -> None:
    event = load("cloudfront/viewer_request")
    inside(event)["request"]["body"]["inputTruncated"] = True
    with pytest.raises(TooLarge, match="truncated the request body"):
        read(event)


@pytest.mark.parametrize("body", [None, {}, {"data": None}, {"data": "", "encoding": "base64"}])
def test_a_body_that_was_left_out_is_refused(body: Any) -> None:
    with pytest.raises(InvalidEvent, match="Include body"):
        read(asked("viewer_request", body=body))


def test_a_body_that_is_empty_is_not_missing() -> None:
    event = asked("viewer_request", body=None)
    inside(event)["request"]["headers"]["content-length"] = [{"value": "0"}]
    assert read(event).body == b""


def test_a_body_that_is_no_base64_is_refused() -> None:
    with pytest.raises(InvalidEvent, match="base64"):
        read(asked("viewer_request", body={"data": "olá!", "encoding": "base64"}))


def test_null_values_and_lists_of_headers_are_left_out() -> None:
    fields = {"x-a": None, "x-b": [], "x-c": [{"key": "X-C", "value": None}, None, {"value": "1"}]}
    assert read(asked("console_test", headers=fields)).headers.pairs == [("x-c", "1")]
    assert read(asked("console_test", headers=None)).headers.pairs == []


@pytest.mark.parametrize("name", ["viewer_request", "origin_request", "console_test"])
def test_request_triggers_are_its_events(name: str) -> None:
    assert cloudfront.matches(load(f"cloudfront/{name}"))


def test_response_triggers_are_not() -> None:
    assert not cloudfront.matches(load("not_http/edge_response"))
    for trigger in ("viewer-response", "origin-response"):
        event = load("cloudfront/viewer_request")
        inside(event)["config"]["eventType"] = trigger
        assert not cloudfront.matches(event)
    event = load("cloudfront/viewer_request")
    inside(event)["response"] = {"status": "200"}
    assert not cloudfront.matches(event)


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"Records": None},
        {"Records": {}},
        {"Records": []},
        {"Records": {"cf": {}}},
        {"Records": "cf"},
        {"Records": ["cf"]},
        {"Records": [{"cf": None}]},
        {"Records": [{"cf": {"request": "GET"}}]},
        {"Records": [{"cf": {"request": {"uri": "/"}}}]},
        {"Records": [{"cf": {"request": {"method": "GET"}}}]},
        {"Records": [{"cf": {"request": {"method": ["GET"], "uri": "/"}}}]},
        {"Records": [{"eventSource": "aws:sqs", "body": "{}"}]},
    ],
)
def test_other_records_are_not(event: Event) -> None:
    assert not cloudfront.matches(event)


def test_a_trigger_of_any_shape_raises_nothing() -> None:
    deep: Any = None
    for _ in range(100_000):
        deep = [deep]
    for trigger in (None, 7, ["viewer-response"], deep):
        event = load("cloudfront/viewer_request")
        inside(event)["config"]["eventType"] = trigger
        assert cloudfront.matches(event)
        assert cloudfront.max_reply(event) == 1_048_576


def test_an_event_that_is_named_its_own_and_is_not_has_no_request() -> None:
    with pytest.raises(KeyError):
        read({"Records": []})


@pytest.mark.parametrize(
    ("name", "most"),
    [("viewer_request", 40_960), ("origin_request", 1_048_576), ("console_test", 1_048_576)],
)
def test_the_trigger_limits_the_answer(name: str, most: int) -> None:
    assert cloudfront.max_reply(load(f"cloudfront/{name}")) == most


def test_an_answer_has_a_status_of_text_and_a_list_for_each_header() -> None:
    cookies = ["a=1; Expires=Thu, 01 Jan 2026 00:00:00 GMT", "b=2"]
    fields = [("vary", "accept"), ("set-cookie", cookies[0]), ("vary", "cookie")]
    response = Response(404, Headers([*fields, ("set-cookie", cookies[1])]), b"hi")
    assert cloudfront.to_reply(response, load("cloudfront/viewer_request")) == {
        "status": "404",
        "statusDescription": "Not Found",
        "headers": {
            "vary": [{"key": "vary", "value": "accept"}, {"key": "vary", "value": "cookie"}],
            "set-cookie": [{"key": "set-cookie", "value": cookie} for cookie in cookies],
        },
        "body": "hi",
        "bodyEncoding": "text",
    }


def test_bytes_are_answered_as_base64_and_say_so() -> None:
    reply = cloudfront.to_reply(Response(299, body=b"\xff"), {})
    assert reply == {"status": "299", "headers": {}, "body": "/w==", "bodyEncoding": "base64"}


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_that_has_no_body_has_no_member_for_it(status: int) -> None:
    reply = cloudfront.to_reply(Response(status, body=b"hi"), {})
    assert reply.keys() == {"status", "statusDescription", "headers"}
    assert cloudfront.to_reply(Response(200), {}).keys() == reply.keys()


FORBIDDEN = [
    *("connection", "expect", "keep-alive", "proxy-authenticate", "proxy-authorization"),
    *("proxy-connection", "trailer", "upgrade", "x-accel-buffering", "x-accel-redirect"),
    *("x-amz-cf-id", "x-amz-cf-pop", "x-amzn-requestid", "x-amzn-errortype", "x-cache"),
    *("x-edge-location", "x-forwarded-proto", "x-real-ip"),
    *("content-length", "host", "transfer-encoding", "via", "cdn-loop"),
    *("accept-encoding", "if-modified-since", "if-none-match", "if-range", "if-unmodified-since"),
]


@pytest.mark.parametrize("name", FORBIDDEN)
def test_what_cloudfront_refuses_in_an_answer_is_left_out(name: str) -> None:
    response = Response(200, Headers([(name, "1"), ("x-cached", "1"), (name.upper(), "2")]))
    assert cloudfront.to_reply(response, {})["headers"].keys() == {"x-cached"}


def test_what_the_application_needs_is_kept() -> None:
    names = ["content-encoding", "content-type", "cache-control", "etag", "x-amz-meta", "x-edged"]
    response = Response(200, Headers((name, "1") for name in names))
    assert list(cloudfront.to_reply(response, {})["headers"]) == names


def test_an_answer_may_leave_out_all_but_its_status() -> None:
    assert cloudfront.from_reply({"status": "200"}) == Response(200)
    reply = {"status": "200", "body": "aGk=", "headers": {"x-a": [{"value": "1"}]}}
    assert cloudfront.from_reply(reply) == Response(200, Headers([("x-a", "1")]), b"aGk=")


def test_an_event_is_made_of_lists_and_the_query_as_sent() -> None:
    request = Request(
        "PUT",
        b"/a%2Fb\xff",
        query_string=b"q=a%2Bb&q=c+d&flag",
        headers=Headers([("accept", "x"), ("accept", "y")]),
        body=b"hi",
        scheme="http",
        server=("shop.example.org", 80),
        client=("203.0.113.9", 0),
    )
    proto = {"key": "cloudfront-forwarded-proto", "value": "http"}
    assert inside(cloudfront.make_event(request)) == {
        "config": {"distributionDomainName": "shop.example.org", "eventType": "origin-request"},
        "request": {
            "clientIp": "203.0.113.9",
            "headers": {
                "accept": [{"key": "accept", "value": "x"}, {"key": "accept", "value": "y"}],
                "cloudfront-forwarded-proto": [proto],
            },
            "method": "PUT",
            "querystring": "q=a%2Bb&q=c+d&flag",
            "uri": "/a%2Fb%FF",
            "body": {"data": "aGk=", "encoding": "base64", "inputTruncated": False},
        },
    }


def test_an_application_answers_its_events() -> None:
    def app(environ: Environ, start_response: StartResponse) -> list[bytes]:
        start_response("404 Not Found", [("X-Cache", "1"), ("Content-Length", "6")])
        return [environ["PATH_INFO"].encode("latin-1")]

    event = asked("viewer_request", uri="/olá")
    assert wrap(app, sources=[cloudfront])(event, None) == {
        "status": "404",
        "statusDescription": "Not Found",
        "headers": {},
        "body": "/olá",
        "bodyEncoding": "text",
    }


@FEW
@given(request=requests())
def test_a_request_survives_as_an_event(request: Request) -> None:
    event = json.loads(json.dumps(cloudfront.make_event(request)))
    assert cloudfront.matches(event)
    headers = Headers(request.headers)
    headers.set("cloudfront-forwarded-proto", request.scheme)
    assert read(event) == altered(request, headers=grouped(headers), root_path="")


@FEW
@given(response=responses())
def test_an_answer_survives(response: Response) -> None:
    reply = cloudfront.to_reply(response, load("cloudfront/viewer_request"))
    body = b"" if response.status == 204 else response.body
    expected = Response(response.status, grouped(response.headers), body)
    assert cloudfront.from_reply(json.loads(json.dumps(reply))) == expected
