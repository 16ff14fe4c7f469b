"""Azure Functions: `function_app.py` in the v2 programming model, and `host.json`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import click

from unigate.cli.project.core import Project

from .ignore_file import ignore_file
from .next_command import Command, Variable, in_output, to_run
from .plan import BuildPlan, FileContent
from .templates import render

FILE = "function_app.py"
UNUSED = ("bytecode", "functions", "keep", "requirements")
# Microsoft, "Azure Functions Flex Consumption plan hosting": the sizes of an instance, in MB.
MEMORY = (512, 2048, 4096)
_APP, _GROUP, _STORAGE = Variable("APP"), Variable("GROUP"), Variable("STORAGE")
_LOCATION = Variable("LOCATION")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


def plan(project: Project) -> BuildPlan:
    """Plan the entry point, and a host.json that adds no prefix to paths."""
    if project.target.module == "function_app" or project.has_package("function_app"):
        raise click.ClickException(
            "Azure's entry point must be function_app.py: move the application to another module, "
            "and name a package function_app differently."
        )
    host: dict[str, Any] = {
        "version": "2.0",
        # The default is "api".
        "extensions": {"http": {"routePrefix": ""}},
        "extensionBundle": {
            "id": "Microsoft.Azure.Functions.ExtensionBundle",
            "version": "[4.*, 5.0.0)",
        },
    }
    timeout = project.limits().get("timeout")
    if timeout is not None:
        minutes, seconds = divmod(timeout, 60)
        host["functionTimeout"] = f"{minutes // 60:02}:{minutes % 60:02}:{seconds:02}"
    text = render("azure.py.j2", gateway=project.binding("gateway"), methods=METHODS)
    files: dict[str, FileContent] = {
        FILE: text,
        "host.json": f"{json.dumps(host, indent=2)}\n".encode(),
    }
    if project.in_place:
        files |= ignore_file(project, "azure", files)
    return BuildPlan(files, _notes(project))


def _notes(project: Project) -> list[str]:
    notes = [
        to_run("Create the function app", *_creation(project)),
        to_run(
            "Deploy",
            [*in_output(project), "func", "azure", "functionapp", "publish", _APP, "--python"],
        ),
    ]
    if not project.declares_dependencies:
        notes.append("Azure installs from requirements.txt, which does not exist: write one.")
    return notes


def _creation(project: Project) -> Iterator[Command]:
    """Yield the commands that make a function app, which has its memory, Python and variables."""
    wanted = project.limits().get("memory", 2048)
    memory = next((size for size in MEMORY if size >= wanted), MEMORY[-1])
    where = ["--resource-group", _GROUP, "--location", _LOCATION, "--sku", "Standard_LRS"]
    yield ["az", "group", "create", "--name", _GROUP, "--location", _LOCATION]
    yield ["az", "storage", "account", "create", "--name", _STORAGE, *where]
    app = ["--name", _APP, "--resource-group", _GROUP]
    yield [
        *("az", "functionapp", "create", *app, "--storage-account", _STORAGE),
        *("--flexconsumption-location", _LOCATION, "--instance-memory", f"{memory}"),
        *("--runtime", "python", "--runtime-version", project.python),
    ]
    environment = project.settings.get("environment", {})
    if environment:
        pairs = [f"{name}={value}" for name, value in environment.items()]
        yield ["az", "functionapp", "config", "appsettings", "set", *app, "--settings", *pairs]
