"""`unigate routes`: the route tables of the frameworks, alone and mounted in each other."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import django
import fastapi
import flask
import pytest
from django.test import override_settings
from django.urls import include, path, re_path
from django.views import View
from flask.views import MethodView
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.responses import PlainTextResponse
from starlette.routing import Host, Mount, Router, WebSocketRoute
from starlette.routing import Route as StarletteRoute
from starlette.staticfiles import StaticFiles
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix

import unigate
from tests.apps import plain
from tests.cli.projects import project
from unigate.cli.main import main
from unigate.cli.project.route_tables import routes_of
from unigate.cli.project.routes import Route

ROOT = Path(__file__).resolve().parents[2]
ME = __name__


def table(app: Any, **mounts: Any) -> list[tuple[str, str, str]]:
    """Return methods, path and name of each route."""
    gateway = unigate.wrap(app, mounts={f"/{name}": inner for name, inner in mounts.items()})
    return [(",".join(route.methods), route.path, route.name) for route in routes_of(gateway)]


def view(*args: Any, **kwargs: Any) -> Any: ...


class Shelf(MethodView):
    def get(self) -> str:
        return ""

    def delete(self) -> str:
        return ""


def site() -> flask.Flask:
    app = flask.Flask("site", static_folder=None)
    app.get("/users/<int:number>")(view)
    app.add_url_rule("/files/<path:name>", "file", view, methods=["GET", "POST"])
    app.add_url_rule("/<any(de, en):language>/<string(length=2):code>", "home", view)
    app.add_url_rule("/plain", "plain", view, methods=["OPTIONS"])
    app.add_url_rule("/shelf", view_func=Shelf.as_view("shelf"))
    return app


def test_flask() -> None:
    assert table(site()) == [
        ("GET", "/users/{number:int}", "view"),
        ("GET,POST", "/files/{name:path}", "file"),
        ("GET", "/{language:any}/{code}", "home"),
        ("OPTIONS", "/plain", "plain"),
        ("DELETE,GET", "/shelf", "shelf"),
    ]


def test_flask_blueprints_and_its_static_folder() -> None:
    app = flask.Flask("site")
    pages = flask.Blueprint("pages", "pages", url_prefix="/pages")
    pages.get("/<name>")(view)
    app.register_blueprint(pages, url_prefix="/all")
    assert table(app) == [
        ("GET", "/static/{filename:path}", "static"),
        ("GET", "/all/{name}", "pages.view"),
    ]


def test_an_endpoint_is_the_place_of_the_view() -> None:
    found = routes_of(unigate.wrap(site()))
    assert (found[0].endpoint, found[0].app) == (f"{ME}.view", "Flask")
    assert found[-1].endpoint == f"{ME}.Shelf"
    app = flask.Flask("site", static_folder=None)
    app.add_url_rule("/", "partial", functools.partial(functools.partial(view, 1), 2))
    assert routes_of(unigate.wrap(app))[0].endpoint == f"{ME}.view"


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda app: ProxyFix(app.wsgi_app),
        lambda app: ProxyFix(ProxyFix(app)),
        lambda app: unigate.wrap(app),
        lambda app: app.wsgi_app,
    ],
)
def test_an_application_is_found_within_middleware(wrapped: Any) -> None:
    assert table(wrapped(site())) == table(site())


def test_a_gateway_in_a_gateway_adds_its_prefixes() -> None:
    one = flask.Flask("one", static_folder=None)
    one.get("/tea")(view)
    inner = unigate.wrap(mounts={"/inner": one})
    assert table(None, outer=inner) == [("GET", "/outer/inner/tea", "view")]


@pytest.mark.parametrize("app", [fastapi.FastAPI(docs_url=None), Starlette()])
def test_an_application_without_its_prefix_has_its_routes(app: Any) -> None:
    app.router.routes.append(StarletteRoute("/users", view))
    assert table(site(), v2=unigate.without_prefix(app)) == table(site(), v2=app)
    stripped = unigate.without_prefix(site(), keep_root_path=False)
    assert table(stripped) == table(site())


def test_werkzeugs_dispatcher_is_a_mount() -> None:
    one = flask.Flask("one", static_folder=None)
    one.get("/tea")(view)
    assert table(DispatcherMiddleware(one, {"/site": site()}))[:2] == [
        ("GET", "/tea", "view"),
        ("GET", "/site/users/{number:int}", "view"),
    ]


class Endpoint(HTTPEndpoint):
    async def get(self, request: Any) -> Any: ...
    async def post(self, request: Any) -> Any: ...


def starlette() -> Starlette:
    return Starlette(
        routes=[
            StarletteRoute("/", view, name="home"),
            StarletteRoute("/class", Endpoint),
            StarletteRoute("/asgi", PlainTextResponse("tea")),
            WebSocketRoute("/ws", view, name="socket"),
            Mount(
                "/users",
                name="users",
                routes=[
                    StarletteRoute("/{number:int}", view, methods=["POST", "GET"], name="one"),
                    StarletteRoute("/{name:str}/x", view, methods=["DELETE"]),
                ],
            ),
            Mount("/files", StaticFiles(directory="."), name="files"),
            Host("api.example.org", Router([StarletteRoute("/api", view)])),
        ]
    )


def test_starlette() -> None:
    assert table(starlette()) == [
        ("GET", "/", "home"),
        ("GET,POST", "/class", "Endpoint"),
        ("ANY", "/asgi", "PlainTextResponse"),
        ("WEBSOCKET", "/ws", "socket"),
        ("GET,POST", "/users/{number:int}", "users:one"),
        ("DELETE", "/users/{name}/x", "users:view"),
        ("ANY", "/files/{path:path}", "files"),
        ("GET", "/api", "view"),
    ]


def test_fastapi_with_nested_routers_and_mounted_applications() -> None:
    inner, outer = fastapi.APIRouter(prefix="/inner"), fastapi.APIRouter()
    inner.get("/{number}")(view)
    inner.websocket("/ws")(view)
    outer.include_router(inner, prefix="/{group:int}")
    outer.put("/end", name="ending")(view)
    app = fastapi.FastAPI(openapi_url=None)
    app.include_router(outer, prefix="/outer")
    sub = fastapi.FastAPI(openapi_url=None)
    sub.post("/deep")(view)
    app.mount("/sub", sub)
    app.post("/last")(view)
    assert sorted(table(app)) == [
        ("GET", "/outer/{group:int}/inner/{number}", "view"),
        ("POST", "/last", "view"),
        ("POST", "/sub/deep", "view"),
        ("PUT", "/outer/end", "ending"),
        ("WEBSOCKET", "/outer/{group:int}/inner/ws", "view"),
    ]


def test_fastapis_own_pages_are_listed() -> None:
    assert [path for _, path, _ in table(fastapi.FastAPI())] == [
        "/openapi.json",
        "/docs",
        "/docs/oauth2-redirect",
        "/redoc",
    ]


class Page(View):
    def get(self, request: Any) -> Any: ...
    def post(self, request: Any) -> Any: ...


@pytest.fixture
def urls() -> Iterator[None]:
    articles = [
        path("<int:year>/", view, name="year"),
        re_path(r"^(?P<slug>[\w-]+)(?:\.html)?/(\d{2})$", view, name="slug"),
    ]
    conf = ModuleType("urls_of_the_test")
    conf.urlpatterns = [
        path("", view),
        path("page/<path:rest>", Page.as_view(), name="page"),
        path("articles/", include((articles, "articles"))),
        path("all/", include(([path("in/", include((articles, "inner")))], "outer"))),
        re_path(r"^old/v1\.0/", include([path("<str:name>/", include(articles))])),
    ]
    sys.modules["urls_of_the_test"] = conf
    django.setup()
    with override_settings(ROOT_URLCONF="urls_of_the_test"):
        yield
    del sys.modules["urls_of_the_test"]


DJANGO = [
    ("ANY", "/", ""),
    ("GET,POST", "/page/{rest:path}", "page"),
    ("ANY", "/articles/{year:int}/", "articles:year"),
    ("ANY", "/articles/{slug}/{var}", "articles:slug"),
    ("ANY", "/all/in/{year:int}/", "outer:inner:year"),
    ("ANY", "/all/in/{slug}/{var}", "outer:inner:slug"),
    ("ANY", "/old/v1.0/{name}/{year:int}/", "year"),
    ("ANY", "/old/v1.0/{name}/{slug}/{var}", "slug"),
]


@pytest.mark.usefixtures("urls")
def test_django() -> None:
    from django.core.asgi import get_asgi_application
    from django.core.wsgi import get_wsgi_application

    assert table(get_wsgi_application()) == DJANGO
    assert table(get_asgi_application()) == DJANGO
    found = routes_of(unigate.wrap(get_wsgi_application()))
    assert (found[1].endpoint, found[1].app) == (f"{ME}.Page", "Django")


@pytest.mark.usefixtures("urls")
def test_several_frameworks_under_prefixes() -> None:
    from django.core.wsgi import get_wsgi_application

    gateway = unigate.wrap(site(), mounts={"/old": get_wsgi_application(), "/v2": starlette()})
    found = [(route.app, route.path) for route in routes_of(gateway)]
    assert found[0] == ("Flask", "/users/{number:int}")
    assert ("Django", "/old/articles/{year:int}/") in found
    assert ("Starlette", "/v2/users/{number:int}") in found
    assert ("StaticFiles", "/v2/files/{path:path}") in found


def test_an_application_without_a_table_is_listed_with_its_prefix() -> None:
    assert routes_of(
        unigate.wrap(mounts={"/a": plain.wsgi_app, "/b": ProxyFix(plain.wsgi_app)})
    ) == [
        Route(("ANY",), "/a/{path:path}", "", "tests.apps.plain.wsgi_app", "wsgi_app"),
        Route(("ANY",), "/b/{path:path}", "", "werkzeug.middleware.proxy_fix.ProxyFix", "ProxyFix"),
    ]


def test_middleware_that_wraps_itself_ends() -> None:
    class Snake:
        def __init__(self) -> None:
            self.app = self

        def __call__(self, environ: Any, start_response: Any) -> Any: ...

    assert table(Snake()) == [("ANY", "/{path:path}", "")]


# The command


def run(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "unigate", "routes", *args],
        cwd=ROOT / "example_flask", env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'contrib'}"},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip


def test_the_table_has_a_row_for_each_route() -> None:
    done = run("api.index:app")
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines[0] == ["METHOD", "PATH", "NAME", "ENDPOINT", "APP"]
    assert ["GET", "/hello/{name:path}", "hello", "site_app.hello", "Flask"] in lines
    assert ["POST", "/v2/notes", "add_note", "notes_api.add_note", "FastAPI"] in lines


def test_json_has_the_same_routes() -> None:
    done = run("api.index:app", "--json")
    rows = json.loads(done.stdout)
    assert {
        "methods": ["POST"],
        "path": "/v2/notes",
        "name": "add_note",
        "endpoint": "notes_api.add_note",
        "app": "FastAPI",
    } in rows


def test_an_application_that_cannot_be_loaded_is_one_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["routes", "nowhere:app"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("command", ["routes", "check"])
@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("from aiohttp import web\napp = web.Application()\n", "one of aiohttp: it runs on"),
        ("import web\napp = web.application()\n", "method makes, wrap(app.wsgifunc())."),
    ],
)
def test_an_application_of_its_own_server_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    command: str, source: str, message: str,
) -> None:  # fmt: skip
    with project(tmp_path, monkeypatch, {"alone.py": source}):
        assert main([command, "alone:app"]) == 2
        assert message in capsys.readouterr().err
