"""The files of a project that are deployed, and those that are left out."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Collection, Iterator, Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from .ignore_rules import IgnoreRules
from .record import RECORD
from .secret_files import why_secret

# Never deployed. Names that begin with "." are left out too, such as .git, .env and .venv, but not
# the folder whose files clients ask for (RFC 8615).
_EXCLUDED = ("__pycache__", "node_modules", "*.egg-info", "*.pyc")
_EXCLUDED_AT_THE_ROOT = ("dist", "tests", "test")
_WELL_KNOWN = ".well-known"


# Why a file is left out that git, or the tool of the platform, ignores.
IGNORED = "ignored"


class _Walk(NamedTuple):
    files: dict[str, Path]
    bad_links: dict[str, str]
    left_out: dict[str, str]


class ProjectFiles:
    """The files below a folder that are deployed, and the links that cannot be followed.

    Attributes:
        by_path: Each file to deploy by its path below the root; symbolic links are followed.
        bad_links: A sentence for each link that cannot be deployed, by its path below the root.
        left_out: Why each file or folder is left out; a folder's path ends with "/". The reasons
            are "exclude", "never", "generated", "ignored", or what makes a file look like a secret.
        rules: The rules of the ignore files.

    Args:
        root: The folder of the project.
        output: The folder that a build writes to, left out unless it is the root itself.
        exclude: Patterns of paths below the root to leave out (tool.unigate.exclude).
        include: Patterns of paths to take in, whatever else but `exclude` leaves them out.
        platform: The platform that is built for, whose ignore file is read; None for none.
        generated: The paths of files that were generated for other platforms.
    """

    def __init__(
        self,
        root: Path,
        output: Path,
        exclude: Sequence[str],
        include: Sequence[str] = (),
        platform: str | None = None,
        generated: Collection[str] = (),
    ) -> None:
        self._root = root
        self._output = output
        self._exclude = exclude
        self._include = include
        self._generated = generated
        self._platform = platform

    @cached_property
    def rules(self) -> IgnoreRules:
        return IgnoreRules(self._root, self._platform)

    @property
    def by_path(self) -> dict[str, Path]:
        return self._walk.files

    @property
    def bad_links(self) -> dict[str, str]:
        return self._walk.bad_links

    @property
    def left_out(self) -> dict[str, str]:
        return self._walk.left_out

    @cached_property
    def _walk(self) -> _Walk:
        walk = _Walk({}, {}, {})
        # Why folders are left out but for files in them that `include` names.
        opened: dict[Path, str] = {}
        for folder, folders, names in os.walk(self._root, followlinks=True):
            here = Path(folder)
            if here != self._root and here not in opened:
                self.rules.enter(self._path(here))
            kept = []
            for name in sorted(folders):
                reason = self._reason(here / name, opened.get(here, ""), is_folder=True)
                if reason and self._is_entered(here / name, reason):
                    opened[here / name] = reason
                elif reason:
                    walk.left_out[f"{self._path(here / name)}/"] = reason
                    continue
                kept.append(name)
            found = []
            for name in sorted(names):
                if not (here / name).is_file():  # a dangling link, or a socket
                    continue
                if reason := self._reason(here / name, opened.get(here, ""), is_folder=False):
                    walk.left_out[self._path(here / name)] = reason
                else:
                    found.append(name)
            problems = {name: self._link_problem(here / name) for name in (*kept, *found)}
            folders[:] = [name for name in kept if not problems[name]]
            for name in (*kept, *found):
                if problems[name]:
                    walk.bad_links[self._path(here / name)] = problems[name]
                elif name in found:
                    walk.files[self._path(here / name)] = here / name
        return walk._replace(files=dict(sorted(walk.files.items())))

    def _reason(self, place: Path, of_folder: str, *, is_folder: bool) -> str:
        """Return why a file or folder is left out, "" if it is not.

        Args:
            of_folder: Why the folder that it is in is left out.
        """
        path = self._path(place)
        if self._is_excluded(path, is_folder):
            return "exclude"
        if is_folder and self._is_build(place):
            return "never"
        if self._is_included(path):
            return ""
        if of_folder and not (of_folder == IGNORED and path in self.rules.tracked):
            return of_folder
        if not is_folder and (why := why_secret(place)):
            return why
        if _is_never_deployed(path):
            return "never"
        if path in self._generated:
            return "generated"
        return IGNORED if self.rules.ignores(path, is_folder) else ""

    def _is_build(self, folder: Path) -> bool:
        """Return True for the output of a build, bytecode, and a virtual environment."""
        return (
            folder.name == "__pycache__"
            or folder.resolve() == self._output.resolve()
            or (folder / "pyvenv.cfg").exists()
            or (folder / RECORD).exists()  # the output of an earlier build
        )

    def _link_problem(self, place: Path) -> str:
        """Return why a link to a folder or file cannot be followed, "" if it can."""
        if not place.is_symlink():
            return ""
        real, root = place.resolve(), self._root.resolve()
        link = f"{self._path(place)!r} is a link to {real}"
        if not real.is_relative_to(root):
            return f"{link}, outside the project: its contents would not be deployed."
        parents = [parent.resolve() for parent in place.parents if self._is_inside(parent)]
        if any(parent.is_relative_to(real) for parent in parents):
            return f"{link}, which contains the link: copying it would not end."
        return ""

    def _path(self, place: Path) -> str:
        return place.relative_to(self._root).as_posix()

    def _is_inside(self, folder: Path) -> bool:
        return folder.is_relative_to(self._root)

    def _is_excluded(self, path: str, is_folder: bool) -> bool:
        # "data/*" and "data/**" exclude the folder itself too.
        paths = (path, f"{path}/") if is_folder else (path,)
        return any(fnmatch.fnmatch(path, pattern) for path in paths for pattern in self._exclude)

    def _is_included(self, path: str) -> bool:
        """Return True if a pattern matches a path, or a folder that it is in."""
        return any(
            fnmatch.fnmatch(place, pattern.rstrip("/"))
            for pattern in self._include
            for place in _with_parents(path)
        )

    def _is_entered(self, folder: Path, reason: str) -> bool:
        """Return True if a folder that is left out may have files that are not.

        These are files that git tracks although it ignores the folder, and those of a pattern to
        include. One that begins with a wildcard names no folder, so none is searched for it.
        """
        path = self._path(folder)
        if self._is_excluded(path, is_folder=True) or self._is_build(folder):
            return False
        if reason == IGNORED and any(file.startswith(f"{path}/") for file in self.rules.tracked):
            return True
        parts = PurePosixPath(path).parts
        for pattern in self._include:
            literal = list(_literal_parts(pattern))
            length = min(len(parts), len(literal))
            if length and list(parts[:length]) == literal[:length]:
                return True
        return False


def _is_never_deployed(path: str) -> bool:
    name = path.rpartition("/")[2]
    if (name.startswith(".") and name != _WELL_KNOWN) or path in _EXCLUDED_AT_THE_ROOT:
        return True
    return any(fnmatch.fnmatch(name, pattern) for pattern in _EXCLUDED)


def _with_parents(path: str) -> Iterator[str]:
    yield path
    yield from (parent.as_posix() for parent in PurePosixPath(path).parents if parent.name)


def _literal_parts(pattern: str) -> Iterator[str]:
    """Yield the leading names of a pattern that have no wildcard."""
    for part in PurePosixPath(pattern).parts:
        if any(character in part for character in "*?["):
            return
        yield part
