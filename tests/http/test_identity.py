"""The caller that a platform authenticated: one shape for all authorizers."""

from __future__ import annotations

import json
from typing import Any

import pytest

import unigate
from tests.hosts import wsgi_environ
from tests.samples import load
from unigate import Identity, Request
from unigate.events import find_source

CLAIMS = {"sub": "ada", "iss": "https://id.example.org", "scope": "orders:read orders:write"}
CERTIFICATE = {"subjectDN": "CN=ada,O=Example", "serialNumber": "7", "clientCertPem": "-----BEGIN"}
ARN = "arn:aws:iam::123456789012:user/ada"


def identity_in(name: str, **about: Any) -> Identity | None:
    event = load(name)
    event["requestContext"] = {**event["requestContext"], **about}
    source = find_source(event)
    assert source is not None
    return source.to_request(event, None).identity


@pytest.mark.parametrize(
    ("about", "expected"),
    [
        (
            {"authorizer": {"jwt": {"claims": CLAIMS, "scopes": ["orders:read"]}}},
            Identity("jwt", "ada", CLAIMS, ("orders:read",)),
        ),
        (
            {"authorizer": {"jwt": {"claims": CLAIMS, "scopes": None}}},
            Identity("jwt", "ada", CLAIMS, ("orders:read", "orders:write")),
        ),
        (
            {"authorizer": {"iam": {"userArn": ARN, "accountId": "123456789012"}}},
            Identity("iam", ARN, {"userArn": ARN, "accountId": "123456789012"}),
        ),
        (
            {"authorizer": {"lambda": {"principalId": "ada", "plan": 3}}},
            Identity("lambda", "ada", {"principalId": "ada", "plan": 3}),
        ),
        ({"authorizer": {"lambda": {"plan": 3}}}, Identity("lambda", None, {"plan": 3})),
        (
            {"authentication": {"clientCert": CERTIFICATE}},
            Identity("certificate", "CN=ada,O=Example", {}, (), CERTIFICATE),
        ),
        (
            {
                "authorizer": {"jwt": {"claims": CLAIMS, "scopes": []}},
                "authentication": {"clientCert": CERTIFICATE},
            },
            Identity("jwt", "ada", CLAIMS, ("orders:read", "orders:write"), CERTIFICATE),
        ),
        ({"authorizer": None, "authentication": None}, None),
        ({"authorizer": {"jwt": None, "lambda": {}, "iam": "x"}}, None),
        ({"authorizer": "ada", "authentication": ["ada"]}, None),
    ],
)
def test_payload_2_tells_who_is_asking(about: dict[str, Any], expected: Identity | None) -> None:
    assert identity_in("http_api/get", **about) == expected


@pytest.mark.parametrize(
    ("about", "expected"),
    [
        (
            {"authorizer": {"claims": CLAIMS}},
            Identity("jwt", "ada", CLAIMS, ("orders:read", "orders:write")),
        ),
        (
            {"authorizer": {"principalId": "ada", "integrationLatency": 7}},
            Identity("lambda", "ada", {"principalId": "ada", "integrationLatency": 7}),
        ),
        (
            {"identity": {"sourceIp": "203.0.113.9", "userArn": ARN}},
            Identity("iam", ARN, {"sourceIp": "203.0.113.9", "userArn": ARN}),
        ),
        (
            {"identity": {"clientCert": CERTIFICATE}},
            Identity("certificate", "CN=ada,O=Example", {}, (), CERTIFICATE),
        ),
        (
            {"identity": {"clientCert": CERTIFICATE}, "authorizer": {"principalId": 7}},
            Identity("lambda", "7", {"principalId": 7}, (), CERTIFICATE),
        ),
        ({"identity": {"sourceIp": "203.0.113.9", "userArn": None}, "authorizer": None}, None),
        ({"authorizer": {"claims": "ada", "principalId": ["ada"]}}, None),
        ({"identity": {"clientCert": "ada"}}, None),
    ],
)
def test_a_rest_api_tells_who_is_asking(about: dict[str, Any], expected: Identity | None) -> None:
    assert identity_in("rest_api/custom_domain", **about) == expected


@pytest.mark.parametrize("name", ["alb/single_value", "generic/map_query", "vercel/invoke"])
def test_a_platform_that_verifies_nobody_names_nobody(name: str) -> None:
    event = load(name)
    source = find_source(event)
    assert source is not None
    assert source.to_request(event, None).identity is None


def test_the_identity_is_read_once() -> None:
    event = load("http_api/get")
    event["requestContext"]["authorizer"] = {"jwt": {"claims": CLAIMS}}
    source = find_source(event)
    assert source is not None
    request = source.to_request(event, None)
    assert request.identity is request.identity
    assert request.identity is not None


def show_user(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps([environ.get("REMOTE_USER"), environ["unigate.request"].source]).encode()]


@pytest.mark.parametrize(
    ("user", "seen"),
    [("ada", "ada"), ("zoë", "zoë"), ("ж", "Ð¶"), (None, None), ("", None)],
)
def test_a_wsgi_application_finds_the_user_as_remote_user(
    user: str | None, seen: str | None
) -> None:
    event = load("http_api/get")
    event["requestContext"]["authorizer"] = {"jwt": {"claims": {"sub": user, "aud": "shop"}}}
    reply = unigate.wrap(show_user).lambda_handler(event, None)
    assert json.loads(reply["body"])[0] == seen


def test_a_header_is_no_remote_user() -> None:
    event = load("http_api/get")
    event["headers"] |= {"remote-user": "ada", "remote_user": "ada"}
    reply = unigate.wrap(show_user).lambda_handler(event, None)
    assert json.loads(reply["body"])[0] is None


def test_a_gateway_within_a_gateway_knows_who_is_asking() -> None:
    seen: list[Identity | None] = []

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        seen.append(environ["unigate.request"].identity)
        return show_user(environ, start_response)

    event = load("http_api/get")
    event["requestContext"]["authorizer"] = {"jwt": {"claims": CLAIMS}}
    inner = unigate.wrap(app)
    unigate.wrap(inner.wsgi, interface="wsgi").lambda_handler(event, None)
    unigate.wrap(inner.asgi, interface="asgi").lambda_handler(event, None)
    assert [identity and identity.user for identity in seen] == ["ada", "ada"]


def test_a_server_verifies_nobody() -> None:
    assert Request.from_environ(wsgi_environ(Request("GET"))).identity is None


def test_an_identity_is_a_value_that_shows_no_claims() -> None:
    identity = Identity("jwt", "ada", CLAIMS)

    assert identity == Identity("jwt", "ada", dict(CLAIMS), ())
    assert identity != Identity("jwt", "eve", CLAIMS)
    assert identity != Identity("jwt", "ada", CLAIMS, ("orders:read",))
    assert identity != "ada"
    assert repr(identity) == "<Identity jwt 'ada'>"
