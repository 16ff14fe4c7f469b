"""What an application answers: the route tables of frameworks, in one form.

A path is written as Starlette writes it, `/users/{user_id:int}`, whoever answers it. Frameworks are
told by what their objects have, and none is imported before an application of it is there.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, NamedTuple

from unigate import Gateway

ANY = "ANY"
REST = "/{path:path}"  # all that is below

# Where middleware and bridges keep what they wrap.
_INNER = ("app", "application", "wsgi_app", "wsgi_application", "asgi_app", "__wrapped__")
_DEPTH = 20
_RULE = re.compile(r"<(?:(\w+)(?:\([^>]*\))?:)?(\w+)>")
_PLAIN = ("", "str", "string", "default")
_HTTP_METHODS = ("get", "post", "put", "patch", "delete", "head", "options", "trace")


class Route(NamedTuple):
    """A row of the table; HEAD and OPTIONS are left out where a framework adds them by itself."""

    methods: tuple[str, ...]
    path: str
    name: str
    endpoint: str
    app: str


def routes_of(gateway: Gateway) -> list[Route]:
    """Return the routes of every application of a gateway, each table in its own order."""
    return [route for mount in gateway.mounts for route in _routes(mount.app, mount.prefix, _DEPTH)]


def unwrapped(app: Any, knows: Callable[[Any], bool]) -> Any:
    """Return what is known among an application and what it wraps, or None."""
    for _ in range(_DEPTH):
        if app is None or knows(app):
            return app
        if inspect.ismethod(app):  # `flask_app.wsgi_app`
            app = app.__self__
            continue
        inner = (getattr(app, name, None) for name in _INNER)
        app = next((found for found in inner if callable(found)), None)
    return None


def is_django(app: Any) -> bool:
    """Tell whether an object is the handler that Django makes for a server."""
    return _defined_in(app, "django.core.handlers")


def _routes(app: Any, prefix: str, depth: int) -> Iterator[Route]:
    found = unwrapped(app, lambda one: _reader(one) is not None) if depth else None
    if isinstance(found, Gateway):
        for mount in found.mounts:
            yield from _routes(mount.app, prefix + mount.prefix, depth - 1)
        return
    reader = _reader(found)
    if reader is None:
        yield Route((ANY,), prefix + REST, "", _endpoint(app), _kind(app))
    else:
        yield from reader(found, prefix, depth - 1)


def _reader(app: Any) -> Callable[[Any, str, int], Iterable[Route]] | None:
    """Return the function that reads the table of an object, None for one without a table."""
    if isinstance(app, Gateway):
        return lambda *_: ()
    if hasattr(app, "url_map") and hasattr(app, "view_functions"):
        return _flask
    if is_django(app):
        return _django
    if isinstance(getattr(app, "routes", None), list):
        return _starlette
    if isinstance(getattr(app, "mounts", None), dict) and hasattr(app, "app"):
        return _dispatcher
    return None


def _flask(app: Any, prefix: str, depth: int) -> Iterator[Route]:
    for rule in app.url_map.iter_rules():
        implied = {"OPTIONS"} if getattr(rule, "provide_automatic_options", False) else set()
        view = app.view_functions.get(rule.endpoint)
        view = getattr(view, "view_class", view)
        path = prefix + _RULE.sub(_parameter, rule.rule)
        yield Route(
            _methods(rule.methods, implied), path, rule.endpoint, _endpoint(view), _kind(app)
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
            known = getattr(route, "methods", None)
            if known is None:
                known = ["WEBSOCKET"] if "WebSocket" in type(route).__name__ else _defined(route)
            yield Route(
                _methods(known, set()),
                path,
                route.name or "",
                _endpoint(route.endpoint),
                _kind(app),
            )
        else:  # a mount, or a host
            for inner in _routes(route.app, path, depth) if hasattr(route, "app") else ():
                name = f"{route.name}:{inner.name}".strip(":") if route.name else inner.name
                kind = _kind(app) if inner.app == "Router" else inner.app
                yield inner._replace(name=name, app=kind)


def _starlette_routes(routes: Iterable[Any]) -> Iterator[Any]:
    """Open what FastAPI keeps of an included router."""
    for route in routes:
        if hasattr(route, "effective_route_contexts"):
            for context in route.effective_route_contexts():
                yield context.starlette_route or context
        else:
            yield route


def _defined(route: Any) -> list[str]:
    """Return the methods of an endpoint that is a class."""
    return [name.upper() for name in _HTTP_METHODS if hasattr(route.endpoint, name)]


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
        yield Route(_methods(methods, {"OPTIONS"}), path, name, _endpoint(view), app)


def _django_path(pattern: Any) -> str:
    """Return what a pattern of a URLconf matches: a route, a regular expression or a language."""
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
    convertor, name = match[1] or "", match[2]
    return f"{{{name}}}" if convertor in _PLAIN else f"{{{name}:{convertor}}}"


def _methods(methods: Iterable[str] | None, implied: set[str]) -> tuple[str, ...]:
    known = set(methods or ())
    if not known:
        return (ANY,)
    if "GET" in known:
        implied = implied | {"HEAD"}
    return tuple(sorted(known - implied or known))


def _endpoint(view: Any) -> str:
    """Return where a view is defined, as "module.name"."""
    while isinstance(view, partial):
        view = view.func
    if not hasattr(view, "__qualname__"):
        view = type(view)
    return f"{view.__module__}.{view.__qualname__}"


def _kind(app: Any) -> str:
    if is_django(app):
        return "Django"
    return getattr(app, "__name__", None) or type(app).__name__


def _defined_in(app: Any, package: str) -> bool:
    return any(base.__module__.startswith(package) for base in type(app).__mro__)
