"""The program `unigate`: it runs a command and returns the exit code."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from . import EXTRA_MISSING, PROGRAM

if TYPE_CHECKING:
    import click


def main(args: Sequence[str] | None = None, program: str = PROGRAM) -> int:
    """Run a command; without one, print the help.

    Args:
        args: The arguments after the program's name; by default those of the process.
        program: The name, which messages begin with; one like "flask unigate" knows the application
            and passes it.

    Returns:
        The exit code: that of the command, 2 after a one-line message for wrong arguments and for
        input that the command cannot use, 130 after Ctrl-C.
    """
    args = list(sys.argv[1:] if args is None else args) or ["--help"]
    try:
        import click
    except ModuleNotFoundError:
        print(f"{program}: {EXTRA_MISSING}", file=sys.stderr)
        return 2
    from .group import commands
    from .project.target import Unloadable

    try:
        return commands.main(args, program, standalone_mode=False) or 0
    except click.ClickException as error:
        if isinstance(error, Unloadable):
            click.echo(error.trace, err=True, nl=False)
        click.echo(_line(error, program), err=True)
        return 2
    except click.Abort:
        return 130


def _line(error: click.ClickException, program: str) -> str:
    """Return the message of an error in one line."""
    message = " ".join(error.format_message().split())
    context: click.Context | None = getattr(error, "ctx", None)
    if context is None:
        return f"{program}: {message}"
    return f"{context.command_path}: {message} (see '{context.command_path} --help')"
