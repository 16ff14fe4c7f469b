"""The project that the tests of functions work in."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.builds.conftest import MIXED
from tests.cli.projects import project


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Work in a folder; modules imported from `api` are removed at the end."""
    with project(tmp_path / "project", monkeypatch, {"main.py": MIXED}) as made:
        yield made
    for name in list(sys.modules):
        if name.partition(".")[0] == "api":
            del sys.modules[name]
