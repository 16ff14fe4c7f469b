"""The packages that a project requires from folders and files here, built into a deployment.

A platform gets the project's folder alone, so it could not install them itself.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from importlib.metadata import Distribution, distributions
from pathlib import Path

import click
from packaging.markers import Marker
from packaging.requirements import Requirement

from unigate.cli.project.core import Project
from unigate.cli.project.dependencies import LocalPackage
from unigate.cli.project.interpreters import find_uv

_STDERR = 2  # a file descriptor, for subprocesses


def install_local(project: Project, folder: Path) -> list[str]:
    """Install a project's local packages into a folder, without their dependencies.

    Returns:
        The requirements of these packages that the project does not list itself.

    Raises:
        click.ClickException: A package cannot be built, or only for this machine.
    """
    local = [each for each in project.dependencies.local if _applies(each, project.python)]
    if not local:
        return []
    paths = [str(each.path) for each in local]
    click.echo(f"Building {', '.join(paths)}:", err=True)
    command = _command(project.python, folder, paths)
    if subprocess.run(command, cwd=project.root, stdout=_STDERR).returncode:
        raise click.ClickException(f"{', '.join(paths)} cannot be built.")
    _refuse_compiled(local, folder)
    if project.dependencies.locked:  # with the dependencies of these packages
        return []
    installed = list(distributions(path=[str(folder)]))
    return sorted(set(_required(installed, project.python)))


def _applies(package: LocalPackage, python: str) -> bool:
    environment = {"python_version": python, "python_full_version": f"{python}.0"}
    environment |= {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"}
    return not package.marker or Marker(package.marker).evaluate(environment)


def _command(python: str, folder: Path, paths: list[str]) -> list[str]:
    common = ["install", "--no-deps", "--target", str(folder)]
    uv = find_uv()
    if uv is None:
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
        return [*pip, *common, *paths]
    return [uv, "pip", *common, "--python-version", python, *paths]


def _refuse_compiled(local: Iterable[LocalPackage], folder: Path) -> None:
    if all(each.path.suffix == ".whl" for each in local):
        return  # which are for the platform that their names say
    compiled = next((file for file in folder.rglob("*") if file.suffix in (".so", ".pyd")), None)
    if compiled is not None:
        raise click.ClickException(
            f"{compiled.relative_to(folder)} was compiled for this machine: build a wheel of its "
            "package for the platform, and require that file."
        )


def _required(installed: list[Distribution], python: str) -> Iterable[str]:
    names = {each.metadata["Name"].lower() for each in installed}
    for each in installed:
        for line in each.requires or ():
            requirement = Requirement(line)
            extra = requirement.marker is not None and "extra" in str(requirement.marker)
            if not extra and requirement.name.lower() not in names:
                yield line
