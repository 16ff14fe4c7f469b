from __future__ import annotations

from typing import Any

import pytest

from tests.samples import OWN_DOMAINS, load
from unigate.events import http_api
from unigate.http import Headers, Response
from unigate.request import Request

Event = dict[str, Any]


def read(event: Event) -> Request:
    return http_api.to_request(event, None)


def with_context(name: str, **members: Any) -> Event:
    """Return a sample with some members of its `requestContext` changed."""
    event = load(name)
    event["requestContext"] |= members
    return event


def test_an_http_apis_event_is_read_whole() -> None:
    assert read(load("http_api/get")) == Request(
        "GET",
        b"/shelf/caf%C3%A9%20au%20lait/",
        query_string=b"tag=new&tag=used&q=a%2Bb+c",
        headers=Headers(
            [
                ("accept", "text/html,application/json"),
                ("host", "abc123.execute-api.eu-west-1.amazonaws.com"),
                ("x-forwarded-for", "198.51.100.4,203.0.113.20"),
                ("x-forwarded-port", "443"),
                ("x-forwarded-proto", "https"),
                ("cookie", "theme=dark; lang=pt"),
            ]
        ),
        server=("abc123.execute-api.eu-west-1.amazonaws.com", 443),
        client=("203.0.113.20", 0),
    )


def test_a_function_urls_event_is_read_whole() -> None:
    request = read(load("http_api/function_url"))
    assert request == Request(
        "PUT",
        b"/caf%C3%A9/a%2Fb",
        query_string=b"page=2",
        headers=Headers(
            [
                ("content-type", "application/json"),
                ("cookie", "sid=41; seen=yes"),
                ("host", "q4zkx7.lambda-url.eu-west-1.on.aws"),
                ("x-amzn-tls-version", "TLSv1.3"),
                ("x-forwarded-for", "203.0.113.22"),
                ("x-forwarded-port", "443"),
                ("x-forwarded-proto", "https"),
                ("content-length", "10"),
            ]
        ),
        body=b'{"qty": 3}',
        server=("q4zkx7.lambda-url.eu-west-1.on.aws", 443),
        client=("203.0.113.22", 0),
    )
    assert request.source == "function_url"
    assert read(load("http_api/get")).source == "http_api"


def test_a_stage_that_the_path_begins_with_is_the_root() -> None:
    request = read(load("http_api/post_stage"))
    assert (request.root_path, request.path) == ("/beta", "/beta/upload")
    assert request.body == b"\0\x01\xfe\xff"


@pytest.mark.parametrize(
    ("stage", "path", "root"),
    [
        ("beta", "/beta", "/beta"),
        ("beta", "/beta/", "/beta"),
        ("beta", "/betamax/x", ""),
        ("beta", "/x", ""),
        ("$default", "/$default/x", ""),
        (None, "/None/x", ""),
        ("", "//x", ""),
    ],
)
def test_a_stage_ends_at_a_slash(stage: str | None, path: str, root: str) -> None:
    request = read(with_context("http_api/get", stage=stage) | {"rawPath": path})
    assert (request.root_path, request.path) == (root, path)


@pytest.mark.parametrize("domain", [*OWN_DOMAINS, None, ""])
def test_every_domain_of_the_platforms_own_has_the_stage(domain: str | None) -> None:
    event = with_context("http_api/get", stage="dev", domainName=domain) | {"rawPath": "/dev/x"}
    assert (read(event).root_path, read(event).path) == ("/dev", "/dev/x")


@pytest.mark.parametrize(
    ("path", "route", "values", "seen"),
    [
        ("/dev/admin/", "$default", None, "/admin/"),
        ("/dev/admin/", "ANY /{proxy+}", {"proxy": "admin/"}, "/admin/"),
        ("/dev/admin/", "ANY /{proxy+}", {"proxy": "admin"}, "/admin/"),
        ("/dev/admin/", "ANY /{proxy+}", None, "/admin/"),
        ("/dev/admin/", "ANY /{proxy+}", {"proxy": "dev/admin"}, "/dev/admin/"),
        ("/dev/admin", "GET /dev/{page}", {"page": "admin"}, "/dev/admin"),
        ("/dev/dev/admin", "GET /dev/{page}", {"page": "admin"}, "/dev/admin"),
        ("/dev/caf\xe9 1", "GET /{a}", {"a": "caf\xe9 1"}, "/caf\xe9 1"),
        ("/dev/users/7/x", "GET /users/{id}/{rest+}", {"id": 7, "rest": "x"}, "/users/7/x"),
        ("/dev", "$default", None, "/"),
        ("/dev/", "$default", None, "/"),
        ("/dev/", "GET /", None, "/"),
        ("/dev", "GET /dev", None, "/dev"),
        ("/developers", "$default", None, "/developers"),
        ("/admin/", "$default", None, "/admin/"),
        # SAM's local API: the whole path is a parameter.
        ("/dev/x", "$default", {"any_path": "dev/x"}, "/dev/x"),
        ("/dev", "$default", {"any_path": "dev"}, "/dev"),
        ("/dev/x", "$default", {"any_path": "x"}, "/x"),
        ("/dev/x", None, None, "/x"),
        ("/dev/x", 7, "dev", "/x"),
    ],
)
def test_clients_of_a_custom_domain_do_not_see_the_stage(
    path: str, route: Any, values: Any, seen: str
) -> None:
    event = with_context("http_api/get", stage="dev", domainName="api.example.org")
    event |= {"rawPath": path, "routeKey": route, "pathParameters": values}
    assert (read(event).root_path, read(event).path) == ("", seen)


def test_without_a_domain_the_host_field_tells_a_custom_domain() -> None:
    event = with_context("http_api/get", stage="dev", domainName=None) | {"rawPath": "/dev/x"}
    event["headers"]["host"] = "api.example.org"
    assert (read(event).root_path, read(event).path) == ("", "/x")


@pytest.mark.parametrize("name", ["http_api/get", "http_api/function_url"])
@pytest.mark.parametrize("forged", ["198.51.100.66", "198.51.100.66, 198.51.100.67", "unknown"])
def test_a_forged_forwarded_peer_is_not_the_client(name: str, forged: str) -> None:
    event = load(name)
    address = event["requestContext"]["http"]["sourceIp"]
    event["headers"] |= {"x-forwarded-for": forged, "x-real-ip": forged}
    assert read(event).client == (address, 0)
    event["requestContext"]["http"]["sourceIp"] = None
    assert read(event).client is None


def test_without_a_host_field_the_domain_is_the_server() -> None:
    event = load("http_api/get") | {"headers": {}}
    assert read(event).server == ("abc123.execute-api.eu-west-1.amazonaws.com", 443)
    event["requestContext"]["domainName"] = None
    assert read(event).server == ("localhost", 443)


def test_the_path_in_the_context_is_never_used() -> None:
    http = load("http_api/get")["requestContext"]["http"] | {"path": "/other"}
    assert read(with_context("http_api/get", http=http)).path == "/shelf/caf\xe9 au lait/"


def test_cookies_of_both_kinds_are_not_doubled() -> None:
    event = load("http_api/function_url")
    assert read(event).headers["cookie"] == "sid=41; seen=yes"
    assert read(event | {"cookies": None}).headers["cookie"] == "sid=41; seen=yes"


def test_a_cookie_field_in_another_case_is_not_doubled() -> None:
    event = load("http_api/function_url")
    event["headers"] = {"Host": "127.0.0.1:3000", "Cookie": "sid=41; seen=yes"}  # SAM local's
    assert read(event).headers.getlist("cookie") == ["sid=41; seen=yes"]


def test_null_cookies_are_left_out() -> None:
    event = load("http_api/get") | {"cookies": [None, "a=1", "", "b=2"]}
    assert read(event).headers["cookie"] == "a=1; b=2"


def test_an_empty_event_is_a_request_for_the_root() -> None:
    assert read({}) == Request("GET")


def test_repeated_fields_of_an_answer_are_joined_and_cookies_apart() -> None:
    cookies = ["a=1; Expires=Thu, 01 Jan 2026 00:00:00 GMT", "b=2; Path=/"]
    response = Response(
        200,
        Headers(
            [("vary", "accept"), ("set-cookie", cookies[0]), ("vary", "cookie")]
            + [("set-cookie", cookies[1])]
        ),
        b"hi",
    )
    assert http_api.to_reply(response, load("http_api/get")) == {
        "statusCode": 200,
        "headers": {"vary": "accept, cookie"},
        "cookies": cookies,
        "body": "hi",
        "isBase64Encoded": False,
    }


def test_an_answer_without_cookies_has_none() -> None:
    assert http_api.to_reply(Response(204), load("http_api/get")) == {
        "statusCode": 204,
        "headers": {},
        "cookies": [],
        "body": "",
        "isBase64Encoded": False,
    }


def test_an_answer_without_a_status_is_the_body_of_a_200() -> None:
    headers = Headers([("content-type", "application/json")])
    assert http_api.from_reply({"body": "lost"}) == Response(200, headers, b'{"body": "lost"}')


def test_an_answer_may_have_null_cookies() -> None:
    reply = {"statusCode": 200, "headers": None, "cookies": None, "body": None}
    assert http_api.from_reply(reply) == Response(200)


REQUEST = Request(
    "POST",
    b"/prod/caf%C3%A9/a%2Fb",
    query_string=b"a=1&a=2",
    headers=Headers([("cookie", "a=1"), ("accept", "x"), ("cookie", "b=2"), ("accept", "y")]),
    body=b"hi",
    server=("api.example.org", 8443),
    client=("203.0.113.9", 0),
    root_path="/prod",
)


def test_an_http_apis_event_has_its_path_decoded_and_its_cookies_apart() -> None:
    event = http_api.make_event(REQUEST)
    assert event["rawPath"] == event["requestContext"]["http"]["path"] == "/prod/caf\xe9/a/b"
    assert event["rawQueryString"] == "a=1&a=2"
    assert event["queryStringParameters"] == {"a": "1,2"}
    assert event["cookies"] == ["a=1", "b=2"]
    assert event["headers"] == {
        "accept": "x, y",
        "x-forwarded-proto": "https",
        "x-forwarded-port": "8443",
        "x-forwarded-for": "203.0.113.9",
    }
    assert event["requestContext"]["stage"] == "prod"
    assert event["requestContext"]["domainName"].endswith(".amazonaws.com")
    assert event["requestContext"]["http"]["sourceIp"] == "203.0.113.9"
    assert (event["body"], event["isBase64Encoded"]) == ("hi", False)


def test_a_function_urls_event_has_its_path_as_sent_and_its_cookies_twice() -> None:
    request = Request(
        "GET",
        b"/caf%C3%A9",
        headers=Headers([("cookie", "a=1; b=2")]),
        source="function_url",
    )
    event = http_api.make_event(request)
    assert event["rawPath"] == "/caf%C3%A9"
    assert event["requestContext"]["http"]["path"] == "/caf\xe9"
    assert event["requestContext"]["http"]["sourceIp"] is None
    assert event["requestContext"]["stage"] == "$default"
    assert event["cookies"] == ["a=1", "b=2"]
    assert event["headers"]["cookie"] == "a=1; b=2"
    assert "body" not in event
    assert read(event).source == "function_url"


def test_a_request_without_cookies_and_query_makes_an_event_without() -> None:
    event = http_api.make_event(Request("GET"))
    assert not {"cookies", "queryStringParameters"} & event.keys()
