"""`unigate check`: applications that ignore `root_path`."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.projects import project
from unigate.cli.check import prefixes
from unigate.cli.main import main

from .checking import GOOD, PYPROJECT, check, message

FALCON = """
import falcon.asgi

import unigate


class Home:
    async def on_get(self, request, response):
        response.media = {}


api = falcon.asgi.App()
api.add_route("ROUTE", Home())
"""
MUFFIN = """
import muffin

import unigate

api = muffin.Application()


@api.route("ROUTE")
async def home(request):
    return "home"
"""
# Microdot's: it puts SCRIPT_NAME before the path, and shows its routes in this way.
BEFORE_PATH = """
import time

import unigate


class Pattern:
    url_pattern = "ROUTE"


class Site:
    url_map = [(["GET"], Pattern(), None, "", None)]

    def __call__(self, environ, start_response):
        FIRST
        path = environ["SCRIPT_NAME"] + environ["PATH_INFO"]
        found = path == Pattern.url_pattern.replace("<id>", "1")
        start_response("200 OK" if found else "404 Not Found", [])
        return []


api = Site()
"""
SANIC = """
import sanic

import unigate

api = sanic.Sanic("site", configure_logging=False)


@api.get("/hello/<number:int>")
async def hello(request, number):
    return sanic.text("hello")


app = unigate.wrap(mounts={"/v2": api})
"""
PLAIN = """
import asyncio
import pathlib

import unigate


async def api(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.LIFESPAN"})
        await receive()
        return pathlib.Path(__file__).with_name("stopped").touch()
    path = scope["path"]
    STATUS
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body"})


app = unigate.wrap(mounts={"/v2": api})
"""
IGNORES = 'status = 200 if path == "/" else 404'


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    needs = '"falcon", "flask", "muffin", "sanic"'
    files = {**GOOD, "pyproject.toml": PYPROJECT.replace('"flask"', needs)}
    with project(tmp_path / "project", monkeypatch, files) as made:
        yield made


def written(application: str, wrapped: str, route: str, first: str = "") -> dict[str, str]:
    text = application.replace("ROUTE", route).replace("FIRST", first)
    return {"main.py": f"{text}\napp = {wrapped}\n"}


def plain(status: str, lifespan: str = "complete") -> dict[str, str]:
    return {"main.py": PLAIN.replace("STATUS", status).replace("LIFESPAN", lifespan)}


@pytest.mark.parametrize(
    ("wrapped", "prefix"),
    [
        ('unigate.wrap(mounts={"/v2": api})', "/v2"),
        ('unigate.wrap(api, base_path="/shop")', "/shop"),
        ('unigate.wrap(mounts={"/v2": api}, base_path="/shop")', "/shop/v2"),
    ],
)
@pytest.mark.parametrize(
    "route",
    [
        *("/", "/users", "/users/{number:int}", "/{name}/shelf", "/users/{number:int(2)}"),
        *("/{key:uuid}", "/{day:dt('%Y-%m-%d')}/{number:int(num_digits=3)}", "/files/{rest:path}"),
    ],
)
def test_falcon_below_a_prefix_is_found(
    capsys: pytest.CaptureFixture[str], route: str, wrapped: str, prefix: str
) -> None:
    assert check(capsys, files=written(FALCON, wrapped, route)) == [("prefix", prefix)]


@pytest.mark.parametrize(
    "wrapped",
    [
        "unigate.wrap(api)",
        'unigate.wrap(mounts={"/v2": unigate.without_prefix(api)})',
        'unigate.wrap(unigate.without_prefix(api), base_path="/shop")',
    ],
)
@pytest.mark.parametrize("route", ["/", "/users"])
def test_nothing_is_found_without_a_prefix(
    capsys: pytest.CaptureFixture[str], route: str, wrapped: str
) -> None:
    assert check(capsys, files=written(FALCON, wrapped, route)) == []


MOUNTED = 'unigate.wrap(mounts={"/v2": api})'
STRIPPED = 'unigate.wrap(mounts={"/v2": unigate.without_prefix(api)})'
EMPTIED = 'unigate.wrap(mounts={"/v2": unigate.without_prefix(api, keep_root_path=False)})'
KEEP_NOT = "unigate.without_prefix(application, keep_root_path=False)"


@pytest.mark.parametrize(
    ("application", "wrapped", "route"),
    [
        *((MUFFIN, wrapped, route) for wrapped in (MOUNTED, STRIPPED) for route in ("/", "/{id}")),
        *((BEFORE_PATH, MOUNTED, route) for route in ("/", "/users/<id>")),
    ],
)
def test_one_that_puts_the_prefix_before_its_path_needs_an_empty_one(
    capsys: pytest.CaptureFixture[str], application: str, wrapped: str, route: str
) -> None:
    assert KEEP_NOT in message(capsys, "prefix", written(application, wrapped, route))


@pytest.mark.parametrize("application", [MUFFIN, BEFORE_PATH], ids=["muffin", "wsgi"])
def test_that_advice_helps(capsys: pytest.CaptureFixture[str], application: str) -> None:
    assert check(capsys, files=written(application, EMPTIED, "/")) == []


def test_one_that_asks_for_the_client_and_the_host_is_found(
    capsys: pytest.CaptureFixture[str],
) -> None:
    first = 'environ["REMOTE_ADDR"].split("."), environ["HTTP_HOST"].strip()'
    assert KEEP_NOT in message(capsys, "prefix", written(BEFORE_PATH, MOUNTED, "/", first=first))
    asking = 'scope["client"][0], dict(scope["headers"])[b"host"]\n    ' + IGNORES
    assert "unigate.without_prefix" in message(capsys, "prefix", plain(asking))


@pytest.mark.parametrize(
    "files",
    [
        written(BEFORE_PATH, MOUNTED, "/", first='raise ValueError("no view")'),
        plain('raise ValueError("no view")'),
    ],
    ids=["wsgi", "asgi"],
)
def test_one_that_fails_is_not_found_and_named(
    capsys: pytest.CaptureFixture[str], files: dict[str, str], folder: Path
) -> None:
    (folder / "main.py").write_text(files["main.py"])
    main(["check", "main:app"])
    said = capsys.readouterr()
    assert "/v2 was not checked for its prefix: it failed with ValueError('no view')" in said.err
    assert "[prefix]" not in said.out


def test_a_route_of_sanic_is_asked_for(folder: Path) -> None:
    # In a process of its own, because Sanic rewrites its classes for one site.
    (folder / "main.py").write_text(SANIC)
    command = [sys.executable, "-m", "unigate", "check", "main:app"]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    assert "mount unigate.without_prefix(application). [prefix]" in ran.stdout, ran.stderr


def test_any_application_that_ignores_it_is_found(capsys: pytest.CaptureFixture[str]) -> None:
    assert "unigate.without_prefix" in message(capsys, "prefix", plain(IGNORES))


@pytest.mark.parametrize(
    "status",
    [
        "status = 404",
        "status = 200",
        'status = 200 if path == "/v2/" else 404',
        "raise ValueError",
        'status = 404 if path == "/v2/" else 1 / 0',
    ],
)
def test_others_are_not(capsys: pytest.CaptureFixture[str], status: str) -> None:
    assert check(capsys, files=plain(status)) == []


def test_one_that_does_not_start_is_not_asked(capsys: pytest.CaptureFixture[str]) -> None:
    assert check(capsys, files=plain(IGNORES, "failed")) == []


def test_the_shutdown_is_run(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    check(capsys, files=plain(IGNORES))
    assert (folder / "stopped").exists()


@pytest.mark.parametrize(
    "files",
    [
        plain("await asyncio.Event().wait()"),
        plain("__import__('time').sleep(1); status = 404"),
        written(BEFORE_PATH, MOUNTED, "/", first="time.sleep(1)"),
    ],
    ids=["asgi", "asgi blocking", "wsgi"],
)
def test_one_that_hangs_is_given_up(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, files: dict[str, str]
) -> None:
    monkeypatch.setattr(prefixes, "SECONDS", 0.05)
    assert check(capsys, files=files) == []
