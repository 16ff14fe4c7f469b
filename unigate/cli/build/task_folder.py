"""The folder of a function as the platform will have it, with bytecode for its Python."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import click

from unigate.cli.project.core import Project
from unigate.cli.project.interpreters import find_interpreter

from .bytecode import PackageBytecode, compile_packages, fitting, measured
from .cold_start import ColdStart, NotStarted, cold_start_of_folder


def lay_out(members: Mapping[str, Path | bytes], task: Path) -> None:
    """Make a folder with files; those beside it are linked where the file system can do that.

    The project's own files are copied: an application may write to them when it is imported.
    """
    for path, member in members.items():
        place = task / path
        place.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(member, bytes):
            place.write_bytes(member)
            if member.startswith(b"#!"):
                place.chmod(0o755)
            continue
        if member.is_relative_to(task.parent):
            with suppress(OSError):  # a file system without links
                os.link(member, place)
                continue
        shutil.copy(member, place)


def add_bytecode(
    project: Project,
    handler: str,
    packages: Mapping[str, Mapping[str, Path]],
    task: Path,
    room: int,
) -> dict[str, Path]:
    """Compile the modules of a function's folder, and return the bytecode by its path.

    It prints what a cold start takes, and which packages' bytecode does not fit.

    Args:
        handler: The import string of what the platform calls.
        packages: The files of each package, below `task`.
        task: The function's folder, which gets the bytecode too.
        room: How many bytes the bytecode may have.
    """
    python = find_interpreter(project.python)
    if python is None:
        click.echo(_no_interpreter(project.python, packages), err=True)
        return {}
    compiled = compile_packages(python, packages, task.with_name("bytecode"))
    lay_out({path: file for files in compiled.values() for path, file in files.items()}, task)
    start = _cold_start(project, handler, python, task)
    if start is not None:
        click.echo(start, err=True)
    bytecode = measured(packages, compiled, start.modules if start is not None else None)
    taken, left = fitting(bytecode, room)
    if left:
        click.echo(_no_room(left), err=True)
    for path in (path for one in left for path in one.files):
        (task / path).unlink()
    return {path: file for one in taken for path, file in one.files.items()}


def _cold_start(project: Project, handler: str, python: str, task: Path) -> ColdStart | None:
    try:
        return cold_start_of_folder(python, task, handler, project.settings.get("environment", {}))
    except NotStarted as error:
        click.echo(f"The cold start cannot be measured here: {error}", err=True)
        return None


def _no_room(left: list[PackageBytecode]) -> str:
    names = ", ".join(f"{one.name} ({one.size / 2**20:.1f} MB)" for one in left)
    return (
        f"Bytecode left out to stay below the limit, of the packages that gain least: {names}. "
        "Each cold start compiles what it imports of them."
    )


def _no_interpreter(version: str, packages: Mapping[str, Mapping[str, Path]]) -> str:
    """Say what it costs that there is no interpreter to compile with."""
    count, seconds = _compilation(packages)
    return (
        f"No bytecode in the zip, because Python {version} is not here to compile it: each cold "
        f"start compiles {count} modules of the application, which takes {seconds:.2f} s here. "
        f'Install that Python, for example with "uv python install {version}", and build again.'
    )


def _compilation(packages: Mapping[str, Mapping[str, Path]]) -> tuple[int, float]:
    """Return how many modules of the packages are imported here, and the time to compile them."""
    files = {path: file for package in packages.values() for path, file in package.items()}
    count = 0
    begun = time.perf_counter()
    for name in list(sys.modules):
        path = name.replace(".", "/")
        source = files.get(f"{path}.py") or files.get(f"{path}/__init__.py")
        if source is not None:
            try:
                compile(source.read_bytes(), path, "exec", dont_inherit=True)
            except (SyntaxError, ValueError):
                continue
            count += 1
    return count, time.perf_counter() - begun
