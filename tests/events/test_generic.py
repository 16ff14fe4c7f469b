from __future__ import annotations

from typing import Any

import pytest

from tests.samples import load
from unigate.events import generic
from unigate.http import Headers, Response
from unigate.request import Request


def read(event: dict[str, Any]) -> Request:
    return generic.to_request(event, None)


def test_an_event_with_a_string_for_a_query_is_read_whole() -> None:
    assert read(load("generic/string_query")) == Request(
        "POST",
        b"/caf%C3%A9/a%2Fb",
        query_string=b"x=1&x=2&y=a+b%20c",
        headers=Headers(
            [("host", "example.org"), ("content-type", "text/plain"), ("content-length", "2")]
        ),
        body=b"hi",
        server=("example.org", 443),
    )


def test_an_event_with_a_map_for_a_query_is_read_whole() -> None:
    assert read(load("generic/map_query")) == Request(
        "GET",
        query_string=b"q=a%2Bb+c&tag=new&tag=used",
        headers=Headers([("host", "example.org"), ("x-forwarded-for", "198.51.100.1")]),
        server=("example.org", 443),
    )


@pytest.mark.parametrize("name", ["x-forwarded-for", "x-real-ip", "forwarded", "client-ip"])
def test_no_field_is_the_client(name: str) -> None:
    event = load("generic/map_query") | {"headers": {name: "198.51.100.66"}}
    assert read(event).client is None


@pytest.mark.parametrize("values", [None, "", "?", {}, ...])
def test_a_query_left_in_the_path_counts_where_there_is_no_other(values: Any) -> None:
    event = load("generic/string_query") | {"path": "/a?b=1&c", "queryStringParameters": values}
    if values is ...:
        del event["queryStringParameters"]
    request = read(event)
    assert (request.path, request.query_string) == ("/a", b"b=1&c")


@pytest.mark.parametrize("values", ["d=2", "?d=2", {"d": "2"}, {"d": ["2"]}])
def test_a_query_of_its_own_counts_above_one_in_the_path(values: Any) -> None:
    event = load("generic/string_query") | {"path": "/a?b=1", "queryStringParameters": values}
    request = read(event)
    assert (request.path, request.query_string) == ("/a", b"d=2")


def test_a_query_without_a_path_is_for_the_root() -> None:
    assert read({"httpMethod": "GET", "path": "?a=1"}) == Request("GET", query_string=b"a=1")


def test_lists_of_values_are_read_where_there_are_any() -> None:
    event = load("generic/map_query") | {"multiValueHeaders": {"X-A": ["1", "2"]}}
    assert read(event).headers.pairs == [("x-a", "1"), ("x-a", "2")]
    assert read(event | {"multiValueHeaders": {}}).headers["host"] == "example.org"


def test_an_answer_is_the_envelope_with_lists_of_values() -> None:
    cookies = ["a=1; Expires=Thu, 01 Jan 2026 00:00:00 GMT", "b=2"]
    headers = Headers([("x-a", "\xe9"), *(("set-cookie", cookie) for cookie in cookies)])
    assert generic.to_reply(Response(201, headers, b"hi"), load("generic/map_query")) == {
        "statusCode": 201,
        "multiValueHeaders": {"x-a": ["\xe9"], "set-cookie": cookies},
        "body": "hi",
        "isBase64Encoded": False,
    }


def test_an_event_is_made_of_single_values_and_the_query_as_sent() -> None:
    request = Request(
        "POST",
        b"/a%2Fb",
        query_string=b"a=1&a=2&flag",
        headers=Headers([("accept", "x"), ("cookie", "a=1"), ("accept", "y"), ("cookie", "b=2")]),
        body=b"\xff",
        client=("203.0.113.9", 0),
    )
    assert generic.make_event(request) == {
        "path": "/a%2Fb",
        "httpMethod": "POST",
        "headers": {"accept": "x, y", "cookie": "a=1; b=2"},
        "queryStringParameters": "a=1&a=2&flag",
        "body": "/w==",
        "isBase64Encoded": True,
    }
