"""Small projects on disk, for the commands that read one."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

FLASK = """
import flask

site = flask.Flask(__name__, static_folder=None)


@site.get("/")
def home():
    return "home"


@site.get("/users/<name>")
def user(name):
    return f"user {name}"


@site.get("/users/create")
def create():
    return "create"
"""
GATEWAY = f"{FLASK}\n\nimport unigate\n\napp = unigate.wrap(site)\n"


@contextmanager
def project(
    folder: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str] | None = None
) -> Iterator[Path]:
    """Work in a folder with files; modules from it and beside it are removed at the end."""
    write(folder, {"main.py": GATEWAY, "requirements.txt": "unigate\nflask\n", **(files or {})})
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = set(sys.modules)
    yield folder
    new = {name: module for name, module in sys.modules.items() if name not in before}
    # A namespace package has folders alone, which it looks up in the modules above it.
    places = {
        name: [getattr(module, "__file__", None) or "", *getattr(module, "__path__", ())]
        for name, module in new.items()
    }
    for name in new:
        if any(place.startswith(str(folder.parent)) for place in places[name]):
            del sys.modules[name]


def write(folder: Path, files: dict[str, str]) -> None:
    """Write files below a folder."""
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, "utf-8")


def tree(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder."""
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file()
    }
