"""Check vercel.json: what Vercel refuses, and sources that it would serve publicly."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from unigate.cli.vercel.project import VERCEL_JSON, VercelProject

from .findings import Finding
from .refused_rewrites import check_refused_rewrites

_VERSION = re.compile(r"v?\d+\.\d+\.\d+([-+][\w.+-]+)?")
# Braces, groups such as "+(a|b)", a negation, and "[^a]".
_BEYOND_FNMATCH = re.compile(r"[{(]|^!|\[\^")


def check_vercel_json(project: VercelProject) -> Iterator[Finding]:
    """Find settings that Vercel refuses or ignores, and sources that it serves publicly."""
    limits = project.vercel_json.get("functions")
    limits = limits if isinstance(limits, dict) else {}
    yield from check_refused_rewrites(project.vercel_json)
    if project.builds:
        if limits:
            message = 'Vercel refuses "functions" beside "builds": remove one of them.'
            yield Finding("vercel", VERCEL_JSON, message)
        if project.static_files() and project.builds_only_python:
            message = (
                '"builds" deploys only what it names, no file of public/: replace it by '
                '"framework": null.'
            )
            yield Finding("vercel", VERCEL_JSON, message)
        return
    if project.preset:
        return
    yield from _runtimes(limits)
    for pattern in _unmatched(limits, project.function_sources()):
        message = f'Vercel refuses {pattern!r} in "functions": it matches no function in api/.'
        yield Finding("vercel", VERCEL_JSON, message)
    if not (project.root / "public").is_dir() and "outputDirectory" not in project.vercel_json:
        message = "Vercel serves every file publicly, the sources too: make a folder public/."
        yield Finding("sources", VERCEL_JSON, message)


def _runtimes(functions: Mapping[str, Any]) -> Iterator[Finding]:
    """Find runtimes without a version, which has three numbers (@vercel/fs-detectors)."""
    for pattern, settings in functions.items():
        runtime = settings.get("runtime", "@0.0.0") if isinstance(settings, dict) else "@0.0.0"
        if not _VERSION.fullmatch(str(runtime).rpartition("@")[2]):
            message = (
                f"Vercel refuses the runtime {runtime!r} of {pattern!r}: it must be a package with "
                'a version. For Python remove "runtime"; .python-version or requires-python names '
                "the version."
            )
            yield Finding("vercel", VERCEL_JSON, message)


def _unmatched(patterns: Iterable[str], files: Iterable[str]) -> Iterator[str]:
    """Yield the patterns that match no file, except those in syntax that fnmatch lacks."""
    names = set(files)
    for pattern in patterns:
        # "[name].py" may be the name of a file as well as a pattern.
        if pattern in names or _BEYOND_FNMATCH.search(pattern):
            continue
        parts = pattern.split("/")
        if not any(_matches(parts, name.split("/")) for name in names):
            yield pattern


def _matches(patterns: Sequence[str], names: Sequence[str]) -> bool:
    """Return True if the names of a path match patterns: "**" stands for any number of names.

    So does the npm package minimatch, with which Vercel compares them.
    """
    if not patterns:
        return not names
    if patterns[0] == "**":
        return any(_matches(patterns[1:], names[at:]) for at in range(len(names) + 1))
    first = bool(names) and fnmatch.fnmatchcase(names[0], patterns[0])
    return first and _matches(patterns[1:], names[1:])
