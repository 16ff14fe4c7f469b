"""How servers recognise an application: their own detectors, asked about the gateway."""

from __future__ import annotations

import asyncio
import json
import logging
import warnings
from typing import Any

import pytest
from asgiref.compatibility import guarantee_single_callable, is_double_callable
from gunicorn.util import import_app
from hypercorn.utils import is_asgi
from starlette._utils import is_async_callable
from uvicorn import Config

import unigate

from . import mixed_app, plain_asgi, plain_wsgi

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it has opinions about the client that it finds
    from starlette.testclient import TestClient

GATEWAYS = [
    pytest.param(unigate.wrap(plain_wsgi.app), id="wsgi"),
    pytest.param(unigate.wrap(plain_asgi.app), id="asgi"),
    pytest.param(mixed_app.app, id="mixed"),
    pytest.param(unigate.wrap("tests.servers.mixed_app:app.asgi"), id="import-string"),
]
around_anything = pytest.mark.parametrize("gateway", GATEWAYS)


@around_anything
def test_uvicorn_takes_it_for_asgi_and_for_no_factory(
    gateway: unigate.Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    config = Config(gateway, log_config=None, proxy_headers=False)

    with caplog.at_level(logging.WARNING):
        config.load()

    assert config.interface == "asgi3"
    assert config.loaded_app is gateway
    assert caplog.records == []


@around_anything
def test_hypercorn_takes_it_for_asgi(gateway: unigate.Gateway) -> None:
    assert is_asgi(gateway)
    assert not is_asgi(plain_wsgi.app)


@around_anything
def test_asgiref_and_with_it_daphne_take_it_for_asgi_3(gateway: unigate.Gateway) -> None:
    assert not is_double_callable(gateway)
    assert guarantee_single_callable(gateway) is gateway
    assert is_double_callable(plain_wsgi.app)


@around_anything
def test_starlette_takes_it_for_asgi(gateway: unigate.Gateway) -> None:
    assert is_async_callable(gateway)
    assert not is_async_callable(plain_wsgi.app)


def test_gunicorn_finds_it_by_its_name() -> None:
    assert import_app("tests.servers.mixed_app:app") is mixed_app.app


def test_it_can_be_called_with_keywords_as_daphne_does() -> None:
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "path": "/v2/empty",
        "query_string": b"",
        "headers": [],
    }
    asyncio.run(mixed_app.app(scope=scope, receive=receive, send=send))

    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert sent[0]["status"] == 204


def test_starlettes_test_client_runs_it_with_its_lifespan(
    capsys: pytest.CaptureFixture[str],
) -> None:
    gateway = unigate.wrap(plain_wsgi.app, mounts={"/v2": plain_asgi.app})

    with TestClient(gateway) as client:
        assert client.get("/x").json()["interface"] == "wsgi"
        assert client.get("/v2/x").json()["state"] == "at startup"
        with client.websocket_connect("/v2/talk") as websocket:
            assert json.loads(websocket.receive_text())["root"] == "/v2"

    assert capsys.readouterr().out.split() == ["lifespan.startup", "lifespan.shutdown"]


def test_starlettes_test_client_runs_it_without_a_lifespan(
    capsys: pytest.CaptureFixture[str],
) -> None:
    client = TestClient(unigate.wrap(plain_wsgi.app, mounts={"/v2": plain_asgi.app}))

    assert client.get("/x").json()["path"] == "/x"
    assert client.get("/v2/x").json()["path"] == "/v2/x"
    assert capsys.readouterr().out == ""
