"""The event and its context under the names that other gateways use."""

from __future__ import annotations

from typing import Any

import pytest

import unigate
from tests import samples
from tests.hosts import HOSTS
from unigate import Headers, Request

WSGI_EVENT = ("apig_wsgi.full_event", "awsgi.event", "lambda.event", "serverless.event")
WSGI_CONTEXT = ("apig_wsgi.context", "awsgi.context", "lambda.context", "serverless.context")
OTHERS = ("apig_wsgi.request_context", "serverless.authorizer")
ASGI_EVENT = ("aws.event", "lambda.event")
ASGI_CONTEXT = ("aws.context", "lambda.context")
# Their requests have no event that is a dict.
WITHOUT = ("asgi", "wsgi", "google", "azure")
PREFIXES = ("apig_wsgi.", "awsgi.", "aws.", "lambda.", "serverless.")


def recorded(found: list[dict[str, Any]], interface: str) -> Any:
    """Return an application that records its environ or scope."""

    def wsgi(environ: Any, start_response: Any) -> list[bytes]:
        found.append(dict(environ))
        start_response("204 No Content", [])
        return []

    async def asgi(scope: Any, receive: Any, send: Any) -> None:
        found.append(dict(scope))
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    return wsgi if interface == "wsgi" else asgi


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("interface", ["wsgi", "asgi"])
def test_every_host_with_events_has_them(host: str, interface: str) -> None:
    found: list[dict[str, Any]] = []
    gateway = unigate.wrap(recorded(found, interface), lifespan="off")
    HOSTS[host](gateway, Request("GET", headers=Headers([("host", "example.org")])))
    (seen,) = found
    event = seen["unigate.request"].event
    names = {name for name in seen if name.startswith(PREFIXES)}
    if host in WITHOUT:
        assert names == set()
    elif interface == "asgi":
        assert names == {*ASGI_EVENT, *ASGI_CONTEXT}
        assert all(seen[name] is event for name in ASGI_EVENT)
    else:
        assert names == {*WSGI_EVENT, *WSGI_CONTEXT, *OTHERS}
        assert all(seen[name] is event for name in WSGI_EVENT)
        assert seen["apig_wsgi.request_context"] is event.get("requestContext")


@pytest.mark.parametrize("interface", ["wsgi", "asgi"])
def test_the_context_is_that_of_the_platform(interface: str) -> None:
    found: list[dict[str, Any]] = []
    context = object()
    unigate.wrap(recorded(found, interface), lifespan="off")(
        samples.load("alb/single_value"), context
    )
    names = WSGI_CONTEXT if interface == "wsgi" else ASGI_CONTEXT
    assert all(found[0][name] is context for name in names)


@pytest.mark.parametrize("odd", [None, [], "text", 7])
def test_a_request_context_may_be_odd(odd: Any) -> None:
    found: list[dict[str, Any]] = []
    event = samples.load("generic/map_query") | {"requestContext": odd}
    unigate.wrap(recorded(found, "wsgi"))(event, None)
    assert found[0]["apig_wsgi.request_context"] == odd
    assert found[0]["serverless.authorizer"] is None


def test_the_authorizer_is_that_of_the_event() -> None:
    found: list[dict[str, Any]] = []
    event = samples.load("http_api/get")
    event["requestContext"]["authorizer"] = {"lambda": {"principalId": "ada"}}
    unigate.wrap(recorded(found, "wsgi"))(event, None)
    assert found[0]["serverless.authorizer"] == {"lambda": {"principalId": "ada"}}


def test_requests_share_no_environ() -> None:
    found: list[dict[str, Any]] = []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        found.append(dict(environ))
        environ.update(HTTP_X_MINE="1", PATH_INFO="changed")
        start_response("204 No Content", [])
        return []

    gateway = unigate.wrap(app)
    for _ in range(2):
        gateway.lambda_handler(samples.load("generic/map_query"))
    assert "HTTP_X_MINE" not in found[1]
    assert found[0]["PATH_INFO"] == found[1]["PATH_INFO"] != "changed"


@pytest.mark.parametrize("inner", ["wsgi", "asgi"])
def test_a_gateway_in_a_gateway_has_them(inner: str) -> None:
    found: list[dict[str, Any]] = []
    gateway = unigate.wrap(mounts={"/in": unigate.wrap(recorded(found, inner))}, lifespan="off")
    event = {"httpMethod": "GET", "path": "/in/x"}
    gateway.lambda_handler(event, "context")
    assert found[0]["lambda.event"] is event
    assert found[0]["lambda.context"] == "context"
