"""Check that a version of Python is declared, and that the platforms support it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import click

from unigate.cli.project.core import Project
from unigate.cli.project.platforms import Platform
from unigate.cli.project.pyproject import PYPROJECT
from unigate.cli.project.requires_python import allows

from .findings import Finding

_PIN_FILE = ".python-version"


def check_python_version(project: Project, platforms: Iterable[Platform]) -> Iterator[Finding]:
    """Find a version that is missing, or that a platform does not support."""
    required = project.requires_python
    pinned, setting = project.pinned_python, project.settings.get("python")
    if not (pinned or required or setting):
        message = "No Python version is declared: write one to .python-version."
        yield Finding("python", _PIN_FILE, message)
    try:
        allows(required, "3.12")
    except click.ClickException as error:
        yield Finding("python", PYPROJECT, error.message)
        required = ""
    for platform in platforms:
        pythons = platform.pythons
        supported = f"{platform.name} supports Python {', '.join(pythons)}"
        if pinned and _minor(pinned) not in pythons:
            message = f"{supported}, got {pinned}."
            yield Finding("python", _PIN_FILE, message)
        if setting and _minor(setting) not in pythons:
            message = f"{supported}, but tool.unigate.python is {setting}."
            yield Finding("python", PYPROJECT, message)
        if required and not any(allows(required, python) for python in pythons):
            message = f"{supported}, but requires-python is {required!r}."
            yield Finding("python", PYPROJECT, message)


def _minor(version: str) -> str:
    """Return the "3.12" of a version in the syntax of pyenv and uv, or ""."""
    match = re.match(r"(?:cpython-|python-?)?(3\.\d+)", version)
    return match[1] if match is not None else ""
