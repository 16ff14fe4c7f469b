"""API Gateway's Lambda integration without proxy, as the Serverless Framework sets it up."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import pytest

import unigate
from tests.samples import load
from unigate import Gateway, Headers, Request, Response
from unigate.emulator import invoke
from unigate.errors import FailedInvocation
from unigate.events import find_source, lambda_integration, rest_api
from unigate.http import Identity
from unigate.testing import Client


def read(event: dict[str, Any]) -> Request:
    assert find_source(event) is lambda_integration
    return lambda_integration.to_request(event, None)


def test_an_event_without_the_resource_says_what_is_missing() -> None:
    event = load("lambda_integration/post")
    del event["requestPath"]
    gateway = unigate.wrap(answering(200), source="lambda_integration")
    for missing in (event, event | {"requestPath": None}, event | {"requestPath": ""}):
        with pytest.raises(unigate.UnknownEvent, match=r"requestPath.*\$context\.resourcePath"):
            gateway(missing, None)


def changed(**members: Any) -> dict[str, Any]:
    return load("lambda_integration/post") | members


def test_an_event_is_read_whole() -> None:
    event, context = load("lambda_integration/post"), object()
    request = lambda_integration.to_request(event, context)
    body = b'{"soup": "onion", "bowls": 2}'
    assert request == Request(
        "POST",
        b"/tables/7/orders/soup/of%20the%20day",
        query_string=b"size=large+bowl&note=",
        headers=Headers(
            [
                ("accept", "*/*"),
                ("content-type", "application/json"),
                ("host", "kitchen.example.org"),
                ("x-forwarded-for", "198.51.100.4, 203.0.113.68"),
                ("x-forwarded-port", "443"),
                ("x-forwarded-proto", "https"),
                ("content-length", str(len(body))),
            ]
        ),
        body=body,
        server=("kitchen.example.org", 443),
        client=("203.0.113.68", 0),
    )
    assert request.path == "/tables/7/orders/soup/of the day"
    assert (request.source, request.event, request.context) == (
        "lambda_integration",
        event,
        context,
    )


def test_the_stage_is_the_root_path_on_awss_own_domain() -> None:
    request = read(load("lambda_integration/get"))
    assert (request.root_path, request.path) == ("/dev", "/dev/item/7")


@pytest.mark.parametrize(
    ("resource", "values", "path"),
    [
        ("/", {}, b"/"),
        ("/", None, b"/"),
        ("/{proxy+}", {"proxy": "a/b%2Fc"}, b"/a/b%2Fc"),
        ("/{a}/{b}", {"a": "{b}", "b": "1"}, b"/{b}/1"),
        ("/{a}/{b}", {"a": "1"}, b"/1/{b}"),
        ("/{a}", {"a": "caf\xe9 ?"}, b"/caf%C3%A9%20%3F"),
        ("/{a}", {"a": 7}, b"/7"),
        ("/users/{user-id}.json", {"user-id": "7"}, b"/users/7.json"),
        ("no slash", {}, b"/no%20slash"),
    ],
)
def test_parameters_fill_the_resource(resource: str, values: Any, path: bytes) -> None:
    assert read(changed(requestPath=resource, path=values)).raw_path == path


@pytest.mark.parametrize(
    ("content_type", "body", "content"),
    [
        ("application/json", {"a": [1, None, "\xe9"]}, '{"a": [1, null, "\xe9"]}'.encode()),
        ("application/vnd.api+json; charset=utf-8", {"a": 1}, b'{"a": 1}'),
        ("application/json", [], b"[]"),
        ("application/json", "text", b'"text"'),
        ("application/json", 0, b"0"),
        ("application/json", False, b"false"),
        ("application/json", {}, b""),
        ("application/json", None, b""),
        ("application/x-www-form-urlencoded", {"a": "1 2", "b": "\xe9&"}, b"a=1+2&b=%C3%A9%26"),
        ("Application/X-WWW-Form-Urlencoded;charset=utf-8", {"a": ""}, b"a="),
        ("application/x-www-form-urlencoded", {}, b""),
        ("text/plain", "text", b"text"),
        ("", {"a": 1}, b'{"a": 1}'),
        ("", "", b""),
    ],
)
def test_a_body_is_what_the_template_parsed(content_type: str, body: Any, content: bytes) -> None:
    request = read(changed(headers={"Content-Type": content_type}, body=body))
    assert request.body == content


@pytest.mark.parametrize(
    "members",
    [
        {"requestPath": None},
        {"requestPath": ""},
        {"requestPath": 7},
        {"method": None},
        {"method": {}},
        {"path": "/x"},
    ],
)
def test_an_event_without_its_marks_is_not_of_this_source(members: dict[str, Any]) -> None:
    assert find_source(changed(**members)) is None


def test_a_mark_alone_does_not_change_the_source_of_another_event() -> None:
    event = load("rest_api/custom_domain") | {"requestPath": "/", "method": "GET"}
    assert find_source(event) is rest_api


@pytest.mark.parametrize(
    ("members", "identity"),
    [
        ({}, Identity("lambda", "ada", load("lambda_integration/post")["enhancedAuthContext"])),
        ({"principalId": ""}, None),
        ({"principalId": None, "identity": None}, None),
        (
            {"cognitoPoolClaims": {"sub": "u-7", "scope": "a b"}},
            Identity("jwt", "u-7", {"sub": "u-7", "scope": "a b"}, ("a", "b")),
        ),
        (
            {"identity": {"userArn": "arn:aws:iam::1:user/ada"}},
            Identity("iam", "arn:aws:iam::1:user/ada", {"userArn": "arn:aws:iam::1:user/ada"}),
        ),
    ],
)
def test_the_caller_is_who_the_authorizer_found(
    members: dict[str, Any], identity: Identity | None
) -> None:
    assert read(changed(**members)).identity == identity


# --- replies -------------------------------------------------------------------------------------


def answering(status: int, body: bytes = b"", *fields: tuple[str, str]) -> Gateway:
    def application(environ: Any, start_response: Any) -> list[bytes]:
        start_response(f"{status} Status", [("Content-Type", "text/html"), *fields])
        return [body]

    return unigate.wrap(application)


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_a_success_is_a_reply_like_that_of_serverless_wsgi(status: int) -> None:
    cookies = [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")]
    body = b"soup" if status != 204 else b""
    reply = answering(status, body, *cookies)(load("lambda_integration/get"), None)
    assert reply["statusCode"] == status
    assert (reply["body"], reply["isBase64Encoded"]) == (body.decode(), False)
    assert reply["headers"]["content-type"] == "text/html"
    spelled = {name: value for name, value in reply["headers"].items() if name.lower()[:3] == "set"}
    assert sorted(spelled.values()) == ["a=1", "b=2"]


# The patterns that the framework gives to an API without settings of its own.
PATTERNS = {
    status: rf"[\s\S]*\[{status}\][\s\S]*" for status in (400, 401, 403, 404, 422, 502, 504)
} | {500: r"[\s\S]*(Process\s?exited\s?before\s?completing\s?request|\[500\])[\s\S]*"}


@pytest.mark.parametrize("status", [301, 302, 399, *PATTERNS, 503])
def test_another_status_fails_the_invocation_with_a_message_that_patterns_match(
    status: int,
) -> None:
    others = "".join(f"[{each}]" for each in PATTERNS)
    app = answering(status, f"{others} \xe9".encode(), ("Location", "/[500]"))
    with pytest.raises(FailedInvocation) as failed:
        app(load("lambda_integration/get"), None)
    with pytest.raises(FailedInvocation, match=re.escape(str(failed.value))):
        asyncio.run(app.handle(load("lambda_integration/get")))
    message = str(failed.value)
    matching = [each for each, pattern in PATTERNS.items() if re.fullmatch(pattern, message)]
    assert matching == ([status] if status in PATTERNS else [])
    assert f'"statusCode": {status},' in message
    parsed = json.loads(message)
    assert parsed["statusDescription"].startswith(f"[{status}]")
    assert (parsed["body"], parsed["headers"]["location"]) == (f"{others} \xe9", "/[500]")


def test_a_refused_event_and_a_failed_application_are_failures_too() -> None:
    def application(environ: Any, start_response: Any) -> list[bytes]:
        raise LookupError

    app = unigate.wrap(application)
    with pytest.raises(FailedInvocation, match=r"\[500\]"):
        app(load("lambda_integration/get"), None)
    with pytest.raises(FailedInvocation, match=r"\[400\]"):
        app(load("lambda_integration/get") | {"method": "GET /"}, None)


def test_the_platform_sees_the_report_of_the_failure() -> None:
    reply = invoke(answering(404, b"no soup"), load("lambda_integration/get"))
    assert reply.keys() == {"errorMessage", "errorType"}
    response = lambda_integration.from_reply(reply)
    assert (response.status, response.body) == (404, b"no soup")
    client = Client(answering(302, b"", ("Location", "/x")), "lambda_integration")
    assert client.get("/").headers["location"] == "/x"


def test_a_request_survives_as_an_event() -> None:
    request = Request(
        "POST",
        b"/live/a%2Fb/",
        query_string=b"a=1&b=%C3%A9",
        headers=Headers([("host", "x.org"), ("content-type", "application/json")]),
        body=b'{"a": 1}',
        client=("203.0.113.7", 0),
        root_path="/live",
    )
    event = json.loads(json.dumps(lambda_integration.make_event(request)))
    arrived = read(event)
    assert (arrived.raw_path, arrived.root_path) == (b"/live/a%2Fb/", "/live")
    assert (arrived.query_string, arrived.body) == (b"a=1&b=%C3%A9", b'{"a": 1}')
    assert arrived.client == ("203.0.113.7", 0)


def test_what_is_no_json_is_passed_as_text() -> None:
    headers = Headers([("host", "h"), ("content-type", "application/json")])
    request = Request("POST", b"/", headers=headers, body=b"{", client=None)
    assert lambda_integration.make_event(request)["body"] == "{"


def test_a_reply_of_the_platform_is_read() -> None:
    reply = {"statusCode": 200, "headers": {"a": "1"}, "body": "eA==", "isBase64Encoded": True}
    expected = Response(200, Headers([("a", "1")]), b"x")
    assert lambda_integration.from_reply(reply) == expected
