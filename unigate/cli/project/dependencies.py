"""What a project requires: packages to install by name, and packages in folders and files here."""

from __future__ import annotations

import re
import shlex
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

import click

from .locks import LOCKS, find_lock, locked_lines
from .pyproject import PYPROJECT, Pyproject

REQUIREMENTS = "requirements.txt"
# The first line of a requirements.txt that a build writes, and that is not an input of the next.
WRITTEN = "# Written by `unigate build`"

_INCLUDE = re.compile(r"(?:-r|--requirement)[\s=]*(\S+)")
_CONSTRAINT = re.compile(r"(?:-c|--constraint)[\s=]*(\S+)")
_EDITABLE = re.compile(r"(?:-e|--editable)[\s=]+")
_DIRECT = re.compile(r"[\w.-]+(?:\[[\w\s,.-]*\])?\s*@\s*(file:.*)")
_COMMENT = re.compile(r"(?:^|\s)#.*")
# uv reads options on further lines, such as those of hashes.
_CONTINUED = re.compile(rb"\\\r?\n(?!\s*(?:--|\Z))")
_PATH = re.compile(r"(\.|/|file:|[^\s;@=<>]+\.(?:whl|tar\.gz|zip)(?:\s*;|$))")
_EXTRAS = re.compile(r"(.*?)(?:\[([\w\s,.-]+)\])?")


class Undeclared(click.ClickException):
    """No file declares the dependencies of a project."""


class LocalPackage(NamedTuple):
    """A package to build or unpack from this machine.

    Attributes:
        path: Its folder, wheel or source archive.
        marker: The environments that it is for (PEP 508), or "".
    """

    path: Path
    marker: str = ""


class Dependencies(NamedTuple):
    """The requirements of a project.

    Attributes:
        source: The file that has them.
        lines: Lines of a requirements.txt, without local packages.
        local: The local packages.
        locked: Whether there is a line for every package, with its version.
    """

    source: str
    lines: Sequence[str]
    local: tuple[LocalPackage, ...] = ()
    locked: bool = False

    @property
    def arguments(self) -> list[str]:
        """The lines as `pip install` and `uv pip install` take them."""
        words = (shlex.split(line) if line.startswith("-") else [line] for line in self.lines)
        return [word for line in words for word in line]


def read_dependencies(root: Path, pyproject: Pyproject) -> Dependencies:
    """Return a project's requirements.

    They are those of tool.unigate.requirements, else of requirements.txt, of a lock file, or of
    project.dependencies. An empty list is a declaration too: there is nothing to install.

    Raises:
        Undeclared: Nothing is declared.
        click.ClickException: A file cannot be read.
    """
    name = pyproject.settings.get("requirements") or REQUIREMENTS
    file = root / name
    if "requirements" in pyproject.settings and not file.is_file():
        message = f"tool.unigate.requirements names {name!r}, which does not exist."
        raise click.ClickException(message)
    if file.is_file() and not is_written(file):
        found = _Reader(root, pyproject).read_file(file)
        plain = not (found.local or found.has_itself or found.is_continued)
        return Dependencies(
            name, [f"-r {shlex.quote(name)}"] if plain else found.lines, tuple(found.local)
        )
    lock = find_lock(root)
    if lock is not None:
        found = _Reader(root, pyproject, own=False).read(locked_lines(lock, root), lock.parent)
        return Dependencies(lock.name, found.lines, tuple(found.local), locked=True)
    _refuse_without_lock(root, pyproject)
    reader = _Reader(root, pyproject)
    reader.read_declared()
    return Dependencies(PYPROJECT, reader.lines, tuple(reader.local))


def is_written(file: Path) -> bool:
    """Return True if a build wrote a requirements.txt."""
    return file.is_file() and file.read_bytes().startswith(WRITTEN.encode())


def read_lines(file: Path) -> Iterator[str]:
    """Yield the lines of a requirements.txt without comments; continued lines are joined."""
    data = file.read_bytes()
    # Windows PowerShell writes UTF-16 with a byte order mark; pip and uv read it.
    encoding = "utf-16" if data.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) else "utf-8-sig"
    text = data.decode(encoding, "replace").replace("\\\n", " ").replace("\\\r\n", " ")
    for line in text.splitlines():
        if stripped := _COMMENT.sub("", line).strip():
            yield stripped


def _refuse_without_lock(root: Path, pyproject: Pyproject) -> None:
    """Raise a ClickException if only the project's tool knows what the dependencies are."""
    uv = pyproject.tools.get("uv", {})
    if uv.get("sources") or uv.get("workspace"):
        raise click.ClickException(
            "[tool.uv] of pyproject.toml says where packages come from, and there is no uv.lock: "
            "run `uv lock`."
        )
    if pyproject.declares_dependencies:
        return
    if "dependencies" in pyproject.tools.get("poetry", {}):
        raise click.ClickException(
            "[tool.poetry.dependencies] is read from poetry.lock, which is missing: run "
            "`poetry lock`."
        )
    if (root / "Pipfile").is_file():
        raise Undeclared(
            "Pipfile and Pipfile.lock are not read: write a requirements.txt with `pipenv "
            "requirements > requirements.txt`."
        )
    raise Undeclared(
        f"No dependencies are declared: write requirements.txt or project.dependencies. "
        f"{', '.join(LOCKS)} are read too."
    )


def _is_installable(path: Path) -> bool:
    return path.is_file() or any((path / name).is_file() for name in (PYPROJECT, "setup.py"))


class _Reader:
    """Reads the lines of requirement files into arguments and local packages.

    Args:
        own: Whether a line that names the project itself stands for its dependencies.
    """

    def __init__(self, root: Path, pyproject: Pyproject, own: bool = True) -> None:
        self._root = root
        self._pyproject = pyproject
        self._own = own
        self._visited: set[Path] = set()
        self.lines: list[str] = []
        self.local: list[LocalPackage] = []
        self.has_itself = False
        self.is_continued = False
        """Whether a requirement goes on in the next line, which pip reads, and uv does not."""

    def read(self, lines: Iterable[str], folder: Path) -> _Reader:
        for line in lines:
            self._read_line(line.strip(), folder)
        return self

    def read_file(self, file: Path) -> _Reader:
        self.is_continued |= _CONTINUED.search(file.read_bytes()) is not None
        return self.read(read_lines(file), file.parent)

    def read_declared(self) -> None:
        """Read the dependencies of pyproject.toml, and the files that Setuptools reads for it."""
        self.read(self._pyproject.dependencies, self._root)
        for name in self._pyproject.dependency_files:
            if not (self._root / name).is_file():
                raise click.ClickException(
                    f"{PYPROJECT}: tool.setuptools.dynamic.dependencies names {name!r}, which does "
                    "not exist."
                )
            self.read_file(self._root / name)

    def _read_line(self, line: str, folder: Path) -> None:
        if included := _INCLUDE.match(line):
            file = (folder / included[1]).resolve()
            if file not in self._visited:
                self._visited.add(file)
                if not file.is_file():
                    raise click.ClickException(f"{file} is included, and does not exist.")
                self.read_file(file)
        elif constraint := _CONSTRAINT.match(line):
            self.lines.append(f"-c {shlex.quote(self._relative(folder / constraint[1]))}")
        elif editable := _EDITABLE.match(line):
            self._read_requirement(line[editable.end() :], folder)
        elif line.startswith("-"):
            self.lines.append(line)
        else:
            self._read_requirement(line, folder)

    def _read_requirement(self, line: str, folder: Path) -> None:
        if not self._read_path(line, folder):
            self.lines.append(re.split(r"\s+--hash", line)[0])

    def _relative(self, file: Path) -> str:
        real, root = file.resolve(), self._root.resolve()
        return str(real.relative_to(root) if real.is_relative_to(root) else real)

    def _read_path(self, line: str, folder: Path) -> bool:
        """Read a line that names a folder or file here; return False for any other."""
        direct = _DIRECT.match(line)
        text = direct[1] if direct else line
        if not direct and not _PATH.match(text):
            return False
        text, _, marker = text.partition(";")
        match = _EXTRAS.fullmatch(text.strip())
        assert match is not None  # it matches any text
        path = unquote(urlsplit(match[1]).path) if match[1].startswith("file:") else match[1]
        # pip takes the working directory for paths, uv the file's folder.
        places = [Path(folder, path).resolve(), Path(self._root, path).resolve()]
        place = next(filter(_is_installable, places), None)
        if place is None:
            raise click.ClickException(
                f"{path!r} is required, and must be a package: a folder with a pyproject.toml or "
                "setup.py, or a file."
            )
        if place == self._root.resolve():
            self._read_own(frozenset(re.findall(r"[\w.-]+", match[2] or "")))
        else:
            self.local.append(LocalPackage(place, marker.strip()))
        return True

    def _read_own(self, extras: frozenset[str]) -> None:
        """Read the project's own dependencies: its files are deployed, and not installed."""
        known, self.has_itself = self.has_itself, True
        if known or not self._own:
            return
        lock = find_lock(self._root)
        if lock is not None:
            self.read(locked_lines(lock, self._root), lock.parent)
            return
        _refuse_without_lock(self._root, self._pyproject)
        optional = self._pyproject.project.get("optional-dependencies", {})
        self.read_declared()
        for extra in sorted(extras):
            self.read(optional.get(extra, ()), self._root)
