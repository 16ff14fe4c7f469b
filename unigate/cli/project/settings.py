"""The table [tool.unigate] of pyproject.toml: its keys and their types."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import click

from unigate.nearest import did_you_mean, nearest

from .aws_settings import AWS_SETTINGS
from .setting_kinds import Anything, Either, Nested, Number, Setting, Some, Table, Text

FRAMEWORKS = ("python", "django", "fastapi", "fasthtml", "flask")

_LIMITS: Mapping[str, Any] = {
    "memory": Setting(int, "The memory of a function or container, in MB."),
    "timeout": Setting(int, "How long a request may take, in seconds."),
    "exclude": Setting([str], "Patterns of paths that are not deployed."),
}
# Shells and platforms agree on these names.
_VARIABLE = Text(
    "[A-Za-z_][A-Za-z0-9_]*",
    "of only the letters A to Z and a to z, digits and _, and not begin with a digit",
)
_VALUE = Text(r"[^\x00]*", "text without the null character")
# The one definition of the settings: `schema` and docs/reference/settings.md are made from it
# (`make settings`).
SETTINGS: Mapping[str, Any] = {
    "app": Setting(
        Text(r"[^\s:]+:[^\s:]+", 'of the form "package.module:attribute", such as "main:app"'),
        'The import string of the application, such as "main:app".',
    ),
    "paths": Setting([str], "The folders of the project that modules are imported from."),
    "python": Setting(
        Text(r"3\.\d+(\.\d+)?", 'a version like "3.12"'),
        'The version of Python to build for, such as "3.12".',
    ),
    "requirements": Setting(str, "The file of requirements, by default requirements.txt."),
    **_LIMITS,
    "include": Setting(
        [str], "Patterns of paths that are deployed although a rule leaves them out."
    ),
    "keep": Setting([str], "Patterns of files of packages that stay in the bundle."),
    "bytecode": Setting(bool, "Whether modules are compiled at build time, by default true."),
    "environment": Setting(
        Table({"*": _VALUE}, names=_VARIABLE), "Environment variables. Secrets do not belong here."
    ),
    "functions": Setting(
        {"*": _LIMITS}, "Limits of the function of one route, by the route's path: with --split."
    ),
    "aws": AWS_SETTINGS,
    "container": {
        "health": Setting(
            Text("/[!-~]*", "the path of a URL, such as /health, of the application"),
            "A path of the application that answers while it is healthy.",
        ),
    },
    "vercel": {"framework": Setting(FRAMEWORKS, "The preset to deploy with, by default none.")},
}
_NAMES = {str: "a string", bool: "true or false", dict: "a table"}


def read_settings(pyproject: Mapping[str, Any]) -> dict[str, Any]:
    """Return the table [tool.unigate].

    Raises:
        click.ClickException: A key is unknown, or a value is of the wrong type.
    """
    settings: dict[str, Any] = pyproject.get("tool", {}).get("unigate", {})
    check_value(settings, SETTINGS, "tool.unigate")
    return {name: _with_integers(value) for name, value in settings.items()}


def _with_integers(value: Any) -> Any:
    """Return a value with integers for floats such as 512.0, which JSON has no other way to say."""
    if isinstance(value, dict):
        return {key: _with_integers(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_with_integers(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


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
            mapping of keys to kinds, in which the key "*" stands for any key; or one of
            `setting_kinds`.
        place: The dotted name of the value, for the message.
    """
    if isinstance(kind, Setting):
        kind = kind.kind
    if isinstance(kind, Mapping):
        kind = Table(kind)
    if isinstance(kind, Table):
        _check_table(value, kind, place)
    elif isinstance(kind, Nested):
        _check_nested(value, kind, place)
    elif isinstance(kind, Either):
        _check_either(value, kind, place)
    elif isinstance(kind, tuple):
        hint = did_you_mean(str(value), map(str, kind))
        valid = any(type(value) is type(one) and value == one for one in kind)
        _expect(valid, value, place, f"one of {', '.join(map(repr, kind))}", hint)
    elif isinstance(kind, list):
        _check_list(value, kind[0], place)
    elif isinstance(kind, Some):
        _check_list(value, kind.kind, place)
        _expect(bool(value), value, place, "a list with one item or more")
    elif isinstance(kind, Text):
        check_value(value, str, place)
        _expect(kind.matches(value), value, place, kind.expected)
    elif isinstance(kind, Number):
        valid = _is_integer(value) and kind.least <= value <= kind.most
        _expect(valid, value, place, f"an integer from {kind.least} to {kind.most}")
    elif kind is int:
        hint = _write(int(value)) if isinstance(value, str) and value.isdecimal() else ""
        valid = _is_integer(value) and value > 0
        _expect(valid, value, place, "a positive integer", hint)
    elif not isinstance(kind, Anything):
        hint = _write(str(value)) if type(value) in (int, float) else ""
        _expect(isinstance(value, kind), value, place, _NAMES[kind], hint if kind is str else "")


def _is_integer(value: Any) -> bool:
    return type(value) is int or (isinstance(value, float) and value.is_integer())


def _check_table(value: Any, table: Table, place: str) -> None:
    _expect(isinstance(value, dict), value, place, "a table")
    for key, inner in value.items():
        if key not in table.keys and "*" not in table.keys:
            message = f"pyproject.toml: [{place}] has no key {key!r}: "
            raise click.ClickException(message + _known(key, table.keys, place))
        if table.names is not None:
            _expect(table.names.matches(key), key, f"A name in {place}", table.names.expected)
        check_value(inner, table.keys.get(key) or table.keys["*"], f"{place}.{key}")
    for group in (*((key,) for key in table.required), *table.exclusive):
        given = [key for key in group if key in value]
        expected = f"a table with {' or '.join(group)}{', not both' if given else ''}"
        _expect(len(given) == 1, value, place, expected)
    _expect(not table.is_single or len(value) == 1, value, place, "a table with one key")


def _check_nested(value: Any, kind: Nested, place: str) -> None:
    _expect(isinstance(value, dict), value, place, "a table")
    for key, inner in value.items():
        if isinstance(inner, dict):
            _check_nested(inner, kind, f"{place}.{key}")
        else:
            hint = "" if isinstance(inner, list) else _write([inner])
            _expect(isinstance(inner, list), inner, f"{place}.{key}", kind.expected, hint)
            check_value(inner, kind.kind, f"{place}.{key}")


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
            if _is_meant(value, kind, either):
                raise
    _expect(False, value, place, either.expected)


def _is_meant(value: Any, kind: Any, either: Either) -> bool:
    """Return True if a kind is the one of several that a wrong value is likely to be of."""
    if isinstance(value, str):
        return isinstance(kind, tuple | Text | Either)
    if isinstance(value, list):
        return isinstance(kind, list | Some)
    if not isinstance(value, dict) or not isinstance(kind, Mapping | Table):
        return False
    tables = sum(isinstance(one, Mapping | Table) for one in either.kinds)
    table = kind if isinstance(kind, Table) else Table(kind)
    return tables == 1 or any(map(table.has_key, value))


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
