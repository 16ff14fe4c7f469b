"""Import strings, "package.module:attribute", and what was meant by those that lead nowhere."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .nearest import nearest

if TYPE_CHECKING:
    import ast

# Names that applications usually have, the likeliest first.
_USUAL = ("app", "application", "gateway", "site", "api", "asgi", "wsgi", "server")
# What is called to make an application, by the last part of its name.
_MAKERS = {
    *("wrap", "Flask", "FastAPI", "Starlette", "Quart", "Sanic", "Litestar", "Dash", "Bottle"),
    *("get_wsgi_application", "get_asgi_application", "create_app", "make_app"),
}


class ImportStringError(ImportError):
    """An import string does not lead to an object; the message has the string and what to do."""


def import_from(target: str) -> Any:
    """Import an object by an import string.

    Args:
        target: "package.module:attribute"; the attribute can have dots.

    Raises:
        ImportStringError: The string has another form, or a part of it does not exist.
        Exception: What the module raises, ImportError for what it imports itself included.
    """
    module_name, colon, attributes = target.partition(":")
    if not (module_name and colon and attributes) or module_name[0] in "./":
        form = 'it is not of the form "package.module:attribute", such as "main:app".'
        raise _error(target, form + hidden(module_name.removesuffix(".py")))
    try:
        value: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if not is_part_of(error.name, module_name):
            raise
        raise _error(target, f"No module named {error.name!r}.{_searched(module_name)}") from None
    for name in attributes.split("."):
        if not hasattr(value, name):
            problem = f"Module {module_name!r} has no attribute {attributes!r}."
            raise _error(target, problem + hidden(module_name))
        value = getattr(value, name)
    return value


def is_part_of(missing: str | None, module_name: str) -> bool:
    """Return True if a missing module is the named one or a package of it."""
    return bool(missing) and f"{module_name}.".startswith(f"{missing}.")


def hidden(module_name: str) -> str:
    """Return what to say of a module that should be the user's and is this library."""
    if module_name != __package__:
        return ""
    return " It is this library. A file of yours with that name is hidden by it: rename the file."


def suggestion(target: str) -> str | None:
    """Return the import string that was probably meant by one that leads nowhere, or None.

    Sources are read for it, nothing is imported.

    Args:
        target: What was written, such as "main", "main.app", "main.py", "src/main.py:app".
    """
    path, _, wanted = target.partition(":")
    module_name = path.replace("\\", "/").strip("./").removesuffix(".py").replace("/", ".")
    wanted = wanted.removesuffix("()")
    file = _file_of(module_name)
    if file is None and not wanted:
        head, _, tail = module_name.rpartition(".")
        file = _file_of(head)
        if file is not None:
            module_name, wanted = head, tail
    if file is None:
        module_name = nearest(module_name, _modules_in(sys.path[0])) or ""
        file = _file_of(module_name)
    if file is None or module_name == __package__:
        return None
    names = applications_in(file)
    name = nearest(wanted, names) or next(iter(names), None)
    return name and f"{module_name}:{name}"


def applications_in(file: str) -> list[str]:
    """Return the variables of a Python file that look like applications, the likeliest first."""
    import ast

    try:
        with open(file, "rb") as source:
            module = ast.parse(source.read())
    except (OSError, SyntaxError, ValueError):
        return []
    ranked = [(rank, name) for node in module.body for rank, name in _ranked(node)]
    return [name for _, name in sorted(ranked, key=lambda each: each[0])]


def _ranked(node: ast.stmt) -> Iterator[tuple[int, str]]:
    """Yield each name that a statement binds to what may be an application, with its rank."""
    import ast

    names: list[str] = []
    made_by = ""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        names = [node.name]
    elif isinstance(node, ast.ImportFrom):
        names = [alias.asname or alias.name for alias in node.names]
    elif isinstance(node, ast.Assign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        names = [target.id for target in targets if isinstance(target, ast.Name)]
        called = node.value.func if isinstance(node.value, ast.Call) else None
        made_by = getattr(called, "attr", getattr(called, "id", ""))
    for name in names:
        if made_by == "wrap":
            yield -1, name
        elif name in _USUAL:
            yield _USUAL.index(name), name
        elif made_by in _MAKERS or (name in _MAKERS and isinstance(node, ast.FunctionDef)):
            yield len(_USUAL), name


def _error(target: str, problem: str) -> ImportStringError:
    meant = suggestion(target)
    advice = f' Did you mean "{meant}"?' if meant and meant != target else ""
    return ImportStringError(f"{target!r} cannot be loaded: {problem}{advice}")


def _searched(module_name: str) -> str:
    """Return where a module was looked for, and what to do if it is in the current folder."""
    folder = os.getcwd()
    known = [place or folder for place in sys.path]
    names = os.listdir(folder) if folder not in known else []
    if {module_name.partition(".")[0], f"{module_name}.py"} & set(names):
        return (
            " It is in the current folder, which is not on sys.path: run Python with -m, as in "
            "`python -m pytest`, or set PYTHONPATH to the folder."
        )
    return f" It was looked for in {known[0]} and the rest of sys.path."


def _file_of(module_name: str) -> str | None:
    """Return the source of a module, found without importing the packages that it is in."""
    from importlib.machinery import PathFinder

    places: Any = None
    origin = None
    for name in module_name.split("."):
        spec = PathFinder.find_spec(name, places) if name else None
        if spec is None:
            return None
        origin, places = spec.origin, spec.submodule_search_locations or ()
    return origin if origin and origin.endswith(".py") else None


def _modules_in(folder: str) -> list[str]:
    from pkgutil import iter_modules

    return [module.name for module in iter_modules([folder or "."])]
