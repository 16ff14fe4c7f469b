"""What `wrap` takes, and what the gateway is."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, assert_type

import flask
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from fastapi import FastAPI
from starlette.applications import Starlette
from werkzeug.middleware.proxy_fix import ProxyFix

import unigate
from unigate import Gateway

site = flask.Flask(__name__)
api = FastAPI()


def wsgi_app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    return []


async def asgi_app(
    scope: MutableMapping[str, Any],
    receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
    send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
) -> None: ...


def asgi2_app(scope: dict[str, Any]) -> Callable[[Any, Any], Awaitable[None]]:
    return functools.partial(asgi_app, scope)


def create_app() -> flask.Flask:
    return site


def create_configured_app(config: str) -> flask.Flask:
    return site


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    return {}


def counted(handle: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    return handle


app = unigate.wrap(site)
assert_type(app, Gateway)
unigate.wrap(api)
unigate.wrap(Starlette())
unigate.wrap(get_asgi_application())
unigate.wrap(get_wsgi_application())
unigate.wrap(ProxyFix(site.wsgi_app))
unigate.wrap(wsgi_app)
unigate.wrap(asgi_app)
unigate.wrap(asgi2_app)
unigate.wrap(create_app)
unigate.wrap("main:site")
unigate.wrap(app)
unigate.wrap(mounts={"/v2": api, "/old": site, "/new": "main:api"})
unigate.wrap(
    site,
    interface="wsgi",
    lifespan="off",
    trusted_proxies=["private", "203.0.113.0/24"],
    cache="redis://localhost",
    stage="strip",
    around=[counted],
    on_error="raise",
)
unigate.wrap(unigate.without_prefix(api))

unigate.wrap(7)  # refused
unigate.wrap(flask.Flask)  # refused
unigate.wrap(handler)  # refused
unigate.wrap(create_configured_app)  # refused
unigate.wrap(site, api)  # refused
unigate.wrap(site, mount={"/v2": api})  # refused
unigate.wrap(site, mounts=[("/v2", api)])  # refused
unigate.wrap(mounts={"/v2": None})  # refused
unigate.wrap(site, interface="ASGI")  # refused
unigate.wrap(site, lifespan=True)  # refused
unigate.wrap(site, cache=5)  # refused
unigate.wrap(site, around=counted)  # refused


def of_servers(environ: dict[str, Any], start_response: Callable[..., Any]) -> None:
    assert_type(app.wsgi(environ, start_response), Iterable[bytes])
    assert_type(app.base_path, str)
    app.wsgi(environ)  # refused
    app.lambda_handlr({}, None)  # refused
