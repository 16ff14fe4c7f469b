"""`get_headers` and `set_headers`, by every door."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from contextvars import copy_context
from typing import Any

import pytest

import unigate
from tests.hosts import HOSTS
from unigate import Headers, Request
from unigate.functions import get_headers, set_headers

every_host = pytest.mark.parametrize("host", HOSTS)


def request_with(number: int) -> Request:
    fields = [
        ("host", "example.org"),
        ("x-number", str(number)),
        ("cookie", "a=1"),
        ("cookie", "b=2"),
    ]
    return Request("GET", b"/", headers=Headers(fields), server=("example.org", 443))


def seen() -> dict[str, str | None]:
    headers = get_headers()
    assert headers is not None
    assert all(name == name.lower() for name in headers)
    return {name: headers.get(name) for name in ("x-number", "cookie", "given")}


def wsgi(view: Callable[[], Any]) -> Any:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        body = json.dumps(view()).encode()
        start_response("200 OK", [("Content-Type", "application/json")])
        return [body]

    return unigate.wrap(app, interface="wsgi")


def asgi(view: Callable[[], Any]) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        body = json.dumps(view()).encode()
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return unigate.wrap(app, lifespan="off")


both_interfaces = pytest.mark.parametrize("wrap", [wsgi, asgi])


@both_interfaces
@every_host
def test_a_request_has_its_own_headers_until_others_are_set(
    host: str, wrap: Callable[..., Any]
) -> None:
    def view() -> list[Any]:
        before = seen()
        if before["x-number"] == "1":
            set_headers({"given": "yes"})
        return [before, seen()]

    gateway = wrap(view)
    answers = [json.loads(HOSTS[host](gateway, request_with(number)).body) for number in (1, 2)]
    own = [{"x-number": number, "cookie": "a=1; b=2", "given": None} for number in ("1", "2")]
    given = {"x-number": None, "cookie": None, "given": "yes"}
    assert answers == [[own[0], given], [own[1], own[1]]]  # not one of them reaches the next


@both_interfaces
def test_none_goes_back_to_the_requests_own(wrap: Callable[..., Any]) -> None:
    def view() -> list[Any]:
        set_headers({"given": "yes"})
        set_headers(None)
        return [seen()]

    answer = json.loads(HOSTS["http_api"](wrap(view), request_with(1)).body)
    assert answer == [{"x-number": "1", "cookie": "a=1; b=2", "given": None}]


def test_tasks_and_threads_of_a_request_see_what_it_set() -> None:
    found: list[Any] = []

    async def task() -> None:
        found.append(seen())
        await asyncio.to_thread(lambda: found.append(seen()))

    async def app(scope: Any, receive: Any, send: Any) -> None:
        set_headers({"given": "yes"})
        await asyncio.create_task(task())
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    HOSTS["asgi"](unigate.wrap(app, lifespan="off"), request_with(1))
    assert [one["given"] for one in found] == ["yes", "yes"]


def test_outside_of_a_request_there_are_only_those_that_were_set() -> None:
    def outside() -> list[Any]:
        before = get_headers()
        set_headers({"given": "yes"})
        during = get_headers()
        set_headers(None)
        return [before, during, get_headers()]

    assert copy_context().run(outside) == [None, {"given": "yes"}, None]


def test_the_mapping_is_the_callers_own() -> None:
    def view() -> list[Any]:
        headers: Any = get_headers()
        headers["x-number"] = "changed"
        return [seen()["x-number"]]

    assert json.loads(HOSTS["rest_api"](wsgi(view), request_with(7)).body) == ["7"]


def test_another_thread_has_no_headers() -> None:
    found: list[Any] = []

    def view() -> None:
        set_headers({"given": "yes"})
        thread = threading.Thread(target=lambda: found.append(get_headers()))
        thread.start()
        thread.join(10)

    HOSTS["rest_api"](wsgi(view), request_with(1))
    assert found == [None]
