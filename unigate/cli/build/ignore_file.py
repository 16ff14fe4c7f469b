"""The ignore file of a platform's tool, for a build into the project itself.

`vercel deploy`, `gcloud functions deploy` and `func azure functionapp publish` upload that folder,
and each reads an ignore file of its own there. What a build into another folder would not copy is
written to that file, so that it stays out of the upload as well. The user's lines are kept.

gcloud and the Vercel CLI read the rules of gitignore(5). Azure Functions Core Tools read something
else (`GitIgnoreParser.cs`): a pattern matches the beginning of a path, `*` stands for one character
or more, `!pattern` wins over every other line, and no folder above is looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from pathspec import GitIgnoreSpec

from unigate.cli.project.core import Project
from unigate.cli.project.ignore_rules import (
    BLOCK_BEGIN,
    BLOCK_END,
    IGNORE_FILES,
    escape,
    is_ignored,
    without_block,
)
from unigate.cli.project.record import RECORD
from unigate.cli.project.secret_files import SECRET_NAMES

from .plan import ExtendedFile, FileContent

# Left out of an upload even if the folders appear after the build. Other names that begin with "."
# are left to the tools, which read some of them, such as .python-version.
_ALWAYS = (".git/", ".gitignore", ".venv/", "__pycache__/", "node_modules/", RECORD)

# A pattern of theirs that ends with a name also matches longer names. So "credentials" alone would
# leave out a module of that name too.
_SECRETS_FOR_AZURE = (
    *(name.rstrip("*") for name in SECRET_NAMES if not name.startswith("credentials")),
    "credentials.json",
    "client_secret.json",
)


def ignore_file(project: Project, platform: str) -> dict[str, FileContent]:
    """Return the ignore file of a platform's tool, by its path."""
    path = IGNORE_FILES[platform]
    make = _for_azure if platform == "azure" else _for_git
    lines = [BLOCK_BEGIN, *make(project, platform), BLOCK_END]
    block = "".join(f"{line}\n" for line in lines)
    file = project.root / path
    before = file.read_bytes().decode("utf-8", "surrogateescape") if file.is_file() else ""
    own = without_block(before)
    if not own.strip():
        return {path: block.encode("utf-8", "surrogateescape")}
    text = f"{own if own.endswith(chr(10)) else own + chr(10)}{block}"
    return {path: ExtendedFile(text.encode("utf-8", "surrogateescape"))}


def _for_git(project: Project, platform: str) -> Iterator[str]:
    """Yield lines by the rules of gitignore(5)."""
    deployed = project.deployed
    lines = [*_ALWAYS, IGNORE_FILES[platform], *SECRET_NAMES, *deployed.rules.lines]
    lines += [_anchored(path) for path in _left_out(project, platform)]
    yield from lines
    spec = GitIgnoreSpec.from_lines(lines)
    places: dict[str, None] = {}
    for path in deployed.by_path:
        parents = [f"{parent.as_posix()}/" for parent in PurePosixPath(path).parents if parent.name]
        places |= dict.fromkeys([*reversed(parents), path])
    yield from (f"!{_anchored(place)}" for place in places if is_ignored(spec, place))


def _for_azure(project: Project, platform: str) -> Iterator[str]:
    """Yield lines by the rules of Azure Functions Core Tools."""
    names = [*_ALWAYS, IGNORE_FILES[platform], *_SECRETS_FOR_AZURE]
    lines = [*names, *(f"**/{name}" for name in names), *_left_out(project, platform)]
    yield from lines
    denied = re.compile("|".join(map(_azure_pattern, lines)))
    yield from (f"!{path}" for path in project.deployed.by_path if denied.match(path))


def _azure_pattern(line: str) -> str:
    """Return the regular expression of a line for the beginning of a path."""
    return re.escape(line).replace(r"\*\*", ".+").replace(r"\*", "[^/]+")


def _left_out(project: Project, platform: str) -> Iterator[str]:
    """Yield the paths to list one by one."""
    for path, reason in project.deployed.left_out.items():
        if reason == "never" and (
            PurePosixPath(path).name.startswith(".")
            # Vercel may build a front end from what no function needs.
            or platform == "vercel"
        ):
            continue
        if reason == "exclude" and platform == "vercel":
            continue  # it is excludeFiles in vercel.json
        yield path


def _anchored(path: str) -> str:
    return escape(path) + ("/" if path.endswith("/") else "")
