"""A reproducible zip of a project and its dependencies: the same files give the same bytes."""

from __future__ import annotations

import csv
import fnmatch
import os
import subprocess
import sys
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from unigate.cli.project.core import Project
from unigate.cli.project.platforms import check_size
from unigate.cli.project.uv import find_uv

from .local_packages import install_local

# Files of installed packages that only tests, compilers, editors and installers read. Other
# metadata is kept, because programs read versions and entry points.
_UNUSED_FOLDERS = ("__pycache__", "bin")
_UNUSED_FILES = (
    "*.pyc", "*.pyi", "*.pyx", "*.pxd", "*.c", "*.cpp", "*.h", "*.a", "*.po", "*.pot", ".lock",
)  # fmt: skip
_UNUSED_METADATA = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json")

# The C library that wheels are built for: Lambda runs Python up to 3.11 on Amazon Linux 2, later
# versions on Amazon Linux 2023.
_OLD_LIBRARY, _NEW_LIBRARY = "manylinux2014", "manylinux_2_34"
_CPU = {"x86_64": "x86_64", "arm64": "aarch64"}

_STDERR = 2  # a file descriptor, for subprocesses


def make_zip(project: Project, added: Mapping[str, bytes], folder: Path) -> Path:
    """Install a project's dependencies, zip them with the project, and print the sizes.

    Args:
        added: The contents of further files by their path; they replace the project's.
        folder: An empty folder to work in.
    """
    packages = folder / "packages"
    _install(project, packages)
    installed = installed_files(packages)
    sizes = sizes_of(packages, installed)
    own = {path: file for path, file in project.files().items() if path not in added}
    members: dict[str, Path | bytes] = {**installed, **own, **added}
    sizes["(the project)"] = sum(map(_size, own.values())) + sum(map(len, added.values()))
    zipped = folder / "function.zip"
    write_zip(zipped, members)
    _report(sizes, zipped)
    check_size(project.platform, sizes["(the project)"], sum(sizes.values()))
    if "unigate/__init__.py" not in members:
        message = "Warning: unigate is not in the zip: add it to the project's dependencies."
        click.echo(message, err=True)
    return zipped


def write_zip(file: Path, members: Mapping[str, Path | bytes]) -> None:
    """Write a zip that depends only on names, contents and executable bits."""
    progress = click.progressbar(sorted(members.items()), label="Zip", file=sys.stderr)
    with zipfile.ZipFile(file, "w") as archive, progress:
        for name, member in progress:
            if isinstance(member, bytes):
                data, executable = member, member.startswith(b"#!")
            else:
                data, executable = member.read_bytes(), os.access(member, os.X_OK)
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.create_system = 3  # Unix, so that file modes count
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = (0o100755 if executable else 0o100644) << 16
            try:
                archive.writestr(info, data)
            except UnicodeEncodeError:
                message = (
                    f"The file name {name!r} is not UTF-8, as a zip requires: rename the file."
                )
                raise click.ClickException(message) from None


def installed_files(packages: Path) -> dict[str, Path]:
    """Return the files of installed packages that a function needs, by their path."""
    return {
        file.relative_to(packages).as_posix(): file
        for file in packages.rglob("*")
        if file.is_file() and not _is_unused(file.relative_to(packages))
    }


def _is_unused(path: Path) -> bool:
    folders = path.parts[:-1]
    if "__pycache__" in folders or path.parts[0] in _UNUSED_FOLDERS or folders[1:2] == ("tests",):
        return True
    if folders and folders[0].endswith(".dist-info"):
        return path.name in _UNUSED_METADATA or "sboms" in folders
    return any(fnmatch.fnmatch(path.name, pattern) for pattern in _UNUSED_FILES)


def sizes_of(packages: Path, kept: Mapping[str, Path]) -> dict[str, int]:
    """Return the bytes of each package in the kept files, according to its RECORD."""
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
    """Install the dependencies into a folder; uv or pip prints its progress."""
    packages.mkdir()
    requirements = [*project.requirements, *install_local(project, packages)]
    if not requirements:
        return  # which pip and uv take for an error
    architecture = project.settings.get("aws", {}).get("architecture", "x86_64")
    click.echo(f"Installing for Python {project.python} on {architecture}:", err=True)
    command = _install_command(project, packages, requirements, _CPU[architecture])
    # pip prints its progress on stdout, uv on stderr.
    if subprocess.run(command, cwd=project.root, stdout=_STDERR).returncode:
        raise click.ClickException("The project's dependencies cannot be installed.")


def _install_command(
    project: Project, packages: Path, requirements: Sequence[str], cpu: str
) -> Sequence[str]:
    """Return the command that installs wheels for Lambda: uv's if it is available, else pip's."""
    library = _NEW_LIBRARY if project.python > "3.11" else _OLD_LIBRARY
    common = ["--target", str(packages), "--only-binary", ":all:"]
    common += ["--python-version", project.python, *requirements]
    uv = find_uv()
    if uv is None:
        # pip accepts exactly the given platform tags; uv accepts older ones too.
        libraries = ["manylinux_2_34", "manylinux_2_28", "manylinux_2_26", "manylinux_2_17"]
        if library == _OLD_LIBRARY:
            libraries = libraries[2:]
        platforms = [f"--platform={tag}_{cpu}" for tag in (*libraries, "manylinux2014")]
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install"]
        return [*pip, *platforms, *common]
    return [uv, "pip", "install", "--python-platform", f"{cpu}-{library}", *common]


def _report(sizes: Mapping[str, int], zipped: Path) -> None:
    for name, size in sorted(sizes.items(), key=lambda item: (-item[1], item[0])):
        click.echo(f"{_mb(size):>9}  {name}", err=True)
    total = sum(sizes.values())
    click.echo(f"{_mb(total):>9}  unpacked, {_mb(_size(zipped))} as a zip", err=True)


def _mb(size: int) -> str:
    return f"{size / 2**20:.1f} MB"
