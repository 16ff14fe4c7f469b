"""`get_deadline`: of Lambda's context, of Vercel's runtime, and of hosts without one."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any

import pytest

import unigate
from tests.hosts import HOSTS
from unigate import Request
from unigate.functions import get_deadline

EVENT = {"httpMethod": "GET", "path": "/"}


class Context:
    """The context of an invocation that has a minute left."""

    def get_remaining_time_in_millis(self) -> int:
        return 60_000


def wsgi(found: list[Any]) -> Any:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        found.append(get_deadline())
        start_response("204 No Content", [])
        return []

    return unigate.wrap(app, interface="wsgi")


def asgi(found: list[Any]) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        found.append(get_deadline())
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    return unigate.wrap(app, lifespan="off")


both_interfaces = pytest.mark.parametrize("wrap", [wsgi, asgi])


def check(found: list[Any], before: datetime) -> None:
    [deadline] = found
    minute = timedelta(minutes=1)
    assert before + minute <= deadline <= datetime.now(UTC) + minute
    assert deadline.utcoffset() == timedelta(0)


@both_interfaces
def test_it_follows_from_the_remaining_time_of_an_invocation(wrap: Any) -> None:
    found: list[Any] = []
    before = datetime.now(UTC)
    wrap(found).lambda_handler(EVENT, Context())
    check(found, before)


def test_functions_for_other_events_have_it_too() -> None:
    found: list[Any] = []
    gateway = wsgi([])
    gateway.on_event("warmup")(lambda event, context: found.append(get_deadline()))
    before = datetime.now(UTC)
    gateway.lambda_handler({"warmer": True}, Context())
    check(found, before)


@both_interfaces
@pytest.mark.parametrize("host", ["asgi", "wsgi"])
def test_a_server_has_none(host: str, wrap: Any) -> None:
    found: list[Any] = []
    HOSTS[host](wrap(found), Request("GET", b"/"))
    assert found == [None]


def test_there_is_none_outside_of_a_request() -> None:
    assert get_deadline() is None


@both_interfaces
@pytest.mark.parametrize("host", ["asgi", "wsgi"])
def test_vercels_runtime_is_asked(host: str, wrap: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    deadline = datetime(2026, 11, 29, 12, tzinfo=UTC)
    # The runtime itself exists for Python 3.12 and later only.
    runtime: Any = ModuleType("vercel_runtime")
    monkeypatch.setitem(sys.modules, "vercel_runtime", runtime)
    found: list[Any] = []
    HOSTS[host](wrap(found), Request("GET", b"/"))  # an older one has no deadline
    runtime.get_deadline = lambda: deadline
    HOSTS[host](wrap(found), Request("GET", b"/"))
    assert found == [None, deadline]
