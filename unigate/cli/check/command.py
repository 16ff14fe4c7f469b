"""`unigate check`: what will go wrong when a project is deployed."""

from __future__ import annotations

import json
import sys
from contextlib import redirect_stdout
from pathlib import Path

import click

from unigate.cli.project.core import Project
from unigate.cli.project.settings import read_pyproject, read_settings
from unigate.cli.project.target import load
from unigate.cli.vercel.project import FILE, Vercel, read_entry, read_vercel_json

from . import Finding
from .django import check_django
from .entrypoints import check_entries
from .import_effects import check_import
from .other_gateways import check_handlers
from .platform_limits import Platform, platforms_of
from .python_version import check_python
from .requirements import check_needs, read_needs
from .rewrites import check_rewrites
from .sizes import check_sizes, report, sizes_of
from .vercel_json import check_configuration


@click.command()
@click.argument("target", metavar="[MODULE:APP]", required=False)
@click.option(
    "--budget",
    type=click.FloatRange(0),
    default=5.0,
    show_default=True,
    help="How many seconds the import may take.",
)
@click.option("--json", "as_json", is_flag=True, help="Print findings and sizes in bytes as JSON.")
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
        found, sizes, platforms = _check(Path.cwd(), target, budget)
    if as_json:
        findings = [finding._asdict() for finding in found]
        click.echo(json.dumps({"findings": findings, "sizes": sizes}, indent=2))
    else:
        for line in report(sizes, platforms):
            click.echo(line, err=True)
        for finding in found:
            click.echo(f"{finding.place}: {finding.message} [{finding.kind}]")
        click.echo(f"{len(found)} found." if found else "Nothing found.")
    return 1 if found else 0


def _check(
    root: Path, target: str | None, budget: float
) -> tuple[list[Finding], dict[str, int], list[Platform]]:
    """Return what was found, how large what is deployed is, and where it is deployed."""
    pyproject = read_pyproject(root)
    told = read_vercel_json(root)
    spoilt = told is None and (root / FILE).exists()
    on_vercel = told is not None or spoilt or "vercel" in pyproject.get("tool", {})
    vercel = Vercel(root, told or {}, pyproject)
    target = target or read_settings(pyproject).get("app") or _target_of(vercel)
    if target is None:
        message = "Say which application: MODULE:APP, or app in [tool.unigate]."
        raise click.UsageError(message)
    # Before it is imported here, which may write the same files.
    imported = list(check_import(root, target, budget))
    gateway = load(target)
    project = Project(root, target, gateway, root)
    needs = read_needs(project)
    sizes = sizes_of(project, needs)
    platforms = platforms_of(project, needs, vercel if on_vercel else None)
    found: list[Finding] = []
    if spoilt:
        found.append(Finding("vercel", FILE, "It is no JSON object: Vercel refuses it."))
    elif on_vercel:
        found += check_entries(vercel)
        found += check_configuration(vercel)
        found += check_rewrites(vercel, gateway)
    found += check_handlers(project.files())
    found += check_needs(project, needs, on_vercel)
    found += check_python(project, platforms)
    found += check_sizes(sizes, platforms)
    found += imported
    found += check_django(gateway)
    return found, sizes, platforms


def _target_of(vercel: Vercel) -> str | None:
    """Return the import string of what Vercel would deploy."""
    entry = vercel.entry()
    if entry is None:
        return None
    # What is wrong with a file that has none is said when it is loaded.
    name = entry.name or (read_entry(vercel.root, entry.file) or ("app",))[0]
    return f"{entry.file.removesuffix('.py').replace('/', '.')}:{name}"
