"""How large what is deployed is, by package."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from unigate.cli.project.core import Project

from . import Finding
from .platform_limits import VERCEL, VERCEL_ZIP, Platform
from .requirements import Need, parsed

OWN = "(the project)"
_SHOWN = 5

_EXTRA = re.compile(r"extra\s*==\s*['\"]([^'\"]+)['\"]")


def sizes_of(project: Project, needs: Iterable[Need]) -> dict[str, int]:
    """Return the bytes of the project and of each package that is installed here for it.

    The largest are first.
    """
    sizes = dict(_installed(needs))
    sizes[OWN] = sum(file.stat().st_size for file in project.files().values())
    return dict(sorted(sizes.items(), key=lambda item: (-item[1], item[0])))


def check_sizes(sizes: Mapping[str, int], platforms: Iterable[Platform]) -> Iterator[Finding]:
    """Find more than a function may have."""
    for platform in platforms:
        total, most = sum(sizes.values()), platform.most_bytes
        if platform == VERCEL and sizes[OWN] > VERCEL_ZIP.most_bytes:  # never installed later
            total, most = sizes[OWN], VERCEL_ZIP.most_bytes
        if total > most:
            parts = ", ".join(f"{name} {megabytes(size)}" for name, size in _largest(sizes))
            message = (
                f"{megabytes(total)} are more than the {megabytes(most)} that {platform.name} "
                f"takes: {parts}."
            )
            yield Finding("size", "(all that is deployed)", message)


def report(sizes: Mapping[str, int], platforms: Iterable[Platform]) -> Iterator[str]:
    """Return lines that say what is how large: the largest by name, and all of it."""
    shown = _largest(sizes)
    for name, size in shown:
        yield f"{megabytes(size):>9}  {name}"
    total = sum(sizes.values())
    rest = total - sum(size for _, size in shown)
    if len(sizes) > len(shown):
        yield f"{megabytes(rest):>9}  {len(sizes) - len(shown)} others"
    limits = "".join(f", {one.name} takes {megabytes(one.most_bytes)}" for one in platforms)
    yield f"{megabytes(total):>9}  unpacked{limits}"


def megabytes(size: int) -> str:
    """Return a size as `unigate build` prints it."""
    return f"{size / 2**20:.1f} MB"


def _largest(sizes: Mapping[str, int]) -> list[tuple[str, int]]:
    return list(sizes.items())[:_SHOWN]


def _installed(needs: Iterable[Need]) -> Iterator[tuple[str, int]]:
    """Return each installed package that is needed, directly or by another."""
    waiting = [(need.name, need.extras) for need in needs if need.name]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        need = name, extras = waiting.pop()
        if need in seen:
            continue
        seen.add(need)
        try:
            found = distribution(name)
        except PackageNotFoundError:  # for another platform, or not installed here
            continue
        yield name, _size(found)
        for line in found.requires or ():
            requirement, _, marker = line.partition(";")
            extra = _EXTRA.search(marker)
            if extra is None or extra[1] in extras:
                waiting += [(need.name, need.extras) for need in parsed([requirement], "")]


def _size(found: Distribution) -> int:
    files = (Path(file.locate()) for file in found.files or () if file.suffix != ".pyc")
    return sum(file.stat().st_size for file in files if file.is_file())
