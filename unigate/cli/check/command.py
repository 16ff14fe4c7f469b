"""`unigate check`: find mistakes that show only when a project is deployed."""

from __future__ import annotations

import json
import sys
from contextlib import redirect_stdout, suppress
from pathlib import Path

import click

from unigate.cli.build.cold_start import NotStarted, cold_start_here
from unigate.cli.project.core import Project
from unigate.cli.project.platforms import Platform
from unigate.cli.project.pyproject import read_pyproject
from unigate.cli.project.target import load_target
from unigate.cli.vercel.project import (
    VERCEL_JSON,
    VercelProject,
    read_entrypoint,
    read_vercel_json,
)

from .django import check_django
from .entrypoints import check_entrypoints
from .findings import Finding
from .hidden_library import check_hidden_library
from .import_effects import check_import
from .mounts import check_mounts
from .other_gateways import check_other_gateways
from .platform_limits import limits_of
from .prefixes import check_prefixes
from .python_version import check_python_version
from .requirements import check_requirements, read_requirements
from .rewrites import check_rewrites
from .sizes import check_sizes, report, sizes_of
from .undeclared import check_imports
from .vercel_json import check_vercel_json


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
    """Check a project before it is deployed.

    It finds mistakes that otherwise show only in a deployment. Run it in the project's folder: it
    reads the project's files and imports the application, which is MODULE:APP, by default app in
    [tool.unigate] of pyproject.toml, or what Vercel would deploy. The exit code is 1 if it finds a
    mistake.

    \b
    Examples:
      unigate check
      unigate check main:app --json
    """
    with redirect_stdout(sys.stderr):  # the application may print while it is imported
        findings, sizes, platforms, import_string = _check(Path.cwd(), target, budget)
    if as_json:
        rows = [finding._asdict() for finding in findings]
        click.echo(json.dumps({"findings": rows, "sizes": sizes}, indent=2))
    else:
        for line in report(sizes, platforms):
            click.echo(line, err=True)
        with suppress(NotStarted):  # which is said elsewhere
            start = cold_start_here(sys.executable, Path.cwd(), import_string)
            click.echo(start, err=True)
        for finding in findings:
            click.echo(f"{finding.place}: {finding.message} [{finding.kind}]")
        click.echo(f"{len(findings)} found." if findings else "Nothing found.")
    return 1 if findings else 0


def _check(
    root: Path, import_string: str | None, budget: float
) -> tuple[list[Finding], dict[str, int], list[Platform], str]:
    """Return findings, the size of each package, the platforms' limits, and the import string."""
    pyproject = read_pyproject(root)
    vercel_json = read_vercel_json(root)
    malformed = vercel_json is None and (root / VERCEL_JSON).exists()
    on_vercel = vercel_json is not None or malformed or "vercel" in pyproject.tools
    vercel = VercelProject(root, vercel_json or {}, pyproject.tools.get("vercel", {}))
    import_string = import_string or pyproject.settings.get("app") or _deployed_target(vercel)
    if import_string is None:
        message = "Name the application: MODULE:APP, or app in [tool.unigate]."
        raise click.UsageError(message)
    # Before the import in this process, which may write the same files.
    imported = list(check_import(root, import_string, budget))
    target = load_target(import_string, pyproject)
    project = Project(root, pyproject, target, root)
    requirements = read_requirements(project)
    sizes = sizes_of(project, requirements)
    platforms = limits_of(project, requirements, vercel if on_vercel else None)
    findings: list[Finding] = []
    broken = list(check_mounts(target))
    if malformed:
        message = "The file is not a JSON object: Vercel refuses it."
        findings.append(Finding("vercel", VERCEL_JSON, message))
    elif on_vercel:
        findings += check_entrypoints(vercel)
        findings += check_vercel_json(vercel)
        if not broken:
            findings += check_rewrites(vercel, target.gateway)
    findings += check_hidden_library(project.files())
    findings += check_other_gateways(project.files())
    findings += check_requirements(project, requirements, on_vercel)
    findings += check_python_version(project, platforms)
    findings += check_sizes(sizes, platforms)
    findings += check_imports(project, requirements, platforms)
    findings += imported
    if broken:
        return findings + broken, sizes, platforms, import_string
    findings += check_django(target.gateway)
    findings += check_prefixes(target.gateway)
    return findings, sizes, platforms, import_string


def _deployed_target(vercel: VercelProject) -> str | None:
    """Return the import string of what Vercel would deploy."""
    entrypoint = vercel.entrypoint()
    if entrypoint is None:
        return None
    # Loading a file without an entry point reports what is wrong with it.
    name = entrypoint.name or (read_entrypoint(vercel.root, entrypoint.file) or ("app",))[0]
    return f"{entrypoint.file.removesuffix('.py').replace('/', '.')}:{name}"
