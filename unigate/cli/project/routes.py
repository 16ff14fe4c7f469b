"""A row of a route table, and what all frameworks' tables need to make one."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any, NamedTuple

ANY = "ANY"
WEBSOCKET = "WEBSOCKET"
REST = "/{path:path}"  # every path below a prefix
_PLAIN = ("", "str", "string", "default")


class Route(NamedTuple):
    """A row of the table.

    Attributes:
        methods: HTTP methods, without the HEAD and OPTIONS that a framework adds by itself; "ANY"
            for all methods, "WEBSOCKET" for a WebSocket.
        path: The path with the prefixes of its mounts, in Starlette's syntax.
        name: The framework's name for the route, with its namespaces; may be empty.
        endpoint: The view, as "module.name".
        app: The kind of application, such as "Flask".
    """

    methods: tuple[str, ...]
    path: str
    name: str
    endpoint: str
    app: str


class Mounted(NamedTuple):
    """An application in the table of another one, below a prefix."""

    prefix: str
    app: Any


def parameter(name: str, convertor: str | None) -> str:
    """Return a parameter of a path in Starlette's syntax."""
    return f"{{{name}}}" if (convertor or "") in _PLAIN else f"{{{name}:{convertor}}}"


def methods_of(methods: Iterable[str] | None, implied: Iterable[str] = ()) -> tuple[str, ...]:
    """Return methods in order, without those that a framework adds, and "ANY" for none."""
    names = set(methods or ())
    if not names:
        return (ANY,)
    added = {*implied, "HEAD"} if "GET" in names else {*implied}
    return tuple(sorted(names - added or names))


def endpoint_of(view: Any) -> str:
    """Return the place of a view's definition, as "module.name"."""
    while isinstance(view, partial):
        view = view.func
    if not hasattr(view, "__qualname__"):
        view = type(view)
    return f"{view.__module__}.{view.__qualname__}"


def defined_in(app: Any, package: str) -> bool:
    """Return True if an object's class, or one that it extends, is defined in a package."""
    return any(f"{base.__module__}.".startswith(f"{package}.") for base in type(app).__mro__)
