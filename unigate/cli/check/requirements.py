"""What is installed with an application: whether that is said, what should not be there."""

from __future__ import annotations

import os
import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

from unigate.cli.project.core import Project

from . import Finding

# What a project is worked on with; none of it answers a request.
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

PYPROJECT = "pyproject.toml"

_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9][\w.-]*)\s*(?:\[([^\]]*)\])?")
_FILE = re.compile(r"\s*(?:-r|--requirement)[\s=]*(\S+)")
_PATH = re.compile(r"\s*(?:-e\s+|--editable[\s=]+)?((?:\.|/|https?:|file:|git\+)\S*)")


class Need(NamedTuple):
    """A package that is asked for, its extras, and the file that asks; a path has no name."""

    name: str
    extras: frozenset[str]
    file: str
    path: str = ""


def read_needs(project: Project) -> list[Need]:
    """Return what the project asks for: as Vercel, in pyproject.toml before requirements.txt."""
    name = project.settings.get("requirements", "requirements.txt")
    if _listed(project) or not (project.root / name).is_file():
        return _of_project(project, frozenset())
    return list(_of_file(project, name, {name}))


def parsed(lines: Iterable[str], file: str) -> Iterator[Need]:
    """Return the requirements among lines of text."""
    for line in lines:
        found = _REQUIREMENT.match(line)
        if found is not None:
            name = re.sub(r"[-_.]+", "-", found[1]).lower()
            yield Need(name, frozenset(re.findall(r"[\w.-]+", found[2] or "")), file)


def check_needs(project: Project, needs: list[Need], on_vercel: bool) -> Iterator[Finding]:
    """Find what is missing in the files that say what to install, and what should not be there."""
    file = needs[0].file if needs else PYPROJECT
    known = project.pyproject.get("project", {})
    if "dependencies" not in known.get("dynamic", ()):  # which only its build backend knows
        if not needs:
            message = "Nothing says what to install: list it in project.dependencies."
            yield Finding("requirements", PYPROJECT, message)
        elif on_vercel and project.pyproject and not _listed(project):
            message = (
                "There is no [project] table with dependencies, and Vercel reads no "
                "requirements.txt beside a pyproject.toml: nothing is installed."
            )
            yield Finding("project", PYPROJECT, message)
        if needs and not any(need.name == "unigate" or "unigate" in need.path for need in needs):
            yield Finding("requirements", file, "unigate is not among what is installed.")
    for need in needs:
        if any(fnmatch(need.name, tool) for tool in TOOLS):
            message = f"{need.name} is a tool for development: move it to a dependency group."
            yield Finding("development", need.file, message)


def _listed(project: Project) -> list[str]:
    found: list[str] = project.pyproject.get("project", {}).get("dependencies", [])
    return found


def _of_project(project: Project, extras: frozenset[str]) -> list[Need]:
    """Return what pyproject.toml lists, with extras; one may name the project with others."""
    told = project.pyproject.get("project", {})
    optional = told.get("optional-dependencies", {})
    lines = [*_listed(project), *(line for one in sorted(extras) for line in optional.get(one, ()))]
    found = list(parsed(lines, PYPROJECT))
    own = {need.name for need in parsed([str(told.get("name", ""))], PYPROJECT)}
    more = extras.union(*(need.extras for need in found if need.name in own))
    if more != extras:
        return _of_project(project, more)
    return [need for need in found if need.name not in own]


def _of_file(project: Project, name: str, seen: set[str]) -> Iterator[Need]:
    """Return what a file of requirements lists, and those that it includes."""
    data = (project.root / name).read_bytes()
    # What Windows PowerShell writes; pip and uv read it.
    encoding = "utf-16" if data.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) else "utf-8-sig"
    for line in data.decode(encoding, "replace").splitlines():
        included, path = _FILE.match(line), _PATH.match(line)
        if included is not None:
            inner = os.path.normpath(Path(name).parent / included[1])
            if inner not in seen and (project.root / inner).is_file():
                yield from _of_file(project, inner, seen | {inner})
        elif path is not None and re.fullmatch(r"\./?(\[.*\])?", path[1]):
            yield from _of_project(project, frozenset(re.findall(r"[\w-]+", path[1])))
        elif path is not None:
            yield Need("", frozenset(), name, path[1])
        else:
            yield from parsed([line], name)
