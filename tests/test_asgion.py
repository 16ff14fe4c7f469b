"""asgion, an ASGI validator, sits between us and the application and finds nothing."""

from __future__ import annotations

from typing import Any

import pytest
from asgion import Inspector

import unigate
from tests.apps import plain, starlette_app
from tests.hosts import HOSTS, ask_asgi
from unigate import Headers, Request

REQUESTS = [
    Request("GET", b"/caf%C3%A9", query_string=b"a=1&b=%20", client=("203.0.113.7", 4711)),
    Request("POST", b"/body", headers=Headers([("content-length", "5")]), body=b"hello"),
    Request("HEAD", b"/cookies"),
    Request("GET", b"/empty"),
    Request("GET", b"/chunks"),
]


def broken_rules(inspector: Inspector) -> list[str]:
    """Return what is against the rules; "info" is advice to whoever wrote the application."""
    return [str(found) for found in inspector.violations if found.severity != "info"]


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("request_", REQUESTS, ids=repr)
@pytest.mark.parametrize("app", [plain.asgi_app, starlette_app.app], ids=["plain", "starlette"])
def test_application_is_called_by_the_rules(host: str, request_: Request, app: Any) -> None:
    inspector = Inspector(app)
    gateway = unigate.wrap(inspector, interface="asgi", mounts={"/nothing": plain.wsgi_app})
    HOSTS[host](gateway, request_)
    assert broken_rules(inspector) == []


@pytest.mark.parametrize("request_", REQUESTS, ids=repr)
@pytest.mark.parametrize("app", [plain.asgi_app, plain.wsgi_app], ids=["asgi", "wsgi"])
def test_server_is_answered_by_the_rules(request_: Request, app: Any) -> None:
    inspector = Inspector(unigate.wrap(app).asgi)
    ask_asgi(inspector, request_)
    assert broken_rules(inspector) == []
