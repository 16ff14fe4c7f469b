"""What is installed with an application: whether that is said, what is too much of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from unigate.cli.builds.bundle import MOST_BYTES
from unigate.cli.builds.project import Project

from . import Finding

# What a project is worked on with; none of it answers a request.
TOOLS = {
    "autopep8", "bandit", "black", "build", "coverage", "django-debug-toolbar", "django-stubs",
    "factory-boy", "faker", "flake8", "hatch", "hypothesis", "import-linter", "ipdb", "ipython",
    "isort", "jupyter", "mkdocs", "mypy", "nox", "pdbpp", "pip-tools", "poetry", "pre-commit",
    "pylint", "pyright", "pytest", "pytest-asyncio", "pytest-cov", "pytest-django", "pytest-xdist",
    "ruff", "setuptools", "sphinx", "tox", "twine", "uv", "watchdog", "wheel",
}  # fmt: skip

_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9][\w.-]*)\s*(?:\[([^\]]*)\])?")
_EXTRA = re.compile(r"extra\s*==\s*['\"]([^'\"]+)['\"]")


def check_needs(project: Project, on_vercel: bool) -> Iterator[Finding]:
    """Find what is missing in the files that say what to install, and what should not be there."""
    file, needs = _needs(project)
    told = project.pyproject.get("project", {})
    if not needs:
        message = "Nothing says what to install: list it in project.dependencies."
        yield Finding("requirements", "pyproject.toml", message)
    elif on_vercel and project.pyproject and not told.get("dependencies"):
        message = (
            "There is no [project] table with dependencies, and Vercel reads no requirements.txt "
            "beside a pyproject.toml: nothing is installed."
        )
        yield Finding("project", "pyproject.toml", message)
    if not (project.pinned_python or told.get("requires-python") or project.settings.get("python")):
        message = "No Python version is said: write one into .python-version."
        yield Finding("python", ".python-version", message)
    if needs and not any(name == "unigate" for name, _ in needs):
        yield Finding("requirements", file, "unigate is not among what is installed.")
    for name, _ in needs:
        if name in TOOLS:
            message = f"{name} is a tool for development: move it to a dependency group."
            yield Finding("development", file, message)


def check_size(project: Project) -> Iterator[Finding]:
    """Find more than a function may have, by what is installed here."""
    sizes = sizes_of(_needs(project)[1])
    sizes["(the project)"] = sum(file.stat().st_size for file in project.files().values())
    total = sum(sizes.values())
    if total > MOST_BYTES:
        largest = sorted(sizes.items(), key=lambda item: -item[1])[:5]
        parts = ", ".join(f"{name} {size / 2**20:.0f} MB" for name, size in largest)
        message = (
            f"{total / 2**20:.0f} MB are more than the {MOST_BYTES / 2**20:.0f} MB that a function "
            f"may have: {parts}."
        )
        yield Finding("size", "(all that is deployed)", message)


def sizes_of(needs: Iterable[tuple[str, frozenset[str]]]) -> dict[str, int]:
    """Return the bytes of each installed package that is needed, directly or by another."""
    sizes: dict[str, int] = {}
    waiting = list(needs)
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        need = waiting.pop()
        if need in seen:
            continue
        seen.add(need)
        try:
            found = distribution(need[0])
        except PackageNotFoundError:  # for another platform, or not installed here
            continue
        sizes[need[0]] = _size(found)
        for line in found.requires or ():
            requirement, _, marker = line.partition(";")
            extra = _EXTRA.search(marker)
            if extra is None or extra[1] in need[1]:
                waiting += _parsed([requirement])
    return sizes


def _size(found: Distribution) -> int:
    files = (Path(file.locate()) for file in found.files or () if file.suffix != ".pyc")
    return sum(file.stat().st_size for file in files if file.is_file())


def _needs(project: Project) -> tuple[str, list[tuple[str, frozenset[str]]]]:
    """Return the file that says what to install, and each package with its extras."""
    listed: list[str] = project.pyproject.get("project", {}).get("dependencies", [])
    name = project.settings.get("requirements", "requirements.txt")
    file = project.root / name
    if listed or not file.is_file():
        return "pyproject.toml", list(_parsed(listed))
    return name, list(_parsed(file.read_text("utf-8").splitlines()))


def _parsed(lines: Iterable[str]) -> Iterator[tuple[str, frozenset[str]]]:
    for line in lines:
        found = _REQUIREMENT.match(line)
        if found is not None:
            name = re.sub(r"[-_.]+", "-", found[1]).lower()
            yield name, frozenset(re.findall(r"[\w.-]+", found[2] or ""))
