"""A project without mistakes, and functions that run `unigate check`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.projects import write
from unigate.cli.main import main

ROOT = Path(__file__).resolve().parents[3]
CHECK = ("check", "--budget=600")  # however busy the machine is
PYPROJECT = """
[project]
name = "shop"
version = "1"
requires-python = ">=3.11"
dependencies = ["unigate", "flask"]

[tool.unigate]
app = "main:app"
"""
VERCEL = '{"framework": null, "rewrites": [{"source": "/(.*)", "destination": "/api/index"}]}'
GOOD = {
    "pyproject.toml": PYPROJECT,
    "vercel.json": VERCEL,
    "api/index.py": "from main import app\n",
    "public/robots.txt": "",
}


def findings(
    capsys: pytest.CaptureFixture[str], *args: str, files: dict[str, str] | None = None
) -> list[dict[str, str]]:
    """Write files into the current folder and return the findings there."""
    write(Path.cwd(), files or {})
    code = main([*CHECK, "--json", *args])
    found: list[dict[str, str]] = json.loads(capsys.readouterr().out)["findings"]
    assert code == (1 if found else 0)
    assert all(finding["message"].endswith((".", ")")) for finding in found)
    return found


def check(
    capsys: pytest.CaptureFixture[str], *args: str, files: dict[str, str] | None = None
) -> list[tuple[str, str]]:
    """Return the kind and the place of each finding."""
    found = findings(capsys, *args, files=files)
    return [(finding["kind"], finding["place"]) for finding in found]


def message(
    capsys: pytest.CaptureFixture[str], kind: str, files: dict[str, str] | None = None
) -> str:
    """Return the message of the only finding, which must be of this kind."""
    [found] = findings(capsys, files=files)
    assert found["kind"] == kind
    return found["message"]


def run(folder: Path, *args: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a separate process, because Django can be set up only once in each."""
    inherited = {name: value for name, value in os.environ.items() if "DJANGO" not in name}
    paths = {"PYTHONPATH": f"{ROOT}:{ROOT / 'contrib'}", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, "-m", "unigate", *args], cwd=folder, capture_output=True, text=True,
        env={**inherited, **paths, **environment}, timeout=120,
    )  # fmt: skip


def found_in(folder: Path, *args: str, **environment: str) -> list[dict[str, Any]]:
    """Return the findings in a folder, from a separate process."""
    done = run(folder, *CHECK, "--json", *args, **environment)
    found: list[dict[str, Any]] = json.loads(done.stdout)["findings"]
    assert done.returncode == (1 if found else 0), done.stderr
    return found
