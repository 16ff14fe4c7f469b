"""Check that the version, the changelog and the tag of a release agree.

    python tools/check_release.py [TAG]

`pyproject.toml` has the version. The newest section of `CHANGELOG.md` is for that version and has
an entry; until the release, its heading says "unreleased" in place of the date. With a tag, such as
v0.1.0, the tag must name the version, and the section must have the date of the release.
"""

from __future__ import annotations

import re
import sys
import tomllib
from datetime import date
from pathlib import Path

ROOT = Path(__file__).parent.parent
# A version of https://semver.org which PEP 440 reads as well: without a suffix.
VERSION = re.compile(r"\d+\.\d+\.\d+")
DAY = re.compile(r"\d{4}-\d\d-\d\d")
HEADING = re.compile(r"^## (?P<version>\S+) - (?P<date>\S+)$", re.MULTILINE)


def find_faults(root: Path, tag: str | None = None) -> list[str]:
    """Return what must be changed before a release.

    Args:
        root: The folder with `pyproject.toml` and `CHANGELOG.md`.
        tag: The tag of the release; None before there is one.
    """
    version = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    faults = []
    if not VERSION.fullmatch(version):
        faults.append(f"The version must be MAJOR.MINOR.PATCH, got {version!r}.")
    if tag is not None and tag != f"v{version}":
        faults.append(f"The tag must be 'v{version}', got {tag!r}.")
    changelog = (root / "CHANGELOG.md").read_text("utf-8")
    heading = HEADING.search(changelog)
    if heading is None:
        return [*faults, f"CHANGELOG.md must have a section '## {version} - DATE'."]
    if heading["version"] != version:
        faults.append(f"CHANGELOG.md must begin with {version}, got {heading['version']!r}.")
    if "\n- " not in changelog[heading.end() :].partition("\n## ")[0]:
        faults.append(f"The section {heading[0]!r} of CHANGELOG.md must have an entry.")
    if not (_has_come(heading["date"]) or (tag is None and heading["date"] == "unreleased")):
        wanted = "a day YYYY-MM-DD that has come" + (" or 'unreleased'" if tag is None else "")
        faults.append(f"The date in {heading[0]!r} must be {wanted}.")
    return faults


def _has_come(text: str) -> bool:
    """Return True for a day such as 2026-11-30 that is not in the future."""
    try:
        return bool(DAY.fullmatch(text)) and date.fromisoformat(text) <= date.today()
    except ValueError:
        return False


if __name__ == "__main__":
    if found := find_faults(ROOT, *sys.argv[1:]):
        sys.exit("\n".join(found))
