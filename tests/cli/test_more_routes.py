"""`unigate routes` for frameworks beside Flask, Django, Starlette and FastAPI.

Each runs in a process of its own: some of them warn when they are imported, or register their
applications in their classes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

BOTTLE = """
import bottle

import unigate

site, inner = bottle.Bottle(), bottle.Bottle()


@site.route("/users/<number:int>/<rest:path>", method=["GET", "POST"], name="user")
def user(number, rest): ...


@site.get("/old/:word/<letters:re:[a-z]+>")
def old(word, letters): ...


@site.route("/any", method="ANY")
@inner.get("/deep")
def deep(): ...


site.mount("/inner/", inner)
"""
CONNEXION = """
import connexion

import unigate

OPERATIONS = {
    "/users/{number}": {
        "parameters": [
            {"name": "number", "in": "path", "required": True, "schema": {"type": "integer"}}
        ],
        "get": {"operationId": "main.user", "responses": {"200": {"description": "a user"}}},
        "delete": {"operationId": "main.drop", "responses": {"200": {"description": "gone"}}},
    }
}


def user(number):
    return "user"


def drop(number):
    return "drop"


site = connexion.FlaskApp("site", server_args={"static_folder": None})
document = {"openapi": "3.0.0", "info": {"title": "site", "version": "1"}, "paths": OPERATIONS}
site.add_api({**document, "servers": [{"url": "/api"}]})
site.add_url_rule("/plain", "plain", user)
"""
FALCON = """
import falcon.asgi

import unigate


class User:
    async def on_get(self, request, response, **kwargs): ...

    async def on_delete(self, request, response, **kwargs): ...

    async def on_post_many(self, request, response): ...

    async def on_websocket_feed(self, request, socket): ...


async def sink(request, response): ...


site = falcon.asgi.App()
site.add_route("/users/{number:int(2)}/{name}", User())
site.add_route("/many", User(), suffix="many")
site.add_route("/feed", User(), suffix="feed")
site.add_static_route("/static", "/tmp")
site.add_sink(sink, "/rest")
"""
LITESTAR = """
import litestar

import unigate


@litestar.get("/users/{number:int}/{name:str}", name="user")
async def user(number: int, name: str) -> str: ...


class Notes(litestar.Controller):
    path = "/notes"

    @litestar.get("/{rest:path}")
    async def read(self, rest: str) -> str: ...

    @litestar.post()
    async def add(self) -> None: ...


@litestar.websocket("/feed")
async def feed(socket: litestar.WebSocket) -> None: ...


@litestar.asgi("/raw", is_mount=True, copy_scope=True)
async def raw(scope: dict, receive: object, send: object) -> None: ...


router = litestar.Router("/v2", route_handlers=[Notes])
site = litestar.Litestar([user, router, feed, raw], openapi_config=None)
"""
PYRAMID = """
from pyramid.config import Configurator

import unigate


def user(request): ...


def change(request): ...


with Configurator() as config:
    config.add_route("user", "/users/{name}/{year:\\\\d{4}}")
    config.add_view(user, route_name="user", request_method="GET")
    config.add_view(change, route_name="user", request_method=("PUT", "POST"))
    config.add_route("rest", "rest/*more")
    config.add_view(user, route_name="rest")
    site = config.make_wsgi_app()
"""
QUART = """
import quart

import unigate

site = quart.Quart("site", static_folder=None)


@site.get("/users/<int:number>/<name>")
async def user(number, name): ...


@site.websocket("/feed")
async def feed(): ...
"""
SANIC = """
import sanic

import unigate

site = sanic.Sanic("site", configure_logging=False)
pages = sanic.Blueprint("pages", url_prefix="/pages")


@site.get("/users/<number:int>/<name>/<rest:path>")
async def user(request, number, name, rest): ...


@pages.route("/<word:[a-z]+>", methods=["POST", "PUT"])
async def page(request, word): ...


@site.websocket("/feed")
async def feed(request, socket): ...


site.blueprint(pages)
"""
UNKNOWN = """
import unigate


async def site(scope, receive, send): ...


def flask_site():
    import flask

    return flask.Flask("site")


both = unigate.wrap(site, mounts={"/flask": flask_site()})
"""


def run(folder: Path, text: str, target: str, *options: str) -> subprocess.CompletedProcess[str]:
    below = 'below = unigate.wrap(mounts={"/v2": site})\n'
    (folder / "main.py").write_text(text + below)
    command = [sys.executable, "-W", "ignore", "-m", "unigate", "routes", target, *options]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120
    )


def table(folder: Path, text: str, target: str) -> list[tuple[str, ...]]:
    done = run(folder, text, target, "--json")
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    rows = json.loads(done.stdout)
    return sorted(
        (",".join(row["methods"]), row["path"], row["name"], row["endpoint"], row["app"])
        for row in rows
    )


ROWS = {
    "bottle": (
        BOTTLE,
        [
            ("ANY", "/any", "", "main.deep", "Bottle"),
            ("GET", "/inner/deep", "", "main.deep", "Bottle"),
            ("GET", "/old/{word}/{letters}", "", "main.old", "Bottle"),
            ("GET,POST", "/users/{number:int}/{rest:path}", "user", "main.user", "Bottle"),
        ],
    ),
    "connexion": (
        CONNEXION,
        [
            ("DELETE", "/api/users/{number}", "", "main.drop", "Connexion"),
            ("GET", "/api/users/{number}", "", "main.user", "Connexion"),
            ("GET", "/plain", "plain", "main.user", "Flask"),
        ],
    ),
    "falcon": (
        FALCON,
        [
            ("ANY", "/rest/{path:path}", "", "sink", "Falcon"),
            ("DELETE,GET", "/users/{number:int}/{name}", "", "User", "Falcon"),
            ("GET", "/static/{path:path}", "", "/tmp", "Falcon"),
            ("POST", "/many", "", "User", "Falcon"),
            ("WEBSOCKET", "/feed", "", "User", "Falcon"),
        ],
    ),
    "litestar": (
        LITESTAR,
        [
            ("ANY", "/raw/{path:path}", "", "main.raw", "Litestar"),
            ("GET", "/users/{number:int}/{name}", "user", "main.user", "Litestar"),
            ("GET", "/v2/notes/{rest:path}", "", "main.Notes.read", "Litestar"),
            ("POST", "/v2/notes", "", "main.Notes.add", "Litestar"),
            ("WEBSOCKET", "/feed", "", "main.feed", "Litestar"),
        ],
    ),
    "pyramid": (
        PYRAMID,
        [
            ("ANY", "/rest/{more:path}", "rest", "main.user", "Pyramid"),
            ("GET", "/users/{name}/{year}", "user", "main.user", "Pyramid"),
            ("POST,PUT", "/users/{name}/{year}", "user", "main.change", "Pyramid"),
        ],
    ),
    "quart": (
        QUART,
        [
            ("GET", "/users/{number:int}/{name}", "user", "main.user", "Quart"),
            ("WEBSOCKET", "/feed", "feed", "main.feed", "Quart"),
        ],
    ),
    "sanic": (
        SANIC,
        [
            ("GET", "/users/{number:int}/{name}/{rest:path}", "user", "main.user", "Sanic"),
            ("POST,PUT", "/pages/{word}", "pages.page", "main.page", "Sanic"),
            ("WEBSOCKET", "/feed", "feed", "main.feed", "Sanic"),
        ],
    ),
}


@pytest.mark.parametrize("framework", ROWS)
def test_the_routes_of_a_framework(tmp_path: Path, framework: str) -> None:
    text, rows = ROWS[framework]
    assert table(tmp_path, text, "main:site") == rows


@pytest.mark.parametrize("framework", ["bottle", "falcon"])
def test_they_have_the_prefix_of_their_mount(tmp_path: Path, framework: str) -> None:
    text, rows = ROWS[framework]
    below = sorted((methods, f"/v2{path}", *rest) for methods, path, *rest in rows)
    assert table(tmp_path, text, "main:below") == below


def test_an_application_that_is_not_known_is_named(tmp_path: Path) -> None:
    done = run(tmp_path, UNKNOWN, "main:below")
    assert done.returncode == 1
    assert done.stdout.splitlines()[1].split() == ["ANY", "/v2/{path:path}", "main.site", "site"]
    assert done.stderr == (
        "The routes of the application below /v2 cannot be read: unigate reads those of Bottle, "
        "Connexion, Django, Falcon, FastAPI, Flask, Litestar, Pyramid, Quart, Sanic and Starlette, "
        "got main.site. Middleware around one of them must keep it in an attribute, such as app.\n"
    )
    both = run(tmp_path, UNKNOWN, "main:both", "--json")
    assert (both.returncode, both.stderr.count("\n")) == (0, 1)
    assert len(json.loads(both.stdout)) == 2


def test_an_application_without_routes_is_named(tmp_path: Path) -> None:
    done = run(tmp_path, "import bottle\nimport unigate\nsite = bottle.Bottle()\n", "main:site")
    assert (done.returncode, done.stderr) == (0, "The application has no routes.\n")
