"""The group of all commands. A command's module is imported when the command is used."""

from __future__ import annotations

from importlib import import_module

import click

from . import EXTRA_MISSING, EXTRA_MODULES

# Each module has the command under the command's name.
_MODULES = {
    "build": "unigate.cli.build.command",
    "check": "unigate.cli.check.command",
    "dev": "unigate.cli.dev.command",
    "invoke": "unigate.cli.invoke",
    "routes": "unigate.cli.routes",
}


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_MODULES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _MODULES:
            return None
        try:
            command: click.Command = getattr(import_module(_MODULES[cmd_name]), cmd_name)
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] not in EXTRA_MODULES:
                raise
            raise click.ClickException(EXTRA_MISSING) from error
        return command


@click.group(cls=_LazyGroup)
@click.version_option(package_name="unigate", message="%(prog)s %(version)s")
def commands() -> None:
    """Serve, inspect, check and build an application for serverless hosts.

    Example: unigate dev main:app
    """
