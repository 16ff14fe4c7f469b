"""The groups of a lock file that are not deployed: development groups and extras.

`poetry export` and `uv export --no-default-groups` leave them out as well.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

# What exports a lock file with one more group into a requirements.txt.
_EXPORTS = {
    "uv.lock": "uv export --no-hashes --no-default-groups --group {} -o requirements.txt",
    "poetry.lock": "poetry export --without-hashes --with {} -o requirements.txt",
    "pdm.lock": "pdm export --without-hashes --prod -G {} -o requirements.txt",
}


def advice_on_groups(lock: Path, name: str) -> str | None:
    """Return what to do for a package that is in groups of a lock file which are not deployed.

    It is None for a package that is in no such group.

    Args:
        name: The name of the package.
    """
    try:
        tables = tomllib.loads(lock.read_text("utf-8"))
        groups = sorted(set(_groups(tables, _normalized(name))))
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    if not groups or lock.name not in _EXPORTS:
        return None
    named = f"the group {groups[0]}" if len(groups) == 1 else f"the groups {', '.join(groups)}"
    return (
        f"{name} is in {named} of {lock.name}, and only the main dependencies are deployed: add it "
        f"to these, or write a requirements.txt with `{_EXPORTS[lock.name].format(groups[0])}`."
    )


def _groups(tables: Mapping[str, Any], name: str) -> Iterator[str]:
    for package in tables["package"]:
        if _normalized(package["name"]) == name:  # Poetry and PDM
            yield from package.get("groups", ())
        for group, members in package.get("dev-dependencies", {}).items():  # uv
            if any(_normalized(member["name"]) == name for member in members):
                yield group


def _normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
