from __future__ import annotations

from typing import Any

import pytest

from tests.samples import load
from unigate.events import alb
from unigate.http import Headers, Response
from unigate.request import Request

Event = dict[str, Any]


def read(event: Event) -> Request:
    return alb.to_request(event, None)


def test_a_multi_value_event_is_read_whole() -> None:
    assert read(load("alb/multi_value")) == Request(
        "POST",
        b"/notes",
        query_string=b"r=1,2&r=3&e=%C3%A9",
        headers=Headers(
            [
                ("accept", "text/html"),
                ("accept", "application/json"),
                ("content-type", "text/plain"),
                ("cookie", "sid=9; lang=pt"),
                ("host", "web.example.org:8080"),
                ("x-forwarded-for", "203.0.113.41"),
                ("x-forwarded-port", "8080"),
                ("x-forwarded-proto", "http"),
                ("content-length", "4"),
            ]
        ),
        body=b"ol\xc3\xa1",
        scheme="http",
        server=("web.example.org", 8080),
        client=("203.0.113.41", 0),
    )


def test_a_single_value_event_is_read() -> None:
    request = read(load("alb/single_value"))
    assert request.path == "/caf\xe9"
    assert request.query_string == b"q=a%2Bb+c&k="
    assert (request.scheme, request.server) == ("https", ("web.example.org", 443))
    assert request.client == ("203.0.113.40", 0)


def test_a_health_check_has_neither_host_nor_peer() -> None:
    request = read(load("alb/health_check"))
    assert (request.scheme, request.server) == ("http", ("localhost", 80))
    assert request.client is None
    assert request.headers.pairs == [("user-agent", "ELB-HealthChecker/2.0")]
    assert (request.method, request.path, request.query_string) == ("GET", "/", b"")


def test_null_maps_of_lists_hide_nothing() -> None:
    request = read(load("alb/both_maps"))
    assert request.headers.pairs == [("host", "web.example.org")]
    assert request.query_string == b"a=1"


@pytest.mark.parametrize(
    ("entries", "client"),
    [
        (["6.6.6.6, 9.9.9.9"], ("9.9.9.9", 0)),
        (["6.6.6.6", "9.9.9.9"], ("9.9.9.9", 0)),
        (["6.6.6.6, 203.0.113.1:51000"], ("203.0.113.1", 51000)),
        (["6.6.6.6, [2001:db8::7]:51000"], ("2001:db8::7", 51000)),
        (["6.6.6.6, 2001:db8::7"], ("2001:db8::7", 0)),
        ([""], None),
        ([], None),
    ],
)
def test_the_client_is_the_peer_that_the_load_balancer_saw(
    entries: list[str], client: tuple[str, int] | None
) -> None:
    event = load("alb/multi_value")
    event["multiValueHeaders"]["x-forwarded-for"] = entries
    assert read(event).client == client


def test_no_other_field_is_the_client() -> None:
    event = load("alb/health_check")
    event["headers"] |= {"x-real-ip": "6.6.6.6", "client-ip": "6.6.6.6", "forwarded": "for=6.6.6.6"}
    assert read(event).client is None


COOKIES = ["a=1; Expires=Thu, 01 Jan 2026 00:00:00 GMT", "b=2", "c=3"]
RESPONSE = Response(
    200,
    Headers(
        [("vary", "accept"), ("set-cookie", COOKIES[0]), ("vary", "cookie")]
        + [("set-cookie", cookie) for cookie in COOKIES[1:]]
    ),
    b"hi",
)


def test_a_map_of_lists_is_answered_with_one() -> None:
    assert alb.to_reply(RESPONSE, load("alb/multi_value")) == {
        "statusCode": 200,
        "statusDescription": "200 OK",
        "multiValueHeaders": {"vary": ["accept", "cookie"], "set-cookie": COOKIES},
        "body": "hi",
        "isBase64Encoded": False,
    }


@pytest.mark.parametrize("name", ["single_value", "health_check", "both_maps"])
def test_a_map_of_single_values_is_answered_with_one(name: str) -> None:
    reply = alb.to_reply(RESPONSE, load(f"alb/{name}"))
    assert "multiValueHeaders" not in reply
    fields = reply["headers"]
    assert fields.pop("vary") == "accept, cookie"
    assert list(fields.values()) == COOKIES
    assert {field.lower() for field in fields} == {"set-cookie"}


def test_an_empty_map_of_lists_is_answered_with_one() -> None:
    event = load("alb/multi_value") | {"multiValueHeaders": {}}
    assert "headers" not in alb.to_reply(RESPONSE, event)
    event = load("alb/single_value") | {"multiValueHeaders": {}}
    assert "multiValueHeaders" not in alb.to_reply(RESPONSE, event)


def test_one_cookie_is_spelled_plainly_and_none_not_at_all() -> None:
    event = load("alb/single_value")
    one = Response(200, Headers([("set-cookie", "a=1"), ("x-a", "1")]))
    assert alb.to_reply(one, event)["headers"] == {"x-a": "1", "set-cookie": "a=1"}
    assert alb.to_reply(Response(200), event)["headers"] == {}


def test_every_one_of_twenty_cookies_has_a_spelling_of_its_own() -> None:
    cookies = [f"c{number}=1" for number in range(20)]
    response = Response(200, Headers(("set-cookie", cookie) for cookie in cookies))
    fields = alb.to_reply(response, load("alb/single_value"))["headers"]
    assert list(fields.values()) == cookies
    assert alb.from_reply({"statusCode": 200, "headers": fields}) == response


@pytest.mark.parametrize(
    ("status", "description"),
    [(204, "204 No Content"), (299, "299"), (404, "404 Not Found"), (799, "799")],
)
def test_every_status_has_a_description(status: int, description: str) -> None:
    reply = alb.to_reply(Response(status), load("alb/multi_value"))
    assert (reply["statusCode"], reply["statusDescription"]) == (status, description)
    assert (reply["body"], reply["isBase64Encoded"]) == ("", False)


def test_an_event_is_made_of_lists_and_the_query_as_sent() -> None:
    request = Request(
        "PUT",
        b"/a%2Fb",
        query_string=b"q=a%2Bb&q=c+d&flag",
        headers=Headers([("cookie", "a=1"), ("x-forwarded-for", "6.6.6.6"), ("cookie", "b=2")]),
        body=b"hi",
        scheme="http",
        server=("lb", 8080),
        client=("203.0.113.9", 0),
    )
    event = alb.make_event(request)
    assert event["requestContext"]["elb"]["targetGroupArn"].startswith("arn:aws:elasticload")
    del event["requestContext"]
    assert event == {
        "httpMethod": "PUT",
        "path": "/a%2Fb",
        "multiValueQueryStringParameters": {"q": ["a%2Bb", "c+d"], "flag": [""]},
        "multiValueHeaders": {
            "cookie": ["a=1", "b=2"],
            "x-forwarded-for": ["6.6.6.6, 203.0.113.9"],
            "x-forwarded-proto": ["http"],
            "x-forwarded-port": ["8080"],
        },
        "body": "hi",
        "isBase64Encoded": False,
    }
