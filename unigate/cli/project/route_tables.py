"""The route tables of applications, in one form: those of Flask and Quart, Django, Starlette and
FastAPI here, those of other frameworks in `more_route_tables`.

Paths are written in Starlette's syntax for all frameworks: `/users/{user_id:int}`. Applications are
recognized by their attributes or classes; no framework is imported for it.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from unigate import Gateway

from .more_route_tables import TABLES, table_of
from .routes import (
    ANY,
    REST,
    WEBSOCKET,
    Mounted,
    Route,
    defined_in,
    endpoint_of,
    methods_of,
    parameter,
)

# The frameworks whose tables are read.
KNOWN = tuple(
    sorted([*(table.kind for table in TABLES), "Django", "FastAPI", "Flask", "Quart", "Starlette"])
)

# The attributes in which middleware and bridges keep the application that they wrap.
_INNER = (
    *("app", "application", "wsgi_app", "wsgi_application", "asgi_app", "server", "__wrapped__"),
)
_DEPTH = 20
_RULE = re.compile(r"<(?:(\w+)(?:\([^>]*\))?:)?(\w+)>")
_HTTP_METHODS = ("get", "post", "put", "patch", "delete", "head", "options", "trace")


def routes_of(gateway: Gateway) -> list[Route]:
    """Return the routes of all applications of a gateway, each table in its own order."""
    return [route for mount in gateway.mounts for route in _routes(mount.app, mount.prefix, _DEPTH)]


def unwrap(app: Any, matches: Callable[[Any], bool]) -> Any:
    """Return the first match among an application and those that it wraps, or None."""
    for _ in range(_DEPTH):
        if app is None or matches(app):
            return app
        if inspect.ismethod(app):  # `flask_app.wsgi_app`
            app = app.__self__
            continue
        inner = (getattr(app, name, None) for name in _INNER)
        app = next((candidate for candidate in inner if callable(candidate)), None)
    return None


def has_table(app: Any) -> bool:
    """Return True if an application, or one that it wraps, has a route table that can be read."""
    return unwrap(app, lambda inner: _reader(inner) is not None) is not None


def knows_prefix(app: Any) -> bool:
    """Return True for an application of a framework that takes its prefix off the path itself."""
    readable = unwrap(app, lambda inner: _reader(inner) is not None)
    return readable is not None and table_of(readable) is None


def is_django(app: Any) -> bool:
    """Return True if an application is one of Django's request handlers."""
    return defined_in(app, "django.core.handlers")


def _routes(app: Any, prefix: str, depth: int) -> Iterator[Route]:
    readable = unwrap(app, lambda inner: _reader(inner) is not None) if depth else None
    if isinstance(readable, Gateway):
        for mount in readable.mounts:
            yield from _routes(mount.app, prefix + mount.prefix, depth - 1)
        return
    reader = _reader(readable)
    if reader is None:
        yield Route((ANY,), prefix + REST, "", endpoint_of(app), _kind(app))
    else:
        yield from reader(readable, prefix, depth - 1)


def _reader(app: Any) -> Callable[[Any, str, int], Iterable[Route]] | None:
    """Return the function that reads an application's route table, or None if it has none."""
    if isinstance(app, Gateway):
        return lambda *_: ()
    if table_of(app):
        return _table
    if hasattr(app, "url_map") and hasattr(app, "view_functions"):
        return _flask
    if is_django(app):
        return _django
    if _is_starlette(app):
        return _starlette
    if isinstance(getattr(app, "mounts", None), dict) and hasattr(app, "app"):
        return _dispatcher
    return None


def _is_starlette(app: Any) -> bool:
    routes = getattr(app, "routes", None)
    if not isinstance(routes, list):
        return False
    return defined_in(app, "starlette") or any(hasattr(route, "matches") for route in routes)


def _table(app: Any, prefix: str, depth: int) -> Iterator[Route]:
    table = table_of(app)
    for row in table.read(app) if table else ():
        if isinstance(row, Mounted):
            yield from _routes(row.app, prefix + row.prefix, depth)
        else:
            yield row._replace(path=prefix + row.path)


def _flask(app: Any, prefix: str, depth: int) -> Iterator[Route]:
    for rule in app.url_map.iter_rules():
        implied = {"OPTIONS"} if getattr(rule, "provide_automatic_options", False) else set()
        view = app.view_functions.get(rule.endpoint)
        view = getattr(view, "view_class", view)
        path = prefix + _RULE.sub(_parameter, rule.rule)
        # Quart's rules tell WebSockets.
        methods = {WEBSOCKET} if getattr(rule, "websocket", False) else rule.methods
        yield Route(
            methods_of(methods, implied), path, rule.endpoint, endpoint_of(view), _kind(app)
        )


def _dispatcher(app: Any, prefix: str, depth: int) -> Iterator[Route]:
    """Read werkzeug's DispatcherMiddleware."""
    yield from _routes(app.app, prefix, depth)
    for mounted, inner in app.mounts.items():
        yield from _routes(inner, prefix + mounted, depth)


def _starlette(app: Any, prefix: str, depth: int) -> Iterator[Route]:
    for route in _starlette_routes(app.routes):
        path = prefix + getattr(route, "path", "").replace(":str}", "}")
        if hasattr(route, "endpoint"):
            methods = getattr(route, "methods", None)
            if methods is None:
                websocket = "WebSocket" in type(route).__name__
                methods = [WEBSOCKET] if websocket else _class_methods(route.endpoint)
            yield Route(
                methods_of(methods),
                path,
                route.name or "",
                endpoint_of(route.endpoint),
                _kind(app),
            )
        else:  # a Mount or a Host
            for inner in _routes(route.app, path, depth) if hasattr(route, "app") else ():
                name = f"{route.name}:{inner.name}".strip(":") if route.name else inner.name
                kind = _kind(app) if inner.app == "Router" else inner.app
                yield inner._replace(name=name, app=kind)


def _starlette_routes(routes: Iterable[Any]) -> Iterator[Any]:
    """Yield routes, and in place of a router that FastAPI includes, the routes in it."""
    for route in routes:
        if hasattr(route, "effective_route_contexts"):
            for context in route.effective_route_contexts():
                yield context.starlette_route or context
        else:
            yield route


def _class_methods(endpoint: Any) -> list[str]:
    """Return the HTTP methods that an endpoint class defines."""
    return [name.upper() for name in _HTTP_METHODS if hasattr(endpoint, name)]


def _django(app: Any, prefix: str, depth: int) -> Iterator[Route]:
    from django.urls import get_resolver

    yield from _django_patterns(get_resolver().url_patterns, prefix + "/", "", _kind(app))


def _django_patterns(patterns: Any, prefix: str, namespace: str, app: str) -> Iterator[Route]:
    for pattern in patterns:
        path = prefix + _django_path(pattern.pattern)
        if hasattr(pattern, "url_patterns"):
            inner = f"{namespace}{pattern.namespace}:" if pattern.namespace else namespace
            yield from _django_patterns(pattern.url_patterns, path, inner, app)
            continue
        view = getattr(pattern.callback, "view_class", pattern.callback)
        methods = getattr(view, "http_method_names", None)
        if methods is not None:
            methods = [name.upper() for name in methods if hasattr(view, name)]
        name = namespace + pattern.name if pattern.name else ""
        yield Route(methods_of(methods, {"OPTIONS"}), path, name, endpoint_of(view), app)


def _django_path(pattern: Any) -> str:
    """Return the path of a URLconf's pattern: a route, a regular expression or a language."""
    if hasattr(pattern, "_route"):
        return _RULE.sub(_parameter, str(pattern._route))
    if not hasattr(pattern, "_regex"):
        return str(pattern)
    from django.contrib.admindocs import utils

    text = str(pattern._regex)
    for simplify in (
        utils.remove_non_capturing_groups,
        utils.replace_named_groups,
        utils.replace_unnamed_groups,
        utils.replace_metacharacters,
    ):
        text = simplify(text)
    return re.sub(r"\\(.)", r"\1", _RULE.sub(_parameter, text))


def _parameter(match: re.Match[str]) -> str:
    return parameter(match[2], match[1])


def _kind(app: Any) -> str:
    if is_django(app):
        return "Django"
    return getattr(app, "__name__", None) or type(app).__name__
