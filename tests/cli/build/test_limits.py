"""Versions of Python and the limits of each platform, before anything is written."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.projects import project, tree, write
from unigate.cli.main import main
from unigate.cli.project import platforms
from unigate.cli.project.platforms import PLATFORMS
from unigate.cli.project.requires_python import allows, from_poetry

RUNNING = f"3.{sys.version_info.minor}"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with project(tmp_path / "project", monkeypatch, {"requirements.txt": ""}) as made:
        yield made


def refusal(folder: Path, capsys: pytest.CaptureFixture[str], target: str, *args: str) -> str:
    """Return the message of a build that writes nothing."""
    before = tree(folder)
    assert main(["build", "main:app", "--target", target, "--output", "out", "--force", *args]) == 2
    assert tree(folder) == before
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("target", "setting", "message"),
    [
        ("aws", "memory = 64", "memory must be from 128 to 10240 MiB on Lambda, got 64."),
        ("aws", "memory = 10241", "memory must be from 128 to 10240 MiB on Lambda, got 10241."),
        ("aws", "timeout = 901", "timeout must be at most 900 seconds on Lambda, got 901."),
        ("vercel", "memory = 64", "memory must be from 128 to 4096 MiB on Vercel, got 64."),
        ("vercel", "timeout = 2000", "timeout must be at most 1800 seconds on Vercel, got 2000."),
        ("google", "memory = 64", "from 128 to 32768 MiB on Google Cloud Functions, got 64."),
        ("google", "timeout = 3601", "at most 3600 seconds on Google Cloud Functions, got 3601."),
        ("aws", 'python = "3.10"', "Lambda supports Python 3.11, 3.12, 3.13, 3.14, got 3.10 from"),
        ("azure", 'python = "3.10"', "Azure Functions supports Python 3.11, 3.12, 3.13, got 3.10"),
        ("google", 'python = "2"', "python must be a version like \"3.12\", got '2'."),
    ],
)
def test_what_a_platform_refuses_is_an_error(
    folder: Path, capsys: pytest.CaptureFixture[str], target: str, setting: str, message: str
) -> None:
    write(folder, {"pyproject.toml": f"[tool.unigate]\n{setting}\n"})
    assert message in refusal(folder, capsys, target)


def test_the_limits_of_a_route_are_checked(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = '[tool.unigate.functions."/users/{name}"]\ntimeout = 2000\n'
    write(folder, {"pyproject.toml": f"[project]\ndependencies = []\n{settings}"})
    message = refusal(folder, capsys, "vercel", "--split")
    assert "tool.unigate.functions.'/users/{name}'.timeout must be at most 1800" in message
    # They have no effect elsewhere.
    assert main(["build", "main:app", "--target", "google", "--dry-run"]) == 0


def sizes(folder: Path) -> dict[Path, tuple[int, int]]:
    """Return the size and the time of the last change of all below a folder."""
    states = {path: path.stat() for path in folder.rglob("*")}
    return {path: (state.st_size, state.st_mtime_ns) for path, state in states.items()}


@pytest.mark.parametrize("target", ["aws", "vercel"])
def test_a_project_that_is_too_large_is_an_error(
    folder: Path, capsys: pytest.CaptureFixture[str], target: str
) -> None:
    with open(folder / "model.bin", "wb") as file:
        os.truncate(file.fileno(), 300 * 2**20)
    before = sizes(folder)
    assert main(["build", "main:app", "--target", target, "--output", "out"]) == 2
    assert "The project's files have 300.0 MB, and the limit on" in capsys.readouterr().err
    assert sizes(folder) == before


def test_packages_that_are_too_large_are_an_error(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    small = PLATFORMS["aws"]._replace(max_bytes=100)
    monkeypatch.setitem(platforms.PLATFORMS, "aws", small)  # type: ignore[arg-type]
    assert "The function has 0.0 MB, and the limit on Lambda is" in refusal(folder, capsys, "aws")


@pytest.mark.parametrize(
    ("required", "version"),
    [(">=3.13", "3.13"), (">=3.11", RUNNING), (f"=={RUNNING}.*", RUNNING), ("~=3.14", "3.14")],
)
def test_requires_python_decides_the_runtime(folder: Path, required: str, version: str) -> None:
    write(folder, {"pyproject.toml": f'[project]\nrequires-python = "{required}"\n'})
    assert main(["build", "main:app", "--target", "aws", "--output", "out"]) == 0
    runtime = f'Runtime: "python{version}"\n'
    assert runtime in (folder / "out/template.yaml").read_text()


def test_poetrys_python_decides_the_runtime(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(folder, {"pyproject.toml": '[tool.poetry.dependencies]\npython = "^3.13"\n'})
    assert main(["build", "main:app", "--target", "google", "--dry-run"]) == 0
    assert "--runtime python313" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("target", "required", "pin", "message"),
    [
        ("azure", ">=3.14", "", "3.11, 3.12, 3.13, but requires-python is '>=3.14'."),
        ("vercel", "<3.12", "", "3.12, 3.13, 3.14, but requires-python is '<3.12'."),
        ("aws", ">=3.13", "3.12", ".python-version must be allowed by requires-python '>=3.13'"),
    ],
)
def test_a_python_that_is_not_allowed_is_an_error(
    folder: Path, capsys: pytest.CaptureFixture[str], target: str, required: str, pin: str,
    message: str,
) -> None:  # fmt: skip
    table = f'[project]\nrequires-python = "{required}"\ndependencies = []\n'
    write(folder, {"pyproject.toml": table, **({".python-version": pin} if pin else {})})
    assert message in refusal(folder, capsys, target)


@pytest.mark.parametrize(
    ("specifier", "allowed"),
    [
        (">=3.11", "12 13 14"),
        (">3.12", "12 13 14"),
        (">=3.13,<4", "13 14"),
        ("<3.13", "12"),
        ("<3.13.2", "12 13"),
        ("<=3.13", "12 13"),
        ("==3.13.*", "13"),
        ("===3.13.1", "13"),
        ("~=3.13", "13 14"),
        ("~=3.13.0", "13"),
        ("!=3.13.*", "12 14"),
        ("!=3.13.1", "12 13 14"),
        ("!= 3.13", "12 13 14"),
        ("", "12 13 14"),
        ("^3.13", "13 14"),
        ("~3.13", "13"),
        ("^3.12 || ^3.14", "12 13 14"),
        ("~3.12||~3.14", "12 14"),
    ],
)
def test_the_pythons_that_a_specifier_allows(specifier: str, allowed: str) -> None:
    assert [minor for minor in ("12", "13", "14") if allows(specifier, f"3.{minor}")] == (
        allowed.split()
    )


@pytest.mark.parametrize("required", ["3.13", "3.13.*", "=>3.13", ">=3.13.*", "not a specifier"])
def test_requires_python_must_be_a_specifier(
    folder: Path, capsys: pytest.CaptureFixture[str], required: str
) -> None:
    table = f'[project]\nrequires-python = "{required}"\ndependencies = []\n'
    write(folder, {"pyproject.toml": table})
    for target in ("aws", "vercel"):
        assert refusal(folder, capsys, target).endswith(
            'requires-python must be a version specifier (PEP 440), such as ">=3.12" or '
            f'"==3.12.*", got {required!r}.\n'
        )


@pytest.mark.parametrize(
    ("constraint", "specifier"),
    [
        ("*", ""),
        ("3.13.*", "==3.13.*"),
        ("3.13", "==3.13"),
        (">=3.11 <3.14", ">=3.11,<3.14"),
        (">=3.11, <3.14", ">=3.11,<3.14"),
        ("^3.12", "^3.12"),
        ("^3.11 || >=3.13 <4", "^3.11||>=3.13,<4"),
    ],
)
def test_poetrys_constraints_are_read(constraint: str, specifier: str) -> None:
    assert from_poetry(constraint) == specifier


@pytest.mark.parametrize(
    "text", ["# why\n3.13\n", "3.13\n3.12\n", "3.13 3.12", "\n  3.13.1  # this one\n", "\ufeff3.13"]
)
def test_the_first_version_of_the_file_counts(
    folder: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    write(folder, {".python-version": text})
    assert main(["build", "main:app", "--target", "google", "--dry-run"]) == 0
    assert "--runtime python313" in capsys.readouterr().out
