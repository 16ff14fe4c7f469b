"""Every block of the README does what it says."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import unigate
from unigate.events import kinds
from unigate.testing import Client

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)
PYTHON = [code for language, code in BLOCKS if language == "python"]
COMMANDS = [
    line.removeprefix("$ ")
    for language, code in BLOCKS
    if language == "console"
    for line in code.splitlines()
]

pytestmark = pytest.mark.usefixtures("_project")


@pytest.fixture
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Work in a folder that holds the README's main.py."""
    (tmp_path / "main.py").write_text(PYTHON[0])
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    sys.modules.pop("main", None)


def run(block: int) -> dict[str, Any]:
    """Run a Python block as a separate module and return its names."""
    names: dict[str, Any] = {"__name__": "readme"}
    exec(compile(PYTHON[block], f"README block {block}", "exec"), names)
    return names


def test_it_is_short() -> None:
    assert len(README.splitlines()) <= 150


def test_every_block_is_tested_here() -> None:
    assert [language for language, _ in BLOCKS if language not in ("python", "console")] == []
    assert (len(PYTHON), len(COMMANDS)) == (2, 2)


def test_main_answers() -> None:
    app: unigate.Gateway = run(0)["app"]
    client = Client(app)
    assert "GET /, received via http_api" in client.get("/").text
    assert client.get("/v2/users/ada").json()["greeting"] == "started once per process"


def test_testing() -> None:
    names = run(1)
    names["test_home"]()
    names["test_user"]()


def test_the_number_of_kinds_of_events() -> None:
    assert f"{len(kinds.NAMES)} kinds of other events" in README


def test_install_names_extras_that_exist() -> None:
    command = shlex.split(COMMANDS[0])
    assert command[:2] == ["pip", "install"]
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    extras = pyproject["project"]["optional-dependencies"]
    for requirement in command[2:]:
        for listed in re.findall(r"\[(.*?)\]", requirement):
            assert set(listed.split(",")) <= set(extras)


@pytest.mark.usefixtures("bounded")
def test_dev_serves_main() -> None:
    command = [sys.executable, "-m", *shlex.split(COMMANDS[1]), "--port", "0", "--no-reload"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            url = server.stdout.readline().split()[-1]
            with urllib.request.urlopen(url, timeout=20) as response:
                assert b"received via http_api" in response.read()
        finally:
            server.terminate()


@pytest.mark.parametrize("target", sorted(set(re.findall(r"`make (\w+)`", README))))
def test_make_has_the_targets(target: str) -> None:
    done = subprocess.run(
        ["make", target, "--dry-run"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "unigate dev example_flask" in done.stdout or "pytest" in done.stdout


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#:]+)\)", README))))
def test_links_lead_to_files(link: str) -> None:
    assert (ROOT / link).exists()
