"""The table [tool.unigate] of pyproject.toml: its keys and their types."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

import click

from unigate.nearest import did_you_mean, nearest

from .aws_settings import AWS_SETTINGS
from .setting_kinds import Either, Setting

FRAMEWORKS = ("python", "django", "fastapi", "fasthtml", "flask")

_LIMITS: Mapping[str, Any] = {
    "memory": Setting(int, "The memory of a function or container, in MB."),
    "timeout": Setting(int, "How long a request may take, in seconds."),
    "exclude": Setting([str], "Patterns of paths that are not deployed."),
}
# The one definition of the settings: `schema` and docs/reference/settings.md are made from it
# (`make settings`).
SETTINGS: Mapping[str, Any] = {
    "app": Setting(str, 'The import string of the application, such as "main:app".'),
    "paths": Setting([str], "The folders of the project that modules are imported from."),
    "python": Setting(str, 'The version of Python to build for, such as "3.12".'),
    "requirements": Setting(str, "The file of requirements, by default requirements.txt."),
    **_LIMITS,
    "include": Setting(
        [str], "Patterns of paths that are deployed although a rule leaves them out."
    ),
    "keep": Setting([str], "Patterns of files of packages that stay in the bundle."),
    "bytecode": Setting(bool, "Whether modules are compiled at build time, by default true."),
    "environment": Setting({"*": str}, "Environment variables. Secrets do not belong here."),
    "functions": Setting(
        {"*": _LIMITS}, "Limits of the function of one route, by the route's path: with --split."
    ),
    "aws": AWS_SETTINGS,
    "container": {
        "health": Setting(str, "A path of the application that answers while it is healthy."),
    },
    "vercel": {"framework": Setting(FRAMEWORKS, "The preset to deploy with, by default none.")},
}
_NAMES = {str: "a string", bool: "true or false", dict: "a table"}
# Shells and platforms agree on these names.
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def read_settings(pyproject: Mapping[str, Any]) -> dict[str, Any]:
    """Return the table [tool.unigate].

    Raises:
        click.ClickException: A key is unknown, or a value is of the wrong type.
    """
    settings: dict[str, Any] = pyproject.get("tool", {}).get("unigate", {})
    check_value(settings, SETTINGS, "tool.unigate")
    for name, value in settings.get("environment", {}).items():
        if not VARIABLE.fullmatch(name):
            raise click.ClickException(
                "pyproject.toml: A name in tool.unigate.environment must have only the letters A "
                f"to Z and a to z, digits and _, and not begin with a digit, got {name!r}."
            )
        place = f"tool.unigate.environment.{name}"
        _expect("\0" not in value, value, place, "text without the null character")
    return settings


def nearest_or_all(name: str, valid: Iterable[str]) -> str:
    """Return a hint for an invalid name: the most similar valid one, or all of them."""
    names = sorted(valid)
    similar = nearest(name, names, 0.4)
    return f"did you mean {similar!r}?" if similar else f"known: {', '.join(names)}."


def check_value(value: Any, kind: Any, place: str) -> None:
    """Raise a ClickException if a value of pyproject.toml is not of its kind.

    Args:
        value: The value, as tomllib returns it.
        kind: A type, a tuple of allowed values, a list with the kind of its items, or a table: a
            mapping of keys to kinds, in which the key "*" stands for any key; an `Either`; or a
            `Setting`.
        place: The dotted name of the value, for the message.
    """
    if isinstance(kind, Setting):
        kind = kind.kind
    if isinstance(kind, Mapping):
        _expect(isinstance(value, dict), value, place, "a table")
        for key, inner in value.items():
            if key not in kind and "*" not in kind:
                message = (
                    f"pyproject.toml: [{place}] has no key {key!r}: {_known(key, kind, place)}"
                )
                raise click.ClickException(message)
            check_value(inner, kind.get(key) or kind["*"], f"{place}.{key}")
    elif isinstance(kind, Either):
        _check_either(value, kind, place)
    elif isinstance(kind, tuple):
        hint = did_you_mean(str(value), map(str, kind))
        _expect(value in kind, value, place, f"one of {', '.join(map(repr, kind))}", hint)
    elif isinstance(kind, list):
        _check_list(value, kind[0], place)
    elif kind is int:
        hint = _write(int(value)) if isinstance(value, str) and value.isdecimal() else ""
        _expect(type(value) is int and value > 0, value, place, "a positive integer", hint)
    else:
        hint = _write(str(value)) if type(value) in (int, float) else ""
        _expect(isinstance(value, kind), value, place, _NAMES[kind], hint if kind is str else "")


def _check_list(value: Any, item_kind: Any, place: str) -> None:
    if item_kind is str:
        hint = _write([value]) if isinstance(value, str) else ""
        valid = isinstance(value, list) and all(isinstance(item, str) for item in value)
        return _expect(valid, value, place, "a list of strings", hint)
    _expect(isinstance(value, list), value, place, "a list")
    for number, item in enumerate(value):
        check_value(item, item_kind, f"{place}[{number}]")


def _check_either(value: Any, either: Either, place: str) -> None:
    """Raise a ClickException if a value is of none of the kinds.

    A table or list of which only an inner value is wrong gets the message about that, text that is
    none of several the suggestion.
    """
    for kind in either.kinds:
        try:
            return check_value(value, kind, place)
        except click.ClickException:
            about_inner = isinstance(value, (dict, list)) and isinstance(kind, (dict, type(value)))
            if about_inner or (isinstance(value, str) and isinstance(kind, tuple)):
                raise
    _expect(False, value, place, either.expected)


def _known(key: str, table: Mapping[str, Any], place: str) -> str:
    """Return what to write in place of a key that a table does not have."""
    for name, setting in SETTINGS.items():
        inner = setting.kind if isinstance(setting, Setting) else setting
        if isinstance(inner, Mapping) and key in inner and f"tool.unigate.{name}" != place:
            return f"write it in [tool.unigate.{name}]."
    if key in SETTINGS and place != "tool.unigate":
        return "write it in [tool.unigate]."
    return nearest_or_all(key, table)


def _write(value: Any) -> str:
    return f" Write {json.dumps(value, ensure_ascii=False)}."


def _expect(valid: bool, value: Any, place: str, expected: str, hint: str = "") -> None:
    if not valid:
        message = f"pyproject.toml: {place} must be {expected}, got {value!r}.{hint}"
        raise click.ClickException(message)
