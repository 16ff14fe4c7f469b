"""The requirements of a project: parse them, and check that they are declared and fit."""

from __future__ import annotations

import os
import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

from unigate.cli.project.core import Project
from unigate.cli.project.pyproject import PYPROJECT

from .findings import Finding

# Development tools, which a deployed function does not need.
TOOLS = {
    "autopep8", "bandit", "black", "build", "bump2version", "bumpver", "commitizen", "coverage",
    "debugpy", "django-debug-toolbar", "djlint", "factory-boy", "faker", "flake8", "flake8-*",
    "freezegun", "hatch", "hypothesis", "import-linter", "ipdb", "ipykernel", "ipython", "isort",
    "jupyter", "jupyterlab", "locust", "mkdocs", "mkdocs-*", "moto", "mypy", "nox", "notebook",
    "pdbpp", "pip-audit", "pip-tools", "pipenv", "poetry", "pre-commit", "pudb", "pylint",
    "pylint-*", "pyright", "pytest", "pytest-*", "responses", "ruff", "setuptools", "sphinx",
    "sphinx-*", "tox", "twine", "types-*", "*-stubs", "uv", "vulture", "watchdog", "watchfiles",
    "wheel",
}  # fmt: skip

_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9][\w.-]*)\s*(?:\[([^\]]*)\])?")
_FILE = re.compile(r"\s*(?:-r|--requirement)[\s=]*(\S+)")
_PATH = re.compile(r"\s*(?:-e\s+|--editable[\s=]+)?((?:\.|/|https?:|file:|git\+)\S*)")


class Requirement(NamedTuple):
    """A required package.

    Attributes:
        name: Its normalized name (PEP 503); "" for a path or URL.
        extras: The extras that are requested.
        file: The file that lists it.
        path: The path or URL to install it from; "" for a named package.
    """

    name: str
    extras: frozenset[str]
    file: str
    path: str = ""


def read_requirements(project: Project) -> list[Requirement]:
    """Return a project's requirements: like Vercel, pyproject.toml's before requirements.txt."""
    name = project.settings.get("requirements", "requirements.txt")
    if project.pyproject.dependencies or not (project.root / name).is_file():
        declared = _of_pyproject(project, frozenset())
        if declared or not project.replaces_requirements:
            return declared
        return list(parse_requirements(project.dependencies.lines, project.dependencies.source))
    return list(_of_file(project, name, {name}))


def parse_requirements(lines: Iterable[str], file: str) -> Iterator[Requirement]:
    """Yield the named requirements among lines of text."""
    for line in lines:
        match = _REQUIREMENT.match(line)
        if match is not None:
            name = re.sub(r"[-_.]+", "-", match[1]).lower()
            yield Requirement(name, frozenset(re.findall(r"[\w.-]+", match[2] or "")), file)


def check_requirements(
    project: Project, requirements: list[Requirement], on_vercel: bool
) -> Iterator[Finding]:
    """Find requirements that are missing, and those that should not be deployed."""
    # Dynamic dependencies are known only to the project's build backend.
    if "dependencies" not in project.pyproject.project.get("dynamic", ()):
        yield from _missing(project, requirements, on_vercel)
    for requirement in requirements:
        if any(fnmatch(requirement.name, tool) for tool in TOOLS):
            message = f"{requirement.name} is a development tool: move it to a dependency group."
            yield Finding("development", requirement.file, message)


def _missing(
    project: Project, requirements: list[Requirement], on_vercel: bool
) -> Iterator[Finding]:
    file = requirements[0].file if requirements else PYPROJECT
    if not requirements and not project.pyproject.declares_dependencies:
        message = "No dependencies are declared: list them in project.dependencies."
        yield Finding("requirements", PYPROJECT, message)
        return
    if on_vercel and project.pyproject and requirements and not project.pyproject.dependencies:
        message = (
            "Vercel installs nothing: it ignores requirements.txt beside a pyproject.toml. List "
            "the dependencies in project.dependencies."
        )
        yield Finding("project", PYPROJECT, message)
    if not any(entry.name == "unigate" or "unigate" in entry.path for entry in requirements):
        message = "unigate is missing from the dependencies: add it."
        yield Finding("requirements", file, message)


def _of_pyproject(project: Project, extras: frozenset[str]) -> list[Requirement]:
    """Return the dependencies in pyproject.toml, with those of extras.

    An entry may name the project itself with further extras.
    """
    table = project.pyproject.project
    optional = table.get("optional-dependencies", {})
    optional_lines = (line for extra in sorted(extras) for line in optional.get(extra, ()))
    lines = [*project.pyproject.dependencies, *optional_lines]
    entries = list(parse_requirements(lines, PYPROJECT))
    own = {entry.name for entry in parse_requirements([str(table.get("name", ""))], PYPROJECT)}
    all_extras = extras.union(*(entry.extras for entry in entries if entry.name in own))
    if all_extras != extras:
        return _of_pyproject(project, all_extras)
    return [entry for entry in entries if entry.name not in own]


def _of_file(project: Project, name: str, visited: set[str]) -> Iterator[Requirement]:
    """Yield the requirements of a file, and of the files that it includes."""
    data = (project.root / name).read_bytes()
    # Windows PowerShell writes UTF-16 with a byte order mark; pip and uv read it.
    encoding = "utf-16" if data.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) else "utf-8-sig"
    for line in data.decode(encoding, "replace").splitlines():
        included, path = _FILE.match(line), _PATH.match(line)
        if included is not None:
            inner = os.path.normpath(Path(name).parent / included[1])
            if inner not in visited and (project.root / inner).is_file():
                yield from _of_file(project, inner, visited | {inner})
        elif path is not None and re.fullmatch(r"\./?(\[.*\])?", path[1]):
            yield from _of_pyproject(project, frozenset(re.findall(r"[\w-]+", path[1])))
        elif path is not None:
            yield Requirement("", frozenset(), name, path[1])
        else:
            yield from parse_requirements([line], name)
