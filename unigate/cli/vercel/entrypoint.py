"""What Vercel deploys of a file that it reads without running it.

Its rule, of the npm package @vercel/python-analysis 0.14 (`findAppOrHandler`): the first top-level
`app` or `application` that is assigned, defined as a function or imported from somewhere, or the
first class whose name is `handler` or `Handler`. Nothing inside `if`, `try` or `with` counts.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable

NAMES = ("app", "application")


def find_entry(source: str) -> tuple[str, ast.stmt] | None:
    """Return the name that is deployed and the statement that Vercel found it by, or None.

    What the name means in the end is for the module to say, once it runs. Raises SyntaxError for
    what is no Python.
    """
    for statement in ast.parse(source).body:
        for name in _bound(statement):
            if name in NAMES or (
                isinstance(statement, ast.ClassDef) and name in ("handler", "Handler")
            ):
                return name, statement
    return None


def _bound(statement: ast.stmt) -> Iterable[str]:
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
