"""The group of all commands. A command's module is imported when the command is used."""

from __future__ import annotations

from importlib import import_module

import click

from . import EXTRA_MISSING, EXTRA_MODULES

# Each module has the command under the command's name. The second is the line for it in the help,
# which imports none of them.
_COMMANDS = {
    "build": ("unigate.cli.build.command", "Write the files that a platform needs."),
    "check": ("unigate.cli.check.command", "Check a project before it is deployed."),
    "dev": (
        "unigate.cli.dev.command",
        "Serve an application locally through the events of a platform.",
    ),
    "invoke": ("unigate.cli.invoke", "Invoke an application with one event and print its reply."),
    "routes": ("unigate.cli.routes", "List the routes of an application."),
}


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        try:
            command: click.Command = getattr(import_module(_COMMANDS[cmd_name][0]), cmd_name)
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] not in EXTRA_MODULES:
                raise
            raise click.ClickException(EXTRA_MISSING) from error
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in _COMMANDS.items()])


@click.group(cls=_LazyGroup)
@click.version_option(package_name="unigate", message="%(prog)s %(version)s")
def commands() -> None:
    """Serve, inspect, check and build an application for serverless hosts.

    Example: unigate dev main:app
    """
