"""`flask unigate dev`, `invoke` and so on: the program `unigate` for a Flask application."""

from __future__ import annotations

import sys
from contextvars import Context
from types import ModuleType
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from flask import Flask

    from unigate import Gateway

# A module that exists in this process only: where import strings find a gateway without a name.
_LOADED = "flask_unigate.loaded"


def command_for(app: Flask, gateway: Gateway) -> click.Command:
    """Return the command `flask unigate` of an application with its gateway."""

    @click.command(
        "unigate",
        add_help_option=False,
        context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    )
    @click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
    def command(arguments: tuple[str, ...]) -> None:
        """Run `unigate dev`, `invoke`, `build`, `check` or `routes` on this application."""
        from unigate.cli.main import main

        name, *options = arguments or ("--help",)
        if not name.startswith("-"):
            options.insert(0, _target(app, gateway, building=name == "build"))
        # Outside the application context that Flask pushes for a command: requests answered in
        # this thread would share its `flask.g`.
        sys.exit(Context().run(main, [name, *options]))

    return command


def _target(app: Flask, gateway: Gateway, *, building: bool) -> str:
    """Return the import string of a gateway.

    It names the variable that holds the gateway in the application's module. Without one, commands
    that run in this process find it in a module made for them; what `build` writes could not.
    """
    module = sys.modules.get(app.import_name)
    for name, value in list(vars(module).items() if module else ()):
        if value is gateway:
            return f"{app.import_name}:{name}"
    if building:
        raise click.ClickException(
            f"The gateway must be a variable of {app.import_name!r}, for platforms to import. "
            "Add there: gateway = Unigate(app).gateway"
        )
    sys.modules[_LOADED] = loaded = ModuleType(_LOADED)
    vars(loaded)["gateway"] = gateway
    return f"{_LOADED}:gateway"
