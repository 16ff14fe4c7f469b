"""Check the rewrites of vercel.json: whether requests reach the application, with which path.

A function gets the path of the request, whichever rewrite led to it, and the named parameters of
the rewrite in the query string. With a preset, the application gets the destination of the rewrite
as its path: `vercel build` writes the destination into the request, and warns of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import zip_longest

from unigate import Gateway
from unigate.cli.project.route_tables import routes_of
from unigate.cli.project.routes import REST
from unigate.cli.vercel.project import VERCEL_JSON, RoutingRule, VercelProject

from .findings import Finding

_MULTIPLE = r"(?:\*|\+|\(\.[*+]\))"  # after a parameter's name: any number of segments
_PLACEHOLDER = re.compile(r"\$\d")
_PARAMETER = re.compile(r"\{\w+(:\w+)?\}")
# A path that is no route's: a rule that matches it matches all paths.
_SAMPLE = "/any/path"


def check_rewrites(project: VercelProject, gateway: Gateway) -> Iterator[Finding]:
    """Find rewrites that change the path or the query of requests, or lead nowhere."""
    paths = [
        path
        for route in routes_of(gateway)
        if "WEBSOCKET" not in route.methods
        for path in dict.fromkeys([route.path, gateway.base_path + route.path])
    ]
    unreached = not project.preset and bool(paths)
    unreached = unreached and not any(_is_reached(path, project) for path in paths)
    for rule in project.rules:
        if rule.rewrite.problem:
            continue
        if project.preset:
            problem = _preset_problem(rule, project, paths)
        else:
            problem = _function_problem(rule, project)
        if problem:
            yield Finding("rewrite", VERCEL_JSON, problem)
            unreached = False  # this problem is the reason
        if not project.preset and rule.before_files and _hides_files(rule, project):
            message = (
                f"The route {rule.source!r} goes before the files of public/, so that none of them "
                'is served: write it in "rewrites" instead.'
            )
            yield Finding("rewrite", VERCEL_JSON, message)
    if unreached:
        yield Finding("rewrite", VERCEL_JSON, _unreached_message(project, paths))


def _preset_problem(rule: RoutingRule, project: VercelProject, paths: list[str]) -> str:
    """Return the problem of a rule before a preset, or ""."""
    path = rule.rewrite.destination.rstrip("/") or "/"
    rewrite = f"The rewrite of {rule.source!r} leads to {rule.destination!r}"
    if project.resolves(path):
        if rule.rewrite.follow(_SAMPLE) is None or _PLACEHOLDER.search(path):
            return ""
        return f"{rewrite}, a file, for all paths: no request reaches the application."
    if _is_source_file(path, project):
        return (
            f"{rewrite}, and the application gets that as the path: a framework's preset needs no "
            'rewrite to its function. Remove it, or set "framework": null.'
        )
    if _PLACEHOLDER.search(path):
        return ""
    if re.search(rf"\(\.[*+]|:\w+{_MULTIPLE}|:\w+\*|:\w+\+", rule.source):
        return (
            f"{rewrite}, and the application gets that as the path of every request there. "
            'Remove it, or set "framework": null.'
        )
    if not any(_pattern(route).fullmatch(path) for route in paths):
        return f"{rewrite}, for which the application has no route."
    return ""


def _function_problem(rule: RoutingRule, project: VercelProject) -> str:
    """Return the problem of a rule that leads to a function, or ""."""
    if not project.resolves(rule.rewrite.destination):
        functions = ", ".join(sorted(project.functions)) or "none"
        return (
            f"The rewrite of {rule.source!r} leads to {rule.destination!r}, where no function or "
            f"file is: a 404. The functions: {functions}."
        )
    query = rule.destination.partition("?")[2]
    for name, _ in rule.rewrite.query:
        if re.search(rf":{name}{_MULTIPLE}", rule.source) and name not in query:
            better = re.sub(rf":\w+{_MULTIPLE}", "(.*)", rule.source)
            return (
                f"The rewrite of {rule.source!r} adds {name}=... to the query string of requests: "
                f"write {better!r}."
            )
    return ""


def _hides_files(rule: RoutingRule, project: VercelProject) -> bool:
    files = project.static_files()
    return bool(files) and all(rule.rewrite.pattern.fullmatch(f"/{file}") for file in files)


def _is_source_file(path: str, project: VercelProject) -> bool:
    """Return True if a path is that of a Python file, with or without its suffix."""
    name = path.strip("/").removesuffix(".py")
    files = (f"{name}.py", f"{name}/index.py")
    return name != "" and any((project.root / file).is_file() for file in files)


def _is_reached(path: str, project: VercelProject) -> bool:
    """Return True if a request for a route reaches a function."""
    if path.endswith(REST):  # the routes below are unknown
        return bool(project.rules) or any("[" in function for function in project.functions)
    sample = _PARAMETER.sub("1", path)
    if sample.rstrip("/") in project.functions or _is_dynamic(sample, project):
        return True
    return any(
        rule.rewrite.pattern.fullmatch(sample)
        and (rule.rewrite.problem or project.resolves(rule.rewrite.destination))
        for rule in project.rules
    )


def _is_dynamic(sample: str, project: VercelProject) -> bool:
    return any("[" in function for function in project.functions) and project.resolves(sample)


def _unreached_message(project: VercelProject, paths: list[str]) -> str:
    problem = "No request reaches a route of the application, which gets the path of the request"
    functions = project.functions
    best = "/api/index" if "/api/index" in functions else next(iter(functions), "/api/index")
    catch_all = f'{{"source": "/(.*)", "destination": "{best}"}}'
    if not project.rules:
        return f"{problem}: no rewrite leads there. Add {catch_all} to rewrites."
    sources = ", ".join(repr(rule.source) for rule in project.rules)
    routes = ", ".join(map(repr, paths[:3]))
    return (
        f"{problem}: rewrites take {sources}, and its routes are {routes}. Add {catch_all}, or, "
        "for an application below a prefix, use unigate.wrap(..., base_path=...)."
    )


def _pattern(path: str) -> re.Pattern[str]:
    """Return a regular expression of a route's path, with or without a "/" at the end."""
    parameters = list(_PARAMETER.finditer(path))
    pattern = re.escape(path[: parameters[0].start()] if parameters else path.rstrip("/"))
    for parameter, following in zip_longest(parameters, parameters[1:]):
        text = path[parameter.end() : following.start() if following else len(path.rstrip("/"))]
        if parameter[1] == ":path":
            pattern += ".*" + re.escape(text)
        elif following is None or following[1] == ":path" or "/" in text:
            pattern += "[^/]+" + re.escape(text)
        else:  # the next parameter takes whatever follows the first such text
            pattern += f"(?>[^/]+?{re.escape(text)})"
    return re.compile(pattern + "/?")
