"""The ignore file of a platform's tool, for a build into the project itself.

`vercel deploy`, `gcloud functions deploy` and `func azure functionapp publish` upload that folder,
and each reads an ignore file of its own there. What a build into another folder would not copy is
written to that file, so that it stays out of the upload as well. The user's lines are kept.

gcloud and the Vercel CLI read the rules of gitignore(5). Azure Functions Core Tools read something
else (`GitIgnoreParser.cs`): a pattern matches the beginning of a path, `*` stands for one character
or more, `!pattern` wins over every other line, and no folder above is looked at. Docker reads the
patterns from the folder of the file alone, so that `**/` stands before those that match below it,
and takes in a file that `!pattern` names in a folder that is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
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
from .swap import STAGE

# Left out of an upload even if the folders appear after the build. Other names that begin with "."
# are left to the tools, which read some of them, such as .python-version.
_ALWAYS = (
    *(".git/", ".gitignore", ".venv/", "__pycache__/", "node_modules/"),
    *(RECORD, f"{STAGE}*/"),  # the second is what a killed build leaves
)

# A pattern of theirs that ends with a name also matches longer names. So "credentials" alone would
# leave out a module of that name too.
_SECRETS_FOR_AZURE = (
    *(name.rstrip("*") for name in SECRET_NAMES if not name.startswith("credentials")),
    "credentials.json",
    "client_secret.json",
)


def ignore_file(project: Project, platform: str, planned: Iterable[str]) -> dict[str, FileContent]:
    """Return the ignore file of a platform's tool, by its path.

    Args:
        planned: The paths of the files that the build writes, which git may ignore.
    """
    path = IGNORE_FILES[platform]
    kept = sorted({*project.deployed.by_path, *planned})
    left_out = [
        place
        for place in _left_out(project, platform)
        if not any(file == place or (place[-1] == "/" and file.startswith(place)) for file in kept)
    ]
    if platform == "azure":
        lines = [BLOCK_BEGIN, *_for_azure(left_out, kept), BLOCK_END]
    elif platform == "container":
        lines = [BLOCK_BEGIN, *_for_docker(project, left_out, kept), BLOCK_END]
    else:
        known = [IGNORE_FILES[platform], *project.deployed.rules.lines]
        lines = [BLOCK_BEGIN, *_for_git(known, left_out, kept), BLOCK_END]
    block = "".join(f"{line}\n" for line in lines)
    file = project.root / path
    # A link is never extended: what it leads to may be shared.
    is_own = file.is_file() and not file.is_symlink()
    before = file.read_bytes().decode("utf-8", "surrogateescape") if is_own else ""
    own = without_block(before)
    if not own.strip():
        return {path: block.encode("utf-8", "surrogateescape")}
    text = f"{own if own.endswith(chr(10)) else own + chr(10)}{block}"
    return {path: ExtendedFile(text.encode("utf-8", "surrogateescape"))}


def _for_git(known: Sequence[str], left_out: Iterable[str], kept: Iterable[str]) -> Iterator[str]:
    """Yield lines by the rules of gitignore(5)."""
    lines = [*_ALWAYS, *SECRET_NAMES, *known, *map(_anchored, left_out)]
    yield from lines
    spec = GitIgnoreSpec.from_lines(lines)
    places: dict[str, None] = {}
    for path in kept:
        parents = [f"{parent.as_posix()}/" for parent in PurePosixPath(path).parents if parent.name]
        places |= dict.fromkeys([*reversed(parents), path])
    yield from (f"!{_anchored(place)}" for place in places if is_ignored(spec, place))


def _for_azure(left_out: Iterable[str], kept: Iterable[str]) -> Iterator[str]:
    """Yield lines by the rules of Azure Functions Core Tools."""
    names = [*_ALWAYS, IGNORE_FILES["azure"], *_SECRETS_FOR_AZURE]
    lines = [*names, *(f"**/{name}" for name in names), *left_out]
    yield from lines
    denied = re.compile("|".join(map(_azure_pattern, lines)))
    yield from (f"!{path}" for path in kept if denied.match(path))


def _for_docker(project: Project, left_out: Iterable[str], kept: Iterable[str]) -> Iterator[str]:
    """Yield lines by the rules of a .dockerignore."""
    deployed = project.deployed
    anywhere = (".*", "__pycache__", "node_modules", "*.pyc", *SECRET_NAMES)
    lines = ["/Dockerfile", *(f"/**/{name}" for name in anywhere)]
    lines += [_from_the_folder(line) for line in deployed.rules.lines]
    lines += [f"/{_ANY.sub('**/*', pattern)}" for pattern in project.settings.get("exclude", ())]
    lines += [_anchored(path) for path in left_out]
    lines = [line.rstrip("/") for line in lines]  # there is no mark for folders alone
    spec = GitIgnoreSpec.from_lines(lines)
    taken = [path for path in kept if path != "Dockerfile" and _is_below_ignored(spec, path)]
    for line in (*lines, *(f"!{escape(path)}" for path in taken)):
        yield re.sub(r"^(!?)/", r"\1", line)


# In tool.unigate.exclude, "*" does not end at a "/".
_ANY = re.compile(r"\*+")


def _from_the_folder(line: str) -> str:
    """Return a pattern of gitignore(5) as one that begins at the folder of the file."""
    negation, pattern = ("!", line[1:]) if line.startswith("!") else ("", line)
    anywhere = "" if "/" in pattern.rstrip().rstrip("/") else "/**/"
    return f"{negation}{anywhere or '/'}{pattern.lstrip('/')}"


def _is_below_ignored(spec: GitIgnoreSpec, path: str) -> bool:
    """Return True if a path, or a folder that it is in, is left out."""
    parents = (f"{parent.as_posix()}/" for parent in PurePosixPath(path).parents if parent.name)
    return any(is_ignored(spec, place) for place in (*parents, path))


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
