"""What Vercel refuses in vercel.json, and what it shows to everyone."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Iterator

from unigate.cli.vercel.project import FILE, Vercel

from . import Finding


def check_configuration(vercel: Vercel) -> Iterator[Finding]:
    """Find what Vercel refuses in vercel.json, and sources that everyone may read."""
    limits = vercel.told.get("functions")
    limits = limits if isinstance(limits, dict) else {}
    if vercel.builds:
        if limits:
            message = 'Vercel refuses "functions" beside "builds": remove one of them.'
            yield Finding("vercel", FILE, message)
        if vercel.static_files() and vercel.only_python:
            message = (
                '"builds" deploys what it names and nothing else, no file of public/: say '
                '"framework": null in its place.'
            )
            yield Finding("vercel", FILE, message)
        return
    if vercel.preset:
        return
    for pattern in _unmatched(limits, vercel.functions.values()):
        message = f'Vercel refuses {pattern!r} in "functions": it is no function of api/.'
        yield Finding("vercel", FILE, message)
    if not (vercel.root / "public").is_dir() and "outputDirectory" not in vercel.told:
        message = "Vercel serves every file, the sources too: make a folder public/."
        yield Finding("sources", FILE, message)


def _unmatched(patterns: Iterable[str], files: Iterable[str]) -> Iterator[str]:
    """Return the patterns that match no file; those with "{" are for Vercel to read."""
    known = set(files)
    for pattern in patterns:
        # "[name].py" is a file's name as often as a pattern.
        matched = pattern in known or any(fnmatch.fnmatch(file, pattern) for file in known)
        if not matched and "{" not in pattern:
            yield pattern
