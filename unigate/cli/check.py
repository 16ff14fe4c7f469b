"""`unigate check`: what will go wrong when a project is deployed."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path

import click

from .builds.project import Project
from .builds.settings import read_pyproject, read_settings
from .checks import Finding
from .checks.django import check_django
from .checks.entry import (
    check_entry,
    check_handlers,
    check_vercel_json,
    entry_file,
    has_functions,
    read_entry,
    read_vercel_json,
)
from .checks.importing import check_import
from .checks.needs import check_needs, check_size
from .target import load


@click.command()
@click.argument("target", metavar="[MODULE:APP]", required=False)
@click.option(
    "--budget",
    type=click.FloatRange(0),
    default=5.0,
    show_default=True,
    help="How many seconds the import may take.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
def check(target: str | None, budget: float, as_json: bool) -> int:
    """Find what will go wrong when the project is deployed, without deploying it.

    Run it in the project's folder. It reads the project's files, and imports the application:
    MODULE:APP, or app in [tool.unigate] of pyproject.toml, or what Vercel would deploy. The exit
    code is 1 when something was found.

    \b
    Examples:
      unigate check
      unigate check main:app --json
    """
    with redirect_stdout(sys.stderr):  # what the application prints as it is imported
        found = list(_findings(Path.cwd(), target, budget))
    if as_json:
        click.echo(json.dumps([finding._asdict() for finding in found], indent=2))
    else:
        for finding in found:
            click.echo(f"{finding.place}: {finding.message} [{finding.kind}]")
        click.echo(f"{len(found)} found." if found else "Nothing found.")
    return 1 if found else 0


def _findings(root: Path, target: str | None, budget: float) -> Iterator[Finding]:
    pyproject = read_pyproject(root)
    vercel = read_vercel_json(root)
    spoilt = vercel is None and (root / "vercel.json").exists()
    on_vercel = vercel is not None or spoilt or "vercel" in pyproject.get("tool", {})
    entry = entry_file(root, pyproject, vercel or {})
    target = target or read_settings(pyproject).get("app") or _target_of(root, entry)
    if target is None:
        message = "Say which application: MODULE:APP, or app in [tool.unigate]."
        raise click.UsageError(message)
    # Before it is imported here, which may write the same files.
    imported = list(check_import(root, target, budget))
    gateway = load(target)
    project = Project(root, target, gateway, root)
    if spoilt:
        yield Finding("vercel", "vercel.json", "It is no JSON object: Vercel refuses it.")
    elif on_vercel:
        if entry is not None:
            yield from check_entry(root, entry)
        elif not (has_functions(vercel or {}) and any((root / "api").rglob("*.py"))):
            yield Finding("entrypoint", "vercel.json", "Vercel finds no entry point to deploy.")
        yield from check_vercel_json(root, vercel or {})
    yield from check_handlers(project.files())
    yield from check_needs(project, on_vercel)
    yield from check_size(project)
    yield from imported
    yield from check_django(gateway)


def _target_of(root: Path, entry: str | None) -> str | None:
    """Return the import string of what Vercel would deploy."""
    if entry is None:
        return None
    # What is wrong with a file that has none is said when it is loaded.
    name, _ = read_entry(root, entry) or ("app", None)
    return f"{entry.removesuffix('.py').replace('/', '.')}:{name}"
