"""The program `unigate`: its commands, and how it ends when one of them cannot go on."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import click

_EXTRA = ("click", "jinja2", "markupsafe", "werkzeug")


def main(args: Sequence[str] | None = None) -> int:
    """Run a command and return the exit code: 2, after one line, for what it cannot work with.

    args: the arguments after the program's name; without them, those of the process.
    """
    try:
        import click

        from .project.target import Unloadable

        group = _group()
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _EXTRA:
            raise
        print("unigate: The command line is an extra: pip install 'unigate[cli]'", file=sys.stderr)
        return 2
    try:
        return group.main(args, "unigate", standalone_mode=False) or 0
    except click.ClickException as error:
        if isinstance(error, Unloadable):
            click.echo(error.trace, err=True, nl=False)
        click.echo(_line(error), err=True)
        return 2
    except click.Abort:
        return 130


def _group() -> click.Group:
    import click

    from .build.command import build
    from .check.command import check
    from .dev.command import dev
    from .invoke import invoke
    from .routes import routes

    return click.Group(
        commands=[build, check, dev, invoke, routes],
        no_args_is_help=False,
        help="Work on an application for serverless hosts.\n\nExample: unigate dev main:app",
    )


def _line(error: click.ClickException) -> str:
    """Say in one line where click takes a paragraph for it."""
    message = " ".join(error.format_message().split())
    context: click.Context | None = getattr(error, "ctx", None)
    if context is None:
        return f"unigate: {message}"
    return f"{context.command_path}: {message} (see '{context.command_path} --help')"
