"""The script that checks the version, the changelog and the tag of a release."""

from __future__ import annotations

import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import pytest

from tools.check_release import ROOT, find_faults

IN_TWO_DAYS = (date.today() + timedelta(days=2)).isoformat()


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """Return a folder that is ready for the tag v1.2.0."""
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "1.2.0"\n')
    text = "# Changelog\n\n## 1.2.0 - 2026-01-31\n\n- New.\n\n## 1.1.0 - 2025-12-31\n\n- Old.\n"
    (tmp_path / "CHANGELOG.md").write_text(text)
    return tmp_path


def replace(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_this_project_agrees_with_itself() -> None:
    run = [sys.executable, str(ROOT / "tools/check_release.py")]
    subprocess.run(run, check=True, timeout=60)


def test_a_release_is_accepted_with_and_without_its_tag(release: Path) -> None:
    assert find_faults(release) == []
    assert find_faults(release, "v1.2.0") == []


@pytest.mark.parametrize("tag", ["v1.2.1", "1.2.0", "v1.2", ""])
def test_a_tag_must_name_the_version(release: Path, tag: str) -> None:
    assert find_faults(release, tag) == [f"The tag must be 'v1.2.0', got {tag!r}."]


def test_an_unreleased_section_has_no_tag(release: Path) -> None:
    replace(release / "CHANGELOG.md", "2026-01-31", "unreleased")
    assert find_faults(release) == []
    (fault,) = find_faults(release, "v1.2.0")
    assert fault == "The date in '## 1.2.0 - unreleased' must be a day YYYY-MM-DD that has come."


@pytest.mark.parametrize("written", [IN_TWO_DAYS, "20260131", "2026-02-30", "2026-W05-6", "soon"])
def test_a_date_must_be_a_day_that_has_come(release: Path, written: str) -> None:
    replace(release / "CHANGELOG.md", "2026-01-31", written)
    (fault,) = find_faults(release)
    assert fault.startswith(f"The date in '## 1.2.0 - {written}' must be")


def test_the_newest_section_is_for_the_version(release: Path) -> None:
    replace(release / "pyproject.toml", "1.2.0", "1.3.0")
    assert find_faults(release) == ["CHANGELOG.md must begin with 1.3.0, got '1.2.0'."]


def test_the_newest_section_says_something(release: Path) -> None:
    replace(release / "CHANGELOG.md", "- New.\n", "")
    (fault,) = find_faults(release)
    assert "must have an entry" in fault


def test_a_changelog_has_sections(release: Path) -> None:
    (release / "CHANGELOG.md").write_text("# Changelog\n\n- New.\n")
    assert find_faults(release) == ["CHANGELOG.md must have a section '## 1.2.0 - DATE'."]


def test_a_version_has_three_numbers(release: Path) -> None:
    for file in ("pyproject.toml", "CHANGELOG.md"):
        replace(release / file, "1.2.0", "1.2")
    (fault,) = find_faults(release, "v1.2")
    assert "MAJOR.MINOR.PATCH" in fault


def test_the_script_names_every_fault(release: Path) -> None:
    run = [sys.executable, str(ROOT / "tools/check_release.py"), "v0.0.1"]
    ended = subprocess.run(run, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    assert "got 'v0.0.1'" in ended.stderr
