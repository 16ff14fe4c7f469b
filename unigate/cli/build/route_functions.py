"""One function for each route, in Vercel's naming of files, and the rewrites that lead there."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from unigate.cli.project.route_tables import Route

FALLBACK = "api/index.py"

# A parameter that is a whole segment of a path.
_PARAMETER = re.compile(r"\{(\w+)(?::(\w+))?\}")
# What a file's name on Vercel may have; a "_" or "." at the front hides it from Vercel.
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*")
_SPECIAL = re.compile(r"([()\[\]{}:*+?.\\|^$])")


class Function(NamedTuple):
    """A file, the path of the route that it is named after, and the patterns that lead to it."""

    file: str
    path: str
    sources: tuple[str, ...]


def functions_of(routes: Iterable[Route]) -> list[Function]:
    """Return the functions of routes, those that are said more exactly first.

    Routes that differ in parameters' names only share one, because Vercel cannot tell them apart.
    What no file can be named after ("/{name}.txt") stays with the fallback, as does "/".
    """
    names: dict[tuple[str, ...], str] = {}
    found: dict[tuple[str, ...], Function] = {}
    for route in routes:
        key = _shape(route.path)
        if not key or "WEBSOCKET" in route.methods:
            continue
        file = "api" + "".join(f"/{name}" for name in _files(key, route.path, names)) + ".py"
        known = found.get(key, Function(file, route.path, ()))
        sources = (*known.sources, *_sources(key, route.path.endswith("/")))
        found[key] = known._replace(sources=tuple(dict.fromkeys(sources)))
    # Vercel refuses "[id]/..." beside "[...rest].py": such a rest stays with the fallback.
    single = {key[:number] for key in found for number, part in enumerate(key) if part == "{}"}
    kept = (key for key in found if key[-1] != "{**}" or key[:-1] not in single)
    return [found[key] for key in sorted(kept, key=_exactness)]


def function_for(path: str, functions: Iterable[Function]) -> Function | None:
    """Return the function that answers a route, None where that is the fallback."""
    shape = _shape(path)
    return next((one for one in functions if _shape(one.path) == shape), None)


def _shape(path: str) -> tuple[str, ...]:
    """Return a path's segments, a parameter as "{}" and one of many segments as "{**}".

    () is for what has no file of its own.
    """
    shape = []
    segments = path.strip("/").split("/")
    for number, segment in enumerate(segments, 1):
        parameter = _PARAMETER.fullmatch(segment)
        if parameter is not None:
            many = parameter[2] == "path"
            if many and number < len(segments):
                return ()
            shape.append("{**}" if many else "{}")
        elif _NAME.fullmatch(segment) and "{" not in segment:
            shape.append(segment)
        else:
            return ()
    # "/{path:path}" is everything, and that is what the fallback is for.
    return () if shape in (["{**}"], ["index"]) else tuple(shape)


def _files(key: tuple[str, ...], path: str, names: dict[tuple[str, ...], str]) -> Iterable[str]:
    """Name the folders and the file; two parameters at one place must have one name on Vercel."""
    given: list[str] = []
    for number, (part, segment) in enumerate(zip(key, path.strip("/").split("/"), strict=True), 1):
        parameter = _PARAMETER.fullmatch(segment)
        if parameter is None:
            yield part
            continue
        name = parameter[1]
        name = names.setdefault(key[:number], name)
        while name in given:  # nor may one name come twice in a path
            name += "_"
        given.append(name)
        yield f"[...{name}]" if part == "{**}" else f"[{name}]"


def _sources(key: tuple[str, ...], slash: bool) -> Iterable[str]:
    """Return the patterns of a rewrite.

    Groups without a name: Vercel adds those with a name to the query string.
    """
    parts = {"{}": "([^/]+)", "{**}": "(.*)"}
    literal = [parts.get(part) or _SPECIAL.sub(r"\\\1", part) for part in key]
    source = "/" + "/".join(literal)
    yield f"{source}/" if slash and key[-1] != "{**}" else source


def _exactness(key: tuple[str, ...]) -> tuple[tuple[int, str], ...]:
    """Sort what is said literally before a parameter, and that before one of many segments."""
    return tuple(({"{}": 1, "{**}": 2}.get(part, 0), part) for part in key)
