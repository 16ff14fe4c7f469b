"""The project that a command builds or checks: its Python version, requirements and limits."""

from __future__ import annotations

import re
import sys
from functools import cached_property
from keyword import iskeyword
from pathlib import Path
from typing import Any
from unicodedata import normalize

import click

from .files import ProjectFiles
from .pyproject import Pyproject
from .record import written_by_others
from .target import Target

_LIMITS = ("memory", "timeout", "exclude")


class Project:
    """A folder with an application to deploy.

    Attributes:
        root: The folder.
        pyproject: Its pyproject.toml.
        settings: The table [tool.unigate] of it.
        target: The application.
        output: The folder that a build writes to.
        deployed: Its files that are deployed, and those that are left out.

    Args:
        platform: The platform that is built for, if one is.
    """

    def __init__(
        self,
        root: Path,
        pyproject: Pyproject,
        target: Target,
        output: Path,
        platform: str | None = None,
    ) -> None:
        self.root = root
        self.pyproject = pyproject
        self.settings = pyproject.settings
        self.target = target
        self.output = output
        generated = written_by_others(root, platform) - {self.target_file()} if platform else ()
        self.deployed = ProjectFiles(
            root,
            output,
            self.settings.get("exclude", ()),
            self.settings.get("include", ()),
            platform,
            generated,
        )

    @property
    def in_place(self) -> bool:
        """Whether a build writes into the project itself."""
        return self.output.resolve() == self.root.resolve()

    @cached_property
    def python(self) -> str:
        """The minor version to build for, such as "3.12".

        It is tool.unigate.python, else .python-version, else that of the running interpreter.
        """
        version = self.settings.get("python") or self.pinned_python
        minor = re.match(r"(?:cpython-)?(3\.\d+)", version or f"3.{sys.version_info.minor}")
        if minor is None:
            place = "tool.unigate.python" if self.settings.get("python") else ".python-version"
            raise click.ClickException(f'{place} must be a version like "3.12", got {version!r}.')
        return minor[1]

    @property
    def pinned_python(self) -> str | None:
        """The content of .python-version, or None without the file."""
        file = self.root / ".python-version"
        return file.read_text("utf-8").strip() if file.is_file() else None

    @property
    def requirements(self) -> list[str]:
        """The packages to install, as arguments of `pip install` and `uv pip install`.

        An empty list of dependencies is a declaration too: there is nothing to install.
        """
        file = self.settings.get("requirements") or "requirements.txt"
        if (self.root / file).is_file():
            return ["-r", file]
        if "requirements" in self.settings:
            message = f"tool.unigate.requirements names {file!r}, which does not exist."
            raise click.ClickException(message)
        if not self.pyproject.declares_dependencies:
            message = (
                "No dependencies are declared: write requirements.txt or project.dependencies."
            )
            raise click.ClickException(message)
        return self.pyproject.dependencies

    def binding(self, name: str) -> str:
        """Return Python source that binds a name to the gateway.

        It binds no other `app` or `application` at the top level: Vercel takes the first of them.

        Raises:
            click.ClickException: Python source cannot name the target.
        """
        for part in re.split(r"[.:]", self.target.import_string):
            # Python normalizes the identifiers of a source, but not the names of files.
            if not part.isidentifier() or iskeyword(part) or normalize("NFKC", part) != part:
                raise click.ClickException(
                    f"The entry point cannot import {self.target.import_string!r}: {part!r} must "
                    "be a Python identifier."
                )
        outer, _, rest = self.target.attribute.partition(".")
        if self.target.is_gateway and not rest:
            alias = "" if outer == name else f" as {name}"
            return f"from {self.target.module} import {outer}{alias}\n"
        inner = f"inner.{rest}" if rest else "inner"
        imports = f"from {self.target.module} import {outer} as inner\n"
        if self.target.is_gateway:
            return f"{imports}\n{name} = {inner}\n"
        return f"{imports}\nimport unigate\n\n{name} = unigate.wrap({inner})\n"

    def target_file(self) -> str:
        """Return the path of the target's module below the root, such as "api/index.py"."""
        path = self.target.module.replace(".", "/")
        package = self.root / path / "__init__.py"
        return f"{path}/__init__.py" if package.is_file() else f"{path}.py"

    def files(self) -> dict[str, Path]:
        """Return the files to deploy by their path below the root; links are followed."""
        return self.deployed.by_path

    def check_links(self) -> None:
        """Raise a ClickException if a link cannot be deployed."""
        for problem in self.deployed.bad_links.values():
            raise click.ClickException(f"{problem} Leave the link out with tool.unigate.exclude.")

    def check_file(self, file: Path) -> None:
        """Raise a ClickException for a file that only a link which cannot be deployed leads to."""
        for place in (file, *file.parents):
            if place.is_relative_to(self.root):
                path = place.relative_to(self.root).as_posix()
                if problem := self.deployed.bad_links.get(path):
                    raise click.ClickException(problem)

    def limits(self, path: str | None = None) -> dict[str, Any]:
        """Return the settings memory, timeout and exclude that are given.

        Args:
            path: A route of tool.unigate.functions, whose limits override those of the project.
        """
        merged = {**self.settings, **self.settings.get("functions", {}).get(path, {})}
        return {name: merged[name] for name in _LIMITS if name in merged}
