"""The pages of the documentation and their blocks of code.

A block is a file if the line before it ends with a colon and names one: "`main.py`:". One that is
"before" belongs to a folder of that name. Other blocks of Python are modules block_1, block_2 ...
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"

_BLOCK = re.compile(r"^```([\w-]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"`([\w./-]+\.\w+|\.[\w-]+|Dockerfile)`")


class Block(NamedTuple):
    """A block of code: its language, its text, and the file that it is, or ""."""

    language: str
    text: str
    file: str


def blocks(page: Path) -> list[Block]:
    """Return the blocks of a page."""
    text = page.read_text("utf-8")
    found, modules = [], 0
    for match in _BLOCK.finditer(text):
        language, code = match.groups()
        label = text[: match.start()].rstrip().rpartition("\n")[2]
        is_file = label.endswith(":") and language != "console"
        names = _FILE.findall(label) if is_file else []
        file = names[-1] if names else ""
        if file and re.search(r"\bbefore\b", label, re.IGNORECASE):
            file = f"before/{file}"
        if language == "python" and not file:
            modules += 1
            file = f"block_{modules}.py"
        found.append(Block(language, code, file))
    return found


def write_files(page: Path, folder: Path) -> list[str]:
    """Write the files of a page into a folder, and return their names."""
    written = []
    for block in blocks(page):
        if not block.file:
            continue
        assert block.file not in written, f"{page.name} has {block.file} twice"
        path = folder / block.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text, "utf-8")
        written.append(block.file)
    return written


def commands(page: Path) -> list[str]:
    """Return the commands of a page: the lines of its console blocks that begin with "$ "."""
    return [
        line.removeprefix("$ ")
        for block in blocks(page)
        if block.language == "console"
        for line in block.text.splitlines()
        if line.startswith("$ ")
    ]


def slug(page: Path) -> str:
    """Return the name of a page as a file name: guides/mixing.md is guides-mixing."""
    return "-".join(page.relative_to(DOCS).with_suffix("").parts)
