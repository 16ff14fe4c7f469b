"""The files of a project that are deployed."""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

RECORD = ".unigate-build.json"

# Never deployed. Names that begin with "." are left out too: .git, .env, .venv.
_EXCLUDED = ("__pycache__", "node_modules", "*.egg-info", "*.pyc", "dist")
_EXCLUDED_AT_THE_ROOT = ("tests", "test")


class ProjectFiles:
    """The files below a folder that are deployed, and the links that cannot be followed.

    Args:
        root: The folder of the project.
        output: The folder that a build writes to, left out unless it is the root itself.
        exclude: Patterns of tool.unigate.exclude, matched against paths below the root.
    """

    def __init__(self, root: Path, output: Path, exclude: Sequence[str]) -> None:
        self._root = root
        self._output = output
        self._exclude = exclude

    @property
    def by_path(self) -> dict[str, Path]:
        """Each file by its path below the root; symbolic links are followed."""
        return self._walk[0]

    @property
    def bad_links(self) -> dict[str, str]:
        """A sentence for each link that cannot be deployed, by its path below the root."""
        return self._walk[1]

    @cached_property
    def _walk(self) -> tuple[dict[str, Path], dict[str, str]]:
        files: dict[str, Path] = {}
        bad_links: dict[str, str] = {}
        for folder, folders, names in os.walk(self._root, followlinks=True):
            here = Path(folder)
            kept = [name for name in sorted(folders) if not self._skips_folder(here / name)]
            # `is_file` is False for a dangling link and for a socket.
            found = [
                name
                for name in names
                if not self._is_excluded(here / name) and (here / name).is_file()
            ]
            problems = {name: self._link_problem(here / name) for name in (*kept, *found)}
            folders[:] = [name for name in kept if not problems[name]]
            files |= {self._path(here / name): here / name for name in found if not problems[name]}
            bad_links |= {self._path(here / name): why for name, why in problems.items() if why}
        return dict(sorted(files.items())), bad_links

    def _skips_folder(self, folder: Path) -> bool:
        return (
            self._is_excluded(folder)
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

    def _is_excluded(self, path: Path) -> bool:
        name, relative = path.name, self._path(path)
        if name.startswith(".") or relative in _EXCLUDED_AT_THE_ROOT:
            return True
        if any(fnmatch.fnmatch(name, pattern) for pattern in _EXCLUDED):
            return True
        # "data/*" and "data/**" exclude the folder itself too.
        paths = (relative, f"{relative}/") if path.is_dir() else (relative,)
        return any(fnmatch.fnmatch(path, pattern) for path in paths for pattern in self._exclude)

    def ignore_lines(self) -> list[str]:
        """Return the same rules as lines of a .dockerignore.

        There, "*" ends at a "/"; in tool.unigate.exclude it does not.
        """
        marks = ("*/pyvenv.cfg", f"*/{RECORD}", f"*/*/{RECORD}")
        skipped = sorted(
            self._path(mark.parent) for glob in marks for mark in self._root.glob(glob)
        )
        patterns = [re.sub(r"\*+", "**/*", pattern) for pattern in self._exclude]
        everywhere = [f"**/{pattern}" for pattern in (".*", *_EXCLUDED)]
        return [*everywhere, *_EXCLUDED_AT_THE_ROOT, *skipped, *patterns]
