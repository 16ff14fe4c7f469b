"""The command `flask unigate`, and Flask's commands in a deployed function."""

from __future__ import annotations

import sys
from contextvars import Context
from types import ModuleType
from typing import TYPE_CHECKING, Any

import click
from flask import Flask
from flask.cli import FlaskGroup, ScriptInfo

from unigate import Gateway
from unigate.events.commands import Outcome, command_arguments, one_command

from .applications import check_application

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# A module in memory, for the import string of a gateway that is not in a variable.
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
        """Run `unigate dev`, `invoke`, `build`, `check` or `routes` on this application.

        Another one must come right after the command's name: flask unigate dev other:app
        """
        from unigate.cli.main import main

        name, *options = arguments or ("--help",)
        names_another = bool(options) and not options[0].startswith("-")
        if not (name.startswith("-") or names_another):
            building = name == "build" and "--help" not in options
            options.insert(0, _target(app, gateway, building=building))
        # Outside the application context that Flask pushes for a command: requests answered in
        # this thread would share its `flask.g`.
        sys.exit(Context().run(main, [name, *options], "flask unigate"))

    return command


def _target(app: Flask, gateway: Gateway, *, building: bool) -> str:
    """Return the import string of the application's gateway.

    It names a variable, of the application's module or of another that is loaded: one that holds
    what `unigate.wrap` made of the application, with its mounts, or else the extension's gateway.
    If there is none, commands in this process find the gateway in a module in memory. `build` needs
    the variable, because platforms import what it writes.
    """
    found = list(_gateways(app.import_name))
    for string, value in found:
        if value is not gateway and _has(value, app, gateway):
            return string
    for string, value in found:
        if value is gateway:
            return string
    if building:
        raise click.ClickException(_advice(app))
    sys.modules[_LOADED] = loaded = ModuleType(_LOADED)
    vars(loaded)["gateway"] = gateway
    return f"{_LOADED}:gateway"


def _advice(app: Flask) -> str:
    """Explain what `build` needs, for an application of a module or of a factory."""
    needed = "The gateway must be a variable of a module, for platforms to import."
    gateway = '{}.extensions["unigate"].gateway'
    for name, value in _members(app.import_name):
        if value is app:
            return f"{needed} Add to {app.import_name!r}: gateway = {gateway.format(name)}"
    info = click.get_current_context().find_object(ScriptInfo)
    module, _, call = ((info.app_import_path if info else None) or "").partition(":")
    module = module.removesuffix(".py") or app.import_name
    call = call or "create_app"
    call = call if call.endswith(")") else f"{call}()"
    return (
        f"{needed} Write one, such as wsgi.py: from {module} import {call.partition('(')[0]}; "
        f"app = {call}; gateway = {gateway.format('app')}. Then run: flask --app wsgi unigate build"
    )


def _gateways(first: str) -> Iterator[tuple[str, Gateway]]:
    """Yield the gateways in variables of modules, those of one module first."""
    for module_name in dict.fromkeys((first, *sys.modules)):
        if module_name in ("__main__", _LOADED):  # which nothing else can import
            continue
        for name, value in _members(module_name):
            if issubclass(type(value), Gateway):  # Flask's proxies have no class without a request
                yield f"{module_name}:{name}", value


def _members(module_name: str) -> list[tuple[str, Any]]:
    return list(getattr(sys.modules.get(module_name), "__dict__", {}).items())


def _has(outer: Gateway, app: Flask, gateway: Gateway) -> bool:
    return any(
        mount.app is app or mount.app is gateway or _made_alike(mount.app, app)
        for mount in outer.mounts
    )


def _made_alike(other: object, app: Flask) -> bool:
    """Return True if both are of one factory, such as that of wrap("shop:create_app")."""
    if not isinstance(other, Flask) or other.import_name != app.import_name:
        return False
    return not any(value is app or value is other for _, value in _members(app.import_name))


def manage(app: Flask) -> Callable[[object, object], Outcome]:
    """Return a function that runs commands of `flask`: `gateway.on_event("manage")(manage(app))`.

    The event is `{"manage": "db upgrade"}`, the result has `output` and `exit_status`. An HTTP
    request cannot be such an event: it takes the permission to invoke the function.

    Args:
        app: The application; its commands and those of its extensions can be run.

    Raises:
        TypeError: It is no Flask application.
    """
    check_application("manage", app)

    def run(event: object, context: object = None) -> Outcome:
        group = FlaskGroup(create_app=lambda: app, load_dotenv=False, set_debug_flag=False)
        arguments = command_arguments(event)
        with one_command:
            result = app.test_cli_runner().invoke(group, arguments, prog_name="flask")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return {"output": result.output, "exit_status": result.exit_code}

    return run
