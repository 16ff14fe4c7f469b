"""Azure Functions: `function_app.py` in the model of Python's version 2, and `host.json`."""

from __future__ import annotations

import json
from typing import Any

import click

from unigate.cli.project.core import Project

from .templates import render
from .writing import Content

FILE = "function_app.py"
# How much memory and which Python: what the function app was made with says that.
UNUSED = ("environment", "functions", "memory", "python", "requirements")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


def plan(project: Project) -> dict[str, Content]:
    """Return the entry point, and settings that leave paths as they are."""
    if project.module == "function_app":
        message = "Azure wants function_app.py for itself: move the application to another module."
        raise click.ClickException(message)
    host: dict[str, Any] = {
        "version": "2.0",
        # Else every route begins with "api".
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
    return {FILE: text, "host.json": f"{json.dumps(host, indent=2)}\n".encode()}


def notes(project: Project) -> list[str]:
    """Return how to deploy it."""
    there = "" if project.in_place else f"cd {project.output} && "
    found = [f"{there}func azure functionapp publish NAME --python"]
    if not (project.root / "requirements.txt").is_file():
        found.append("Azure installs what requirements.txt says, and there is none.")
    if project.in_place and "exclude" in project.settings:
        found.append("tool.unigate.exclude is for another --output: here .funcignore says it.")
    return found
