"""The rewrites of vercel.json: which path leads to which.

A source is written as for path-to-regexp 6, which Vercel makes regular expressions of it with
(npm package @vercel/routing-utils). A path is matched as it was sent, without decoding it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote

from unigate.cli.project.target import Unloadable

# How a parameter of a source begins: what is before it, its name, and its own pattern.
_PARAMETER = re.compile(r"([/.]?)(?::(\w+))?(\()?", re.ASCII)
# Where a destination wants what was found: by name, or by number as in "$1".
_GAP = re.compile(r":(\w+)[*+?]?", re.ASCII)
_GROUP = re.compile(r"\$([1-9])")


class Rewrite(NamedTuple):
    """A pattern, where it leads to, and what that adds to the query; "$1" is its first group.

    `problem` says why this rewrite cannot be followed here.
    """

    pattern: re.Pattern[str]
    destination: str
    query: tuple[tuple[str, str], ...] = ()
    problem: str = ""

    def follow(self, path: str) -> tuple[str, list[tuple[str, str]]] | None:
        """Return where a path leads to, with what is added to the query, decoded; None if not here.

        Raises Unloadable where that cannot be told.
        """
        match = self.pattern.fullmatch(path)
        if match is None:
            return None
        if self.problem:
            raise Unloadable(self.problem)
        groups = dict(enumerate(match.groups(default=""), 1))

        def fill(text: str, found: Callable[[str], str] = str) -> str:
            return _GROUP.sub(lambda group: found(groups.get(int(group[1]), "")), text)

        return fill(self.destination), [(name, fill(told, unquote)) for name, told in self.query]


def read_rewrites(file: Path) -> list[Rewrite]:
    """Return the rewrites of a vercel.json, none where there is no such file."""
    if not file.is_file():
        return []
    try:
        told = json.loads(file.read_text("utf-8"))
        if "routes" in told:
            raise ValueError("routes are not supported, rewrites are")
        return [_rewrite(one) for one in told.get("rewrites", ())]
    except (ValueError, KeyError, AttributeError, TypeError, re.error, IndexError) as error:
        raise Unloadable(f"{str(file)!r} cannot be read: {error!r}") from error


def _rewrite(told: dict[str, Any]) -> Rewrite:
    source = told["source"]
    pattern, names = _compile(source)
    destination = told["destination"]
    if not isinstance(destination, str) or not destination.startswith("/"):
        problem = f"The rewrite of {source!r} leads out of the project."
        return Rewrite(pattern, "", (), problem)
    if "has" in told or "missing" in told:
        problem = f"The rewrite of {source!r} has conditions, which are not looked at here."
        return Rewrite(pattern, "", (), problem)
    numbers = {name: f"${number}" for number, name in enumerate(names, 1)}

    def number(gap: re.Match[str]) -> str:
        return numbers.get(gap[1], gap[0])

    path, _, query = destination.partition("?")
    given = {name: _GAP.sub(number, value) for name, value in parse_qsl(query, True)}
    named = {name: place for name, place in numbers.items() if not name.isdigit()}
    if not any(gap[1] in named for gap in _GAP.finditer(path)):
        given |= {name: place for name, place in named.items() if name not in given}
    return Rewrite(pattern, _GAP.sub(number, path), tuple(given.items()))


def _compile(source: str) -> tuple[re.Pattern[str], list[str]]:
    """Return a source as a regular expression, and its groups: their names, or numbers from 0."""
    pattern, at = "", 0
    names: list[str] = []
    while at < len(source):
        start = _PARAMETER.match(source, at)
        assert start is not None  # everything in it is optional
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
            raise ValueError(f"{source!r} has a {source[at]!r} that is not supported")
        else:
            at += source[at] == "\\"
            pattern += re.escape(source[at])
            at += 1
    return re.compile(pattern, re.ASCII), names


def _parameter(prefix: str, inner: str, modifier: str) -> str:
    """Return the regular expression of a parameter; what is before it is repeated with it."""
    if prefix and modifier in ("*", "+"):
        many = f"(?:{prefix}((?:{inner})(?:{prefix}(?:{inner}))*))"
        return many if modifier == "+" else f"{many}?"
    return f"(?:{prefix}({inner})){modifier}"


def _end_of_group(source: str, at: int) -> int:
    """Return where a group ends, that is after its ")"; IndexError where it does not."""
    depth = 1
    while depth:
        depth += {"(": 1, ")": -1}.get(source[at], 0)
        at += 2 if source[at] == "\\" else 1
    return at
