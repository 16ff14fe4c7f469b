"""The trial of a function: what a build says of one that cannot answer, on every target."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import ROOT

TARGETS = ("aws", "google", "azure", "vercel")
APPLICATION = """
import os, time
import unigate

def site(environ, start_response):
{body}

app = unigate.wrap(site)
"""


def build(
    folder: Path, wheels: Path, target: str, body: str, first: str = "", module: str = "main"
) -> tuple[int, str]:
    """Build an application that requires unigate alone; return the exit code and what it says."""
    file = folder.joinpath(*module.split(".")).with_suffix(".py")
    file.parent.mkdir(exist_ok=True)
    file.write_text(first + APPLICATION.format(body=f"    {body}"))
    folder.joinpath("requirements.txt").write_text("unigate\n")
    command = [sys.executable, "-m", "unigate", "build", f"{module}:app", "--target", target]
    environment = {
        **os.environ, "UNIGATE_NO_SMOKE": "", "UV_FIND_LINKS": str(wheels),
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "contrib")]),
    }  # fmt: skip
    done = subprocess.run(
        [*command, "--output", str(folder.parent / "out")], cwd=folder, env=environment,
        timeout=300, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    return done.returncode, done.stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    project = tmp_path / "project"
    project.mkdir()
    return project


@pytest.mark.parametrize("target", TARGETS)
def test_a_module_that_no_requirement_brings_is_an_error(
    folder: Path, wheels: Path, target: str
) -> None:
    code, printed = build(folder, wheels, target, "return []", first="import httpx\n")
    assert code == 2, printed
    assert "the function does not run: ModuleNotFoundError: No module named 'httpx'" in printed
    assert "Add httpx to requirements.txt. --no-smoke leaves this trial out." in printed


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    ("body", "exit_code", "says"),
    [
        (
            "raise KeyError('DATABASE')",
            0,
            ["KeyError: 'DATABASE'", "The function was started, and answered GET / with 500."],
        ),
        ("os._exit(3)", 2, ["the function does not run: It ended without a message."]),
    ],
    ids=["exception", "exit"],
)
def test_what_ends_a_request_is_shown_and_what_ends_the_process_is_an_error(
    folder: Path, wheels: Path, target: str, body: str, exit_code: int, says: list[str]
) -> None:
    code, printed = build(folder, wheels, target, body)
    assert code == exit_code, printed
    assert all(text in printed for text in says)


def test_a_function_that_does_not_answer_is_an_error(folder: Path, wheels: Path) -> None:
    code, printed = build(folder, wheels, "aws", "time.sleep(120)")
    assert code == 2, printed
    assert "No answer within 60 seconds" in printed


ANSWER = "start_response('200 OK', []); return [b'']"
ANSWERED = "The function was started, and answered GET / with 200."


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("module", ["lambda_function", "main.web"])
def test_modules_with_the_names_of_entry_points_are_started(
    folder: Path, wheels: Path, target: str, module: str
) -> None:
    code, printed = build(folder, wheels, target, ANSWER, module=module)
    assert code == 0, printed
    assert ANSWERED in printed


def test_programs_of_the_zip_can_be_run_in_the_trial(folder: Path, wheels: Path) -> None:
    program = folder / "bin/tool"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    first = "import subprocess\n"
    code, printed = build(
        folder, wheels, "aws", f"subprocess.run(['bin/tool'], check=True); {ANSWER}", first
    )
    assert code == 0, printed
    assert ANSWERED in printed
