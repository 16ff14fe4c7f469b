"""Check that a version of Python is declared, and that the platforms support it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from unigate.cli.project.core import Project
from unigate.cli.project.pyproject import PYPROJECT

from .findings import Finding
from .platform_limits import PlatformLimits

_PIN_FILE = ".python-version"
_CLAUSE = re.compile(r"\s*(~=|===?|!=|<=?|>=?)\s*3\.(\d+)(?:\.(\d+|\*))?\s*")


def check_python_version(
    project: Project, platforms: Iterable[PlatformLimits]
) -> Iterator[Finding]:
    """Find a version that is missing, or that a platform does not support."""
    required = str(project.pyproject.project.get("requires-python", ""))
    pinned, setting = project.pinned_python, project.settings.get("python")
    if not (pinned or required or setting):
        message = "No Python version is declared: write one to .python-version."
        yield Finding("python", _PIN_FILE, message)
    for name, pythons, _ in platforms:
        supported = f"{name} supports Python {', '.join(pythons)}"
        if pinned and _minor(pinned) not in pythons:
            message = f"{supported}, got {pinned.split()[0]}."
            yield Finding("python", _PIN_FILE, message)
        if setting and _minor(setting) not in pythons:
            message = f"{supported}, but tool.unigate.python is {setting}."
            yield Finding("python", PYPROJECT, message)
        if required and not any(allows(required, python) for python in pythons):
            message = f"{supported}, but requires-python is {required!r}."
            yield Finding("python", PYPROJECT, message)


def allows(specifier: str, python: str) -> bool:
    """Return True if a specifier (PEP 440) allows any release of a minor version, as "3.12"."""
    minor = int(python.partition(".")[2])
    return all(_clause_allows(clause, minor) for clause in specifier.split(","))


def _minor(version: str) -> str:
    """Return the "3.12" of a version in the syntax of pyenv and uv, or ""."""
    match = re.match(r"(?:cpython-|python-?)?(3\.\d+)", version)
    return match[1] if match is not None else ""


def _clause_allows(clause: str, minor: int) -> bool:
    match = _CLAUSE.fullmatch(clause)
    if match is None:  # "<4", or syntax that is not parsed here
        return True
    operator, bound, patch = match[1], int(match[2]), match[3]
    if operator == "~=":
        return minor == bound if patch else minor >= bound
    if operator in ("==", "==="):
        return minor == bound
    if operator == "!=":
        return minor != bound or patch != "*"
    if operator == "<":
        return minor < bound or (minor == bound and patch not in (None, "0"))
    if operator == "<=":
        return minor <= bound
    return minor >= bound  # ">3.12" allows 3.12.1
