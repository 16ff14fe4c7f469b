"""Check that every package that a deployed file imports is required."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions
from importlib.util import find_spec
from pathlib import Path, PurePosixPath

from unigate.cli.project.core import Project
from unigate.cli.project.platforms import PLATFORMS, Platform

from .findings import Finding
from .requirements import Requirement
from .sizes import required_packages

# Modules that the entry points of targets import, and that the platforms install.
_PROVIDED = {"azure", "functions_framework", "pkg_resources", "setuptools"}
# `check_requirements` looks for this library itself.
_OURS = {"unigate", "flask_unigate", "django_unigate"}
_LAMBDA_PROVIDES = {"boto3", "botocore"}  # AWS, Lambda developer guide, "Python libraries"
# Files of tools, which no function imports.
_TOOL_FILES = re.compile(r"conftest|noxfile|setup|fabfile|tasks|tests?|test_.*|.*_tests?")
_TOOL_FOLDERS = {"docs", "scripts", "test", "tests"}
# An `if` about these does not hold everywhere, and a `try` about these has another way.
_CONDITIONS = re.compile(r"TYPE_CHECKING|version_info|sys\.platform|os\.name|__name__")
_CAUGHT = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}


def check_imports(
    project: Project, requirements: Sequence[Requirement], platforms: Iterable[Platform]
) -> Iterator[Finding]:
    """Find imports of packages that no requirement brings.

    Nothing is found if a requirement is not installed here, because what it brings is unknown.
    """
    if not all(entry.name and _is_installed(entry.name) for entry in requirements):
        return
    required = set(required_packages(requirements))
    installed = packages_distributions()
    known = {*sys.stdlib_module_names, *_PROVIDED, *_OURS}
    if PLATFORMS["aws"] in platforms:
        known |= _LAMBDA_PROVIDES
    roots = [project.root, *(project.root / folder for folder in project.paths)]
    file_of = requirements[0].file if requirements else "project.dependencies"
    reported: set[str] = set()
    for path, file in project.files().items():
        if file.suffix != ".py" or _is_of_tool(PurePosixPath(path)):
            continue
        for name, line in _imports(file):
            if (
                not name
                or name in known
                or name in reported
                or _is_local(name, [*roots, file.parent])
            ):
                continue
            names = {_normalized(each) for each in installed.get(name, ())}
            # An editable package is importable, and its metadata does not list its modules.
            unknown = not names and find_spec(name) is not None
            if not unknown and not names & required:
                reported.add(name)
                package = " or ".join(sorted(names)) or "its package"
                message = f"{name} is imported, and no requirement brings it: add {package} to "
                yield Finding("requirements", f"{path}:{line}", f"{message}{file_of}.")


def _is_installed(name: str) -> bool:
    try:
        return bool(distribution(name))
    except PackageNotFoundError:
        return False


def _normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _is_of_tool(path: PurePosixPath) -> bool:
    return bool(_TOOL_FILES.fullmatch(path.stem)) or bool(_TOOL_FOLDERS & set(path.parts[:-1]))


def _is_local(name: str, folders: Iterable[Path]) -> bool:
    return any((folder / name).is_dir() or (folder / f"{name}.py").is_file() for folder in folders)


def _imports(file: Path) -> list[tuple[str, int]]:
    """Return the top-level packages that a file imports in any case, with their lines."""
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):
        return []
    return list(_imported(tree))


def _imported(node: ast.AST) -> Iterator[tuple[str, int]]:
    match node:
        case ast.Import(names=aliases):
            yield from ((alias.name.partition(".")[0], node.lineno) for alias in aliases)
        case ast.ImportFrom(module=str(module), level=0):
            yield module.partition(".")[0], node.lineno
        case ast.If(test=test) if _CONDITIONS.search(ast.unparse(test)):
            # Of two branches by version, one is for versions that may not be deployed.
            for statement in () if "version_info" in ast.unparse(test) else node.orelse:
                yield from _imported(statement)
        case ast.Try(handlers=handlers) if any(map(_catches, handlers)):
            for statement in node.finalbody:
                yield from _imported(statement)
        case ast.With(items=items) if any(map(_suppresses, items)):
            return
        case ast.Call(args=[ast.Constant(value=str(module)), *_]) if _imports_module(node):
            yield module.partition(".")[0], node.lineno
        case _:
            for child in ast.iter_child_nodes(node):
                yield from _imported(child)


def _suppresses(item: ast.withitem) -> bool:
    words = re.findall(r"\w+", ast.unparse(item.context_expr))
    return "suppress" in words and bool(_CAUGHT & set(words))


def _imports_module(call: ast.Call) -> bool:
    return ast.unparse(call.func).rpartition(".")[2] in ("__import__", "import_module")


def _catches(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    return bool(_CAUGHT & set(re.findall(r"\w+", ast.unparse(handler.type))))
