"""The program `unigate`: its help and version, and which modules a command imports."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from unigate.cli.main import main

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import json
import sys

from unigate.cli.main import main

assert main([*{command!r}.split(), "--help"]) == 0
json.dump(list(sys.modules), sys.stderr)
"""


def test_without_a_command_it_prints_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("Usage: unigate ")
    assert main([]) == 0
    assert capsys.readouterr().out == text


def test_the_arguments_of_the_process_are_the_default(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["unigate", "--version"])
    assert main() == 0
    assert capsys.readouterr().out == f"unigate {version('unigate')}\n"


def test_the_version_is_that_of_the_installed_package(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"unigate {version('unigate')}\n"


def test_the_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    rows = capsys.readouterr().out.partition("Commands:\n")[2].splitlines()
    assert [row.split()[0] for row in rows] == ["build", "check", "dev", "invoke", "routes"]


@pytest.mark.parametrize("command", ["build", "check", "dev", "invoke", "routes"])
def test_the_help_shows_the_first_line_of_each_commands_help(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--help"]) == 0
    rows = capsys.readouterr().out.partition("Commands:\n")[2].splitlines()
    (line,) = (row.split(None, 1)[1] for row in rows if row.split()[0] == command)
    assert main([command, "--help"]) == 0
    assert f"\n\n  {line}\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "imported", "not_imported"),
    [
        ("routes", "routes", ["build", "check", "dev", "invoke", "vercel"]),
        ("invoke", "invoke", ["build", "check", "dev", "routes", "vercel"]),
        ("build", "build", ["check", "dev", "invoke", "routes"]),
        ("dev", "dev", ["build", "check", "invoke", "routes"]),
        ("", "main", ["build", "check", "dev", "invoke", "routes", "vercel"]),
    ],
)
def test_only_the_command_that_runs_is_imported(
    command: str, imported: str, not_imported: list[str], tmp_path: Path
) -> None:
    completed = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(command=command)],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert completed.returncode == 0, completed.stderr
    modules = set(json.loads(completed.stderr))
    assert f"unigate.cli.{imported}" in modules
    assert modules.isdisjoint(f"unigate.cli.{name}" for name in not_imported)
    if command in ("", "routes", "invoke"):
        assert modules.isdisjoint({"werkzeug", "jinja2", "asyncio"})
