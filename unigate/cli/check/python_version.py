"""The version of Python: whether one is said, and whether the platforms have it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from unigate.cli.project.core import Project

from . import Finding
from .platform_limits import Platform
from .requirements import PYPROJECT

_PIN_FILE = ".python-version"
_CLAUSE = re.compile(r"\s*(~=|===?|!=|<=?|>=?)\s*3\.(\d+)(?:\.(\d+|\*))?\s*")


def check_python(project: Project, platforms: Iterable[Platform]) -> Iterator[Finding]:
    """Find a version that is not said, or that a platform does not have."""
    asked = str(project.pyproject.get("project", {}).get("requires-python", ""))
    pinned, setting = project.pinned_python, project.settings.get("python")
    if not (pinned or asked or setting):
        message = "No Python version is said: write one into .python-version."
        yield Finding("python", _PIN_FILE, message)
    for name, pythons, _ in platforms:
        known = ", ".join(pythons)
        if pinned and _minor(pinned) not in pythons:
            message = f"{name} has Python {known}, and not {pinned.split()[0]}."
            yield Finding("python", _PIN_FILE, message)
        if setting and _minor(setting) not in pythons:
            message = f"{name} has Python {known}, and tool.unigate.python says {setting}."
            yield Finding("python", PYPROJECT, message)
        if asked and not any(_allows(asked, python) for python in pythons):
            message = f"{name} has Python {known}, and requires-python is {asked!r}."
            yield Finding("python", PYPROJECT, message)


def _minor(version: str) -> str:
    """Return the "3.12" of a version as `pyenv` and uv write it, "" for what is none."""
    found = re.match(r"(?:cpython-|python-?)?(3\.\d+)", version)
    return found[1] if found is not None else ""


def _allows(specifier: str, python: str) -> bool:
    """Tell whether some release of a version, as "3.12", is allowed (PEP 440)."""
    minor = int(python.partition(".")[2])
    return all(_clause(clause, minor) for clause in specifier.split(","))


def _clause(clause: str, minor: int) -> bool:
    found = _CLAUSE.fullmatch(clause)
    if found is None:  # "<4", or more than is read here
        return True
    operator, wanted, patch = found[1], int(found[2]), found[3]
    if operator == "~=":
        return minor == wanted if patch else minor >= wanted
    if operator in ("==", "==="):
        return minor == wanted
    if operator == "!=":
        return minor != wanted or patch != "*"
    if operator == "<":
        return minor < wanted or (minor == wanted and patch not in (None, "0"))
    if operator == "<=":
        return minor <= wanted
    return minor >= wanted  # ">3.12" allows 3.12.1
