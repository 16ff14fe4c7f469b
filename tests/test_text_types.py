"""What is text in a reply, and what the deployer says is: over every event source and interface."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

import unigate
from tests.hosts import HOSTS, EventHost
from unigate import Gateway, Headers, Request

BODY = "ol\xe1".encode()
EVENTS = {name: host for name, host in HOSTS.items() if isinstance(host, EventHost)}
ALWAYS_BASE64 = {"vercel"}


def wsgi_app(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Type", environ["HTTP_ACCEPT"])])
    return [BODY]


async def asgi_app(scope: Any, receive: Any, send: Any) -> None:
    kind = dict(scope["headers"])[b"accept"]
    start = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind)]}
    await send(start)
    await send({"type": "http.response.body", "body": BODY})


APPS = {"wsgi": wsgi_app, "asgi": asgi_app}


def wrapped(interface: str, *types: str) -> Gateway:
    return unigate.wrap(APPS[interface], lifespan="off", text_types=types)


def asking_for(content_type: str) -> Request:
    return Request("GET", b"/", headers=Headers([("host", "h"), ("accept", content_type)]))


def has_text(host: EventHost, gateway: Gateway, content_type: str) -> bool:
    """Return True if the reply has the body as text; it must arrive unchanged in any case."""
    reply = host.reply_to(gateway, host.event_of(asking_for(content_type)))
    response = host.source.from_reply(reply)
    assert response.body == BODY
    return BODY.decode() in json.dumps(reply, ensure_ascii=False)


@pytest.mark.parametrize("interface", APPS)
@pytest.mark.parametrize("host", EVENTS)
def test_a_type_that_the_deployer_names_is_text(host: str, interface: str) -> None:
    plain, named = wrapped(interface), wrapped(interface, "application/vnd.my", "application/x-b")
    for content_type in ("application/vnd.my", "Application/VND.My; v=1", "application/x-b"):
        assert not has_text(EVENTS[host], plain, content_type)
        assert has_text(EVENTS[host], named, content_type) is (host not in ALWAYS_BASE64)
    assert not has_text(EVENTS[host], named, "application/vnd.other")


@pytest.mark.parametrize("host", [host for host in EVENTS if host not in ALWAYS_BASE64])
@pytest.mark.parametrize(
    "content_type",
    [
        "application/json5",
        "application/openapi",
        "application/openmetrics-text; version=1.0.0",
        "application/vnd.my; charset=utf-8",
        "application/x; charset='utf8'",
    ],
)
def test_a_known_type_and_one_with_a_charset_are_text(host: str, content_type: str) -> None:
    assert has_text(EVENTS[host], wrapped("wsgi"), content_type)


def test_text_types_count_within_a_running_loop_too() -> None:
    host = EVENTS["http_api"]
    event = host.event_of(asking_for("application/vnd.my"))
    for gateway, is_base64 in (
        (wrapped("wsgi"), True),
        (wrapped("wsgi", "application/vnd.my"), False),
    ):
        assert asyncio.run(gateway.handle(event))["isBase64Encoded"] is is_base64


@pytest.mark.parametrize(
    "name", ["vnd.my", "application/", "/x", "application/vnd.", "application/*", "text/x;a=b", 7]
)
def test_a_wrong_text_type_is_refused_at_once(name: Any) -> None:
    with pytest.raises(ValueError, match=r'such as "application/vnd\.my", got ') as raised:
        wrapped("wsgi", name)
    assert f"got {name!r}." in str(raised.value)
