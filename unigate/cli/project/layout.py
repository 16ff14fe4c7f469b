"""Where the modules of a project are: in its folder, in `src/`, or where its build backend says.

Sources: the documentation of the build backends' tables: Setuptools, "Package discovery"; Hatch,
"Build configuration"; Poetry, "packages"; PDM, "package-dir"; uv, "module-root".
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path, PurePosixPath
from typing import Any

import click

from .pyproject import Pyproject

_MOST_FOLDERS = 2000  # that are searched for a module that cannot be imported
_NAME_AND_VERSION = re.compile(r"([A-Za-z0-9][\w.-]*) (\d[\w.!+-]*)")
_SKIPPED = ("node_modules", "__pycache__", "site-packages")


def import_folders(root: Path, pyproject: Pyproject) -> tuple[str, ...]:
    """Return the folders below a root, without itself, from which modules are imported.

    They are tool.unigate.paths, else those of the build backend's table, `src`, and the folders
    beside the root's files that have a manage.py.

    Raises:
        click.ClickException: tool.unigate.paths names something else than a folder of the project.
    """
    if "paths" in pyproject.settings:
        paths = pyproject.settings["paths"]
        for path in paths:
            if not _is_below(root, path):
                raise click.ClickException(
                    f"tool.unigate.paths must name folders below the project, got {path!r}."
                )
    else:
        paths = [path for path in _detected(root, pyproject.tools) if _has_modules(root, path)]
    folders = (PurePosixPath(path).as_posix() for path in paths)
    return tuple(dict.fromkeys(folder for folder in folders if folder != "."))


def places_of(root: Path, module: str) -> list[str]:
    """Return the folders below a root, in "/" notation, in which a module would be found."""
    path = module.replace(".", "/")
    found = []
    for number, (folder, folders, _) in enumerate(os.walk(root)):
        folders[:] = sorted(name for name in folders if name[0] != "." and name not in _SKIPPED)
        here = Path(folder)
        if number > _MOST_FOLDERS:
            break
        if (here / "pyvenv.cfg").exists():
            folders.clear()
        elif (here / f"{path}.py").is_file() or (here / path / "__init__.py").is_file():
            found.append(here.relative_to(root).as_posix())
    return found


def renamed_from(pyproject: Pyproject, module: str) -> str | None:
    """Return the folder of a module's package that has another name there, None if there is none.

    No folder of `sys.path` makes such a module importable: only an installation does.
    """
    path = module.replace(".", "/")
    for place, package in _package_places(pyproject.tools):
        if package and f"{path}/".startswith(f"{package}/") and not place.endswith(package):
            return place
    return None


def own_metadata(pyproject: Pyproject) -> dict[str, bytes]:
    """Return the metadata of the project as an installed package, by its path beside the modules.

    The code may read its version or entry points from there. They are those of the project as it is
    installed here, as by `pip install -e .`, else the name and version of pyproject.toml alone. The
    result is {} without them.
    """
    try:
        installed = distribution(str(pyproject.project.get("name") or "/"))
        name, version = installed.metadata["Name"], installed.version
        texts = {file: installed.read_text(file) for file in ("METADATA", "entry_points.txt")}
    except (PackageNotFoundError, ValueError):
        tables = (pyproject.project, pyproject.tools.get("poetry", {}))
        named = (f"{table.get('name')} {table.get('version')}" for table in tables)
        match = next(filter(None, map(_NAME_AND_VERSION.fullmatch, named)), None)
        if match is None:
            return {}
        name, version = match.groups()
        texts = {"METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"}
    folder = f"{re.sub('[-.]', '_', name).lower()}-{version}.dist-info"
    return {f"{folder}/{file}": text.encode() for file, text in texts.items() if text is not None}


def _detected(root: Path, tools: Mapping[str, Any]) -> Iterator[str]:
    for place, package in _package_places(tools):
        parent = place.removesuffix(package).rstrip("/")
        if place.endswith(package) and parent:
            yield parent
    yield from _strings(_dig(tools, "setuptools", "packages", "find", "where"))
    wheel = _dig(tools, "hatch", "build", "targets", "wheel")
    for package in _strings(_dig(wheel, "packages")):
        yield PurePosixPath(package).parent.as_posix()
    sources = _dig(wheel, "sources")
    yield from () if isinstance(sources, Mapping) else _strings(sources)
    for package in _dig(tools, "poetry", "packages") or ():
        yield from _strings(_dig(package, "from"))
    yield from _strings(_dig(tools, "pdm", "build", "package-dir"))
    yield from _strings(_dig(tools, "uv", "build-backend", "module-root"))
    if not (root / "src/__init__.py").exists():  # then "src" is the name of a package
        yield "src"
    for manage in sorted(root.glob("*/manage.py")):
        yield manage.parent.name


def _package_places(tools: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the folders of packages that a build backend's table places, with their paths there."""
    places = _dig(tools, "setuptools", "package-dir")
    for package, place in places.items() if isinstance(places, Mapping) else ():
        yield PurePosixPath(str(place)).as_posix(), package.replace(".", "/")
    sources = _dig(tools, "hatch", "build", "targets", "wheel", "sources")
    for place, package in sources.items() if isinstance(sources, Mapping) else ():
        yield PurePosixPath(place).as_posix(), PurePosixPath(str(package)).as_posix().strip(".")


def _dig(value: Any, *names: str) -> Any:
    """Return a value of nested tables, None if there is none."""
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _strings(value: Any) -> list[str]:
    items = [value] if isinstance(value, str) else list(value or ())
    return [item for item in items if isinstance(item, str)]


def _has_modules(root: Path, path: str) -> bool:
    return _is_below(root, path) and next((root / path).glob("**/*.py"), None) is not None


def _is_below(root: Path, path: str) -> bool:
    folder = Path(os.path.normpath(root / path))
    return folder.is_relative_to(root) and folder.is_dir()
