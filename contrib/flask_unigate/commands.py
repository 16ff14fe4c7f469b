"""`flask unigate dev`, `invoke` and so on: the program `unigate` for the current application."""

from __future__ import annotations

import sys
from contextvars import Context
from typing import TYPE_CHECKING, Any

import click
from flask import Flask
from flask.cli import ScriptInfo, pass_script_info

if TYPE_CHECKING:
    from unigate import Gateway

# The gateway of the application that Flask has loaded, for the import string of this attribute.
gateway: Gateway


@click.command(
    "unigate",
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@pass_script_info
def command(script: ScriptInfo, arguments: tuple[str, ...]) -> None:
    """Run `unigate dev`, `invoke`, `build`, `check` or `routes` on this application."""
    from unigate.cli.main import main

    name, *options = arguments or ("--help",)
    if not name.startswith("-"):
        options.insert(0, _target(script.load_app(), building=name == "build"))
    # Outside of the application context that Flask has pushed for a command: requests that are
    # answered in this thread would share its `flask.g`.
    sys.exit(Context().run(main, [name, *options]))


def _target(app: Flask, *, building: bool) -> str:
    """Return the import string of an application's gateway.

    That is the variable which holds it, in the module that has made the application. Without one,
    commands that run it here take it from this module; what `build` writes cannot.
    """
    global gateway
    from .extension import gateway_of

    found = gateway_of(app)
    names: dict[str, Any] = getattr(sys.modules.get(app.import_name), "__dict__", {})
    for name, value in list(names.items()):
        if value is found:
            return f"{app.import_name}:{name}"
    if building:
        raise click.ClickException(
            f"The gateway has no name in {app.import_name!r} that a platform could import. "
            "Write there: gateway = Unigate(app).gateway"
        )
    gateway = found
    return f"{__name__}:gateway"
