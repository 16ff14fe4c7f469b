"""The group of all commands. A command's module is imported when the command is used."""

from __future__ import annotations

from importlib import import_module

import click

from unigate.nearest import nearest

from . import EXTRA_MISSING, EXTRA_MODULES, PROGRAM

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
# What other programs call them.
_ELSEWHERE = {"deploy": "build", "package": "build", "run": "dev", "serve": "dev", "start": "dev"}


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

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name in _COMMANDS or name.startswith("-"):
            return super().resolve_command(ctx, args)
        if ":" in name or name.endswith(".py"):
            problem = f"A command comes before the application: unigate dev {name}"
        else:
            meant = _ELSEWHERE.get(name) or nearest(name, _COMMANDS)
            advice = f"did you mean {meant!r}?" if meant else f"use one of {', '.join(_COMMANDS)}."
            problem = f"There is no command {name!r}: {advice}"
        raise click.UsageError(problem, ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in _COMMANDS.items()])

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_help_text(ctx, formatter)
        target = " main:app" if ctx.command_path == PROGRAM else ""  # others know the application
        formatter.write_paragraph()
        with formatter.indentation():
            formatter.write_text(f"Example: {ctx.command_path} dev{target}")


@click.group(cls=_LazyGroup)
@click.version_option(package_name="unigate", message="%(prog)s %(version)s")
def commands() -> None:
    """Serve, inspect, check and build an application for serverless hosts."""
