from __future__ import annotations

from typing import Any

import pytest

from unigate.context import current_request_var
from unigate.errors import InvalidEvent
from unigate.events.writing import proxied_headers
from unigate.http import Headers, Response, reason_phrase
from unigate.http.hosts import NOTHING, SCHEME, SCHEME_AND_PORT, Forwarded
from unigate.request import Request, current_request


def read(headers: dict[str, Any] | None = None, **members: Any) -> Request:
    """Build a request as an event source does, all but what a test is about being empty."""
    needed = {"method": "GET", "raw_path": b"/", "query": "", "source": "x", "event": {}}
    return Request.from_event(
        **{**needed, "headers": Headers.from_map(headers), "context": None, **members}
    )


def test_a_request_has_sensible_defaults() -> None:
    request = Request("GET")
    assert request.path == "/"
    assert request.raw_path == b"/"
    assert request.query_string == request.body == b""
    assert request.headers == Headers()
    assert (request.scheme, request.server, request.client) == ("https", ("localhost", 443), None)
    assert (request.root_path, request.http_version, request.source) == ("", "1.1", "")
    assert request.event is None
    assert request.context is None


def test_two_requests_share_no_headers() -> None:
    first, second = Request("GET"), Request("GET")
    first.headers.set("x-a", "1")
    assert "x-a" not in second.headers


def test_the_path_is_decoded_once() -> None:
    assert Request("GET", b"/100%2525/caf%C3%A9").path == "/100%25/caf\xe9"


def test_a_request_tells_what_it_is() -> None:
    assert repr(Request("PUT", b"/a%20b", source="alb")) == "<Request PUT '/a b' from alb>"
    assert repr(Request("GET")) == "<Request GET '/' from nowhere>"


@pytest.mark.parametrize(
    "change",
    [
        {"method": "PUT"},
        {"raw_path": b"/other"},
        {"query_string": b"a=2"},
        {"headers": Headers([("x-a", "2")])},
        {"body": b"other"},
        {"scheme": "http"},
        {"server": ("example.org", 8443)},
        {"client": ("203.0.113.2", 0)},
        {"root_path": "/v2"},
        {"http_version": "2"},
    ],
)
def test_requests_are_equal_when_the_same_is_asked(change: dict[str, Any]) -> None:
    members: dict[str, Any] = {"method": "GET", "raw_path": b"/x", "body": b"b"}
    assert Request(**members) == Request(**members)
    assert Request(**members) != Request(**(members | change))


def test_who_passed_a_request_on_does_not_matter_to_equality() -> None:
    first = Request("GET", source="alb", event={"a": 1}, context=object())
    assert first.path == "/"  # decoded here, not there
    assert first == Request("GET")
    assert first != "GET /"
    with pytest.raises(TypeError, match="unhashable"):
        hash(first)


def test_an_event_and_its_context_are_kept_as_they_came() -> None:
    event, context = {"a": [1]}, object()
    request = read(event=event, context=context, source="fax")
    assert request.event is event
    assert request.context is context
    assert request.source == "fax"


@pytest.mark.parametrize(
    ("method", "expected"),
    [("get", "GET"), ("PATCH", "PATCH"), ("", "GET"), (None, "GET"), ("m-search", "M-SEARCH")],
)
def test_a_method_is_upper_case_and_get_unless_given(method: Any, expected: str) -> None:
    assert read(method=method).method == expected


@pytest.mark.parametrize(
    "method", [3, ["GET"], "GET ", "GE\r\nT", "G\u00c9T", "\ud800", "💥", "a/b"]
)
def test_what_is_no_method_is_refused(method: Any) -> None:
    with pytest.raises((InvalidEvent, TypeError)):
        read(method=method)


@pytest.mark.parametrize(
    ("headers", "given", "server"),
    [
        ({"Host": "example.org"}, {}, ("example.org", 443)),
        ({"Host": "[::1]:3000"}, {}, ("::1", 3000)),
        ({"Host": "lb:8080"}, {}, ("lb", 8080)),
        ({"Host": "lb:8080", "X-Forwarded-Port": "443"}, {}, ("lb", 443)),
        ({"Host": "lb:8080", "X-Forwarded-Port": ""}, {}, ("lb", 8080)),
        ({"Host": "lb:8080", "X-Forwarded-Port": "http"}, {}, ("lb", 8080)),
        ({"Host": "lb:8080", "X-Forwarded-Port": "\xb2"}, {}, ("lb", 8080)),
        ({"Host": "lb:8080", "X-Forwarded-Port": "123456"}, {}, ("lb", 8080)),
        ({"Host": "lb", "X-Forwarded-Proto": "http"}, {}, ("lb", 80)),
        ({"Host": "lb"}, {"scheme": "http"}, ("lb", 80)),
        ({"Host": "lb"}, {"host": "api.example.org"}, ("lb", 443)),
        ({"Host": ""}, {"host": "api.example.org"}, ("api.example.org", 443)),
        ({}, {"host": "api.example.org:444"}, ("api.example.org", 444)),
        ({}, {"host": None}, ("localhost", 443)),
        ({}, {}, ("localhost", 443)),
    ],
)
def test_the_server_comes_from_host_and_forwarded_port(
    headers: dict[str, str], given: dict[str, Any], server: tuple[str, int]
) -> None:
    assert read(headers, forwarded=SCHEME_AND_PORT, **given).server == server


@pytest.mark.parametrize(
    ("proto", "scheme"),
    [("http", "http"), ("https", "https"), ("", "ws"), ("gopher", "ws"), ("https,http", "ws")],
)
def test_the_scheme_is_the_forwarded_one_when_it_is_one(proto: str, scheme: str) -> None:
    request = read({"X-Forwarded-Proto": proto}, forwarded=SCHEME, scheme="ws")
    assert request.scheme == scheme


@pytest.mark.parametrize("forwarded", [NOTHING, SCHEME, SCHEME_AND_PORT])
def test_forwarded_fields_that_the_platform_does_not_write_are_ignored(
    forwarded: Forwarded,
) -> None:
    sent = {"Host": "lb:8080", "X-Forwarded-Proto": "http", "X-Forwarded-Port": "81"}
    request = read(sent, forwarded=forwarded)
    assert request.scheme == ("https" if forwarded == NOTHING else "http")
    assert request.server == ("lb", 81 if forwarded == SCHEME_AND_PORT else 8080)
    assert read(sent).server == ("lb", 8080)  # what a source must state is not assumed


def test_a_client_is_an_address_with_a_port_where_it_is_known() -> None:
    assert read().client is read(client="").client is None
    assert read(client="203.0.113.1").client == ("203.0.113.1", 0)
    assert read(client=("203.0.113.1", 5000)).client == ("203.0.113.1", 5000)


def test_the_content_length_is_that_of_the_decoded_body() -> None:
    fields = {"Content-Length": "8", "X-A": "1"}
    assert read(fields, body="AAECAw==", is_base64=True).headers.pairs == [
        ("content-length", "4"),
        ("x-a", "1"),
    ]
    assert read(body="abc").headers.pairs == [("content-length", "3")]
    assert read({"Content-Length": "3"}, body="abc").headers["content-length"] == "3"
    assert read(fields).headers["content-length"] == "0"
    assert "content-length" not in read().headers


def test_a_body_that_was_chunked_has_arrived_whole() -> None:
    request = read({"Transfer-Encoding": "chunked"}, body="abc")
    assert request.headers.pairs == [("content-length", "3")]


def test_several_cookie_fields_become_one() -> None:
    request = read({"x-a": "1", "cookie": ["a=1", "b=2"], "x-b": ["2", "3"]})
    assert request.headers.getlist("cookie") == ["a=1; b=2"]
    assert request.headers.getlist("x-b") == ["2", "3"]


def test_a_query_is_utf_8() -> None:
    assert read(query="e=\xe9&s=\ud800").query_string == b"e=\xc3\xa9&s=?"


def test_a_body_that_lies_about_base64_is_refused() -> None:
    with pytest.raises(InvalidEvent):
        read(body="Hello from Lambda!", is_base64=True)


def test_a_response_has_sensible_defaults() -> None:
    response = Response(204)
    assert (response.status, response.headers, response.body) == (204, Headers(), b"")
    assert repr(Response(200, body=b"abc")) == "<Response 200, 3 bytes>"
    response.headers.set("x-a", "1")
    assert Response(204).headers == Headers()


def test_a_plain_response_describes_itself() -> None:
    assert Response.plain(404, "N\xe3o h\xe1.") == Response(
        404,
        Headers([("content-type", "text/plain; charset=utf-8"), ("content-length", "9")]),
        b"N\xc3\xa3o h\xc3\xa1.",
    )


def test_responses_are_equal_when_they_say_the_same() -> None:
    headers = Headers([("x-a", "1")])
    assert Response(200, headers, b"b") == Response(200, Headers([("X-A", "1")]), b"b")
    assert Response(200, headers, b"b") != Response(201, headers, b"b")
    assert Response(200, headers, b"b") != Response(200, Headers(), b"b")
    assert Response(200, headers, b"b") != Response(200, headers, b"c")
    assert Response(200, headers, b"b") != b"b"
    with pytest.raises(TypeError, match="unhashable"):
        hash(Response(200))


@pytest.mark.parametrize(
    ("status", "phrase"), [(200, "OK"), (404, "Not Found"), (299, ""), (799, "")]
)
def test_a_status_has_its_standard_phrase_or_none(status: int, phrase: str) -> None:
    assert reason_phrase(status) == phrase


def test_a_request_is_forwarded_as_a_proxy_does_it() -> None:
    fields = [("x-forwarded-for", "198.51.100.1"), ("x-forwarded-proto", "gopher"), ("x-a", "1")]
    request = Request(
        "GET",
        headers=Headers([*fields, ("x-forwarded-for", "198.51.100.2")]),
        scheme="http",
        server=("lb", 8080),
        client=("203.0.113.1", 5000),
    )
    assert proxied_headers(request).pairs == [
        ("x-forwarded-for", "198.51.100.1, 198.51.100.2, 203.0.113.1"),
        ("x-forwarded-proto", "http"),
        ("x-a", "1"),
        ("x-forwarded-port", "8080"),
    ]
    assert request.headers["x-forwarded-proto"] == "gopher"


def test_a_request_of_an_unknown_client_is_forwarded_without_it() -> None:
    assert proxied_headers(Request("GET")).pairs == [
        ("x-forwarded-proto", "https"),
        ("x-forwarded-port", "443"),
    ]


def test_the_current_request_is_the_one_being_answered() -> None:
    request = Request("GET")
    token = current_request_var.set(request)
    try:
        assert current_request() is request
    finally:
        current_request_var.reset(token)


def test_there_is_no_current_request_outside_of_one() -> None:
    with pytest.raises(LookupError, match="while a request is being answered"):
        current_request()
