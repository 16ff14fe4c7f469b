"""A reproducible zip of a project and its dependencies: the same files give the same bytes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from unigate.cli.project.core import Project
from unigate.cli.project.interpreters import find_uv
from unigate.cli.project.platforms import check_size

from .installed_files import installed_files, packages_of, records_of
from .local_packages import install_local
from .task_folder import add_bytecode, lay_out

OWN = "(the project)"
BYTECODE = "(bytecode)"

# The C library that wheels are built for: Lambda runs Python up to 3.11 on Amazon Linux 2, later
# versions on Amazon Linux 2023.
_OLD_LIBRARY, _NEW_LIBRARY = "manylinux2014", "manylinux_2_34"
_CPU = {"x86_64": "x86_64", "arm64": "aarch64"}

# What uv and pip say of a package that they would have to build.
_NO_WHEEL = re.compile(
    r"Wheels are required for `([\w.-]+)`|No matching distribution found for ([\w.-]+)"
)

_STDERR = 2  # a file descriptor, for subprocesses


def make_zip(project: Project, handler: str, added: Mapping[str, bytes], folder: Path) -> Path:
    """Install a project's dependencies, zip them with the project, and print the sizes.

    Args:
        handler: The import string of what the platform calls.
        added: The contents of further files by their path; they replace the project's.
        folder: An empty folder to work in.
    """
    packages = folder / "packages"
    _install(project, packages)
    installed = installed_files(packages, project.settings.get("keep", ()))
    owned = packages_of(packages, installed)
    own = {path: file for path, file in project.files().items() if path not in added}
    task = folder / "task"
    lay_out({**installed, **own, **records_of(packages, installed), **added}, task)
    members = {path: task / path for path in (*installed, *own, *added)}
    owned[OWN] = {path: members[path] for path in (*own, *added)}
    sizes = {name: sum(map(_size, files.values())) for name, files in owned.items()}
    if project.settings.get("bytecode", True):
        room = (project.allowed.max_bytes or 0) - sum(map(_size, members.values()))
        bytecode = add_bytecode(project, handler, owned, task, room)
        members |= {path: task / path for path in bytecode}
        if bytecode:
            sizes[BYTECODE] = sum(map(_size, bytecode.values()))
    zipped = folder / "function.zip"
    write_zip(zipped, members)
    _report(sizes, zipped)
    check_size(project.allowed, sizes["(the project)"], sum(sizes.values()))
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
        raise click.ClickException(
            f"The project's dependencies cannot be installed.{_on_wheels(command, project.root)}"
        )


def _on_wheels(command: Sequence[str], folder: Path) -> str:
    """Return what to do about packages without a wheel, which an installation that failed names."""
    done = subprocess.run(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    names = sorted({match[match.lastindex or 0] for match in _NO_WHEEL.finditer(done.stdout)})
    if not names:
        return ""
    listed = " ".join(names)
    return (
        f" There is no wheel of {', '.join(names)} for this platform and Python. Build it with "
        f"`pip wheel --no-deps -w wheels {listed}`, and require the file in wheels/ in place of "
        "the name."
    )


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
        pip += ["--no-compile"]
        return [*pip, *platforms, *common]
    return [uv, "pip", "install", "--python-platform", f"{cpu}-{library}", *common]


def _report(sizes: Mapping[str, int], zipped: Path) -> None:
    for name, size in sorted(sizes.items(), key=lambda item: (-item[1], item[0])):
        click.echo(f"{_mb(size):>9}  {name}", err=True)
    total = sum(sizes.values())
    click.echo(f"{_mb(total):>9}  unpacked, {_mb(_size(zipped))} as a zip", err=True)


def _mb(size: int) -> str:
    return f"{size / 2**20:.1f} MB"
