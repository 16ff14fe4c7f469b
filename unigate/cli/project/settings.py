"""The table [tool.unigate] of pyproject.toml: its keys and their types."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any

import click

TRIGGERS = ("http_api", "function_url", "alb")
ARCHITECTURES = ("x86_64", "arm64")
RUNTIMES = ("unigate", "aws")
FRAMEWORKS = ("python", "django", "fastapi", "fasthtml", "flask")

# A value is a type, a tuple of allowed values, a list with the type of its items, or a table. The
# key "*" of a table stands for any key.
_LIMITS: Mapping[str, Any] = {"memory": int, "timeout": int, "exclude": [str]}
_KEYS: Mapping[str, Any] = {
    **_LIMITS,
    "app": str,
    "paths": [str],
    "python": str,
    "requirements": str,
    "environment": {"*": str},
    "functions": {"*": _LIMITS},
    "aws": {"trigger": TRIGGERS, "architecture": ARCHITECTURES, "runtime": RUNTIMES},
    "vercel": {"framework": FRAMEWORKS},
}
# Shells and platforms agree on these names.
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def read_settings(pyproject: Mapping[str, Any]) -> dict[str, Any]:
    """Return the table [tool.unigate].

    Raises:
        click.ClickException: A key is unknown, or a value is of the wrong type.
    """
    settings: dict[str, Any] = pyproject.get("tool", {}).get("unigate", {})
    check_value(settings, _KEYS, "tool.unigate")
    for name, value in settings.get("environment", {}).items():
        if not _VARIABLE.fullmatch(name):
            raise click.ClickException(
                "pyproject.toml: A name in tool.unigate.environment must have only the letters A "
                f"to Z and a to z, digits and _, and not begin with a digit, got {name!r}."
            )
        place = f"tool.unigate.environment.{name}"
        _expect("\0" not in value, value, place, "text without the null character")
    return settings


def nearest(name: str, valid: Iterable[str]) -> str:
    """Return a hint for an invalid name: the most similar valid one, or all of them."""
    names = sorted(valid)
    similar = difflib.get_close_matches(name, names, 1, 0.4)
    return f"did you mean {similar[0]!r}?" if similar else f"known: {', '.join(names)}."


def check_value(value: Any, kind: Any, place: str) -> None:
    """Raise a ClickException if a value of pyproject.toml is not of its kind.

    Args:
        value: The value, as tomllib returns it.
        kind: A type, a tuple of allowed values, a list with the type of its items, or a mapping
            of keys to kinds.
        place: The dotted name of the value, for the message.
    """
    if isinstance(kind, Mapping):
        _expect(isinstance(value, dict), value, place, "a table")
        for key, inner in value.items():
            if key not in kind and "*" not in kind:
                message = f"pyproject.toml: [{place}] has no key {key!r}: {nearest(key, kind)}"
                raise click.ClickException(message)
            check_value(inner, kind.get("*") or kind[key], f"{place}.{key}")
    elif isinstance(kind, tuple):
        _expect(value in kind, value, place, f"one of {', '.join(map(repr, kind))}")
    elif isinstance(kind, list):
        valid = isinstance(value, list) and all(isinstance(item, kind[0]) for item in value)
        _expect(valid, value, place, "a list of strings")
    elif kind is int:
        _expect(type(value) is int and value > 0, value, place, "a positive integer")
    else:
        _expect(isinstance(value, kind), value, place, "a table" if kind is dict else "a string")


def _expect(valid: bool, value: Any, place: str, expected: str) -> None:
    if not valid:
        message = f"pyproject.toml: {place} must be {expected}, got {value!r}."
        raise click.ClickException(message)
