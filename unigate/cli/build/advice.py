"""What the trial of a function says when it fails: the exception, and what to do about it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import PurePosixPath

from unigate.cli.project.core import Project
from unigate.cli.project.dependencies import REQUIREMENTS
from unigate.cli.project.lock_groups import advice_on_groups
from unigate.cli.project.locks import find_lock

NO_ANSWER = "No answer within"
_TRACEBACK = "Traceback (most recent call last):"
_MISSING = re.compile(r"^ModuleNotFoundError: No module named '([^']+)'", re.MULTILINE)
_NO_METADATA = re.compile(r"PackageNotFoundError: No package metadata was found for (\S+)")
_EXAMPLES = ("dist", "example", "sample", "template")  # of a .env file


def exception_in(log: str) -> str:
    """Return the line that names the exception of the last traceback, else the last line.

    The message of an exception may go on in further lines.
    """
    lines = log.strip().splitlines() or ["It ended without a message"]
    starts = [number for number, line in enumerate(lines) if line == _TRACEBACK]
    if starts and not lines[-1].startswith(NO_ANSWER):
        for line in lines[starts[-1] + 1 :]:
            if line and not line[0].isspace():
                return line
    return lines[-1]


def advice(project: Project, log: str) -> Iterator[str]:
    """Yield sentences on what to do, from what a function printed before it failed."""
    if missing := _MISSING.search(log):
        yield _on_module(project, missing[1].partition(".")[0])
    elif nameless := _NO_METADATA.search(log):
        yield _on_metadata(project, nameless[1])
    yield from advice_on_variables(project)


def advice_on_variables(project: Project) -> Iterator[str]:
    """Yield a sentence on the variables of files that are not deployed, if there are such files."""
    paths = [path for path in project.deployed.left_out if _has_variables(path)]
    if paths:
        verb = "are" if paths[1:] else "is"
        yield (
            f"{', '.join(sorted(paths))} {verb} not deployed: its variables must be set in the "
            "settings of the platform, or in tool.unigate.environment if they are no secret, and "
            "for this trial in the shell."
        )


def _has_variables(path: str) -> bool:
    name = PurePosixPath(path).name
    is_env = name == ".env" or name.startswith(".env.") or name.endswith(".env")
    return is_env and not name.endswith(_EXAMPLES)


def _on_module(project: Project, module: str) -> str:
    if project.undeclared is not None:
        return project.undeclared
    source = project.dependencies.source
    names = sorted(set(packages_distributions().get(module, ())))
    lock = find_lock(project.root) if project.dependencies.locked else None
    if lock is not None:
        for name in names or [module]:
            if found := advice_on_groups(lock, name):
                return found
        source = f"the main dependencies, and write {lock.name} again"
    if names:
        return f"Add {' or '.join(names)} to {source}."
    return f"Add its folder to tool.unigate.paths, or the package that has {module!r} to {source}."


def _on_metadata(project: Project, name: str) -> str:
    own = str(project.pyproject.project.get("name", ""))
    if re.sub(r"[-_.]+", "-", own).lower() != re.sub(r"[-_.]+", "-", name).lower():
        source = REQUIREMENTS if project.undeclared else project.dependencies.source
        return f"Add {name} to {source}."
    if project.in_place and project.platform != "aws":
        return "The project's metadata is written by builds into another folder: use --output."
    return (
        "The project's version is not in [project]: install the project in the environment of the "
        "build, for example with `pip install -e .`, which keeps its metadata in the deployment."
    )
