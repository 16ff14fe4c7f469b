from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given

from tests.events.test_round_trips import FEW, altered, grouped, last_forwarded, requests, responses
from tests.samples import load
from unigate import wrap
from unigate.events import lattice
from unigate.events.writing import proxied_headers
from unigate.http import Headers, Identity, Response
from unigate.request import Request
from unigate.types import Environ, StartResponse

Event = dict[str, Any]


def read(event: Event) -> Request:
    return lattice.to_request(event, None)


def called(**members: Any) -> Event:
    """Return an event of structure V2 with some members of its caller changed."""
    event = load("lattice/v2")
    event["requestContext"]["identity"] |= members
    return event


def test_structure_v2_is_read_whole() -> None:
    request = read(load("lattice/v2"))
    assert request == Request(
        "POST",
        b"/caf%C3%A9/a%2Fb",
        query_string=b"b=2&a=1&b=%2B&flag",
        headers=Headers(
            [
                ("host", "stock.example.org"),
                ("accept", "text/html"),
                ("accept", "application/json"),
                ("cookie", "sid=9; lang=pt"),
                ("content-type", "text/plain"),
                ("content-length", "4"),
                ("x-forwarded-for", "198.51.100.66, 203.0.113.81"),
            ]
        ),
        body=b"ol\xc3\xa1",
        server=("stock.example.org", 443),
        client=("203.0.113.81", 0),
    )
    assert request.source == "lattice"


def test_structure_v1_is_read_whole() -> None:
    request = read(load("lattice/v1"))
    assert request == Request(
        "PUT",
        b"/stock/7",
        query_string=b"b=2&a=%2B&b=3",
        headers=Headers(
            [
                ("host", "stock.example.org"),
                ("accept", "text/html, application/json"),
                ("content-type", "application/json"),
                ("x-forwarded-for", "203.0.113.83"),
                ("content-length", "2"),
            ]
        ),
        body=b"{}",
        server=("stock.example.org", 443),
        client=("203.0.113.83", 0),
    )
    assert request.source == "lattice_v1"
    assert request.identity is None


def test_plain_values_are_read_where_there_are_no_lists() -> None:
    request = read(load("lattice/v2_strings"))
    assert request.headers["host"] == "stock.example.org"
    assert (request.scheme, request.server) == ("https", ("stock.example.org", 443))
    assert request.client == ("203.0.113.82", 0)
    assert request.query_string == b"id=7&tag=new&tag=used"


@pytest.mark.parametrize(
    ("name", "path", "parameters"),
    [("v2", "path", "queryStringParameters"), ("v1", "raw_path", "query_string_parameters")],
)
def test_the_parameters_count_as_they_stand_where_the_path_asks_nothing(
    name: str, path: str, parameters: str
) -> None:
    event = load(f"lattice/{name}") | {parameters: {"q": "a%2Bb", "é": "é"}}
    assert read(event | {path: "/a"}).query_string == b"q=a%2Bb&%C3%A9=%C3%A9"
    assert read(event | {path: "/a?"}).query_string == b""
    asking = read(event | {path: "/a?b=1?2"})
    assert (asking.path, asking.query_string) == ("/a", b"b=1?2")
    assert read(event | {path: "?b"}).raw_path == b"/"
    assert read(event | {path: "/a", parameters: None}).query_string == b""


def test_a_body_in_base64_says_so_in_both_spellings() -> None:
    for name, member in (("v2", "isBase64Encoded"), ("v1", "is_base64_encoded")):
        event = load(f"lattice/{name}") | {"body": "aGk="}
        assert read(event | {member: True}).body == b"hi"
        assert read(event | {member: False}).body == b"aGk="


@pytest.mark.parametrize("entries", [["6.6.6.6", "203.0.113.9"], ["6.6.6.6, 203.0.113.9"]])
def test_the_client_is_the_peer_that_lattice_saw(entries: list[str]) -> None:
    event = load("lattice/v2")
    event["headers"] |= {"x-forwarded-for": entries, "x-real-ip": ["6.6.6.6"]}
    assert read(event).client == ("203.0.113.9", 0)
    del event["headers"]["x-forwarded-for"]
    assert read(event).client is None


def test_a_verified_caller_is_the_identity() -> None:
    event = load("lattice/v2")
    caller = event["requestContext"]["identity"]
    identity = read(event).identity
    assert identity == Identity(
        "iam",
        "arn:aws:sts::210987654321:assumed-role/clerk/session-2",
        caller,
        certificate={"X509SubjectCn": "clerk.example.org", "x509SanDns": "clerk.example.org"},
    )
    assert identity is not None
    assert identity.claims["principalOrgID"] == "o-example"


def test_a_caller_without_a_certificate_has_none() -> None:
    event = load("lattice/v2")
    event["requestContext"]["identity"] = {"type": "AWS_IAM", "principal": "arn:aws:iam::1:user/a"}
    identity = read(event).identity
    assert identity is not None
    assert (identity.user, identity.certificate) == ("arn:aws:iam::1:user/a", None)


@pytest.mark.parametrize("kind", ["NONE", "", None, [], {}, 7])
def test_a_caller_that_was_not_verified_is_nobody(kind: Any) -> None:
    assert read(called(type=kind)).identity is None


@pytest.mark.parametrize("caller", [None, {}, "AWS_IAM", ["AWS_IAM"], 7])
def test_a_caller_of_another_shape_is_nobody(caller: Any) -> None:
    event = load("lattice/v2")
    event["requestContext"]["identity"] = caller
    assert read(event).identity is None


def test_a_caller_of_the_wrong_types_raises_nothing() -> None:
    identity = read(called(principal=["x"], x509SanDns=["y"])).identity
    assert identity is not None
    assert identity.user is None


@pytest.mark.parametrize("name", ["v1", "v2", "v2_strings"])
def test_both_structures_are_its_events(name: str) -> None:
    assert lattice.matches(load(f"lattice/{name}"))


@pytest.mark.parametrize("arn", ["serviceArn", "serviceNetworkArn"])
def test_one_name_of_the_service_is_enough(arn: str) -> None:
    event = load("lattice/v2")
    event["requestContext"][arn] = None
    assert lattice.matches(event)


@pytest.mark.parametrize(
    "change",
    [
        {"method": None},
        {"method": ["GET"]},
        {"path": None},
        {"path": {"id": "7"}},
        {"requestContext": None},
        {"requestContext": "lattice"},
        {"requestContext": {"serviceArn": True}},
        {"requestContext": {"serviceArn": ["arn:aws:vpc-lattice:a:b:service/c"]}},
        {"requestContext": {"serviceArn": "arn:aws:ecs:a:b:service/c"}},
        {"requestContext": {"http": {"method": "GET"}}},
    ],
)
def test_structure_v2_needs_all_its_marks(change: Event) -> None:
    assert not lattice.matches(load("lattice/v2") | change)


@pytest.mark.parametrize("change", [{"raw_path": ""}, {"raw_path": 7}, {"method": ""}])
def test_structure_v1_needs_both_its_marks(change: Event) -> None:
    assert not lattice.matches(load("lattice/v1") | change)


COOKIES = ["a=1; Expires=Thu, 01 Jan 2026 00:00:00 GMT", "b=2", "c=3"]


def test_an_answer_has_one_value_for_each_spelling() -> None:
    fields = [("vary", "accept"), ("set-cookie", COOKIES[0]), ("vary", "cookie")]
    cookies = [("set-cookie", cookie) for cookie in COOKIES[1:]]
    reply = lattice.to_reply(Response(200, Headers([*fields, *cookies]), b"hi"), {})
    headers = reply.pop("headers")
    assert reply == {"statusCode": 200, "body": "hi", "isBase64Encoded": False}
    assert headers.pop("vary") == "accept, cookie"
    assert list(headers.values()) == COOKIES
    assert {name.lower() for name in headers} == {"set-cookie"}


def test_one_cookie_is_spelled_plainly_and_none_not_at_all() -> None:
    one = Response(200, Headers([("set-cookie", "a=1"), ("x-a", "1")]))
    assert lattice.to_reply(one, {})["headers"] == {"x-a": "1", "set-cookie": "a=1"}
    assert lattice.to_reply(Response(204), {})["headers"] == {}


REQUEST = Request(
    "PUT",
    b"/a%2Fb",
    query_string=b"q=a%2Bb&q=c+d&flag",
    headers=Headers([("accept", "x"), ("accept", "y")]),
    body=b"\xff",
    scheme="http",
    server=("stock.example.org", 8080),
    client=("203.0.113.9", 0),
)


def test_an_event_is_made_of_lists_and_the_query_as_sent() -> None:
    event = lattice.make_event(REQUEST)
    context = event.pop("requestContext")
    assert context["serviceArn"].startswith("arn:aws:vpc-lattice:")
    assert context["identity"] == {"type": "NONE"}
    assert event == {
        "version": "2.0",
        "path": "/a%2Fb?q=a%2Bb&q=c+d&flag",
        "method": "PUT",
        "headers": {
            "accept": ["x", "y"],
            "x-forwarded-proto": ["http"],
            "x-forwarded-port": ["8080"],
            "x-forwarded-for": ["203.0.113.9"],
        },
        "queryStringParameters": {"q": ["a%2Bb", "c+d"], "flag": [""]},
        "body": "/w==",
        "isBase64Encoded": True,
    }


def test_a_path_that_asks_nothing_has_no_question_mark() -> None:
    assert lattice.make_event(Request("GET"))["path"] == "/"


def test_an_event_of_structure_v1_has_single_values() -> None:
    request = altered(REQUEST)
    request.source = "lattice_v1"
    assert lattice.make_event(request) == {
        "raw_path": "/a%2Fb?q=a%2Bb&q=c+d&flag",
        "method": "PUT",
        "headers": {
            "accept": "x, y",
            "content-length": "1",
            "x-forwarded-proto": "http",
            "x-forwarded-port": "8080",
            "x-forwarded-for": "203.0.113.9",
        },
        "query_string_parameters": {"q": "c+d", "flag": ""},
        "body": "/w==",
        "is_base64_encoded": True,
    }


@pytest.mark.parametrize("name", ["v1", "v2"])
def test_an_application_answers_its_events(name: str) -> None:
    def app(environ: Environ, start_response: StartResponse) -> list[bytes]:
        start_response("200 OK", [("Set-Cookie", "a=1")])
        return [environ["QUERY_STRING"].encode()]

    assert wrap(app, sources=[lattice])(load(f"lattice/{name}"), None) == {
        "statusCode": 200,
        "headers": {"set-cookie": "a=1"},
        "body": "b=2&a=%2B&b=3" if name == "v1" else "b=2&a=1&b=%2B&flag",
        "isBase64Encoded": False,
    }


@pytest.mark.parametrize("kind", ["lattice", "lattice_v1"])
@FEW
@given(request=requests())
def test_a_request_survives_as_an_event(kind: str, request: Request) -> None:
    request.source = kind
    event = json.loads(json.dumps(lattice.make_event(request)))
    assert lattice.matches(event)
    headers = proxied_headers(request)
    if kind == "lattice_v1":
        headers = Headers(headers.joined().items())
    client = request.client or last_forwarded(request)
    arrived = read(event)
    assert arrived == altered(
        request, headers=grouped(headers), client=client, root_path="", scheme="https"
    )
    assert arrived.source == kind


@FEW
@given(response=responses())
def test_an_answer_survives(response: Response) -> None:
    # Repeats are joined, cookies never.
    others = Headers(pair for pair in response.headers if pair[0] != "set-cookie")
    cookies = [("set-cookie", cookie) for cookie in response.headers.getlist("set-cookie")]
    headers = Headers([*others.joined().items(), *cookies])
    reply = lattice.to_reply(response, load("lattice/v2"))
    expected = Response(response.status, headers, response.body)
    assert lattice.from_reply(json.loads(json.dumps(reply))) == expected
