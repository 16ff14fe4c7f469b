"""Check the rewrites of vercel.json for what Vercel refuses before it builds anything.

Source: `getTransformedRoutes` of the npm package @vercel/routing-utils, and path-to-regexp 6, with
which it reads sources.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from unigate.cli.vercel.project import VERCEL_JSON

from .findings import Finding

_KEYS = ("source", "destination")
_NAME = re.compile(r":(\w+)", re.ASCII)
_ORIGIN = re.compile(r"\w+://[^/?#]*")


def check_refused_rewrites(vercel_json: Mapping[str, Any]) -> Iterator[Finding]:
    """Find rewrites that Vercel refuses, each with the reason."""
    rewrites = vercel_json.get("rewrites", [])
    if not isinstance(rewrites, list):
        message = f'Vercel refuses "rewrites": it must be a list, got {rewrites!r}.'
        yield Finding("vercel", VERCEL_JSON, message)
        return
    for rule in rewrites:
        if problem := _problem(rule):
            yield Finding("vercel", VERCEL_JSON, f"Vercel refuses the rewrite {problem}.")


def _problem(rule: Any) -> str:
    """Return what is wrong with a rewrite, "" if nothing is."""
    texts = [rule.get(name) if isinstance(rule, dict) else None for name in _KEYS]
    if not all(isinstance(text, str) for text in texts):
        return f'{rule!r}: it must be an object with the texts "source" and "destination"'
    source, destination = map(str, texts)
    if problem := _source_problem(source):
        return f"of {source!r}: {problem}"
    if "has" in rule:  # whose patterns may have names too
        return ""
    names = set(_NAME.findall(source))
    for name in _NAME.findall(_ORIGIN.sub("", destination, count=1)):
        if name not in names:
            return f'of {source!r}: its destination has ":{name}", which its source has not'
    return ""


def _source_problem(source: str) -> str:
    """Return what path-to-regexp cannot read of a source, "" if nothing."""
    at, repeatable, braces = 0, False, 0
    while at < len(source):
        character, start = source[at], at
        at += 1
        if character == "(":
            at = _end_of_group(source, at)
            if not at:
                return 'a "(" has no ")"'
            if problem := _group_problem(source[start + 1 : at - 1]):
                return problem
        elif character == ":":
            name = _NAME.match(source, start)
            if name is None:
                return 'a ":" has no name'
            at = name.end()
        elif character == ")":
            return 'a ")" has no "("'
        elif character in "*+?" and not repeatable:
            return f'{character!r} must follow a parameter or a group, as in "(.*)" or ":path*"'
        elif character == "\\":
            at += 1
        braces += {"{": 1, "}": -1}.get(character, 0)
        repeatable = character in "(:}"
    return 'a "{" or "}" stands alone' if braces else ""


def _group_problem(inner: str) -> str:
    if not inner:
        return "a group is empty"
    if inner.startswith("?"):
        return 'a group must not begin with "?": put it into another, as in "((?!api).*)"'
    if re.search(r"(?<!\\)\((?!\?)", inner):
        return 'a group in a group must begin with "?:"'
    return ""


def _end_of_group(source: str, at: int) -> int:
    """Return the position after the ")" of a group, 0 if it has none."""
    depth = 1
    while at < len(source):
        depth += {"(": 1, ")": -1}.get(source[at], 0)
        at += 2 if source[at] == "\\" else 1
        if not depth:
            return at
    return 0
