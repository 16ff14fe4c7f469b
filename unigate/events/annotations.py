"""The classes that the first parameter of a function is annotated with.

Annotations are text under `from __future__ import annotations`. Text is not run: names are looked
up where the function is defined, within `Optional`, `Annotated` and unions.
"""

from __future__ import annotations

import ast
import inspect
import sys
import types
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from importlib.util import resolve_name
from typing import Annotated, Any, Union, get_args, get_origin


class OutOfReach(Exception):
    """A name in an annotation has no value where the function is defined."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def classes_of_first(function: Any) -> list[Any]:
    """Return the classes that the first argument of a function may have by its annotation.

    Raises:
        OutOfReach: A name in the annotation has no value.
    """
    try:
        parameters = _signature(function).parameters
    except (TypeError, ValueError):  # written in C, without a signature
        return []
    first = next(iter(parameters.values()), None)
    if first is None or first.annotation is first.empty:
        return []
    return list(_classes(first.annotation, globals_of(function)))


def _signature(function: Any) -> inspect.Signature:
    if sys.version_info >= (3, 14):
        from annotationlib import Format

        return inspect.signature(function, annotation_format=Format.FORWARDREF)
    return inspect.signature(function)


def globals_of(function: Any) -> dict[str, Any]:
    """Return the names of the module in which a function is defined."""
    while isinstance(function, partial):
        function = function.func
    function = inspect.unwrap(function)
    if not hasattr(function, "__code__"):
        function = type(function).__call__  # of an object that can be called
    found: dict[str, Any] = getattr(getattr(function, "__func__", function), "__globals__", {})
    return found


def _classes(annotation: Any, names: dict[str, Any]) -> Iterator[Any]:
    text = getattr(annotation, "__forward_arg__", annotation)
    if isinstance(text, str):
        try:
            yield from _named(ast.parse(text.strip(), mode="eval").body, names)
        except SyntaxError:
            return
        return
    origin = get_origin(annotation)
    if type(annotation).__name__ == "TypeAliasType":
        yield from _classes(annotation.__value__, names)
    elif origin is Annotated:
        yield from _classes(get_args(annotation)[0], names)
    elif origin is Union or origin is types.UnionType:
        for each in get_args(annotation):
            yield from _classes(each, names)
    else:
        yield annotation


def _named(node: ast.expr, names: dict[str, Any]) -> Iterator[Any]:
    """Yield the classes that an expression names."""
    match node:
        case ast.Constant(value=str()):
            yield from _classes(node.value, names)
        case ast.BinOp(op=ast.BitOr()):
            yield from _named(node.left, names)
            yield from _named(node.right, names)
        case ast.Subscript(value=ast.Name(id=form) | ast.Attribute(attr=form)):
            inner = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
            if form in ("Annotated", "Optional", "Union"):
                for each in inner[:1] if form == "Annotated" else inner:
                    yield from _named(each, names)
        case ast.Name() | ast.Attribute():
            yield from _classes(_value(node, names), {})


def _value(node: ast.expr, names: dict[str, Any]) -> Any:
    if isinstance(node, ast.Attribute):
        return getattr(_value(node.value, names), node.attr, None)
    if not isinstance(node, ast.Name):
        return None
    if node.id in names:
        return names[node.id]
    builtins = names.get("__builtins__", {})
    known = builtins if isinstance(builtins, dict) else vars(builtins)
    if node.id not in known:
        raise OutOfReach(node.id)
    return known[node.id]


def import_of(name: str, source: str, package: str | None) -> tuple[str, str] | None:
    """Return the module, and the name in it, that an import anywhere in a source has for a name.

    Such an import may be for type checkers only, or in a function. None if there is none.
    """
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Import | ast.ImportFrom):
            continue
        for alias in node.names:
            if (alias.asname or alias.name.partition(".")[0]) != name:
                continue
            if isinstance(node, ast.Import):
                return alias.name, ""
            module = "." * node.level + (node.module or "")
            with suppress(ImportError):  # of no package, or above it
                module = resolve_name(module, package)
            return module, alias.name
    return None
