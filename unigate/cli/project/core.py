"""The project that is built: where it lies, what it needs, what belongs to it."""

from __future__ import annotations

import fnmatch
import os
import re
import sys
from functools import cached_property
from pathlib import Path
from typing import Any

import click

from unigate import Gateway
from unigate.interfaces import import_from

from .settings import read_pyproject, read_settings

RECORD = ".unigate-build.json"

# What no function needs. Names that begin with "." are left out too: .git, .env, .venv.
_LEFT_OUT = ("__pycache__", "node_modules", "*.egg-info", "*.pyc", "dist")
_LEFT_OUT_AT_THE_TOP = ("tests", "test")


class Project:
    """A folder with an application in it.

    target: the import string of the application.
    gateway: what it leads to, wrapped where it was no gateway.
    output: where files are written; never part of the project unless it is the same folder.
    """

    def __init__(self, root: Path, target: str, gateway: Gateway, output: Path) -> None:
        self.root = root
        self.target = target
        self.gateway = gateway
        self.output = output
        self.pyproject = read_pyproject(root)
        self.settings = read_settings(self.pyproject)
        self.module, _, self.attribute = target.partition(":")

    @property
    def in_place(self) -> bool:
        """Tell whether the files are written into the project itself."""
        return self.output.resolve() == self.root.resolve()

    @cached_property
    def python(self) -> str:
        """Return the version to build for, as "3.12"."""
        told = self.settings.get("python") or self.pinned_python
        found = re.match(r"(?:cpython-)?(3\.\d+)", told or f"3.{sys.version_info.minor}")
        if found is None:
            raise click.ClickException(f'python is a version like "3.12", not {told!r}.')
        return found[1]

    @property
    def pinned_python(self) -> str | None:
        """Return what .python-version says, None without one."""
        file = self.root / ".python-version"
        return file.read_text("utf-8").strip() if file.is_file() else None

    @property
    def requirements(self) -> list[str]:
        """Return what to install, as arguments of pip and uv."""
        file = self.settings.get("requirements") or "requirements.txt"
        if (self.root / file).is_file():
            return ["-r", file]
        if "requirements" in self.settings:
            raise click.ClickException(
                f"There is no {file!r}, which tool.unigate.requirements says."
            )
        found: list[str] = self.pyproject.get("project", {}).get("dependencies", [])
        if not found:
            message = (
                "Nothing says what to install: write requirements.txt or project.dependencies."
            )
            raise click.ClickException(message)
        return found

    @property
    def already_a_gateway(self) -> bool:
        """Tell whether the target is what `unigate.wrap` made, not an application for it."""
        return isinstance(import_from(self.target), Gateway)

    def binding(self, name: str) -> str:
        """Return the Python lines that bind a name to the gateway.

        No other top-level name is `app` or `application`: Vercel takes the first of them.
        """
        outer, _, rest = self.attribute.partition(".")
        if self.already_a_gateway and not rest:
            renamed = "" if outer == name else f" as {name}"
            return f"from {self.module} import {outer}{renamed}\n"
        inner = f"inner.{rest}" if rest else "inner"
        found = f"from {self.module} import {outer} as inner\n"
        if self.already_a_gateway:
            return f"{found}\n{name} = {inner}\n"
        return f"{found}\nimport unigate\n\n{name} = unigate.wrap({inner})\n"

    def file_of_target(self) -> str:
        """Return the file that the target's module is, below the root: "api/index.py"."""
        path = self.module.replace(".", "/")
        package = self.root / path / "__init__.py"
        return f"{path}/__init__.py" if package.is_file() else f"{path}.py"

    def files(self) -> dict[str, Path]:
        """Return the files that a deployment has of the project, by their path below the root.

        What a symbolic link leads to is taken in its place.
        """
        return self._found[0]

    def refuse_links(self) -> None:
        """Raise a ClickException where a link leads to a folder that cannot be taken."""
        for problem in self._found[1]:
            raise click.ClickException(f"{problem} Leave the link out with tool.unigate.exclude.")

    @cached_property
    def _found(self) -> tuple[dict[str, Path], list[str]]:
        """Return the files, and what is wrong with links to folders."""
        files: dict[str, Path] = {}
        problems: list[str] = []
        for folder, folders, names in os.walk(self.root, followlinks=True):
            here = Path(folder)
            kept = [name for name in sorted(folders) if not self._no_part(here / name)]
            wrong = {name: self._wrong_link(here / name) for name in kept}
            folders[:] = [name for name in kept if not wrong[name]]
            problems += filter(None, wrong.values())
            for name in names:
                # A link that leads nowhere, or a socket, is nothing to deploy.
                if not self._left_out(here / name) and (here / name).is_file():
                    files[(here / name).relative_to(self.root).as_posix()] = here / name
        return dict(sorted(files.items())), problems

    def _no_part(self, folder: Path) -> bool:
        """Tell whether nothing of a folder is deployed."""
        return (
            self._left_out(folder)
            or folder.resolve() == self.output.resolve()
            or (folder / "pyvenv.cfg").exists()
            or (folder / RECORD).exists()  # what an earlier build wrote
        )

    def _wrong_link(self, folder: Path) -> str:
        """Say why a folder cannot be taken where it is a link, "" where it can."""
        if not folder.is_symlink():
            return ""
        real, root = folder.resolve(), self.root.resolve()
        told = f"{folder.relative_to(self.root).as_posix()!r} is a link to {real}"
        if not real.is_relative_to(root):
            return f"{told}, outside of the project: what is there would not be deployed."
        above = [one.resolve() for one in folder.parents if one.is_relative_to(self.root)]
        if any(one.is_relative_to(real) for one in above):
            return f"{told}, which it is in: what is there would have no end."
        return ""

    def _left_out(self, path: Path) -> bool:
        name, whole = path.name, path.relative_to(self.root).as_posix()
        if name.startswith(".") or whole in _LEFT_OUT_AT_THE_TOP:
            return True
        if any(fnmatch.fnmatch(name, pattern) for pattern in _LEFT_OUT):
            return True
        # "data/*" and "data/**" mean the folder too.
        paths = (whole, f"{whole}/") if path.is_dir() else (whole,)
        excluded = self.settings.get("exclude", ())
        return any(fnmatch.fnmatch(one, pattern) for one in paths for pattern in excluded)

    def limits(self, path: str | None = None) -> dict[str, Any]:
        """Return memory, timeout and exclude: those of a route go before those of the project."""
        known = ("memory", "timeout", "exclude")
        both = {**self.settings, **self.settings.get("functions", {}).get(path, {})}
        return {name: both[name] for name in known if name in both}
