"""The requirements that a platform installs, where it could not read those of the project."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from importlib.metadata import distributions
from pathlib import Path

import click

from unigate.cli.project.core import Project
from unigate.cli.project.dependencies import REQUIREMENTS, WRITTEN
from unigate.cli.project.layout import own_metadata
from unigate.cli.project.locks import LOCKS
from unigate.cli.project.pyproject import PYPROJECT

from .installed_files import installed_files
from .local_packages import install_local
from .plan import FileContent

# The folder of local packages in a deployment.
PACKAGES = "unigate_packages"


def requirement_files(project: Project, platform: str, work: Path) -> dict[str, FileContent]:
    """Return the files of requirements, local packages and metadata, and make them importable.

    Platforms read requirements.txt, and Vercel pyproject.toml. A lock file becomes a list there.

    Args:
        platform: The target.
        work: An empty folder for the packages, until the files are written.

    Raises:
        click.ClickException: Local packages would have to be written into the project itself.
    """
    files: dict[str, FileContent] = {} if project.in_place else {**own_metadata(project.pyproject)}
    if not project.declares_dependencies:
        return files
    dependencies = project.dependencies
    if project.in_place and platform == "vercel":  # which reads lock files, and builds packages
        return files
    if dependencies.local and project.in_place and project.replaces_requirements:
        raise click.ClickException(
            f"{dependencies.local[0].path} must be built into the deployment: choose a folder for "
            "that with --output."
        )
    missing = platform == "azure" and not (project.root / REQUIREMENTS).is_file()
    if not (project.replaces_requirements or missing):
        return files
    packages = work / PACKAGES
    more = install_local(project, packages)
    required = [*dependencies.lines, *more]
    if dependencies.local:
        built = (each.metadata["Name"] for each in distributions(path=[str(packages)]))
        project.added = (*more, *built)
        project.paths = (*project.paths, PACKAGES)
        files |= {f"{PACKAGES}/{path}": file for path, file in installed_files(packages).items()}
    if platform == "vercel":
        return files | {PYPROJECT: _pyproject(project, required)}
    first = f"{WRITTEN} from {dependencies.source}.\n"
    return files | {REQUIREMENTS: (first + "".join(f"{line}\n" for line in required)).encode()}


def without_locks(
    files: Mapping[str, Path], replaced: Mapping[str, FileContent]
) -> dict[str, Path]:
    """Return the project's files without those that a platform would install from instead."""
    if not replaced.keys() & {REQUIREMENTS, PYPROJECT}:
        return dict(files)
    hidden = {*LOCKS, REQUIREMENTS} - replaced.keys()
    return {path: file for path, file in files.items() if path not in hidden}


def _pyproject(project: Project, required: Iterable[str]) -> bytes:
    """Return a pyproject.toml with the requirements; JSON's strings and lists are TOML's too."""
    table = project.pyproject.project
    lines = [f"{WRITTEN} from {project.dependencies.source}.", "[project]"]
    values = {"name": str(table.get("name", "function")), "version": "0"}
    if "requires-python" in table:
        values["requires-python"] = str(table["requires-python"])
    lines += [f"{name} = {json.dumps(value)}" for name, value in values.items()]
    listed = [*required]
    if option := next((line for line in listed if line.startswith("-")), None):
        raise click.ClickException(
            f"pyproject.toml, from which Vercel installs, has no place for {option!r} of "
            f"{project.dependencies.source}: remove it."
        )
    lines += ["dependencies = [", *(f"    {json.dumps(line)}," for line in listed), "]"]
    if project.settings.get("vercel", {}).get("framework"):
        lines += ["", "[tool.vercel]", 'entrypoint = "api.index:app"']
    return "".join(f"{line}\n" for line in lines).encode()
