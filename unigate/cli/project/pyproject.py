"""pyproject.toml, read once for a command."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import click

from .settings import check_value, read_settings

PYPROJECT = "pyproject.toml"


class Pyproject:
    """The tables of a pyproject.toml; all of them are empty without the file.

    Attributes:
        project: The table [project].
        tools: The tables below [tool], by name.
    """

    def __init__(self, tables: Mapping[str, Any]) -> None:
        for name in ("project", "tool"):
            check_value(tables.get(name, {}), dict, name)
        self._tables = tables
        self.project: Mapping[str, Any] = tables.get("project", {})
        self.tools: Mapping[str, Any] = tables.get("tool", {})
        check_value(self.tools.get("vercel", {}), dict, "tool.vercel")
        check_value(self.project.get("dependencies", []), [str], "project.dependencies")

    def __bool__(self) -> bool:
        """Return False without the file, or if it is empty."""
        return bool(self._tables)

    @cached_property
    def settings(self) -> dict[str, Any]:
        """The table [tool.unigate], checked."""
        return read_settings(self._tables)

    @property
    def declares_dependencies(self) -> bool:
        """Whether there is a list project.dependencies, which may be empty, or files with it."""
        return "dependencies" in self.project or bool(self.dependency_files)

    @property
    def dependency_files(self) -> list[str]:
        """The files that Setuptools reads dynamic dependencies from.

        Source: Setuptools, "Configuring setuptools using pyproject.toml files", dynamic metadata.
        """
        if "dependencies" not in self.project.get("dynamic", ()):
            return []
        table = self.tools.get("setuptools", {})
        for name in ("dynamic", "dependencies"):
            table = table.get(name, {}) if isinstance(table, dict) else {}
        files = table.get("file", []) if isinstance(table, dict) else []
        return [files] if isinstance(files, str) else list(files)

    @property
    def dependencies(self) -> list[str]:
        """The list project.dependencies; empty without one."""
        dependencies: list[str] = self.project.get("dependencies", [])
        return dependencies


def read_pyproject(folder: Path) -> Pyproject:
    """Read the pyproject.toml of a folder.

    Raises:
        click.ClickException: It is not TOML, or a table that commands read is malformed.
    """
    try:
        return Pyproject(tomllib.loads((folder / PYPROJECT).read_text("utf-8")))
    except FileNotFoundError:
        return Pyproject({})
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise click.ClickException(f"pyproject.toml is not valid TOML: {error}") from error
