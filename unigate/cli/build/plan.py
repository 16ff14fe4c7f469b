"""The plan of a build: the files to write, and notes on how to deploy them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple


class ExtendedFile(bytes):
    """The text of a file that exists, with lines that a build adds to it.

    It replaces the file without `--force`, and no later build removes it.
    """


class GeneratedFile(NamedTuple):
    """A file that is generated when it is written.

    Attributes:
        generate: Makes the file in an empty folder and returns its path.
        sources: What it is made of, for `--dry-run`.
    """

    generate: Callable[[Path], Path]
    sources: Sequence[str]


# The bytes of a file, among them an ExtendedFile; a file to copy; or a file to generate.
FileContent = bytes | Path | GeneratedFile


class BuildPlan(NamedTuple):
    """What a build writes and prints.

    Attributes:
        files: The content of each file, by its path below the output folder.
        notes: Lines for the user: the command to deploy, and warnings.
    """

    files: Mapping[str, FileContent]
    notes: Sequence[str]
