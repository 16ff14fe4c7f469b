from __future__ import annotations

import json
from typing import Any

import pytest

from tests.samples import load
from unigate.errors import InvalidEvent
from unigate.events import vercel
from unigate.http import Headers, Response
from unigate.request import Request


def read(event: dict[str, Any]) -> Request:
    return vercel.to_request(event, None)


def invoke(**members: Any) -> dict[str, Any]:
    """Return an event around a request with the members given."""
    inner = {"method": "GET", "path": "/", "headers": {}} | members
    return {"Action": "Invoke", "body": json.dumps(inner)}


def test_an_event_is_read_whole() -> None:
    assert read(load("vercel/invoke")) == Request(
        "POST",
        b"/api/order",
        query_string=b"next=%2Fcart&tag=a&tag=b",
        headers=Headers(
            [
                ("host", "shop.example.org"),
                ("accept", "text/html"),
                ("accept", "application/json"),
                ("content-type", "application/json"),
                ("x-forwarded-for", "203.0.113.50"),
                ("x-forwarded-proto", "https"),
                ("x-real-ip", "203.0.113.50"),
                ("content-length", "10"),
            ]
        ),
        body=b'{"qty": 1}',
        server=("shop.example.org", 443),
        client=("203.0.113.50", 0),
    )


def test_an_event_without_an_action_is_read() -> None:
    assert read(load("vercel/no_action")) == Request("GET", b"/about")


@pytest.mark.parametrize("body", ["", "no json", "[]", "3", '{"method": "GET"}', '{"path": "/"}'])
def test_an_invocation_of_something_else_is_invalid(body: str) -> None:
    event = {"Action": "Invoke", "body": body}
    assert vercel.matches(event)
    with pytest.raises(InvalidEvent, match="must be JSON with method and path"):
        read(event)


@pytest.mark.parametrize(
    ("headers", "client"),
    [
        ({"x-real-ip": "203.0.113.1", "x-forwarded-for": "203.0.113.2"}, ("203.0.113.1", 0)),
        ({"x-real-ip": "", "x-forwarded-for": "203.0.113.2"}, ("203.0.113.2", 0)),
        ({"x-forwarded-for": "203.0.113.2"}, ("203.0.113.2", 0)),
        ({"true-client-ip": "203.0.113.3", "client-ip": "203.0.113.3"}, None),
        ({}, None),
        (None, None),
    ],
)
def test_the_client_is_what_the_platform_wrote(
    headers: dict[str, str] | None, client: tuple[str, int] | None
) -> None:
    assert read(invoke(headers=headers)).client == client


def test_the_host_member_counts_where_there_is_no_host_field() -> None:
    assert read(invoke(host="a.example.org")).server == ("a.example.org", 443)
    fields = {"Host": "b.example.org:444"}
    assert read(invoke(host="a.example.org", headers=fields)).server == ("b.example.org", 444)


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [("/a?b=1?c", "/a", b"b=1?c"), ("?b=1", "/", b"b=1"), ("/a?", "/a", b""), (None, "/", b"")],
)
def test_the_query_begins_at_the_first_question_mark(
    target: str | None, path: str, query: bytes
) -> None:
    request = read(invoke(path=target))
    assert (request.path, request.query_string) == (path, query)


def test_a_body_is_base64_only_where_the_encoding_says_so() -> None:
    assert read(invoke(body="aGk=", encoding="base64")).body == b"hi"
    assert read(invoke(body="aGk=", encoding="utf-8")).body == b"aGk="
    assert read(invoke(body="aGk=", isBase64Encoded=True)).body == b"aGk="


def test_an_answer_has_lists_of_values_and_a_base64_body() -> None:
    cookies = ["a=1; Expires=Thu, 01 Jan 2026 00:00:00 GMT", "b=2"]
    headers = Headers([("vary", "x"), *(("set-cookie", cookie) for cookie in cookies)])
    assert vercel.to_reply(Response(200, headers, b"hi"), load("vercel/invoke")) == {
        "statusCode": 200,
        "headers": {"vary": ["x"], "set-cookie": cookies},
        "body": "aGk=",
        "encoding": "base64",
    }


def test_an_answer_without_a_body_has_no_member_for_it() -> None:
    reply = vercel.to_reply(Response(204), load("vercel/invoke"))
    assert reply == {"statusCode": 204, "headers": {}}
    assert vercel.from_reply(reply) == Response(204)


def test_an_answer_may_be_plain_text_with_single_values() -> None:
    reply = {"statusCode": 200, "headers": {"X-A": "1"}, "body": "aGk="}
    assert vercel.from_reply(reply) == Response(200, Headers([("x-a", "1")]), b"aGk=")


def test_an_event_is_made_with_the_client_in_both_fields() -> None:
    request = Request(
        "POST",
        b"/a%2Fb",
        query_string=b"q=a%2Bb",
        headers=Headers([("x-forwarded-for", "6.6.6.6"), ("x-a", "1"), ("x-a", "2")]),
        body=b"hi",
        server=("example.org", 443),
        client=("203.0.113.9", 0),
    )
    event = vercel.make_event(request)
    assert event["Action"] == "Invoke"
    assert json.loads(event["body"]) == {
        "method": "POST",
        "host": "example.org",
        "path": "/a%2Fb?q=a%2Bb",
        "headers": {
            "x-forwarded-for": ["203.0.113.9"],
            "x-a": ["1", "2"],
            "x-forwarded-proto": ["https"],
            "x-forwarded-port": ["443"],
            "x-real-ip": ["203.0.113.9"],
        },
        "encoding": "base64",
        "body": "aGk=",
    }


def test_an_event_of_an_unknown_client_names_none() -> None:
    inner = json.loads(vercel.make_event(Request("GET"))["body"])
    assert inner["path"] == "/"
    assert not {"x-real-ip", "x-forwarded-for"} & inner["headers"].keys()
