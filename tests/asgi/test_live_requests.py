"""The request of an ASGI server, most of which is read when it is needed."""

from __future__ import annotations

import asyncio
import copy
from typing import Any

import pytest

import unigate
from tests.hosts import asgi_scope
from unigate.asgi.live_requests import LiveRequest
from unigate.deployment import Deployment
from unigate.request import Request

pytestmark = pytest.mark.usefixtures("bounded")

MEMBERS = (
    *("method", "path", "raw_path", "query_string", "headers", "body", "scheme", "server"),
    *("client", "root_path", "http_version", "source", "event", "context", "identity", "deferred"),
    "answered",
)
HEADERS = [(b"host", b"example.org"), (b"cookie", b"a=1"), (b"cookie", b"b=2"), (b"x-a", b"\xe9")]


def scope(**members: Any) -> dict[str, Any]:
    request = Request("POST", b"/caf%C3%A9", query_string=b"a=1", client=("203.0.113.1", 51000))
    return asgi_scope(request) | {"headers": [*HEADERS]} | members


SCOPES = {
    "usual": {},
    "root path": {"root_path": "/v1/"},
    "query in the raw path": {"raw_path": b"/caf%C3%A9?a=1"},
    "no raw path": {"raw_path": None},
    "websocket": {"type": "websocket", "scheme": "wss"},
}


@pytest.mark.parametrize("member", MEMBERS)
@pytest.mark.parametrize("kind", SCOPES)
def test_each_member_is_that_of_the_whole_request(kind: str, member: str) -> None:
    late = LiveRequest(scope(**SCOPES[kind]), Deployment())
    whole = Request.from_scope(scope(**SCOPES[kind]))
    assert getattr(late, member) == getattr(whole, member)
    assert late == whole
    assert repr(late) == repr(whole)


def test_the_request_of_a_gateway_around_is_known() -> None:
    outer = Request("GET", b"/", source="http_api", event={"a": 1}, context="context")
    request = LiveRequest(scope(**{"unigate.request": outer}), Deployment())
    assert (request.context, request.event, request.source) == ("context", {"a": 1}, "http_api")


def test_what_is_set_before_the_rest_is_read_stays() -> None:
    request = LiveRequest(scope(), Deployment())
    request.scheme = "changed"
    request.body = b"changed"
    assert request.method == "POST"
    assert (request.scheme, request.body) == ("changed", b"changed")


def test_a_name_that_no_request_has_is_an_error() -> None:
    request = LiveRequest(scope(), Deployment())
    with pytest.raises(AttributeError, match="no attribute 'form'"):
        _ = request.form  # type: ignore[attr-defined]
    assert copy.copy(request) == request


def test_the_request_has_the_fields_that_the_server_got() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["headers"].append((b"x-b", b"2"))
        scope["method"] = "PUT"
        request = unigate.current_request()
        seen.append((request.method, request.headers.pairs))
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    async def send(message: Any) -> None:
        pass

    seen: list[Any] = []
    given = scope(headers=[(b"x-a", b"1")])
    gateway = unigate.wrap(app, lifespan="off")
    asyncio.run(gateway.asgi(given, asyncio.Event().wait, send))
    assert seen == [("POST", [("x-a", "1")])]
    assert given["headers"] == [(b"x-a", b"1")]
