"""What docs/coming-from says is different, and what to write then."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mangum
import pytest
import serverless_wsgi
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route

import unigate
from tests import samples

ROOT = Path(__file__).parents[2]


def rest_api(path: str) -> dict[str, Any]:
    """Return an event of a REST API on its own domain, at the stage `live`."""
    event = samples.load("rest_api/multi_value")
    event["httpMethod"] = event["requestContext"]["httpMethod"] = "GET"
    event["path"], event["requestContext"]["path"] = path, f"/live{path}"
    return event


def mapped(path: str) -> dict[str, Any]:
    """Return an event of a REST API that a custom domain maps at `/shop`."""
    event = rest_api(path)
    event["path"] = event["requestContext"]["path"] = f"/shop{path}"
    event["requestContext"]["domainName"] = "api.example.com"
    return event


def guarded(path_of: Callable[[Request], str]) -> Starlette:
    """Return an application that denies what is below /admin, by its path."""

    async def guard(request: Request, call_next: Any) -> Response:
        if path_of(request).startswith("/admin"):
            return PlainTextResponse("denied", 401)
        response: Response = await call_next(request)
        return response

    async def page(request: Request) -> Response:
        return PlainTextResponse("secret")

    return Starlette(
        routes=[Route("/admin/users", page), Mount("/admin/more", routes=[Route("/x", page)])],
        middleware=[Middleware(BaseHTTPMiddleware, dispatch=guard)],
    )


BY_URL = guarded(lambda request: request.url.path)
BELOW_ROOT_PATH = guarded(lambda request: request.url.path.removeprefix(request.scope["root_path"]))
EVENTS = {
    "stage": (rest_api, {"api_gateway_base_path": "/"}, {}),
    "base path": (mapped, {"api_gateway_base_path": "/shop"}, {"base_path": "/shop"}),
}


@pytest.mark.parametrize("path", ["/admin/users", "/admin/more/x"])
@pytest.mark.parametrize(("event", "before", "after"), EVENTS.values(), ids=EVENTS)
def test_a_guard_by_path_needs_what_follows_root_path(
    event: Any, before: Any, after: Any, path: str
) -> None:
    def status(handler: Any) -> int:
        code: int = handler(event(path), None)["statusCode"]
        return code

    without: Any = unigate.without_prefix(BY_URL, keep_root_path=False)
    with asyncio.Runner() as runner:  # Mangum runs the loop of its thread, and leaves it open
        asyncio.set_event_loop(runner.get_loop())
        assert status(mangum.Mangum(BY_URL, lifespan="off", **before)) == 401
    assert status(unigate.wrap(BY_URL, **after)) == 200  # the difference
    assert status(unigate.wrap(BELOW_ROOT_PATH, **after)) == 401
    assert status(unigate.wrap(without, **after)) == 401


def test_a_wsgi_application_has_the_same_path() -> None:
    seen = []

    def site(environ: Any, start_response: Any) -> list[bytes]:
        seen.append(environ["PATH_INFO"])
        start_response("200 OK", [])
        return [b"ok"]

    serverless_wsgi.handle_request(site, rest_api("/admin/users"), None)
    unigate.wrap(site)(rest_api("/admin/users"), None)
    assert seen == ["/admin/users"] * 2


@pytest.mark.parametrize(
    ("authorizer", "before", "after"),
    [
        ({"principalId": "ada"}, "ada", "ada"),
        ({"claims": {"sub": "sub-1"}}, "", "sub-1"),
        (None, "", None),
    ],
)
def test_remote_user_is_of_every_authorizer_or_missing(
    authorizer: Any, before: str, after: str | None
) -> None:
    seen = []

    def site(environ: Any, start_response: Any) -> list[bytes]:
        seen.append(environ.get("REMOTE_USER"))
        start_response("200 OK", [])
        return [b"ok"]

    event = rest_api("/")
    event["requestContext"]["authorizer"] = authorizer
    event["requestContext"]["identity"] = {"sourceIp": "203.0.113.7"}
    serverless_wsgi.handle_request(site, event, None)
    unigate.wrap(site)(event, None)
    assert seen == [before, after]


SHOP = """
import flask

application = flask.Flask(__name__)


def tidy(event, context):
    print("tidied by", event["resources"][0].rpartition("/")[2])


def take(event, context):
    print("took", len(event["Records"]), context.aws_request_id)
"""
ZAPPA_SETTINGS = """
APP_MODULE = "shop"
APP_FUNCTION = "application"
API_STAGE = "dev"
PROJECT_NAME = "shop"
LOG_LEVEL = "ERROR"
DEBUG = False
BINARY_SUPPORT = True
DOMAIN = None
BASE_PATH = None
DJANGO_SETTINGS = None
EXCEPTION_HANDLER = None
CONTEXT_HEADER_MAPPINGS = {}
ENVIRONMENT_VARIABLES = {}
AWS_EVENT_MAPPING = {"arn:aws:sqs:eu-west-1:210987654321:jobs": "shop.take"}
AWS_BOT_EVENT_MAPPING = {}
COGNITO_TRIGGER_MAPPING = {}
"""
AFTER = """
import shop
import unigate

handler = unigate.wrap(shop.application)
handler.on_event("schedule", rule="shop-dev-shop.tidy")(shop.tidy)
handler.on_event("sqs", queue="jobs")(shop.take)
"""
BEFORE = "from zappa.handler import lambda_handler as handler\n"


@pytest.mark.parametrize("main", [BEFORE, AFTER], ids=["before", "after"])
def test_functions_of_zappas_events_are_registered(main: str, tmp_path: Path) -> None:
    for name, text in [
        *(("shop.py", SHOP), ("zappa_settings.py", ZAPPA_SETTINGS), ("main.py", main))
    ]:
        (tmp_path / name).write_text(text)
    schedule = samples.load("not_http/schedule")
    schedule["resources"] = ["arn:aws:events:eu-west-1:210987654321:rule/shop-dev-shop.tidy"]
    done = subprocess.run(
        [sys.executable, "-m", "tests.migration.call", "main.handler"],
        input=json.dumps([schedule, samples.load("not_http/sqs")]),
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])},
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "tidied by shop-dev-shop.tidy" in done.stderr
    assert "took 1 invocation-1" in done.stderr
    assert "Traceback" not in done.stderr
