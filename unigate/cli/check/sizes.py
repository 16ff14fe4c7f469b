"""The size of a deployment by package, and the check of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from unigate.cli.project.core import Project
from unigate.cli.project.platforms import Platform

from .findings import Finding
from .requirements import Requirement, parse_requirements

OWN = "(the project)"
_SHOWN = 5  # packages by name

_EXTRA = re.compile(r"extra\s*==\s*['\"]([^'\"]+)['\"]")


def sizes_of(project: Project, requirements: Iterable[Requirement]) -> dict[str, int]:
    """Return the bytes of the project and of each installed package it requires, largest first."""
    sizes = dict(installed_sizes(requirements))
    sizes[OWN] = sum(file.stat().st_size for file in project.files().values())
    return dict(sorted(sizes.items(), key=lambda item: (-item[1], item[0])))


def check_sizes(sizes: Mapping[str, int], platforms: Iterable[Platform]) -> Iterator[Finding]:
    """Find platforms whose limit a deployment exceeds."""
    for platform in platforms:
        total, limit = sum(sizes.values()), platform.max_bytes
        own_limit = platform.max_own_bytes
        if own_limit is not None and sizes[OWN] > own_limit:
            total, limit = sizes[OWN], own_limit
        if limit is not None and total > limit:
            parts = ", ".join(f"{name} {megabytes(size)}" for name, size in _largest(sizes))
            message = (
                f"{megabytes(total)} exceed the limit of {megabytes(limit)} on {platform.name}: "
                f"{parts}."
            )
            yield Finding("size", "(all that is deployed)", message)


def report(sizes: Mapping[str, int], platforms: Iterable[Platform]) -> Iterator[str]:
    """Yield lines with the sizes of the largest packages, and the total with its limits."""
    shown = _largest(sizes)
    for name, size in shown:
        yield f"{megabytes(size):>9}  {name}"
    total = sum(sizes.values())
    rest = total - sum(size for _, size in shown)
    if len(sizes) > len(shown):
        yield f"{megabytes(rest):>9}  {len(sizes) - len(shown)} others"
    limits = "".join(
        f", the limit on {platform.name} is {megabytes(platform.max_bytes)}"
        for platform in platforms
        if platform.max_bytes is not None
    )
    yield f"{megabytes(total):>9}  unpacked{limits}"


def megabytes(size: int) -> str:
    """Format a number of bytes."""
    return f"{size / 2**20:.1f} MB"


def _largest(sizes: Mapping[str, int]) -> list[tuple[str, int]]:
    return list(sizes.items())[:_SHOWN]


def installed_sizes(requirements: Iterable[Requirement]) -> Iterator[tuple[str, int]]:
    """Yield the name and the bytes of each installed package that is required, even indirectly."""
    for name, installed in required_packages(requirements).items():
        yield name, _size(installed)


def required_packages(requirements: Iterable[Requirement]) -> dict[str, Distribution]:
    """Return the installed packages that are required, even indirectly, by normalized name."""
    found: dict[str, Distribution] = {}
    waiting = [(entry.name, entry.extras) for entry in requirements if entry.name]
    visited: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        package = name, extras = waiting.pop()
        if package in visited:
            continue
        visited.add(package)
        try:
            installed = distribution(name)
        except PackageNotFoundError:  # for another platform, or not installed here
            continue
        found[name] = installed
        for line in installed.requires or ():
            requirement, _, marker = line.partition(";")
            extra = _EXTRA.search(marker)
            if extra is None or extra[1] in extras:
                entries = parse_requirements([requirement], "")
                waiting += [(entry.name, entry.extras) for entry in entries]
    return found


def _size(installed: Distribution) -> int:
    files = (Path(file.locate()) for file in installed.files or () if file.suffix != ".pyc")
    return sum(file.stat().st_size for file in files if file.is_file())
