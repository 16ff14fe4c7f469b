"""The project that a command builds or checks: its Python version, requirements and limits."""

from __future__ import annotations

import json
import re
from collections.abc import Container
from functools import cached_property
from keyword import iskeyword
from pathlib import Path
from typing import Any
from unicodedata import normalize

import click

from .dependencies import Dependencies, Undeclared, read_dependencies
from .files import ProjectFiles
from .layout import import_folders, renamed_from
from .platforms import check_limits, check_size, choose_python, platform_for
from .pyproject import Pyproject
from .record import written_by_others
from .requires_python import from_poetry
from .target import Target

_WRITTEN = b"written by `unigate build`"  # in the first line of each generated module
_LIMITS = ("memory", "timeout", "exclude")


class Project:
    """A folder with an application to deploy.

    Attributes:
        root: The folder.
        pyproject: Its pyproject.toml.
        settings: The table [tool.unigate] of it.
        target: The application.
        output: The folder that a build writes to.
        platform: The platform that is built for, if one is.
        paths: The folders below the root that modules are imported from, besides the root.
        allowed: What the platform allows.
        deployed: Its files that are deployed, and those that are left out.
        added: The requirements that a build has met or added besides those of the project.
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
        self.platform = platform
        self.pyproject = pyproject
        self.settings = pyproject.settings
        self.allowed = platform_for(platform, self.settings)
        self.target = target
        self.output = output
        self.added: tuple[str, ...] = ()
        self.paths = import_folders(root, pyproject)
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

        It is tool.unigate.python, else .python-version, else one that requires-python allows; see
        `choose_python`.
        """
        setting, pinned = self.settings.get("python"), self.pinned_python
        named = (setting, "tool.unigate.python") if setting else None
        if named is None and pinned is not None:
            named = (pinned, ".python-version")
        return choose_python(self.allowed, named, self.requires_python)

    @property
    def requires_python(self) -> str:
        """The versions of Python that the project allows, of [project] or Poetry's table; or ""."""
        poetry = self.pyproject.tools.get("poetry", {}).get("dependencies", {}).get("python", "")
        if isinstance(poetry, dict):
            poetry = poetry.get("version", "")
        return str(self.pyproject.project.get("requires-python") or from_poetry(poetry))

    @property
    def pinned_python(self) -> str | None:
        """The first version in .python-version, or None without one.

        The file of pyenv and uv may have comments, and several versions.
        """
        file = self.root / ".python-version"
        lines = file.read_text("utf-8-sig").splitlines() if file.is_file() else ()
        words = (word for line in lines for word in line.partition("#")[0].split())
        return next(words, None)

    @cached_property
    def dependencies(self) -> Dependencies:
        """The packages to install; see `read_dependencies`."""
        return read_dependencies(self.root, self.pyproject)

    @property
    def requirements(self) -> list[str]:
        """The packages to install, as arguments of `pip install`, without local ones."""
        return self.dependencies.arguments

    @property
    def replaces_requirements(self) -> bool:
        """Whether platforms could not read the requirements, so that a build writes others."""
        if not self.declares_dependencies:
            return False
        local = self.dependencies.local
        if self.platform == "container" and self.in_place:
            # The image has the whole project, and its own pip builds what is in it.
            root = self.root.resolve()
            local = tuple(each for each in local if not each.path.is_relative_to(root))
        return bool(local or self.dependencies.locked)

    @property
    def declares_dependencies(self) -> bool:
        """Whether a file lists the packages to install."""
        return self.undeclared is None

    @property
    def undeclared(self) -> str | None:
        """What to do if no file lists the packages to install; None if one does."""
        try:
            assert self.dependencies  # which are read
        except Undeclared as error:
            return error.message
        return None

    def binding(self, name: str, depth: int = 0) -> str:
        """Return Python source that binds a name to the gateway.

        It binds no other `app` or `application` at the top level: Vercel takes the first of them.

        Args:
            depth: How many folders below the project's root the file with the source is.

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
        paths = self._path_lines(depth)
        outer, _, rest = self.target.attribute.partition(".")
        if self.target.is_gateway and not rest:
            alias = "" if outer == name else f" as {name}"
            return f"{paths}from {self.target.module} import {outer}{alias}\n"
        inner = f"inner.{rest}" if rest else "inner"
        imports = f"{paths}from {self.target.module} import {outer} as inner\n"
        if self.target.is_gateway:
            return f"{imports}\n{name} = {inner}\n"
        return f"{imports}\nimport unigate\n\n{name} = unigate.wrap({inner})\n"

    def _path_lines(self, depth: int) -> str:
        """Return Python source that makes the modules in `paths` importable.

        They come last, as those of an installed package would, so that none hides another module.
        """
        if not self.paths:
            return ""
        names = ", ".join(map(json.dumps, self.paths)) + ","
        # A file in a folder has imported them for the root.
        imports = "" if depth else "import sys\nfrom pathlib import Path\n\n"
        return (
            f"{imports}# The folders of the project's modules.\n"
            f"sys.path += [str(Path(__file__).resolve().parents[{depth}] / at) for at in ({names})]"
            "\n\n"
        )

    def target_file(self) -> str:
        """Return the path of the target's module below the root, such as "api/index.py"."""
        path = self.target.module.replace(".", "/")
        for folder in ("", *(f"{folder}/" for folder in self.paths)):
            for file in (f"{folder}{path}/__init__.py", f"{folder}{path}.py"):
                if (self.root / file).is_file():
                    return file
        return f"{path}.py"

    def has_module(self, name: str) -> bool:
        """Return True if the project has a top-level module or package that no build wrote."""
        files = (self.root / folder / f"{name}.py" for folder in ("", *self.paths))
        own = any(file.is_file() and _WRITTEN not in file.read_bytes() for file in files)
        return own or self.has_package(name)

    def has_package(self, name: str) -> bool:
        """Return True if the project has a package of a name: it hides a module of that name."""
        if self.target.module.partition(".")[0] == name != self.target.module:
            return True
        folders = (self.root / folder / name for folder in ("", *self.paths))
        return any(next(folder.glob("*.py"), None) for folder in folders)

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

    def check_platform(self, unused: Container[str]) -> None:
        """Raise a ClickException for what the platform refuses: Python, limits and size.

        Args:
            unused: The settings without effect there.
        """
        check_limits(self.allowed, self.settings, "tool.unigate")
        if "functions" not in unused:
            for path, limits in self.settings.get("functions", {}).items():
                check_limits(self.allowed, limits, f"tool.unigate.functions.{path!r}")
        check_size(self.allowed, sum(file.stat().st_size for file in self.files().values()))
        assert self.python  # which is chosen, or refused
        folder = renamed_from(self.pyproject, self.target.module)
        if folder is not None and not (self.declares_dependencies and self.dependencies.local):
            raise click.ClickException(
                f"{self.target.module} is in {folder}, and only an installation gives it that "
                "name. Rename the folder, or build a wheel of the project with `pip wheel "
                "--no-deps -w wheels .`, and require that file instead of the project."
            )

    def limits(self, path: str | None = None) -> dict[str, Any]:
        """Return the settings memory, timeout and exclude that are given.

        Args:
            path: A route of tool.unigate.functions, whose limits override those of the project.
        """
        merged = {**self.settings, **self.settings.get("functions", {}).get(path, {})}
        return {name: merged[name] for name in _LIMITS if name in merged}
