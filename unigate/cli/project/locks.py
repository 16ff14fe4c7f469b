"""Lock files of uv, Poetry and PDM, and pylock.toml, as the requirements that they stand for.

uv.lock is read by uv itself (`uv export`). The other formats have what an installation without
extras and development groups needs in each entry: PEP 751 for pylock.toml; poetry.lock since Poetry
2.0 (lock-version 2.1); pdm.lock since PDM 2.11, by default (strategy "inherit_metadata").
"""

from __future__ import annotations

import subprocess
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from .interpreters import find_uv

UV_LOCK = "uv.lock"


def find_lock(root: Path) -> Path | None:
    """Return the lock file of a project, or that of the uv workspace that it is a member of."""
    for name in LOCKS:
        if (root / name).is_file():
            return root / name
    if not (root / "pyproject.toml").is_file():
        return None
    for folder in root.parents:
        if (folder / UV_LOCK).is_file() and _is_workspace(folder):
            return folder / UV_LOCK
    return None


def locked_lines(lock: Path, root: Path) -> list[str]:
    """Return a lock file's packages as the lines of a requirements.txt.

    Paths in them begin with "./" or are absolute, and are relative to the lock's folder.

    Raises:
        click.ClickException: The file cannot be read, or not without a program that is missing.
    """
    if lock.name == UV_LOCK:
        return _uv_lines(root)
    try:
        tables = tomllib.loads(lock.read_text("utf-8"))
        return list(LOCKS[lock.name](tables))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise click.ClickException(f"{lock} cannot be read: {error!r}.") from error


def _is_workspace(folder: Path) -> bool:
    try:
        tables = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))
        return "workspace" in tables["tool"]["uv"]
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _uv_lines(root: Path) -> list[str]:
    uv = find_uv()
    if uv is None:
        raise click.ClickException("uv.lock is read by uv, which is missing: pip install uv.")
    command = [
        uv, "export", "--frozen", "--no-hashes", "--no-default-groups", "--no-emit-project",
        "--no-header", "--no-annotate",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    if done.returncode:
        raise click.ClickException(f"uv.lock cannot be read: {done.stderr.strip()}")
    return done.stdout.splitlines()


def _pylock(tables: Mapping[str, Any]) -> Iterator[str]:
    for package in tables["packages"]:
        marker = _marker(package.get("marker", ""))
        if directory := package.get("directory"):
            path = _below(Path(directory["path"], directory.get("subdirectory", "")).as_posix())
            yield f"{path}{marker}"
        elif vcs := package.get("vcs"):
            place = vcs.get("url") or vcs["path"]
            yield f"{package['name']} @ {vcs['type']}+{place}@{vcs['commit-id']}{marker}"
        elif archive := package.get("archive"):
            place = archive.get("url") or _below(archive["path"])
            yield f"{package['name']} @ {place}{marker}" if archive.get("url") else place + marker
        else:
            yield f"{package['name']}=={package['version']}{marker}"


def _poetry(tables: Mapping[str, Any]) -> Iterator[str]:
    for package in tables["package"]:
        if "groups" not in package:
            raise click.ClickException(
                "poetry.lock is from a Poetry before 2.0: run `poetry lock` of a later one."
            )
        if "main" not in package["groups"] or package.get("optional"):
            continue
        markers = package.get("markers", "")
        marker = _marker(markers.get("main", "") if isinstance(markers, Mapping) else markers)
        source = package.get("source", {})
        name, kind = package["name"], source.get("type")
        if kind in ("directory", "file"):
            yield f"{_below(source['url'])}{marker}"
        elif kind == "git":
            yield f"{name} @ git+{source['url']}@{source['resolved_reference']}{marker}"
        elif kind == "url":
            yield f"{name} @ {source['url']}{marker}"
        else:
            yield f"{name}=={package['version']}{marker}"


def _pdm(tables: Mapping[str, Any]) -> Iterator[str]:
    if "inherit_metadata" not in tables["metadata"].get("strategy", ()):
        raise click.ClickException(
            "pdm.lock does not say which packages are for development: run "
            "`pdm lock --strategy inherit_metadata`."
        )
    for package in tables["package"]:
        if "default" not in package["groups"]:
            continue
        name, marker = package["name"], _marker(package.get("marker", ""))
        if "path" in package:
            yield f"{_below(package['path'])}{marker}"
        elif "git" in package:
            yield f"{name} @ git+{package['git']}@{package['revision']}{marker}"
        elif "url" in package:
            yield f"{name} @ {package['url']}{marker}"
        elif "extras" not in package:  # that is listed without them as well
            yield f"{name}=={package['version']}{marker}"


# By the names of the files; the first one that exists is read.
LOCKS: Mapping[str, Callable[[Mapping[str, Any]], Iterator[str]]] = {
    "pylock.toml": _pylock,
    UV_LOCK: lambda tables: iter(()),
    "poetry.lock": _poetry,
    "pdm.lock": _pdm,
}


def _marker(text: str) -> str:
    return f" ; {text}" if text else ""


def _below(path: str) -> str:
    """Return a path that no installer takes for the name of a package."""
    return path if path.startswith(("/", ".")) else f"./{path}"
