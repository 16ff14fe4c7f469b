"""`unigate build`: write what a platform wants beside an application."""

from __future__ import annotations

from pathlib import Path

import click

from unigate.cli.project.core import Project
from unigate.cli.project.settings import read_pyproject, read_settings
from unigate.cli.project.target import load

from . import aws, azure, google, vercel
from .writing import Content, write

TARGETS = {"vercel": vercel, "aws": aws, "google": google, "azure": azure}


@click.command()
@click.argument("target", metavar="MODULE:APP", required=False)
@click.option("--target", "platform", type=click.Choice(list(TARGETS)), required=True)
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the files go.  [default: the project, or build/aws for aws]",
)
@click.option("--dry-run", is_flag=True, help="Print the files, and write nothing.")
@click.option("--force", is_flag=True, help="Replace files that were not written by a build.")
@click.option("--split", is_flag=True, help="vercel: one function for each route.")
def build(
    target: str | None,
    platform: str,
    output: Path | None,
    dry_run: bool,
    force: bool,
    split: bool,
) -> int:
    """Write what a platform wants: entry point, settings, for aws a zip with all dependencies.

    Run it in the project's folder. MODULE:APP is the import string of the application; without it
    pyproject.toml says it. Limits and other settings are there too, in [tool.unigate]. Another
    output folder than the project gets the project's files as well, so that it can be deployed.

    \b
    Examples:
      unigate build main:app --target vercel --dry-run
      unigate build main:app --target aws --output build/aws
    """
    if split and platform != "vercel":
        raise click.UsageError("--split is for --target vercel.")
    root = Path.cwd()
    target = target or read_settings(read_pyproject(root)).get("app")
    if target is None:
        raise click.UsageError("Say which application: MODULE:APP, or app in [tool.unigate].")
    gateway = load(target)
    output = output or (Path("build/aws") if platform == "aws" else Path())
    project = Project(root, target, gateway, output)
    copied = platform != "aws" and not project.in_place
    if copied or platform == "aws":
        project.refuse_links()
    made = TARGETS[platform]
    options = {"split": True} if split else {}
    files = made.plan(project, **options)
    if copied:
        files = _with_project(files, project, force)
    notes = made.notes(project, **options)  # which may refuse too: before anything is written
    if dry_run:
        _print(files, output)
    else:
        try:
            write(files, output, platform, force)
        except OSError as error:
            raise click.ClickException(f"Cannot write to {output}: {error}.") from error
        click.echo(f"{len(files)} files written to {output.resolve()}")
    for note in notes:
        click.echo(note)
    unused = [f"tool.unigate.{name}" for name in made.UNUSED if name in project.settings]
    if unused:
        click.echo(f"Not used for {platform}: {', '.join(unused)}.")
    return 0


def _with_project(files: dict[str, Content], project: Project, force: bool) -> dict[str, Content]:
    """Add the project's own files; what both have is a ClickException unless forced."""
    own: dict[str, Content] = {**project.files()}
    for path in sorted((own.keys() & files.keys()) - {"pyproject.toml"}):  # that has a table more
        if not force and project.files()[path].read_bytes() != files[path]:
            message = (
                f"The project has a {path} of its own: --force replaces it in {project.output}."
            )
            raise click.ClickException(message)
    return {**own, **files}


def _print(files: dict[str, Content], output: Path) -> None:
    """Print each file's path, and the text of those that are generated or what they are made of."""
    for path, content in sorted(files.items()):
        if isinstance(content, bytes):
            click.echo(f"{output / path}:")
            text = content.decode()
            click.echo("".join(f"    {line}".rstrip() + "\n" for line in text.splitlines()))
        elif isinstance(content, Path):
            click.echo(f"{output / path}: a copy of {content}")
        else:
            click.echo(f"{output / path}:")
            click.echo("".join(f"    {part}\n" for part in content.parts))
