"""The rewrites of vercel.json.

The syntax of a source is that of path-to-regexp 6, with which Vercel compiles it to a regular
expression (npm package @vercel/routing-utils). Paths are matched as sent, still percent-encoded.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote

from unigate.cli.project.target import Unloadable

# The start of a parameter in a source: its prefix, its name, and the "(" of its own pattern.
_PARAMETER = re.compile(r"([/.]?)(?::(\w+))?(\()?", re.ASCII)
# A placeholder in a destination: a parameter's name, or the number of a group as in "$1".
_PLACEHOLDER = re.compile(r":(\w+)[*+?]?", re.ASCII)
_GROUP = re.compile(r"\$([1-9])")


class Rewrite(NamedTuple):
    """A compiled rewrite.

    Attributes:
        pattern: The regular expression of the source.
        destination: The path that it leads to; "$1" stands for the pattern's first group.
        query: The parameters that it adds to the query string, with the same placeholders.
        problem: Why it cannot be followed here, or "".
    """

    pattern: re.Pattern[str]
    destination: str
    query: tuple[tuple[str, str], ...] = ()
    problem: str = ""

    def follow(self, path: str) -> tuple[str, list[tuple[str, str]]] | None:
        """Return a path's destination and the decoded query parameters to add.

        Returns:
            None if the path does not match.

        Raises:
            Unloadable: The path matches a rewrite that cannot be followed here.
        """
        match = self.pattern.fullmatch(path)
        if match is None:
            return None
        if self.problem:
            raise Unloadable(self.problem)
        groups = dict(enumerate(match.groups(default=""), 1))

        def fill(text: str, convert: Callable[[str], str] = str) -> str:
            return _GROUP.sub(lambda group: convert(groups.get(int(group[1]), "")), text)

        return fill(self.destination), [(name, fill(value, unquote)) for name, value in self.query]


def read_rewrites(file: Path) -> list[Rewrite]:
    """Compile the rewrites of a vercel.json; [] without the file.

    Raises:
        Unloadable: The file is malformed, or uses syntax that is not supported.
    """
    if not file.is_file():
        return []
    try:
        configuration = json.loads(file.read_text("utf-8"))
        if "routes" in configuration:
            raise ValueError('"routes" is not supported; use "rewrites"')
        return [_compile_rewrite(rule) for rule in configuration.get("rewrites", ())]
    except (ValueError, KeyError, AttributeError, TypeError, re.error, IndexError) as error:
        raise Unloadable(f"{str(file)!r} cannot be read: {error!r}") from error


def _compile_rewrite(rule: dict[str, Any]) -> Rewrite:
    source = rule["source"]
    pattern, names = _compile_source(source)
    destination = rule["destination"]
    if not isinstance(destination, str) or not destination.startswith("/"):
        problem = f"The rewrite of {source!r} leads outside the project."
        return Rewrite(pattern, "", (), problem)
    if "has" in rule or "missing" in rule:
        problem = (
            f'The rewrite of {source!r} has conditions ("has", "missing"): not supported here.'
        )
        return Rewrite(pattern, "", (), problem)
    numbers = {name: f"${number}" for number, name in enumerate(names, 1)}

    def number(placeholder: re.Match[str]) -> str:
        return numbers.get(placeholder[1], placeholder[0])

    path, _, query = destination.partition("?")
    added = {name: _PLACEHOLDER.sub(number, value) for name, value in parse_qsl(query, True)}
    named = {name: group for name, group in numbers.items() if not name.isdigit()}
    if not any(placeholder[1] in named for placeholder in _PLACEHOLDER.finditer(path)):
        added |= {name: group for name, group in named.items() if name not in added}
    return Rewrite(pattern, _PLACEHOLDER.sub(number, path), tuple(added.items()))


def _compile_source(source: str) -> tuple[re.Pattern[str], list[str]]:
    """Return the regular expression of a source, and its groups' names, or numbers from 0."""
    pattern, at = "", 0
    names: list[str] = []
    while at < len(source):
        start = _PARAMETER.match(source, at)
        assert start is not None  # every part of _PARAMETER is optional
        prefix, name, group = start.groups()
        if name or group:
            at = start.end()
            inner = "[^/]+?"
            if group:
                begin, at = at, _end_of_group(source, at)
                inner = source[begin : at - 1]
            modifier = source[at : at + 1] if source[at : at + 1] in ("*", "+", "?") else ""
            at += len(modifier)
            pattern += _parameter(re.escape(prefix), inner, modifier)
            names.append(name or str(len(names)))
        elif source[at] in "{}*+?":
            raise ValueError(f"{source[at]!r} in {source!r} is not supported")
        else:
            at += source[at] == "\\"
            pattern += re.escape(source[at])
            at += 1
    return re.compile(pattern, re.ASCII), names


def _parameter(prefix: str, inner: str, modifier: str) -> str:
    """Return the regular expression of a parameter; its prefix is repeated with it."""
    if prefix and modifier in ("*", "+"):
        repeated = f"(?:{prefix}((?:{inner})(?:{prefix}(?:{inner}))*))"
        return repeated if modifier == "+" else f"{repeated}?"
    return f"(?:{prefix}({inner})){modifier}"


def _end_of_group(source: str, at: int) -> int:
    """Return the position after a group's ")"; IndexError if the group is not closed."""
    depth = 1
    while depth:
        depth += {"(": 1, ")": -1}.get(source[at], 0)
        at += 2 if source[at] == "\\" else 1
    return at
