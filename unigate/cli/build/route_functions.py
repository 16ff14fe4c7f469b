"""A function for each route: its file, named as on Vercel, and the rewrites that lead to it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from unigate.cli.project.routes import Route

FALLBACK = "api/index.py"

# A parameter that is a whole segment of a path.
_PARAMETER = re.compile(r"\{(\w+)(?::(\w+))?\}")
# A valid file name on Vercel; a leading "_" or "." hides the file from it.
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*")
_SPECIAL = re.compile(r"([()\[\]{}:*+?.\\|^$])")


class RouteFunction(NamedTuple):
    """The function of a route.

    Attributes:
        file: Its path below the root, such as "api/users/[name].py".
        path: The path of the route, such as "/users/{name}".
        sources: The sources of the rewrites that lead to it.
    """

    file: str
    path: str
    sources: tuple[str, ...]


def functions_of(routes: Iterable[Route]) -> list[RouteFunction]:
    """Return the functions of routes, the most specific paths first.

    Routes that differ only in the names of parameters share a function, because Vercel cannot tell
    them apart. The fallback keeps "/" and paths that no file can be named after ("/{name}.txt").
    """
    names: dict[tuple[str, ...], str] = {}
    functions: dict[tuple[str, ...], RouteFunction] = {}
    for route in routes:
        key = _shape(route.path)
        if not key or "WEBSOCKET" in route.methods:
            continue
        file = "api" + "".join(f"/{name}" for name in _files(key, route.path, names)) + ".py"
        function = functions.get(key, RouteFunction(file, route.path, ()))
        sources = (*function.sources, _source(key, route.path.endswith("/")))
        functions[key] = function._replace(sources=tuple(dict.fromkeys(sources)))
    # Vercel refuses "[id]/..." beside "[...rest].py": the fallback keeps such a "rest".
    single = {key[:number] for key in functions for number, part in enumerate(key) if part == "{}"}
    kept = (key for key in functions if key[-1] != "{**}" or key[:-1] not in single)
    return [functions[key] for key in sorted(kept, key=_specificity)]


def function_for(path: str, functions: Iterable[RouteFunction]) -> RouteFunction | None:
    """Return the function that answers a route, or None for the fallback."""
    shape = _shape(path)
    return next((function for function in functions if _shape(function.path) == shape), None)


def _shape(path: str) -> tuple[str, ...]:
    """Return a path's segments, with a parameter as "{}" and one of many segments as "{**}".

    () stands for a path that no file can be named after.
    """
    shape = []
    segments = path.strip("/").split("/")
    for number, segment in enumerate(segments, 1):
        parameter = _PARAMETER.fullmatch(segment)
        if parameter is not None:
            multiple = parameter[2] == "path"
            if multiple and number < len(segments):
                return ()
            shape.append("{**}" if multiple else "{}")
        elif _NAME.fullmatch(segment) and "{" not in segment:
            shape.append(segment)
        else:
            return ()
    # "/{path:path}" matches every path, as the fallback does.
    return () if shape in (["{**}"], ["index"]) else tuple(shape)


def _files(key: tuple[str, ...], path: str, names: dict[tuple[str, ...], str]) -> Iterable[str]:
    """Yield the names of the folders and of the file.

    Args:
        names: The names of the parameters so far, by the shape of the path up to each: Vercel
            requires parameters at the same place to have the same name.
    """
    used: list[str] = []
    for number, (part, segment) in enumerate(zip(key, path.strip("/").split("/"), strict=True), 1):
        parameter = _PARAMETER.fullmatch(segment)
        if parameter is None:
            yield part
            continue
        name = parameter[1]
        name = names.setdefault(key[:number], name)
        while name in used:  # Vercel requires names to be unique within a path
            name += "_"
        used.append(name)
        yield f"[...{name}]" if part == "{**}" else f"[{name}]"


def _source(key: tuple[str, ...], slash: bool) -> str:
    """Return the source of a rewrite.

    Its groups have no names, because Vercel adds named groups to the query string.
    """
    patterns = {"{}": "([^/]+)", "{**}": "(.*)"}
    segments = [patterns.get(part) or _SPECIAL.sub(r"\\\1", part) for part in key]
    source = "/" + "/".join(segments)
    return f"{source}/" if slash and key[-1] != "{**}" else source


def _specificity(key: tuple[str, ...]) -> tuple[tuple[int, str], ...]:
    """Return a sort key: literal segments before parameters, those of many segments last."""
    return tuple(({"{}": 1, "{**}": 2}.get(part, 0), part) for part in key)
