"""A zip of a project and what it needs: the same bytes whenever the files are the same."""

from __future__ import annotations

import csv
import fnmatch
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from unigate.cli.project.core import Project

MOST_BYTES = 250 * 2**20  # unpacked; AWS, Lambda developer guide, "Lambda quotas"

# What an installed package has and no function needs: what only its own tests, compilers, editors
# and installers read. Metadata stays: programs ask for versions and entry points.
_DEAD_FOLDERS = ("__pycache__", "bin")
_DEAD_FILES = (
    "*.pyc", "*.pyi", "*.pyx", "*.pxd", "*.c", "*.cpp", "*.h", "*.a", "*.po", "*.pot", ".lock",
)  # fmt: skip
_DEAD_METADATA = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json")

# Amazon Linux 2 until Python 3.11, then Amazon Linux 2023: the C library that wheels may expect.
_OLD_LIBRARY, _NEW_LIBRARY = "manylinux2014", "manylinux_2_34"
_CPU = {"x86_64": "x86_64", "arm64": "aarch64"}

_STDERR = 2  # the descriptor, which other programs write to


def make_zip(project: Project, beside: Mapping[str, bytes], folder: Path) -> Path:
    """Install what a project needs, zip it with the project, and report the sizes."""
    packages = folder / "packages"
    _install(project, packages)
    installed = installed_files(packages)
    sizes = sizes_of(packages, installed)
    own = {path: file for path, file in project.files().items() if path not in beside}
    members: dict[str, Path | bytes] = {**installed, **own, **beside}
    sizes["(the project)"] = sum(map(_size, own.values())) + sum(map(len, beside.values()))
    zipped = folder / "function.zip"
    write_zip(zipped, members)
    _report(sizes, zipped)
    if "unigate/__init__.py" not in members:
        click.echo("Warning: unigate is not among what the project needs.", err=True)
    return zipped


def write_zip(file: Path, members: Mapping[str, Path | bytes]) -> None:
    """Write a zip that depends on names, contents and who may execute them, on nothing else."""
    shown = click.progressbar(sorted(members.items()), label="Zip", file=sys.stderr)
    with zipfile.ZipFile(file, "w") as archive, shown:
        for name, member in shown:
            if isinstance(member, bytes):
                data, executable = member, member.startswith(b"#!")
            else:
                data, executable = member.read_bytes(), os.access(member, os.X_OK)
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.create_system = 3  # Unix, where modes mean something
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = (0o100755 if executable else 0o100644) << 16
            archive.writestr(info, data)


def installed_files(packages: Path) -> dict[str, Path]:
    """Return what a function needs of the packages in a folder."""
    return {
        file.relative_to(packages).as_posix(): file
        for file in packages.rglob("*")
        if file.is_file() and not _dead(file.relative_to(packages))
    }


def _dead(path: Path) -> bool:
    folders = path.parts[:-1]
    if "__pycache__" in folders or path.parts[0] in _DEAD_FOLDERS or folders[1:2] == ("tests",):
        return True
    if folders and folders[0].endswith(".dist-info"):
        return path.name in _DEAD_METADATA or "sboms" in folders
    return any(fnmatch.fnmatch(path.name, pattern) for pattern in _DEAD_FILES)


def sizes_of(packages: Path, kept: Mapping[str, Path]) -> dict[str, int]:
    """Return the bytes that each package has of the files kept, by the records of installation."""
    sizes: dict[str, int] = {}
    for record in sorted(packages.glob("*.dist-info/RECORD")):
        name, _, version = record.parent.name.removesuffix(".dist-info").partition("-")
        with record.open(newline="", encoding="utf-8") as lines:
            own = [row[0] for row in csv.reader(lines) if row]
        sizes[f"{name} {version}"] = sum(_size(kept[path]) for path in own if path in kept)
    return sizes


def _size(member: Path | bytes) -> int:
    return len(member) if isinstance(member, bytes) else member.stat().st_size


def _install(project: Project, packages: Path) -> None:
    """Install into a folder; uv and pip show how far they are, with bars where it is a terminal."""
    architecture = project.settings.get("aws", {}).get("architecture", "x86_64")
    click.echo(f"Installing for Python {project.python} on {architecture}:", err=True)
    command = _command(project, packages, _CPU[architecture])
    # pip says on its standard output what uv says on the other: both go where ours is.
    if subprocess.run(command, cwd=project.root, stdout=_STDERR).returncode:
        raise click.ClickException("What the project needs cannot be installed.")


def _command(project: Project, packages: Path, cpu: str) -> Sequence[str]:
    """Return what installs wheels for the target: uv where there is one, pip otherwise."""
    library = _NEW_LIBRARY if project.python > "3.11" else _OLD_LIBRARY
    common = ["--target", str(packages), "--only-binary", ":all:"]
    common += ["--python-version", project.python, *project.requirements]
    uv = find_uv()
    if uv is None:
        # pip takes a wheel for exactly the platforms it is told; uv takes older ones too.
        libraries = ["manylinux_2_34", "manylinux_2_28", "manylinux_2_26", "manylinux_2_17"]
        if library == _OLD_LIBRARY:
            libraries = libraries[2:]
        platforms = [f"--platform={one}_{cpu}" for one in (*libraries, "manylinux2014")]
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install"]
        return [*pip, *platforms, *common]
    return [uv, "pip", "install", "--python-platform", f"{cpu}-{library}", *common]


def find_uv() -> str | None:
    """Return the program uv: of this environment, or on the path."""
    own = Path(sys.executable).with_name("uv")
    return str(own) if own.exists() else shutil.which("uv")


def _report(sizes: Mapping[str, int], zipped: Path) -> None:
    for name, size in sorted(sizes.items(), key=lambda item: (-item[1], item[0])):
        click.echo(f"{_mb(size):>9}  {name}", err=True)
    total = sum(sizes.values())
    click.echo(f"{_mb(total):>9}  unpacked, {_mb(_size(zipped))} as a zip", err=True)
    if total > MOST_BYTES:
        click.echo(f"Warning: Lambda takes {_mb(MOST_BYTES)} unpacked at most.", err=True)


def _mb(size: int) -> str:
    return f"{size / 2**20:.1f} MB"
