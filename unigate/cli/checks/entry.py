"""The entry point and vercel.json: what Vercel makes of them."""

from __future__ import annotations

import ast
import importlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from unigate import Gateway
from unigate.cli.builds.settings import FRAMEWORKS
from unigate.cli.entrypoint import find_entry

from . import Finding

# Where Vercel looks when nothing says where the entry point is, in this order (@vercel/python 25).
_NAMES = ("app", "index", "server", "main", "wsgi", "asgi")
_FOLDERS = ("", "src/", "app/", "api/")
_CATCH_ALL = re.compile(r"\^?/?\(?(\.\*|:\w+\*|:\w+\(\.\*\))\)?\$?")


def entry_file(root: Path, pyproject: Mapping[str, Any], vercel: Mapping[str, Any]) -> str | None:
    """Return the file that Vercel deploys, below the root; None where there is none."""
    told = pyproject.get("tool", {}).get("vercel", {}).get("entrypoint")
    if isinstance(told, str):
        return told.partition(":")[0].replace(".", "/") + ".py"
    if has_functions(vercel):
        return "api/index.py" if (root / "api/index.py").is_file() else None
    places = (f"{folder}{name}.py" for folder in _FOLDERS for name in _NAMES)
    return next(
        (place for place in places if (root / place).is_file() and read_entry(root, place)), None
    )


def has_functions(vercel: Mapping[str, Any]) -> bool:
    """Tell whether the files of `api/` are functions: with a preset there is one for everything."""
    return "framework" in vercel and vercel["framework"] not in FRAMEWORKS


def read_vercel_json(root: Path) -> dict[str, Any] | None:
    """Return vercel.json, None without one or where it is no JSON object."""
    try:
        found = json.loads((root / "vercel.json").read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def check_entry(root: Path, file: str) -> Iterator[Finding]:
    """Find an entry point that is not the gateway. The current folder is on Python's path."""
    found = read_entry(root, file)
    if found is None:
        message = "Vercel finds no app here: bind it at the top level, outside of if and try."
        yield Finding("entrypoint", file, message)
        return
    name, statement = found
    try:
        module = importlib.import_module(file.removesuffix(".py").replace("/", "."))
    except (Exception, SystemExit) as error:
        yield Finding("entrypoint", file, f"It cannot be imported: {error}.")
        return
    if not isinstance(getattr(module, name, None), Gateway):
        message = f"Vercel deploys {name!r}, which it finds first, and that is not the gateway."
        yield Finding("entrypoint", f"{file}:{statement.lineno}", message)


def check_handlers(files: Mapping[str, Path]) -> Iterator[Finding]:
    """Find gateways of another kind: Vercel and servers take them for WSGI."""
    for path, file in files.items():
        if not path.endswith(".py"):
            continue
        parsed = _parsed(file)
        names = {"Mangum"} | {
            alias.asname or alias.name
            for node in ast.walk(parsed)
            if isinstance(node, ast.ImportFrom) and node.module == "mangum"
            for alias in node.names
        }
        for node in ast.walk(parsed):
            if isinstance(node, ast.Call) and _name(node.func) in names:
                message = "Mangum(...) answers Lambda's events alone: unigate.wrap(...) stands in."
                yield Finding("handler", f"{path}:{node.lineno}", message)


def check_vercel_json(root: Path, vercel: Mapping[str, Any]) -> Iterator[Finding]:
    """Find rewrites that change what an application sees, and sources that everyone may read."""
    rewrites = vercel.get("rewrites")
    if has_functions(vercel):
        if not (root / "public").is_dir() and "outputDirectory" not in vercel:
            message = "Vercel serves every file, the sources too: make a folder public/."
            yield Finding("sources", "vercel.json", message)
        return
    for rewrite in rewrites if isinstance(rewrites, list) else ():
        if not isinstance(rewrite, dict):
            continue
        source, destination = str(rewrite.get("source")), str(rewrite.get("destination"))
        if destination.startswith("/") and _CATCH_ALL.fullmatch(source.removeprefix("/")):
            message = (
                f"With a framework's preset the application sees {destination!r} as the path of "
                f'every request: remove the rewrite of {source!r}, or say "framework": null.'
            )
            yield Finding("rewrite", "vercel.json", message)


def read_entry(root: Path, file: str) -> tuple[str, ast.stmt] | None:
    """Return what Vercel finds in a file, None where that is missing or no Python."""
    try:
        return find_entry((root / file).read_text("utf-8"))
    except (OSError, SyntaxError, UnicodeDecodeError):
        return None


def _parsed(file: Path) -> ast.Module:
    try:
        return ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):  # a template, or for another Python
        return ast.Module([], [])


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
