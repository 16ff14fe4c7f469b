"""What the ignore files of a project leave out, by the rules of gitignore(5)."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from pathspec import GitIgnoreSpec

GITIGNORE = ".gitignore"
# The ignore file of each platform's own tool: the Vercel CLI, gcloud, Azure Functions Core Tools,
# and Docker.
IGNORE_FILES = {
    "vercel": ".vercelignore",
    "google": ".gcloudignore",
    "azure": ".funcignore",
    "container": ".dockerignore",
}

# The group of pathspec's regular expressions that ends a matched folder: the path, or one above it.
_FOLDER_MARK = "ps_d"

# What a build adds to an ignore file is not read again: it repeats older rules.
BLOCK_BEGIN = "# Begin of the lines that `unigate build` writes; it replaces them."
BLOCK_END = "# End of the lines that `unigate build` writes."
_BLOCK = re.compile(f"{re.escape(BLOCK_BEGIN)}\n.*?(?:{re.escape(BLOCK_END)}\n?|\\Z)", re.DOTALL)


class IgnoreRules:
    """The rules of a folder's ignore files, as far as they were read.

    Git reads those of the folders above as well, up to the top of the repository. The file of the
    platform's tool comes last, so that its `!pattern` takes in what Git ignores.

    Attributes:
        lines: The patterns of the `.gitignore` files of the folder and below, as one such file in
            the folder could have them.
        tracked: The paths of files that git tracks although `.gitignore` has a pattern for them:
            it does not ignore these (gitignore(5)).

    Args:
        root: The folder.
        platform: The platform that is built for, or None.
    """

    def __init__(self, root: Path, platform: str | None) -> None:
        self.lines: list[str] = []
        self._root = root
        self._prefix = ""
        self._git: list[str] = []
        self.tracked = frozenset(_tracked(root))
        own = IGNORE_FILES.get(platform or "", "")
        self._own = list(_patterns(root / own)) if own else []
        if own == ".dockerignore":  # whose patterns all begin at its folder
            self._own = [re.sub(r"^(!?)/?", r"\1/", line) for line in self._own]
        self._inherit(root.resolve())
        self.enter("")

    def enter(self, folder: str) -> None:
        """Read the `.gitignore` of a folder, given by its path below the root."""
        lines = list(_patterns(self._root / folder / GITIGNORE))
        self.lines += [_below(folder, line) for line in lines]
        if folder and (self._root / folder / ".git").exists():  # a submodule has only its own rules
            lines.insert(0, "!/**")
        self._git += [_below(f"{self._prefix}{folder}", line) for line in lines]
        if lines or not folder:
            own = (_below(self._prefix, line) for line in self._own)
            self._spec = GitIgnoreSpec.from_lines([*self._git, *own])

    def ignores(self, path: str, is_folder: bool) -> bool:
        """Return True if a path below the root is left out; see `is_ignored`."""
        if path in self.tracked:
            return GitIgnoreSpec.from_lines(self._own).match_file(path)
        return is_ignored(self._spec, f"{self._prefix}{path}{'/' if is_folder else ''}")

    def _inherit(self, root: Path) -> None:
        """Read the files of the folders above, unless they ignore the root itself."""
        top = next((place for place in root.parents if (place / ".git").exists()), None)
        if (root / ".git").exists() or top is None:
            return
        prefix = f"{root.relative_to(top).as_posix()}/"
        between = [place for place in reversed(root.parents) if place.is_relative_to(top)]
        lines = [
            _below("" if place == top else place.relative_to(top).as_posix(), line)
            for place in between
            for line in _patterns(place / GITIGNORE)
        ]
        if not GitIgnoreSpec.from_lines(lines).match_file(prefix):
            self._prefix, self._git = prefix, lines


def is_ignored(spec: GitIgnoreSpec, place: str) -> bool:
    """Return True if the last pattern that matches a path itself leaves it out.

    One that matches a folder above it says nothing here: ask for that folder first.

    Args:
        spec: The patterns.
        place: A path below their folder; that of a folder ends with "/".
    """
    for pattern in reversed(list(spec.patterns)):
        if pattern.include is None:  # a comment
            continue
        result = pattern.match_file(place)
        if result is not None:
            above = result.match.groupdict().get(_FOLDER_MARK)
            if above is None or result.match.end(_FOLDER_MARK) == len(place):
                return bool(pattern.include)
    return False


def without_block(text: str) -> str:
    """Return the text of an ignore file without the lines that builds have added."""
    return _BLOCK.sub("", text)


def escape(path: str) -> str:
    """Return a path as a pattern that matches this path alone, anchored at the ignore file."""
    return "/" + re.sub(r"([\\*?\[\] ])", r"\\\1", path.strip("/"))


def _tracked(root: Path) -> Iterator[str]:
    """Yield the files that git tracks and would ignore; none without git or a work tree."""
    git = shutil.which("git")
    if git is None:
        return
    command = [git, "ls-files", "-z", "--cached", "--ignored", "--exclude-standard"]
    done = subprocess.run(command, cwd=root, capture_output=True)
    if done.returncode == 0:
        yield from filter(None, os.fsdecode(done.stdout).split("\0"))


def _patterns(file: Path) -> Iterator[str]:
    try:
        text = file.read_text("utf-8-sig", "surrogateescape")
    except OSError:
        return
    for line in without_block(text).splitlines():
        if line.strip() and not line.startswith("#"):
            yield line


def _below(folder: str, line: str) -> str:
    """Return a line of the ignore file in a folder as a line of one above, at relative path ""."""
    folder = folder.strip("/")
    if not folder:
        return line
    negation, pattern = ("!", line[1:]) if line.startswith("!") else ("", line)
    anywhere = "" if "/" in pattern.rstrip().rstrip("/") else "**/"
    return f"{negation}{escape(folder)}/{anywhere}{pattern.lstrip('/')}"
