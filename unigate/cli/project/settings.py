"""What `[tool.unigate]` in pyproject.toml says, checked key by key."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click

TRIGGERS = ("http_api", "function_url", "alb")
ARCHITECTURES = ("x86_64", "arm64")
RUNTIMES = ("unigate", "aws")
FRAMEWORKS = ("python", "django", "fastapi", "fasthtml", "flask")

# A type, the values allowed, the kind of a list's or a table's members, or a table's own keys.
_LIMITS: Mapping[str, Any] = {"memory": int, "timeout": int, "exclude": [str]}
_KEYS: Mapping[str, Any] = {
    **_LIMITS,
    "app": str,
    "python": str,
    "requirements": str,
    "environment": {"*": str},
    "functions": {"*": _LIMITS},
    "aws": {"trigger": TRIGGERS, "architecture": ARCHITECTURES, "runtime": RUNTIMES},
    "vercel": {"framework": FRAMEWORKS},
}


def read_pyproject(folder: Path) -> dict[str, Any]:
    """Return a folder's pyproject.toml, {} without one; UsageError when it is no TOML."""
    file = folder / "pyproject.toml"
    try:
        found = tomllib.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise click.ClickException(f"pyproject.toml is no TOML: {error}") from error
    for name in ("project", "tool"):
        _expect(isinstance(found.get(name, {}), dict), name, "a table")
    _expect(isinstance(found.get("tool", {}).get("vercel", {}), dict), "tool.vercel", "a table")
    _check(found.get("project", {}).get("dependencies", []), [str], "project.dependencies")
    return found


def read_settings(pyproject: Mapping[str, Any]) -> dict[str, Any]:
    """Return the table [tool.unigate]; ClickException for a key or a value that is not known."""
    found: dict[str, Any] = pyproject.get("tool", {}).get("unigate", {})
    _check(found, _KEYS, "tool.unigate")
    return found


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the question to ask about a name that is not known."""
    known = sorted(known)
    found = difflib.get_close_matches(name, known, 1, 0.4)
    return f"did you mean {found[0]!r}?" if found else f"known: {', '.join(known)}."


def _check(value: Any, kind: Any, place: str) -> None:
    if isinstance(kind, Mapping):
        _expect(isinstance(value, dict), place, "a table")
        for key, inner in value.items():
            if key not in kind and "*" not in kind:
                message = f"pyproject.toml: [{place}] has no {key!r}: {nearest(key, kind)}"
                raise click.ClickException(message)
            _check(inner, kind.get("*") or kind[key], f"{place}.{key}")
    elif isinstance(kind, tuple):
        _expect(value in kind, place, f"one of {', '.join(kind)}")
    elif isinstance(kind, list):
        right = isinstance(value, list) and all(isinstance(one, kind[0]) for one in value)
        _expect(right, place, "a list of strings")
    elif kind is int:
        _expect(type(value) is int and value > 0, place, "a number above 0")
    else:
        _expect(isinstance(value, kind), place, "a string")


def _expect(right: bool, place: str, what: str) -> None:
    if not right:
        raise click.ClickException(f"pyproject.toml: {place} is {what}.")
