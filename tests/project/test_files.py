"""The files around the code agree: the Makefile, noxfile.py, .ci/run and .github."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CI = (ROOT / ".ci/run").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
TARGETS = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))


def make(*args: str) -> str:
    """Return what make prints for arguments; --dry-run runs nothing."""
    run = ["make", "--no-print-directory", *args]
    return subprocess.run(
        run, capture_output=True, check=True, cwd=ROOT, text=True, timeout=60
    ).stdout


def made_by(text: str) -> set[str]:
    """Return the targets that the lines of a text make."""
    runs = re.findall(r"(?:^|run: |`)make ((?:[a-z-]+ ?)+)", text, re.MULTILINE)
    return {target for run in runs for target in run.split()}


def versions() -> list[str]:
    """Return the Pythons that the project supports, the oldest first."""
    language = re.compile(r"Programming Language :: Python :: (3\.\d+)")
    found = map(language.fullmatch, PYPROJECT["project"]["classifiers"])
    return [mark[1] for mark in found if mark]


@pytest.fixture(scope="module")
def jobs() -> dict[str, Any]:
    """Return the jobs of the workflow that checks each change."""
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
    return workflow["jobs"]  # type: ignore[no-any-return]


def matrix(job: dict[str, Any], name: str) -> list[str]:
    return job["strategy"]["matrix"][name]  # type: ignore[no-any-return]


def test_every_supported_python_is_tested(jobs: dict[str, Any]) -> None:
    assert versions()[0] == PYPROJECT["project"]["requires-python"].removeprefix(">=")
    assert matrix(jobs["python"], "python") == versions()
    assert re.findall(r"tests\((3\.\d+)\)", CI) == versions()[-2:]  # the newest may be missing


def test_servers_run_with_the_oldest_and_the_newest_python(jobs: dict[str, Any]) -> None:
    assert matrix(jobs["live"], "python") == [versions()[0], versions()[-1]]


def test_the_workflow_has_every_part_of_the_local_run(jobs: dict[str, Any]) -> None:
    parts = {*matrix(jobs["part"], "part")}
    for job in ("python", "live"):
        parts |= made_by("\n".join(step.get("run", "") for step in jobs[job]["steps"]))
    assert parts == made_by(CI)


@pytest.mark.parametrize(
    "file", [".ci/run", ".github/pull_request_template.md", "CONTRIBUTING.md", "docs/releasing.md"]
)
def test_make_knows_what_is_named(file: str) -> None:
    named = made_by((ROOT / file).read_text())
    assert named
    assert named <= TARGETS


def test_help_lists_what_the_guide_for_contributors_names() -> None:
    listed = {line.split()[0] for line in make("help").splitlines()}
    assert made_by((ROOT / "CONTRIBUTING.md").read_text()) - {"help"} <= listed
    assert listed <= TARGETS


def test_the_example_starts_without_what_only_tests_need(tmp_path: Path) -> None:
    steps = make("--dry-run", "run", f"VENV={tmp_path}")
    assert "example_flask" in steps
    assert "--group dev" not in steps
    assert "fetch_rie" not in steps


def test_hooks_run_programs_of_the_project_alone() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    (repository,) = hooks["repos"]
    assert repository["repo"] == "local"
    for hook in repository["hooks"]:
        assert hook["language"] == "system"
        assert hook["entry"].startswith(".venv/bin/")
