"""The application that a command works on, imported from its import string."""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import click

import unigate
from unigate.errors import UnknownInterface
from unigate.import_strings import ImportStringError, import_from

from .dependencies import read_dependencies
from .layout import import_folders, places_of
from .pyproject import Pyproject, read_pyproject

# What installs the local packages too, by the file that has the requirements.
_INSTALL = {
    "uv.lock": "uv sync --all-packages",
    "poetry.lock": "poetry install",
    "pdm.lock": "pdm install",
}


class Unloadable(click.ClickException):
    """An application cannot be loaded.

    Attributes:
        trace: The formatted traceback of the user's code; empty if none of it was running, as for
            an import string that names nothing.
    """

    def __init__(self, message: str, trace: str = "") -> None:
        super().__init__(message)
        self.trace = trace


class Target(NamedTuple):
    """An imported application.

    Attributes:
        import_string: "package.module:attribute".
        gateway: The imported object, wrapped unless it is a gateway.
        is_gateway: Whether the import string names a gateway.
    """

    import_string: str
    gateway: unigate.Gateway
    is_gateway: bool

    @property
    def module(self) -> str:
        """The dotted name of the module."""
        return self.import_string.partition(":")[0]

    @property
    def attribute(self) -> str:
        """The name within the module, which may be dotted."""
        return self.import_string.partition(":")[2]


def load(import_string: str) -> unigate.Gateway:
    """Import an application and return its gateway; see `load_target`."""
    return load_target(import_string).gateway


def load_target(import_string: str, pyproject: Pyproject | None = None) -> Target:
    """Import an application; wrap it unless it is a gateway.

    The current directory is put first on `sys.path`, as `python -m` does, and the other folders
    of the project's modules last.

    Args:
        pyproject: The pyproject.toml of the current directory, if it was read before.

    Raises:
        Unloadable: The import fails, or the object is not an application.
    """
    with importing(import_string, pyproject):
        imported = import_from(import_string)
        is_gateway = isinstance(imported, unigate.Gateway)
        gateway = imported if is_gateway else unigate.wrap(imported)
        return Target(import_string, gateway, is_gateway)


def load_handler(import_string: str) -> tuple[Callable[[Any, Any], Any], unigate.Gateway]:
    """Import what Lambda calls with (event, context), and return it with its gateway.

    It may be a function or a proxy around a gateway; otherwise this is `load_target`.

    Raises:
        Unloadable: The import fails, or the object is neither such a handler nor an application.
    """
    from unigate.lambda_runtime.wrapped import handler_of  # most commands do without it

    with importing(import_string):
        return handler_of(import_from(import_string))


@contextmanager
def importing(import_string: str, pyproject: Pyproject | None = None) -> Iterator[None]:
    """Make the project's modules importable, and raise Unloadable if the code below fails.

    Args:
        import_string: What is loaded, for the message.
        pyproject: As for `load_target`.
    """
    root = Path.cwd()
    if sys.path[0] != str(root):
        sys.path.insert(0, str(root))
    if pyproject is None:
        pyproject = read_pyproject(root)
    folders = [str(root / folder) for folder in import_folders(root, pyproject)]
    sys.path += [folder for folder in folders if folder not in sys.path]
    try:
        yield
    except Unloadable:
        raise
    except (Exception, SystemExit) as error:
        if isinstance(error, ImportStringError):
            hint = _hint(root, import_string)
            hint = hint or _package_hint(root, pyproject, import_string.partition(":")[0])
            raise Unloadable(str(error) + hint) from error
        frames = user_frames(error.__traceback__)
        message = f"{import_string!r} cannot be loaded: {_problem(import_string, error)}"
        if isinstance(error, ModuleNotFoundError) and error.name:
            message += _package_hint(root, pyproject, error.name)
        # A SyntaxError has no frame of the file; the exception itself names file and line.
        if frames is None and not isinstance(error, SyntaxError):
            raise Unloadable(message) from error
        trace = "".join(traceback.format_exception(type(error), error, frames))
        raise Unloadable(message, trace) from error


def _hint(root: Path, import_string: str) -> str:
    """Return where the module of an import string is, if it is elsewhere in the project."""
    places = [place for place in places_of(root, import_string.partition(":")[0]) if place != "."]
    if not places:
        return ""
    return (
        f" The module is below {places[0]!r}: write paths = [{json.dumps(places[0])}] to "
        "[tool.unigate] of pyproject.toml, or run the command in that project's folder."
    )


def _package_hint(root: Path, pyproject: Pyproject, module: str) -> str:
    """Return what to do for a module of a local package that is not installed here, else ""."""
    try:
        dependencies = read_dependencies(root, pyproject)
    except click.ClickException:  # which is not what is wrong
        return ""
    folders = (package.path for package in dependencies.local if package.path.is_dir())
    folder = next((folder for folder in folders if places_of(folder, module)), None)
    if folder is None:
        return ""
    command = _INSTALL.get(dependencies.source, "pip install -e .")
    if dependencies.source.endswith(".txt"):
        command = f"pip install -r {dependencies.source}"
    return (
        f" {module!r} is in {os.path.relpath(folder, root)}, which the project requires: install "
        "the project's packages in the environment of the build, for example with "
        f"`{command}`."
    )


def _problem(import_string: str, error: BaseException) -> str:
    """Return what is wrong, in one sentence that can be read without the traceback above it."""
    if isinstance(error, SystemExit):
        return f"importing it ends the process (SystemExit: {error})."
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f"it imports {error.name!r}, which is not installed and not in the project."
    if isinstance(error, UnknownInterface | SyntaxError):
        return str(error)
    return f"{type(error).__name__}: {error}"


def user_frames(trace: TracebackType | None) -> TracebackType | None:
    """Return a traceback without the leading frames of unigate and importlib, or None."""
    while trace is not None:
        module = trace.tb_frame.f_globals.get("__name__") or ""
        if module.partition(".")[0] not in ("unigate", "importlib"):
            break
        trace = trace.tb_next
    return trace
