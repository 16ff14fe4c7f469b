"""How much of the public signatures is Any: python -m tests.typing.public_signatures

Counted are the annotations of parameters and results of what `__all__` of `unigate`,
`unigate.testing`, `flask_unigate` and `django_unigate` names: functions, and the public methods,
properties and constructors of classes, inherited ones of this library included. An annotation
counts as Any if the word is in it: `Any`, `dict[str, Any]`, `Callable[..., Any]`.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import re
from collections.abc import Iterator
from typing import Any

PACKAGES = ("unigate", "unigate.testing", "flask_unigate", "django_unigate")
OURS = ("unigate", "flask_unigate", "django_unigate")


def public_functions() -> Iterator[tuple[str, Any]]:
    """Yield the qualified name and the function of everything public that can be called."""
    seen = set()
    for package in PACKAGES:
        module = importlib.import_module(package)
        for name in module.__all__:
            for place, function in functions_of(f"{package}.{name}", getattr(module, name)):
                if function not in seen:
                    seen.add(function)
                    yield place, function


def functions_of(place: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the functions of a public object."""
    if inspect.isfunction(value):
        yield place, value
    if not inspect.isclass(value):
        return
    for base in value.__mro__:
        if base.__module__.partition(".")[0] not in OURS:
            continue
        for name, member in vars(base).items():
            if name.startswith("_") and name not in ("__init__", "__call__"):
                continue
            function = member
            if isinstance(member, property):
                function = member.fget
            elif isinstance(member, functools.cached_property):
                function = member.func
            elif isinstance(member, staticmethod | classmethod):
                function = member.__func__
            if inspect.isfunction(function):
                yield f"{place}.{name}", function


def annotations() -> Iterator[tuple[str, str, str]]:
    """Yield the function, the parameter or "return", and the annotation, as they are written."""
    for place, function in public_functions():
        for name, annotation in function.__annotations__.items():
            yield place, name, str(annotation)


def is_any(annotation: str) -> bool:
    """Return True if an annotation has Any in it."""
    return re.search(r"\bAny\b", annotation) is not None


if __name__ == "__main__":
    rows = list(annotations())
    found = [row for row in rows if is_any(row[2])]
    for place, name, annotation in found:
        print(f"{place}({name}): {annotation}")
    print(f"{len(found)} of {len(rows)} annotations have Any: {len(found) / len(rows):.1%}")
