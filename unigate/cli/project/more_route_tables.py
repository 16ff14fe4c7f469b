"""The route tables of Bottle, Connexion, Falcon, Litestar, Pyramid and Sanic.

An application of theirs is recognized by the module of its class, so that its framework is loaded
already.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from typing import Any, NamedTuple

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

Rows = Iterable[Route | Mounted]

# Bottle's documentation, "Request routing": <name>, <name:filter>, <name:re:expression>, and the
# older :name and :name#expression#. A rule without a name is a wildcard.
_BOTTLE = re.compile(r"<(\w*)(?::(\w*)(?::(?:\\.|[^\\>])*)?)?>|:(\w+)(?:#[^#]*#)?")
# Falcon's, "Routing": {name}, {name:converter}, {name:converter(arguments)}.
_FALCON = re.compile(r"\{(\w+)(?::(\w+)(?:\([^)]*\))?)?\}")
# Sanic's, "Routing": <name>, <name:type>, <name:expression>.
_SANIC = re.compile(r"<(\w+)(?::(\w+)|:[^>]*)?>")
# Pyramid's, "URL dispatch": {name}, {name:expression} and a last *name.
_PYRAMID = re.compile(r"\{(\w+)(?::(?:[^{}]|\{[^{}]*\})*)?\}|\*(\w+)$")
_OPENAPI = re.compile(r"\{(\w+)\}")
_OPENAPI_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")


class Table(NamedTuple):
    """How the routes of a framework's applications are read.

    Attributes:
        kind: The name of the framework.
        recognizes: Whether an object is such an application.
        read: Its rows, without the prefix of the application.
    """

    kind: str
    recognizes: Callable[[Any], bool]
    read: Callable[[Any], Rows]


def _bottle(app: Any) -> Iterator[Route | Mounted]:
    mounted: list[Any] = []
    for (rule, callback), rows in groupby(app.routes, lambda row: (row.rule, row.callback)):
        first, *others = rows
        if "mountpoint.target" in first.config:
            if first.config["mountpoint.prefix"] not in mounted:
                mounted.append(first.config["mountpoint.prefix"])
                yield Mounted(mounted[-1].rstrip("/"), first.config["mountpoint.target"])
            continue
        methods = [row.method for row in (first, *others)]
        path = _BOTTLE.sub(_bottle_parameter, rule)
        names = methods_of(() if ANY in methods else methods)
        yield Route(names, path, first.name or "", endpoint_of(callback), "Bottle")


def _bottle_parameter(match: re.Match[str]) -> str:
    convertor = "" if match[2] == "re" else match[2]
    return parameter(match[1] or match[3] or "any", convertor)


def _connexion(app: Any) -> Iterator[Route | Mounted]:
    from connexion.spec import Specification  # type: ignore[import-untyped]

    middleware = getattr(app, "middleware", app)
    for api in middleware.apis:
        specification = api.specification  # of older versions, as add_api got it
        if not isinstance(specification, Specification):
            specification = Specification.load(specification)
        base = (api.base_path or specification.base_path or "").rstrip("/")
        for path, operations in specification.get("paths", {}).items():
            for method, operation in operations.items():
                if method in _OPENAPI_METHODS:
                    name = operation.get("operationId", "")
                    controller = operation.get("x-openapi-router-controller")
                    endpoint = f"{controller}.{name}" if controller else name
                    yield Route((method.upper(),), base + path, "", endpoint, "Connexion")
    if inner := getattr(app, "app", None):
        yield Mounted("", inner)  # Flask or Starlette, in which there may be further routes


def _falcon(app: Any) -> Iterator[Route]:
    from falcon.inspect import inspect_routes, inspect_sinks, inspect_static_routes

    for route in inspect_routes(app):
        methods = [row.method for row in route.methods if not row.internal]
        path = _FALCON.sub(lambda match: parameter(match[1], match[2]), route.path)
        yield Route(methods_of(methods), path, "", route.class_name, "Falcon")
    for static in inspect_static_routes(app):
        yield Route(("GET",), static.prefix.rstrip("/") + REST, "", static.directory, "Falcon")
    for sink in inspect_sinks(app):
        yield Route((ANY,), sink.prefix.rstrip("/") + REST, "", sink.name, "Falcon")


def _litestar(app: Any) -> Iterator[Route | Mounted]:
    for route in app.routes:
        path = route.path.replace(":str}", "}")
        handlers = getattr(route, "route_handlers", None) or [route.route_handler]
        for handler in handlers:
            methods = [str(method) for method in getattr(handler, "http_methods", ())]
            # Litestar adds a handler of its own for OPTIONS.
            if methods == ["OPTIONS"] and handler.fn.__module__.startswith("litestar."):
                continue
            if type(route).__name__ == "WebSocketRoute":
                methods = [WEBSOCKET]
            if getattr(handler, "is_mount", False):
                path = path.rstrip("/") + REST
            endpoint = endpoint_of(handler.fn)
            yield Route(methods_of(methods), path, handler.name or "", endpoint, "Litestar")


def _pyramid(app: Any) -> Iterator[Route]:
    from pyramid.interfaces import IRoutesMapper  # type: ignore[import-untyped]
    from pyramid.scripts.proutes import get_route_data  # type: ignore[import-untyped]

    mapper = app.registry.queryUtility(IRoutesMapper)
    for route in mapper.get_routes() if mapper else ():
        path = _PYRAMID.sub(_pyramid_parameter, f"/{route.pattern.lstrip('/')}")
        for name, _, view, methods in get_route_data(route, app.registry):
            names = [] if methods == "*" else methods.split(",")
            yield Route(methods_of(names), path, name, view, "Pyramid")


def _pyramid_parameter(match: re.Match[str]) -> str:
    return parameter(match[2], "path") if match[2] else parameter(match[1], "")


def _sanic(app: Any) -> Iterator[Route]:
    for route in app.router.routes:
        websocket = getattr(route.extra, "websocket", False)
        view = route.handler.args[0] if websocket else route.handler
        methods = [WEBSOCKET] if websocket else route.methods
        path = _SANIC.sub(lambda match: parameter(match[1], match[2]), route.uri)
        name = route.name.partition(".")[2]
        yield Route(methods_of(methods), path, name, endpoint_of(view), "Sanic")


def _is_connexion(app: Any) -> bool:
    return defined_in(app, "connexion") and hasattr(getattr(app, "middleware", app), "apis")


TABLES = (
    Table("Bottle", lambda app: defined_in(app, "bottle") and hasattr(app, "routes"), _bottle),
    Table("Connexion", _is_connexion, _connexion),
    Table("Falcon", lambda app: defined_in(app, "falcon") and hasattr(app, "add_route"), _falcon),
    Table("Litestar", lambda app: defined_in(app, "litestar.app"), _litestar),
    Table("Pyramid", lambda app: defined_in(app, "pyramid.router"), _pyramid),
    Table("Sanic", lambda app: defined_in(app, "sanic.app"), _sanic),
)


def table_of(app: Any) -> Table | None:
    """Return how an application's routes are read, or None if no framework here made it."""
    return next((table for table in TABLES if table.recognizes(app)), None)
