"""Swap the files of an output folder for new ones: all or none, even if the process is killed.

A build works in a folder of its own below the output folder, the stage. There, `after/` has the new
files and `before/` the files that they replace. While the journal exists, the next build undoes the
swap; removing it is one step. So a killed process leaves the old files or the new ones.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path, PurePath
from typing import Any, NamedTuple

import click

STAGE = ".unigate-stage-"
_JOURNAL = "journal.json"
_AFTER = "after"
_BEFORE = "before"


class _Journal(NamedTuple):
    """What a swap changes, as paths below the output folder."""

    replaced: list[str]
    """Files that are moved to `before/`."""
    added: list[str]
    """Files where there were none."""
    folders: list[str]
    """Folders where there were none, parents first."""


class Stage:
    """The folder that a build works in.

    Attributes:
        output: The output folder.
        folder: The stage below it.
        after: The folder for the new files, by their paths.
    """

    def __init__(self, output: Path, folder: Path) -> None:
        self.output = output
        self.folder = folder
        self.after = folder / _AFTER
        self._before = folder / _BEFORE
        self._journal = folder / _JOURNAL

    @classmethod
    def new(cls, output: Path) -> Stage:
        """Make a stage below an existing output folder."""
        stage = cls(output, Path(tempfile.mkdtemp(prefix=STAGE, dir=output)))
        stage.after.mkdir()
        return stage

    def swap(self, paths: Iterable[str], stale: Collection[str]) -> None:
        """Move new files into place, and stale ones away with the folders that are then empty.

        Args:
            paths: The paths of the new files.
            stale: Paths of files to remove.
        """
        new = set(paths)
        journal = self._plan(sorted({*new, *stale}), new)
        partial = self._journal.with_suffix(".part")
        partial.write_text(json.dumps(journal._asdict()), "utf-8")
        os.replace(partial, self._journal)
        replaced = set(journal.replaced)
        for path in sorted(replaced | new):
            place = self.output / path
            if path in replaced:
                kept = self._before / path
                kept.parent.mkdir(parents=True, exist_ok=True)
                os.replace(place, kept)
            if path in new:
                place.parent.mkdir(parents=True, exist_ok=True)
                os.replace(self.after / path, place)
        for path in stale:
            for folder in PurePath(path).parents:
                with suppress(OSError):  # it is not empty
                    (self.output / folder).rmdir()
        self._journal.unlink()

    def undo(self) -> None:
        """Put the files back that a swap has moved, unless it was complete, and remove the stage.

        May itself be interrupted, and called again.

        Raises:
            click.ClickException: The journal is damaged.
        """
        if self._journal.exists():
            journal = self._read_journal()
            for path in journal.added:
                if not os.path.lexists(self.after / path):
                    with suppress(FileNotFoundError, NotADirectoryError):
                        (self.output / path).unlink()
            for path in reversed(journal.folders):
                with suppress(OSError):  # it does not exist, or has other files
                    (self.output / path).rmdir()
            for path in journal.replaced:
                kept, place = self._before / path, self.output / path
                if os.path.lexists(kept):
                    place.parent.mkdir(parents=True, exist_ok=True)
                    os.replace(kept, place)
            self._journal.unlink()
        self.remove()

    def remove(self) -> None:
        """Remove the stage of a complete swap; what cannot be removed is left to the next build."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _plan(self, paths: list[str], new: set[str]) -> _Journal:
        replaced: dict[str, None] = {}
        folders: dict[str, None] = {}
        for path in paths:
            parents = [parent.as_posix() for parent in PurePath(path).parents][-2::-1]
            if not os.path.lexists(self.output / path):
                folders |= dict.fromkeys(
                    parent
                    for parent in parents
                    if parent in replaced or not (self.output / parent).exists()
                )
            elif not any(parent in replaced for parent in parents):  # else it moves with that
                replaced[path] = None
        return _Journal(list(replaced), sorted(new - replaced.keys()), list(folders))

    def _read_journal(self) -> _Journal:
        try:
            fields: Any = json.loads(self._journal.read_text("utf-8"))
            journal = _Journal(**fields)
            if not all(isinstance(paths, list) for paths in journal):
                raise TypeError("no lists")
            for path in (*journal.replaced, *journal.added, *journal.folders):
                os.fsencode(path)  # JSON can have surrogates, which no path has
                inner = (f"{_AFTER}/{path}", f"{_BEFORE}/{path}")
                if not (
                    is_below(self.output, path) and all(is_below(self.folder, p) for p in inner)
                ):
                    raise ValueError(path)
        except (ValueError, TypeError, RecursionError) as error:
            message = (
                f"{self._journal} is damaged: restore {self._before} and remove {self.folder}."
            )
            raise click.ClickException(message) from error
        return journal


def recover(output: Path) -> None:
    """Undo the swaps of builds that were killed, and remove their stages.

    Only under the lock of the folder: a running build has a stage too.
    """
    for stage in _stages(output):
        Stage(output, stage).undo()


def needs_recovery(output: Path) -> bool:
    """Return True if a build was killed in an output folder, or is running."""
    return bool(_stages(output))


def _stages(output: Path) -> list[Path]:
    folders = sorted(output.glob(f"{STAGE}*"))
    return [folder for folder in folders if folder.is_dir() and not folder.is_symlink()]


def is_below(folder: Path, path: str) -> bool:
    """Return True if a path leads to a place below a folder, and no other path leads there.

    So it is relative and normalized, without "..", and goes through no link. Its last part may be a
    link: that is moved or removed, not followed.
    """
    pure = PurePath(path)
    if pure.as_posix() != path or pure.anchor or ".." in pure.parts or not pure.parts:
        return False
    return "\0" not in path and not any(
        (folder / parent).is_symlink() for parent in pure.parents if parent.parts
    )
