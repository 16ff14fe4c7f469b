from __future__ import annotations

from typing import Any

import pytest

from tests.samples import OWN_DOMAINS, load
from unigate.events import rest_api
from unigate.http import Headers, Response
from unigate.request import Request

Event = dict[str, Any]


def read(event: Event) -> Request:
    return rest_api.to_request(event, None)


def test_an_event_is_read_whole() -> None:
    assert read(load("rest_api/multi_value")) == Request(
        "POST",
        b"/live/books/caf%C3%A9/",
        query_string=b"tag=new&tag=used&q=a%2Bb+c",
        headers=Headers(
            [
                ("accept", "text/html"),
                ("accept", "application/json"),
                ("content-type", "application/x-www-form-urlencoded"),
                ("host", "def456.execute-api.eu-west-1.amazonaws.com"),
                ("x-forwarded-for", "198.51.100.7, 203.0.113.30"),
                ("x-forwarded-port", "443"),
                ("x-forwarded-proto", "https"),
                ("x-colour", "red"),
                ("x-colour", "blue"),
                ("content-length", "15"),
            ]
        ),
        body=b"title=caf%C3%A9",
        server=("def456.execute-api.eu-west-1.amazonaws.com", 443),
        client=("203.0.113.30", 0),
        root_path="/live",
    )


def test_single_values_are_read_where_there_are_no_lists() -> None:
    request = read(load("rest_api/single_value"))
    assert request.query_string == b"size=xl"
    assert request.headers["host"] == "def456.execute-api.cn-north-1.amazonaws.com.cn"
    assert (request.root_path, request.path) == ("/dev", "/dev/hats")
    assert request.client == ("203.0.113.31", 0)


def test_the_consoles_test_event_has_nulls_for_maps() -> None:
    request = read(load("rest_api/console_test"))
    assert request.path == "/ping-me"
    assert request.query_string == b""
    assert request.headers == Headers()
    assert request.server == ("testPrefix.testDomainName", 443)
    assert request.root_path == ""


def test_a_custom_domain_has_no_stage_and_keeps_its_base_path() -> None:
    request = read(load("rest_api/custom_domain"))
    assert (request.root_path, request.path) == ("", "/shop/cart//items/")
    assert request.method == "DELETE"


def test_payload_1_has_the_stage_in_its_path() -> None:
    request = read(load("rest_api/payload_1"))
    assert (request.root_path, request.path) == ("/beta", "/beta/caf\xe9")
    assert request.raw_path == b"/beta/caf%C3%A9"
    assert request.query_string == b"a=1&a=2"


def test_payload_1_without_the_stage_in_its_path_gains_it() -> None:
    request = read(load("rest_api/payload_1") | {"path": "/betamax"})
    assert (request.root_path, request.path) == ("/beta", "/beta/betamax")


def test_a_path_that_begins_like_the_stage_is_not_cut() -> None:
    event = load("rest_api/multi_value") | {"path": "/live/7"}
    request = read(event)
    assert (request.root_path, request.path) == ("/live", "/live/live/7")


def test_a_local_gateway_has_a_port_and_no_stage() -> None:
    request = read(load("rest_api/sam_local"))
    assert request.server == ("127.0.0.1", 3000)
    assert (request.scheme, request.root_path, request.path) == ("http", "", "/hello")


@pytest.mark.parametrize(
    ("stage", "domain", "host", "root"),
    [
        ("live", "x.execute-api.eu-west-1.amazonaws.com", None, "/live"),
        ("live", None, "x.execute-api.eu-west-1.amazonaws.com", "/live"),
        ("live", "api.example.org", "x.execute-api.eu-west-1.amazonaws.com", ""),
        ("live", None, "amazonaws.com.example.org", ""),
        ("live", None, "evilamazonaws.com", ""),
        ("live", None, None, ""),
        ("$default", "x.execute-api.eu-west-1.amazonaws.com", None, ""),
        (None, "x.execute-api.eu-west-1.amazonaws.com", None, ""),
    ],
)
def test_the_stage_is_the_root_on_the_platforms_own_domain(
    stage: str | None, domain: str | None, host: str | None, root: str
) -> None:
    event = load("rest_api/single_value") | {"headers": {"Host": host}}
    event["requestContext"] |= {"stage": stage, "domainName": domain}
    request = read(event)
    assert (request.root_path, request.path) == (root, f"{root}/hats")


@pytest.mark.parametrize("seen", [None, "/live/hats"])
@pytest.mark.parametrize("domain", OWN_DOMAINS)
def test_every_domain_of_the_platforms_own_has_the_stage(domain: str, seen: str | None) -> None:
    event = load("rest_api/single_value")
    event["requestContext"] |= {"stage": "live", "domainName": domain, "path": seen}
    assert (read(event).root_path, read(event).path) == ("/live", "/live/hats")


@pytest.mark.parametrize(
    ("path", "seen", "root", "public"),
    [
        ("/x", "/live/x", "/live", "/live/x"),
        ("/x", "/x", "", "/x"),
        ("/x", "/shop/x", "/shop", "/shop/x"),
        ("/x", "/shop/v2/x", "/shop/v2", "/shop/v2/x"),
        ("/shop/x", "/shop/x", "", "/shop/x"),
        ("/shop/live/x", "/shop/live/x", "", "/shop/live/x"),
        ("/", "/", "", "/"),
        ("/", "/live", "/live", "/live/"),
        ("/", "/live/", "/live", "/live/"),
        ("", "/live", "/live", "/live/"),
        ("x", "/live/x", "/live", "/live/x"),
        ("/x/", "/live/x/", "/live", "/live/x/"),
        ("/x/", "/live/x", "/live", "/live/x/"),
        ("/live/x", "/live/live/x", "/live", "/live/live/x"),
        ("/x", "/live//x", "/live", "/live/x"),
        ("/evil.example/x", "//evil.example/x", "", "/evil.example/x"),
        ("/evil.example/x", "/live//evil.example/x", "/live", "/live/evil.example/x"),
        ("/x", "//evil.example/x", "/evil.example", "/evil.example/x"),
        ("/x", "/lively/x", "/lively", "/lively/x"),
        ("/caf%C3%A9", "/live/caf%C3%A9", "/live", "/live/caf\xe9"),
        ("/x", "/%6Cive/x", "/live", "/live/x"),
        ("/x", "/b%C3%BCcher/x", "/b\xfccher", "/b\xfccher/x"),
        ("/x", "/other", "", "/x"),
        ("/live/x/", "/live/x", "", "/live/x/"),
        ("/live/x", "/live/{proxy+}", "", "/live/x"),
        ("/x", "/live/{proxy+}", "", "/x"),
        ("/", "/{proxy+}", "", "/"),
        ("/{x}", "/live/{x}", "/live", "/live/{x}"),
        ("/x", "", "", "/x"),
        ("/x", ["/live/x"], "", "/x"),
        ("/x?a=1", "/live/x", "/live", "/live/x"),
    ],
)
def test_elsewhere_the_root_is_what_clients_see_in_front_of_the_path(
    path: str, seen: Any, root: str, public: str
) -> None:
    event = load("rest_api/custom_domain") | {"path": path, "pathParameters": None}
    event["requestContext"] |= {"stage": "live", "path": seen}
    assert (read(event).root_path, read(event).path) == (root, public)


@pytest.mark.parametrize(
    ("resource", "proxy", "root"),
    [
        ("/{proxy+}", "x", "/live"),
        ("/{proxy+}", "live/x", ""),
        ("/live/{proxy+}", "x", ""),
        ("/{proxy+}", None, ""),
        (None, None, ""),
    ],
)
def test_a_path_of_a_custom_domain_begins_with_the_stage_if_the_resource_does_not(
    resource: str | None, proxy: str | None, root: str
) -> None:
    event = load("rest_api/custom_domain") | {
        "path": "/live/x",
        "resource": resource,
        "pathParameters": {"proxy": proxy},
    }
    event["requestContext"] |= {"stage": "live", "path": "/live/x"}
    for _ in range(2):  # what is remembered of the path must not decide for another resource
        assert (read(event).root_path, read(event).path) == (root, "/live/x")


@pytest.mark.parametrize("path", ["/live", "/live/"])
@pytest.mark.parametrize("version", [None, "1.0"])
def test_the_root_resource_shows_that_the_path_is_the_stage(path: str, version: str) -> None:
    event = load("rest_api/custom_domain") | {"path": path, "pathParameters": None}
    event |= {"resource": "/", "version": version}
    event["requestContext"] |= {"stage": "live", "path": path}
    assert (read(event).root_path, read(event).path) == ("/live", "/live/")


@pytest.mark.parametrize(
    ("path", "seen", "root", "public"),
    [
        ("/beta/x", "/beta/x", "/beta", "/beta/x"),
        ("/beta/x", "/x", "", "/x"),
        ("/beta/x", None, "/beta", "/beta/x"),
        ("/beta", None, "/beta", "/beta/"),
        ("/betamax", None, "", "/betamax"),
        ("/v1/x", "/v1/x", "", "/v1/x"),
        ("/x", "/x", "", "/x"),
    ],
)
def test_payload_1_on_a_custom_domain(path: str, seen: str | None, root: str, public: str) -> None:
    event = load("rest_api/payload_1") | {"path": path}
    event["requestContext"] |= {"domainName": "api.example.org", "path": seen}
    assert (read(event).root_path, read(event).path) == (root, public)


@pytest.mark.parametrize("name", ["multi_value", "single_value", "custom_domain", "payload_1"])
def test_a_forged_forwarded_peer_is_not_the_client(name: str) -> None:
    event = load(f"rest_api/{name}")
    address = event["requestContext"]["identity"]["sourceIp"]
    for fields, value in (("headers", "198.51.100.66"), ("multiValueHeaders", ["198.51.100.66"])):
        event[fields] = {"X-Forwarded-For": value, "X-Real-Ip": value}
    assert read(event).client == (address, 0)
    event["requestContext"]["identity"] = None
    assert read(event).client is None


def test_without_a_context_there_is_no_stage_and_no_client() -> None:
    event = load("rest_api/single_value") | {"requestContext": None}
    request = read(event)
    assert (request.root_path, request.client) == ("", None)
    assert request.path == "/hats"


def test_a_query_left_in_the_path_counts_where_there_is_no_other() -> None:
    event = load("rest_api/custom_domain") | {"path": "/a?b=1&c=%2B"}
    assert (read(event).path, read(event).query_string) == ("/a", b"b=1&c=%2B")
    event |= {"queryStringParameters": {"d": "2"}}
    assert (read(event).path, read(event).query_string) == ("/a", b"d=2")


def test_an_answer_has_lists_of_values_and_no_member_that_the_gateway_refuses() -> None:
    cookies = ["a=1; Expires=Thu, 01 Jan 2026 00:00:00 GMT", "b=2"]
    fields = [("vary", "accept"), ("set-cookie", cookies[0]), ("vary", "cookie")]
    response = Response(299, Headers([*fields, ("set-cookie", cookies[1])]), b"hi")
    assert rest_api.to_reply(response, load("rest_api/multi_value")) == {
        "statusCode": 299,
        "multiValueHeaders": {"vary": ["accept", "cookie"], "set-cookie": cookies},
        "body": "hi",
        "isBase64Encoded": False,
    }


def test_an_answer_may_come_in_single_values() -> None:
    reply = {"statusCode": 200, "headers": {"X-A": "1"}, "body": "hi"}
    assert rest_api.from_reply(reply) == Response(200, Headers([("x-a", "1")]), b"hi")


def test_an_event_is_made_with_its_query_decoded() -> None:
    request = Request(
        "POST",
        b"/prod/a%2Fb/",
        query_string=b"tag=new&q=a%2Bb+c&tag=used&flag",
        headers=Headers([("accept", "x"), ("accept", "y")]),
        body=b"\xff",
        server=("localhost", 8080),
        client=("203.0.113.9", 0),
        root_path="/prod",
    )
    event = rest_api.make_event(request)
    assert event["path"] == "/a%2Fb/"
    assert event["pathParameters"] == {"proxy": "a%2Fb"}
    assert event["queryStringParameters"] == {"tag": "used", "q": "a+b c", "flag": ""}
    assert event["multiValueQueryStringParameters"] == {
        "tag": ["new", "used"],
        "q": ["a+b c"],
        "flag": [""],
    }
    assert event["headers"]["accept"] == "y"
    assert event["multiValueHeaders"]["accept"] == ["x", "y"]
    assert (event["body"], event["isBase64Encoded"]) == ("/w==", True)
    context = event["requestContext"]
    assert (context["stage"], context["path"]) == ("prod", "/prod/a%2Fb/")
    assert context["domainName"].endswith(".amazonaws.com")
    assert context["identity"] == {"sourceIp": "203.0.113.9"}


def test_an_event_without_query_and_body_has_nulls() -> None:
    event = rest_api.make_event(Request("GET", server=("api.example.org", 443)))
    assert event["queryStringParameters"] is None
    assert event["multiValueQueryStringParameters"] is None
    assert event["body"] is None
    assert event["requestContext"]["identity"] == {"sourceIp": None}
    assert event["requestContext"]["domainName"] == "api.example.org"
    assert read(event).root_path == ""
