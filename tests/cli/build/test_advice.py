"""What a failed trial says: the exception, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.projects import project, write
from unigate.cli.build.advice import advice, exception_in
from unigate.cli.project.core import Project
from unigate.cli.project.pyproject import read_pyproject
from unigate.cli.project.target import load_target

PYDANTIC = """before
Traceback (most recent call last):
  File "main.py", line 3, in <module>
    raise KeyError
KeyError: 'a'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "main.py", line 9, in <module>
    Settings()
pydantic_core._pydantic_core.ValidationError: 1 validation error for Settings
api_key
  Field required [type=missing, input_value={}, input_type=dict]
    For further information visit https://errors.pydantic.dev/2.14/v/missing
"""
MISSING = "Traceback (most recent call last):\nModuleNotFoundError: No module named '{}'\n"
POETRY = """
[[package]]
name = "Flask"
version = "3"
groups = ["prod", "dev"]
files = []
markers = {}
[metadata]
lock-version = "2.1"
"""
UV = """
version = 1
[[package]]
name = "shop"
version = "1"
[package.dev-dependencies]
web = [{ name = "flask" }]
"""
PDM = """
[metadata]
strategy = ["inherit_metadata"]
[[package]]
name = "flask"
version = "3"
groups = ["web"]
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with project(tmp_path / "project", monkeypatch) as made:
        yield made


def said(folder: Path, log: str, output: str = "out") -> str:
    pyproject = read_pyproject(folder)
    target = load_target("main:app", pyproject)
    made = Project(folder, pyproject, target, folder / output, "google")
    return " ".join(advice(made, log))


@pytest.mark.parametrize(
    ("log", "line"),
    [
        (PYDANTIC, "pydantic_core._pydantic_core.ValidationError: 1 validation error for Settings"),
        (MISSING.format("x"), "ModuleNotFoundError: No module named 'x'"),
        (f"{PYDANTIC}\nNo answer within 60 seconds", "No answer within 60 seconds"),
        ("a\nb\n", "b"),
        ("Traceback (most recent call last):\n  File", "  File"),
        ("", "It ended without a message"),
    ],
)
def test_the_exception_is_named_by_the_first_line_of_its_message(log: str, line: str) -> None:
    assert exception_in(log) == line


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("poetry.lock", POETRY, "the groups dev, prod of poetry.lock"),
        ("pdm.lock", PDM, "the group web of pdm.lock"),
    ],
)
def test_a_package_in_a_group_of_the_lock_file_is_found(
    folder: Path, file: str, text: str, words: str
) -> None:
    (folder / "requirements.txt").unlink()
    write(folder, {file: text})
    message = said(folder, MISSING.format("flask"))
    assert f"lask is in {words}, and only the main dependencies are deployed" in message
    assert "-o requirements.txt`." in message


def test_a_package_in_a_group_of_uv_is_found(folder: Path) -> None:
    from unigate.cli.project.lock_groups import advice_on_groups

    write(folder, {"uv.lock": UV})
    assert "--group web " in str(advice_on_groups(folder / "uv.lock", "Flask"))
    assert advice_on_groups(folder / "uv.lock", "django") is None


def test_a_pipfile_is_not_read_and_it_is_said_how_to_go_on(folder: Path) -> None:
    (folder / "requirements.txt").unlink()
    write(folder, {"Pipfile": "", "Pipfile.lock": "{}"})
    message = said(folder, MISSING.format("flask"))
    assert message.startswith("Pipfile and Pipfile.lock are not read")
    assert "`pipenv requirements > requirements.txt`" in message


@pytest.mark.parametrize(
    ("file", "named"), [(".env", True), ("prod.env", True), (".env.example", False)]
)
def test_variables_of_files_that_are_left_out_are_mentioned(
    folder: Path, file: str, named: bool
) -> None:
    write(folder, {file: "A=1"})
    assert (f"{file} is not deployed: its variables must be set" in said(folder, "")) == named


def test_metadata_that_cannot_be_read_gets_what_to_do(folder: Path) -> None:
    log = "importlib.metadata.PackageNotFoundError: No package metadata was found for {}\n"
    write(folder, {"pyproject.toml": '[project]\nname = "Shop"\ndynamic = ["version"]\n'})
    assert "with `pip install -e .`" in said(folder, log.format("shop"))
    assert "use --output" in said(folder, log.format("shop"), ".")
    assert said(folder, log.format("other")) == "Add other to requirements.txt."
