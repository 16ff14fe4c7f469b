"""`unigate build`: write the files that a platform needs to deploy an application."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from unigate.cli.choice import Choice
from unigate.cli.project.aws_settings import FORMATS, TEMPLATES
from unigate.cli.project.core import Project
from unigate.cli.project.dependencies import REQUIREMENTS
from unigate.cli.project.pyproject import PYPROJECT, read_pyproject
from unigate.cli.project.record import read_json_written
from unigate.cli.project.target import load_target

from . import vercel
from .aws import target as aws
from .edits import merged_json, what_to_do
from .left_out import notes_on_left_out
from .plan import BuildPlan, FileContent
from .requirement_files import requirement_files, without_locks
from .smoke import try_function
from .targets import TARGETS, named_platform, without_platform
from .writing import recover_output, write


@click.command()
@click.argument("target", metavar="[MODULE:APP]", required=False)
@click.option(
    "--target",
    "platform",
    callback=named_platform,
    metavar=f"[{'|'.join(TARGETS)}]",
    help="The platform; it must be named.",
)
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder to write to.  [default: the project, or build/aws for aws]",
)
@click.option("--dry-run", is_flag=True, help="Print the files instead of writing them.")
@click.option("--force", is_flag=True, help="Replace files that unigate build did not write.")
@click.option("--format", "package", type=Choice(FORMATS), help="aws: what has the code.")
@click.option("--template", type=Choice(TEMPLATES), help="aws: the tool that deploys it.")
@click.option(
    "--keep", multiple=True, metavar="PATTERN", help="aws: keep these files of installed packages."
)
@click.option("--no-bytecode", is_flag=True, help="aws: write no bytecode.")
@click.option("--split", is_flag=True, help="vercel: make one function for each route.")
@click.option(
    "--no-smoke",
    is_flag=True,
    envvar="UNIGATE_NO_SMOKE",
    help="Do not start the function to try it.  [env: UNIGATE_NO_SMOKE]",
)
def build(
    target: str | None,
    platform: str | None,
    output: Path | None,
    dry_run: bool,
    force: bool,
    package: str | None,
    template: str | None,
    keep: tuple[str, ...],
    no_bytecode: bool,
    split: bool,
    no_smoke: bool,
) -> int:
    """Write the files that a platform needs.

    These are an entry point and settings, and for aws a zip with all dependencies. Run it in the
    project's folder. MODULE:APP is the import string of the application, by default app in
    [tool.unigate] of pyproject.toml, where limits and other settings are too. Into another output
    folder it copies the project's files as well, ready to deploy. Then it starts the function in
    a fresh process, with only what the platform would have, and asks it once.

    \b
    Examples:
      unigate build main:app --target vercel --dry-run
      unigate build main:app --target aws --output build/aws
    """
    if platform is None:
        raise click.UsageError(without_platform(target))
    if split and platform != "vercel":
        raise click.UsageError("--split requires --target vercel.")
    if (package or template) and platform != "aws":
        raise click.UsageError("--format and --template require --target aws.")
    project = _read_project(target, platform, output, keep, no_bytecode, dry_run)
    make_plan: Callable[[Project], BuildPlan] = TARGETS[platform].plan
    if split:
        make_plan = partial(vercel.plan, split=True)
    if platform == "aws":
        make_plan = partial(aws.plan, package=package, template=template)
    zips = platform == "aws" and not aws.makes_image(project, package)
    with TemporaryDirectory() as work:
        replaced = {} if zips else requirement_files(project, platform, Path(work))
        plan = make_plan(project)
        files = {**plan.files, **replaced}
        if platform != "aws" and not project.in_place:
            own = without_locks(project.files(), replaced)
            files = _with_project(files, own, project, force)
        if dry_run:
            _print(files, project.output)
        else:
            _write(files, project.output, platform, force)
    if not (dry_run or no_smoke):
        made = [path for path, content in files.items() if not isinstance(content, Path)]
        for line in try_function(project, platform, project.output, made):
            click.echo(line, err=True)
    for note in (*plan.notes, *notes_on_left_out(project), *_unused_settings(project, platform)):
        click.echo(note)
    return 0


def _read_project(
    target: str | None,
    platform: str,
    output: Path | None,
    keep: Sequence[str],
    no_bytecode: bool,
    dry_run: bool,
) -> Project:
    """Read the project in the current folder, with the settings that options have replaced.

    Raises:
        click.ClickException: The project cannot be built for the platform.
    """
    root = Path.cwd()
    pyproject = read_pyproject(root)
    if keep:
        pyproject.settings["keep"] = [*pyproject.settings.get("keep", ()), *keep]
    if no_bytecode:
        pyproject.settings["bytecode"] = False
    target = target or pyproject.settings.get("app")
    if target is None:
        raise click.UsageError("Name the application: MODULE:APP, or app in [tool.unigate].")
    output = output or _default_output(root, platform)
    with _errors_of_writing(output), suppress(FileNotFoundError):
        output.stat()  # a link that leads to itself cannot be resolved below
    _refuse_around(root, output)
    if not dry_run:  # before the project is read, which may be the output folder
        with _errors_of_writing(output):
            recover_output(output)
    project = Project(root, pyproject, load_target(target, pyproject), output, platform)
    if platform == "aws" or not project.in_place:  # it copies the project's files
        project.check_links()
    project.check_platform(TARGETS[platform].UNUSED)
    return project


def _default_output(root: Path, platform: str) -> Path:
    """Return the output folder if none is given; no link may lead it out of the project."""
    output = Path("build/aws") if platform == "aws" else Path()
    real = Path(os.path.realpath(root / output))
    if not real.is_relative_to(os.path.realpath(root)):
        message = (
            f"The default output {output} must be in the project, and links lead it to {real}: "
            "remove the link, or choose that folder with --output."
        )
        raise click.ClickException(message)
    return output


def _refuse_around(root: Path, output: Path) -> None:
    """Raise a ClickException for an output folder that the project is in."""
    real, project = output.resolve(), root.resolve()
    if real != project and project.is_relative_to(real):
        raise click.ClickException(
            f"--output must be the project's folder, a folder in it, or one beside it, got {real}, "
            f"which the project {project} is in."
        )


def _unused_settings(project: Project, platform: str) -> Iterator[str]:
    """Yield a note on the project's settings that the platform has no use for."""
    unused = [name for name in TARGETS[platform].UNUSED if name in project.settings]
    if unused:
        names = ", ".join(f"tool.unigate.{name}" for name in unused)
        yield f"Not used for {platform}: {names}."


def _write(files: Mapping[str, FileContent], output: Path, platform: str, force: bool) -> None:
    with _errors_of_writing(output):
        count = write(files, output, platform, force)
    click.echo(f"{count} files written to {output.resolve()}")


@contextmanager
def _errors_of_writing(output: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise click.ClickException(f"Cannot write to {output}: {error}.") from error


def _with_project(
    files: Mapping[str, FileContent], own: Mapping[str, Path], project: Project, force: bool
) -> dict[str, FileContent]:
    """Add the project's files; one that differs is merged, if it is JSON, or replaced by force.

    Raises:
        click.ClickException: Another file differs, without `force`.
    """
    merged: dict[str, FileContent] = {}
    last = read_json_written(project.root)
    # These are made of the project's.
    for path in sorted((own.keys() & files.keys()) - {PYPROJECT, REQUIREMENTS}):
        content = files[path]
        if force or own[path].read_bytes() == content:
            continue
        if not (isinstance(content, bytes) and path.endswith(".json")):
            message = f"The project already has a file {path}: {what_to_do(path)} in "
            raise click.ClickException(f"{message}{project.output}.")
        merged[path] = merged_json(own[path], content, last.get(path))
    return {**own, **files, **merged}


def _print(files: Mapping[str, FileContent], output: Path) -> None:
    """Print each path, with the file's text, its original or its sources."""
    for path, content in sorted(files.items()):
        if isinstance(content, bytes):
            click.echo(f"{output / path}:")
            text = content.decode()
            click.echo("".join(f"    {line}".rstrip() + "\n" for line in text.splitlines()))
        elif isinstance(content, Path):
            click.echo(f"{output / path}: a copy of {content}")
        else:
            click.echo(f"{output / path}:")
            click.echo("".join(f"    {source}\n" for source in content.sources))
