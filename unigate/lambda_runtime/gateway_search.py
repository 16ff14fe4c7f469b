"""Find the gateways that a function can call."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any

from unigate.gateway import Gateway

# How many objects are looked at.
_MOST_OBJECTS = 1000


def gateways_in(function: Any) -> list[Gateway]:
    """Return the gateways that a function can call, the nearest first.

    They are looked for where decorators keep functions (attributes and closures), among the globals
    that the functions name, and among the attributes of modules that they read.
    """
    found: list[Gateway] = []
    seen: dict[int, Any] = {}  # with the objects, so that no id is used again
    left = deque([function])
    while left and len(seen) < _MOST_OBJECTS:
        each = left.popleft()
        if id(each) in seen:
            continue
        seen[id(each)] = each
        if issubclass(type(each), Gateway):
            found.append(each)
        elif not issubclass(type(each), type | ModuleType):
            left.extend(_held_by(each))
    return found


def _held_by(each: Any) -> Iterator[Any]:
    """Yield the callables that an object may call."""
    for name in ("__wrapped__", "__func__", "__self__", "func"):
        yield from _callables(lambda name=name: [getattr(each, name)])
    yield from _callables(lambda: vars(each).values())
    if type(each) is FunctionType:
        for cell in each.__closure__ or ():
            yield from _callables(lambda cell=cell: [cell.cell_contents])
        for value in _named_in(each):
            yield from _callables(lambda value=value: [value])


def _callables(values: Any) -> list[Any]:
    """Return the callables among values; objects of any kind are asked, and may refuse."""
    try:
        return [value for value in values() if callable(value)]
    except Exception:
        return []


def _named_in(function: FunctionType) -> Iterator[Any]:
    """Yield the globals that a function names, and the attributes of modules among them."""
    names = dict.fromkeys(_names_in(function.__code__))
    scopes = {id(function.__globals__): function.__globals__}
    left = deque(scopes.values())
    while left:
        scope = left.popleft()
        for value in [scope[name] for name in names if name in scope]:
            if issubclass(type(value), ModuleType):
                if id(vars(value)) not in scopes:
                    scopes[id(vars(value))] = vars(value)
                    left.append(vars(value))
            else:
                yield value


def _names_in(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if type(constant) is CodeType:
            yield from _names_in(constant)
