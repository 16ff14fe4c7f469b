"""Rewrites: what an application sees of a request, and whether one gets there.

A function sees the path that was asked for, whatever rewrite led to it, and in the query string the
named parameters of that rewrite. Behind a preset the application sees where the rewrite leads, in
place of the path: `vercel build` 64 puts the destination into the request, and warns of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from unigate import Gateway
from unigate.cli.project.route_tables import REST, routes_of
from unigate.cli.vercel.project import FILE, Rule, Vercel

from . import Finding

_MANY = r"(?:\*|\+|\(\.[*+]\))"  # after a parameter's name: any number of segments
_GAP = re.compile(r"\$\d")
_PARAMETER = re.compile(r"\{\w+(:\w+)?\}")
# A path that no one means, to find out what a rule takes.
_SAMPLE = "/any/path"


def check_rewrites(vercel: Vercel, gateway: Gateway) -> Iterator[Finding]:
    """Find rewrites that change what an application sees, or lead nowhere."""
    paths = [
        path
        for route in routes_of(gateway)
        if "WEBSOCKET" not in route.methods
        for path in dict.fromkeys([route.path, gateway.base_path + route.path])
    ]
    lost = not vercel.preset and bool(paths)
    lost = lost and not any(_is_reached(path, vercel) for path in paths)
    for rule in vercel.rules:
        if rule.works.problem:
            continue
        problem = _in_preset(rule, vercel, paths) if vercel.preset else _to_function(rule, vercel)
        if problem:
            yield Finding("rewrite", FILE, problem)
            lost = False  # there is a reason, and this is it
        if not vercel.preset and rule.early and _takes_files(rule, vercel):
            message = (
                f"The route {rule.source!r} goes before the files of public/, and none of them is "
                'served: write it as "rewrites".'
            )
            yield Finding("rewrite", FILE, message)
    if lost:
        yield Finding("rewrite", FILE, _unreached(vercel, paths))


def _in_preset(rule: Rule, vercel: Vercel, paths: list[str]) -> str:
    """Say what is wrong with a rule before a preset, "" where it does what it says."""
    path = rule.works.destination.rstrip("/") or "/"
    told = f"The rewrite of {rule.source!r} leads to {rule.destination!r}"
    if vercel.answers(path):
        if rule.works.follow(_SAMPLE) is None or _GAP.search(path):
            return ""
        return f"{told}, a file, for all paths: no request gets to the application."
    if _is_source(path, vercel):
        return (
            f"{told}, and that is what the application sees as the path: a framework's preset "
            'needs no rewrite to its function. Remove it, or say "framework": null.'
        )
    if _GAP.search(path):
        return ""
    if re.search(rf"\(\.[*+]|:\w+{_MANY}|:\w+\*|:\w+\+", rule.source):
        return (
            f"{told}, and that is what the application sees as the path of every request there. "
            'Remove it, or say "framework": null.'
        )
    if not any(_pattern(known).fullmatch(path) for known in paths):
        return f"{told}, which the application has no route for."
    return ""


def _to_function(rule: Rule, vercel: Vercel) -> str:
    """Say what is wrong with a rule that leads to a function, "" where it does what it says."""
    if not vercel.answers(rule.works.destination):
        functions = ", ".join(sorted(vercel.functions)) or "none"
        return (
            f"The rewrite of {rule.source!r} leads to {rule.destination!r}, which no function and "
            f"no file answers: a 404. The functions: {functions}."
        )
    written = rule.destination.partition("?")[2]
    for name, _ in rule.works.query:
        if re.search(rf":{name}{_MANY}", rule.source) and name not in written:
            better = re.sub(rf":\w+{_MANY}", "(.*)", rule.source)
            return (
                f"The rewrite of {rule.source!r} adds {name}=... to the query string that the "
                f"application sees: write {better!r}."
            )
    return ""


def _takes_files(rule: Rule, vercel: Vercel) -> bool:
    files = vercel.static_files()
    return bool(files) and all(rule.works.pattern.fullmatch(f"/{file}") for file in files)


def _is_source(path: str, vercel: Vercel) -> bool:
    """Tell whether a path names a file of Python, as that of a function does."""
    below = path.strip("/").removesuffix(".py")
    names = (f"{below}.py", f"{below}/index.py")
    return below != "" and any((vercel.root / name).is_file() for name in names)


def _is_reached(path: str, vercel: Vercel) -> bool:
    """Tell whether a request for a route gets to a function."""
    if path.endswith(REST):  # what is there is not known
        return bool(vercel.rules) or any("[" in function for function in vercel.functions)
    sample = _PARAMETER.sub("1", path)
    if sample.rstrip("/") in vercel.functions or _is_dynamic(sample, vercel):
        return True
    return any(
        rule.works.pattern.fullmatch(sample)
        and (rule.works.problem or vercel.answers(rule.works.destination))
        for rule in vercel.rules
    )


def _is_dynamic(sample: str, vercel: Vercel) -> bool:
    return any("[" in one for one in vercel.functions) and vercel.answers(sample)


def _unreached(vercel: Vercel, paths: list[str]) -> str:
    told = "No request gets to a route of the application, which sees the path that was asked for"
    known = vercel.functions
    best = "/api/index" if "/api/index" in known else next(iter(known), "/api/index")
    catch_all = f'{{"source": "/(.*)", "destination": "{best}"}}'
    if not vercel.rules:
        return f"{told}: no rewrite leads there. Add {catch_all} to rewrites."
    sources = ", ".join(repr(rule.source) for rule in vercel.rules)
    routes = ", ".join(map(repr, paths[:3]))
    return (
        f"{told}: rewrites take {sources}, and its routes are {routes}. Add {catch_all}, or, where "
        "it is meant to be below a prefix, say so with unigate.wrap(..., base_path=...)."
    )


def _pattern(path: str) -> re.Pattern[str]:
    """Return what a route's path matches, with or without a "/" at the end."""
    parts, at = "", 0
    for found in _PARAMETER.finditer(path):
        parts += re.escape(path[at : found.start()])
        parts += ".*" if found[1] == ":path" else "[^/]+"
        at = found.end()
    return re.compile(parts + re.escape(path[at:].rstrip("/")) + "/?")
