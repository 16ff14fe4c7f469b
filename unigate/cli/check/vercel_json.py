"""Check vercel.json: what Vercel refuses, and sources that it would serve publicly."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Iterator

from unigate.cli.vercel.project import VERCEL_JSON, VercelProject

from .findings import Finding


def check_vercel_json(project: VercelProject) -> Iterator[Finding]:
    """Find settings that Vercel refuses or ignores, and sources that it serves publicly."""
    limits = project.vercel_json.get("functions")
    limits = limits if isinstance(limits, dict) else {}
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
    for pattern in _unmatched(limits, project.functions.values()):
        message = f'Vercel refuses {pattern!r} in "functions": it matches no function in api/.'
        yield Finding("vercel", VERCEL_JSON, message)
    if not (project.root / "public").is_dir() and "outputDirectory" not in project.vercel_json:
        message = "Vercel serves every file publicly, the sources too: make a folder public/."
        yield Finding("sources", VERCEL_JSON, message)


def _unmatched(patterns: Iterable[str], files: Iterable[str]) -> Iterator[str]:
    """Yield the patterns that match no file, except those with braces, which fnmatch lacks."""
    names = set(files)
    for pattern in patterns:
        # "[name].py" may be the name of a file as well as a pattern.
        matched = pattern in names or any(fnmatch.fnmatch(name, pattern) for name in names)
        if not matched and "{" not in pattern:
            yield pattern
