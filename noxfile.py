"""Run make's targets with each Python that the project supports: `nox --list`.

The versions are those of pyproject.toml's classifiers. Each has an environment of its own, which
make keeps in .venv-VERSION. A Python that is not installed is skipped; one of pyenv's must be in
PYENV_VERSION.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "none"
nox.options.sessions = ["tests"]

PROJECT = nox.project.load_toml(Path(__file__).with_name("pyproject.toml"))
VERSIONS = nox.project.python_versions(PROJECT)


@nox.session
@nox.parametrize("version", VERSIONS, ids=VERSIONS)
def tests(session: nox.Session, version: str) -> None:
    """Run the tests that take little time, and count the instructions of the hot paths."""
    if not is_installed(version):
        session.skip(f"python{version} is not installed")
    make(session, version, "instructions", "test")


@nox.session
def start(session: nox.Session) -> None:
    """Type the commands of the documentation's start pages, with the newest Python."""
    newest = next(filter(is_installed, reversed(VERSIONS)))
    make(session, newest, "start")


@nox.session
def live(session: nox.Session) -> None:
    """Run the tests with servers, and those of the documentation, with the newest Python."""
    make(session, next(filter(is_installed, reversed(VERSIONS))), "live", "docs")


def make(session: nox.Session, version: str, *targets: str) -> None:
    """Make targets with a version of Python, in its environment."""
    variables = [f"PYTHON=python{version}", f"VENV=.venv-{version}"]
    session.run("make", *targets, *variables, *session.posargs, external=True)


def is_installed(version: str) -> bool:
    """Return True if that Python runs: pyenv also has commands for those that it does not run."""
    try:
        run = subprocess.run([f"python{version}", "-c", ""], capture_output=True, timeout=60)
    except FileNotFoundError:
        return False
    return run.returncode == 0
