"""`unigate check`: applications that ignore `root_path`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.projects import project
from unigate.cli.check import prefixes

from .checking import GOOD, PYPROJECT, check, message

FALCON = """
import falcon.asgi

import unigate


class Home:
    async def on_get(self, request, response):
        response.media = {}


api = falcon.asgi.App()
api.add_route("/", Home())
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
        return pathlib.Path("stopped").touch()
    path = scope["path"]
    STATUS
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body"})


app = unigate.wrap(mounts={"/v2": api})
"""
IGNORES = 'status = 200 if path == "/" else 404'


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    files = {**GOOD, "pyproject.toml": PYPROJECT.replace('"flask"', '"falcon"')}
    with project(tmp_path / "project", monkeypatch, files) as made:
        yield made


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
def test_falcon_below_a_prefix_is_found(
    capsys: pytest.CaptureFixture[str], wrapped: str, prefix: str
) -> None:
    files = {"main.py": f"{FALCON}\napp = {wrapped}\n"}
    assert check(capsys, files=files) == [("prefix", prefix)]


@pytest.mark.parametrize(
    "wrapped",
    [
        "unigate.wrap(api)",
        'unigate.wrap(mounts={"/v2": unigate.without_prefix(api)})',
        'unigate.wrap(unigate.without_prefix(api), base_path="/shop")',
    ],
)
def test_nothing_is_found_without_a_prefix(
    capsys: pytest.CaptureFixture[str], wrapped: str
) -> None:
    assert check(capsys, files={"main.py": f"{FALCON}\napp = {wrapped}\n"}) == []


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


def test_one_that_hangs_is_given_up(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prefixes, "SECONDS", 0.05)
    assert check(capsys, files=plain("await asyncio.Event().wait()")) == []
