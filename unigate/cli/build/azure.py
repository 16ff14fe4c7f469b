"""Azure Functions: `function_app.py` in the v2 programming model, and `host.json`."""

from __future__ import annotations

import json
from shlex import quote
from typing import Any

import click

from unigate.cli.project.core import Project

from .plan import BuildPlan
from .templates import render

FILE = "function_app.py"
# Memory and Python version are properties of the function app, set when it is created.
UNUSED = ("environment", "functions", "memory", "python", "requirements")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


def plan(project: Project) -> BuildPlan:
    """Plan the entry point, and a host.json that adds no prefix to paths."""
    if project.target.module == "function_app":
        message = (
            "Azure's entry point must be function_app.py: move the application to another module."
        )
        raise click.ClickException(message)
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
    files = {FILE: text, "host.json": f"{json.dumps(host, indent=2)}\n".encode()}
    return BuildPlan(files, _notes(project))


def _notes(project: Project) -> list[str]:
    change_folder = "" if project.in_place else f"cd {quote(str(project.output))} && "
    notes = [f"{change_folder}func azure functionapp publish NAME --python"]
    if not project.declares_dependencies:
        notes.append("Azure installs from requirements.txt, which does not exist: write one.")
    if project.in_place and "exclude" in project.settings:
        notes.append(
            "tool.unigate.exclude has no effect without --output: write .funcignore instead."
        )
    return notes
