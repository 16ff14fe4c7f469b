"""The rewrites of vercel.json.

The syntax of a source is that of path-to-regexp 6, with which Vercel compiles it to a regular
expression (npm package @vercel/routing-utils). Paths are matched as sent, still percent-encoded.

Python's `re` tries every way to divide a path between parameters, and any web page can send a path
that has many of them. So parameters of one segment are matched without going back, which finds the
same division, and a path is limited for a source with several patterns of its own.
"""

from __future__ import annotations

import json
import math
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
# A parameter without a pattern of its own, and patterns that cannot match "/" either.
_ANY = "[^/]+?"
_IN_SEGMENT = re.compile(r"(?:\[\^/\]|\\[dw]|\[[\w-]+\])[*+]\??", re.ASCII)
_UNBOUNDED = re.compile(r"[*+{]")
_MALFORMED = (
    *(ValueError, KeyError, AttributeError, TypeError, IndexError, RecursionError, re.error),
)
_MOST_STEPS = 100_000_000  # of a match: one or two seconds


class Rewrite(NamedTuple):
    """A compiled rewrite.

    Attributes:
        pattern: The regular expression of the source.
        destination: The path that it leads to; "$1" stands for the pattern's first group.
        query: The parameters that it adds to the query string, with the same placeholders.
        problem: Why it cannot be followed here, or "".
        longest: The length of a path that can be matched in good time; None for any.
    """

    pattern: re.Pattern[str]
    destination: str
    query: tuple[tuple[str, str], ...] = ()
    problem: str = ""
    longest: int | None = None

    def follow(self, path: str) -> tuple[str, list[tuple[str, str]]] | None:
        """Return a path's destination and the decoded query parameters to add.

        Returns:
            None if the path does not match.

        Raises:
            Unloadable: The path matches a rewrite that cannot be followed here, or is too long.
        """
        if self.longest is not None and len(path) > self.longest:
            raise Unloadable(
                f"A path must have at most {self.longest} characters for the patterns of "
                f"vercel.json that lead to {self.destination!r}, got {len(path)}."
            )
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
    except _MALFORMED as error:
        raise Unloadable(f"{str(file)!r} cannot be read: {error!r}") from error


def _compile_rewrite(rule: dict[str, Any]) -> Rewrite:
    source = rule["source"]
    pattern, names, longest = _compile_source(source)
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
    return Rewrite(pattern, _PLACEHOLDER.sub(number, path), tuple(added.items()), longest=longest)


class _Parameter(NamedTuple):
    prefix: str  # "/", "." or ""
    inner: str  # a regular expression
    modifier: str

    @property
    def is_any(self) -> bool:
        return self.inner == _ANY and not self.modifier

    @property
    def is_unbounded(self) -> bool:
        return self.modifier in ("*", "+") or _UNBOUNDED.search(self.inner) is not None


def _compile_source(source: str) -> tuple[re.Pattern[str], list[str], int | None]:
    """Return the regular expression of a source, its groups' names, and the longest path for it.

    The groups without a name are numbered from 0.
    """
    parts, names = _parse_source(source)
    pattern, ambiguous = "", 0
    before = ""  # the end of an atomic group that contains the prefix of the next parameter
    for at, part in enumerate(parts):
        if isinstance(part, str):
            pattern += "" if before else re.escape(part)
            continue
        prefix = "" if before else re.escape(part.prefix)
        after = _next_in_segment(parts, at)
        before = re.escape(after or "")
        if after is not None:
            # The next parameter takes whatever follows, so the first place for `after` will do.
            pattern += f"(?>{prefix}({part.inner}){before})"
            continue
        pattern += _regular_expression(prefix, part)
        ambiguous += part.is_unbounded and not _ends_at_slash(parts, at)
    longest = None
    if ambiguous > 1:
        # That many places in a path can be chosen in n ** ambiguous / ambiguous! ways.
        longest = int((_MOST_STEPS * math.factorial(ambiguous)) ** (1 / ambiguous))
    return re.compile(pattern, re.ASCII), names, longest


def _parse_source(source: str) -> tuple[list[str | _Parameter], list[str]]:
    """Return the texts and parameters of a source in order, and the names of the parameters."""
    parts: list[str | _Parameter] = []
    names: list[str] = []
    text, at = "", 0
    while at < len(source):
        start = _PARAMETER.match(source, at)
        assert start is not None  # every part of _PARAMETER is optional
        prefix, name, group = start.groups()
        if name or group:
            at = start.end()
            inner = _ANY
            if group:
                begin, at = at, _end_of_group(source, at)
                inner = source[begin : at - 1]
            modifier = source[at : at + 1] if source[at : at + 1] in ("*", "+", "?") else ""
            at += len(modifier)
            parameter = _Parameter(prefix, inner, modifier)
            _check_repetition(parameter, source)
            parts += [text, parameter] if text else [parameter]
            names.append(name or str(len(names)))
            text = ""
        elif source[at] in "{}*+?":
            raise ValueError(f"{source[at]!r} in {source!r} is not supported")
        else:
            at += source[at] == "\\"
            text += source[at]
            at += 1
    return ([*parts, text] if text else parts), names


def _check_repetition(parameter: _Parameter, source: str) -> None:
    """Refuse a repeated pattern that repeats by itself: its matches take exponential time."""
    if (
        parameter.modifier in ("*", "+")
        and parameter.inner != _ANY
        and _UNBOUNDED.search(parameter.inner)
        and not (parameter.prefix and _IN_SEGMENT.fullmatch(parameter.inner))
    ):
        raise ValueError(f"a repeated {parameter.inner!r} in {source!r} is not supported")


def _next_in_segment(parts: list[str | _Parameter], at: int) -> str | None:
    """Return what is between two parameters of a segment that both match anything, else None."""
    this, rest = parts[at], parts[at + 1 :]
    text = rest.pop(0) if rest and isinstance(rest[0], str) else ""
    other = rest[0] if rest else ""
    if isinstance(this, str) or isinstance(other, str) or not isinstance(text, str):
        return None
    between = text + other.prefix
    return between if this.is_any and other.is_any and "/" not in between else None


def _ends_at_slash(parts: list[str | _Parameter], at: int) -> bool:
    """Return True if a parameter is the rest of a segment, so that its end is certain."""
    this = parts[at]
    if isinstance(this, str) or (this.inner != _ANY and not _IN_SEGMENT.fullmatch(this.inner)):
        return False
    if at + 1 == len(parts):
        return True
    after = parts[at + 1]
    start = after if isinstance(after, str) else after.prefix
    return not this.modifier and start.startswith("/")


def _regular_expression(prefix: str, parameter: _Parameter) -> str:
    """Return the regular expression of a parameter; its prefix is repeated with it."""
    _, inner, modifier = parameter
    if modifier not in ("*", "+"):
        return f"(?:{prefix}({inner})){modifier}"
    if prefix:
        repeated = f"(?:{prefix}((?:{inner})(?:{prefix}(?:{inner}))*))"
    elif inner == _ANY:
        repeated = "(?:[^/]*([^/]))"  # each repetition is one character
    else:
        return f"(?:({inner})){modifier}"
    return repeated if modifier == "+" else f"{repeated}?"


def _end_of_group(source: str, at: int) -> int:
    """Return the position after a group's ")"; IndexError if the group is not closed."""
    depth = 1
    while depth:
        depth += {"(": 1, ")": -1}.get(source[at], 0)
        at += 2 if source[at] == "\\" else 1
    return at
