"""The name that Vercel deploys of a Python file, found without running it.

The rule is that of the npm package @vercel/python-analysis (`findAppOrHandler`): the first
top-level `app` or `application` that is assigned, defined as a function or imported with `from`, or
the first class named `handler` or `Handler`. Names bound inside `if`, `try` or `with` do not count.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable

NAMES = ("app", "application")


def find_entrypoint(source: str) -> tuple[str, ast.stmt] | None:
    """Return the name that Vercel deploys and the statement that binds it, or None.

    A later statement may bind the same name again; the last binding is deployed.

    Raises:
        SyntaxError: The source is not Python.
    """
    for statement in ast.parse(source).body:
        for name in _bound_names(statement):
            if name in NAMES or (
                isinstance(statement, ast.ClassDef) and name in ("handler", "Handler")
            ):
                return name, statement
    return None


def _bound_names(statement: ast.stmt) -> Iterable[str]:
    match statement:
        case ast.Assign(targets=targets):
            return [target.id for target in targets if isinstance(target, ast.Name)]
        case ast.AnnAssign(target=ast.Name(id=name)):
            return [name]
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            return [name]
        case ast.ClassDef(name=name) if name not in NAMES:
            return [name]
        case ast.ImportFrom(names=aliases):
            return [alias.asname or alias.name for alias in aliases]
    return []
