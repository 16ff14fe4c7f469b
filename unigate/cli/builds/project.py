"""The project that is built: where it lies, what it needs, what belongs to it."""

from __future__ import annotations

import fnmatch
import os
import re
import sys
from collections.abc import Iterator
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
        """Return the files that a deployment has of the project, by their path below the root."""
        return dict(sorted(self._walk()))

    def _walk(self) -> Iterator[tuple[str, Path]]:
        output = self.output.resolve()
        for folder, folders, names in os.walk(self.root):
            here = Path(folder)
            folders[:] = [
                name
                for name in folders
                if not self._left_out(here / name)
                and (here / name).resolve() != output
                and not (here / name / "pyvenv.cfg").exists()
                and not (here / name / RECORD).exists()  # what an earlier build wrote
            ]
            for name in names:
                # A link that leads nowhere, or a socket, is nothing to deploy.
                if not self._left_out(here / name) and (here / name).is_file():
                    yield (here / name).relative_to(self.root).as_posix(), here / name

    def _left_out(self, path: Path) -> bool:
        name, whole = path.name, path.relative_to(self.root).as_posix()
        if name.startswith(".") or whole in _LEFT_OUT_AT_THE_TOP:
            return True
        if any(fnmatch.fnmatch(name, pattern) for pattern in _LEFT_OUT):
            return True
        return any(fnmatch.fnmatch(whole, one) for one in self.settings.get("exclude", ()))

    def limits(self, path: str | None = None) -> dict[str, Any]:
        """Return memory, timeout and exclude: those of a route go before those of the project."""
        known = ("memory", "timeout", "exclude")
        both = {**self.settings, **self.settings.get("functions", {}).get(path, {})}
        return {name: both[name] for name in known if name in both}
