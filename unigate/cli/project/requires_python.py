"""The versions of Python that a project allows: a specifier of PEP 440, or Poetry's constraint."""

from __future__ import annotations

import re

import click
from packaging.specifiers import InvalidSpecifier, SpecifierSet

_VERSION = re.compile(r"\d+(?:\.\d+)*(?:\.\*)?")


def from_poetry(constraint: str) -> str:
    """Return a constraint of Poetry as a specifier, with the "^", "~", "||" that `allows` reads.

    A version alone stands for itself, "*" for all (Poetry, "Dependency specification").
    """
    return "||".join(map(_clauses, constraint.split("||")))


def _clauses(constraint: str) -> str:
    parts = re.split(r"\s*,\s*|\s+(?=[<>=!~^])", constraint.strip())
    exact = (f"=={part}" if _VERSION.fullmatch(part) else part for part in parts if part != "*")
    return ",".join(exact)


def allows(specifier: str, python: str) -> bool:
    """Return True if a specifier (PEP 440) allows any release of a minor version, as "3.12".

    Poetry's "^3.11", "~3.11" and "||" are read too.

    Raises:
        click.ClickException: It is none.
    """
    return any(_allows(part.strip(), python, specifier) for part in specifier.split("||"))


def _allows(specifier: str, python: str, whole: str) -> bool:
    minor = int(python.partition(".")[2])
    clauses = re.sub(r"\^(3\.\d+)[\d.]*", r">=\1,<4", specifier)
    clauses = re.sub(r"(^|,\s*)~(3\.\d+)[\d.]*", r"\1==\2.*", clauses)
    try:
        allowed = SpecifierSet(clauses)
    except InvalidSpecifier:
        raise click.ClickException(
            'requires-python must be a version specifier (PEP 440), such as ">=3.12" or '
            f'"==3.12.*", got {whole!r}.'
        ) from None
    # Any release: the first, the last, and those that a clause names.
    named = [int(patch) for patch in re.findall(rf"3\.{minor}\.(\d+)", clauses)]
    patches = {
        0,
        99,
        *(patch + step for patch in named for step in (-1, 0, 1) if patch + step >= 0),
    }
    return any(allowed.contains(f"3.{minor}.{patch}") for patch in patches)
