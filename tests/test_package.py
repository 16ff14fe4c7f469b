"""The wheel: what is in it, and that it works from where it is unpacked."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from email import message_from_string
from email.message import Message
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = {"unigate", "flask_unigate", "django_unigate"}
NOT_SOURCE = shutil.ignore_patterns(
    ".git", ".venv*", ".cache", ".*_cache", ".hypothesis", "__pycache__", "dist"
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    """Build the wheel from a copy of the tree, and open it."""
    tree = tmp_path_factory.mktemp("wheel") / "tree"
    shutil.copytree(ROOT, tree, ignore=NOT_SOURCE)
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", "../out", "."]
    run = subprocess.run(build, capture_output=True, cwd=tree, text=True, timeout=120)
    assert run.returncode == 0, run.stdout + run.stderr
    (built,) = (tree.parent / "out").iterdir()
    with zipfile.ZipFile(built) as opened:
        yield opened


def metadata_of(wheel: zipfile.ZipFile) -> Message:
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    return message_from_string(wheel.read(name).decode())


def test_wheel_holds_the_three_packages_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    top = {name.partition("/")[0] for name in wheel.namelist()}
    (about,) = (name for name in top if name.endswith(".dist-info"))
    assert top - {about} == PACKAGES
    assert about.startswith("unigate-")


def test_wheel_holds_every_module_and_no_others(wheel: zipfile.ZipFile) -> None:
    modules = {name for name in wheel.namelist() if name.endswith(".py")}
    places = [ROOT / "unigate", *(ROOT / "contrib").glob("*_unigate")]
    assert modules == {
        file.relative_to(place.parent).as_posix()
        for place in places
        for file in place.rglob("*.py")
    }


def test_wheel_holds_the_inspector_page(wheel: zipfile.ZipFile) -> None:
    folder = ROOT / "unigate/cli/dev/inspector"
    parts = [*(folder / "templates").iterdir(), *(folder / "static").iterdir()]
    assert parts
    assert {part.relative_to(ROOT).as_posix() for part in parts} <= set(wheel.namelist())


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_every_package_is_typed(wheel: zipfile.ZipFile, package: str) -> None:
    assert f"{package}/py.typed" in wheel.namelist()


def test_wheel_needs_one_package_at_run_time(wheel: zipfile.ZipFile) -> None:
    needed = metadata_of(wheel).get_all("Requires-Dist") or []
    always = [line for line in needed if "extra ==" not in line]
    assert [line.partition(">")[0] for line in always] == ["asgiref"]


def test_wheel_carries_the_licence(wheel: zipfile.ZipFile) -> None:
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in wheel.namelist())
    assert metadata_of(wheel)["License-Expression"] == "MIT"


def test_unpacked_wheel_works(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    wheel.extractall(tmp_path)
    code = """
import unigate, flask_unigate, django_unigate.middleware

print(unigate.__file__, flask_unigate.__file__, django_unigate.middleware.__file__, sep="\\n")
"""
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        text=True,
        timeout=60,
    )
    assert run.returncode == 0, run.stderr
    files = [Path(line) for line in run.stdout.splitlines()]
    assert {file.relative_to(tmp_path).parts[0] for file in files} == PACKAGES
