"""AWS Lambda: a SAM template, and a zip of the application with what it needs."""

from __future__ import annotations

from functools import partial
from typing import Any

import click

from unigate.cli.project.core import Project

from .bundle import make_zip
from .templates import render
from .writing import Content, Made

TEMPLATE = "template.yaml"
ZIP = "function.zip"
WRAPPER = "unigate-runtime"
ENTRY = "lambda_function.py"
UNUSED = ("functions",)
PYTHONS = ("3.11", "3.12", "3.13", "3.14")

# AWS, Lambda developer guide, "Modifying the runtime environment": the wrapper is started with the
# command of the runtime that it stands before, the interpreter first. That command, bootstrap.py,
# is what makes layers and the runtime's own packages importable, so we do it in its place.
WRAPPER_TEXT = b"""\
#!/bin/sh
cd "$LAMBDA_TASK_ROOT"
layers="/opt/python/lib/${1##*/}/site-packages:/opt/python"
export PYTHONPATH="${PYTHONPATH:+$PYTHONPATH:}$layers${LAMBDA_RUNTIME_DIR:+:$LAMBDA_RUNTIME_DIR}"
exec "$1" -m unigate.lambda_runtime "$_HANDLER"
"""


def plan(project: Project) -> dict[str, Content]:
    """Return the template, and the zip that it names."""
    if project.python not in PYTHONS:
        message = f"Lambda has Python {', '.join(PYTHONS)}, not {project.python}."
        raise click.ClickException(message)
    beside = _beside(project)
    parts = sorted({*project.files(), *beside})
    parts.append(f"and the packages of: {' '.join(project.requirements)}")
    zipped = Made(partial(make_zip, project, beside), parts)
    return {TEMPLATE: _template(project), ZIP: zipped}


def notes(project: Project) -> list[str]:
    """Return how to deploy it."""
    return [f"sam deploy --guided --template {project.output / TEMPLATE}"]


def _beside(project: Project) -> dict[str, bytes]:
    """Return the files that the zip has beside the project's own."""
    found: dict[str, bytes] = {}
    if not _is_handler(project):
        found[ENTRY] = render("lambda.py.j2", handler=project.binding("handler").rstrip("\n"))
    if _aws(project)["runtime"] == "unigate":
        found[WRAPPER] = WRAPPER_TEXT
    return found


def _template(project: Project) -> bytes:
    aws = _aws(project)
    environment = dict(project.settings.get("environment", {}))
    if aws["runtime"] == "unigate":
        environment["AWS_LAMBDA_EXEC_WRAPPER"] = f"/var/task/{WRAPPER}"
        if aws["trigger"] == "function_url":
            environment["UNIGATE_RESPONSE_STREAMING"] = "on"
    handler = f"{project.module}.{project.attribute}"
    return render(
        "template.yaml.j2",
        **aws,
        **{"memory": 512, "timeout": 29, **project.limits()},
        environment=environment,
        zip=ZIP,
        handler=handler if _is_handler(project) else "lambda_function.handler",
        python=project.python,
        target=project.target,
    )


def _is_handler(project: Project) -> bool:
    """Tell whether Lambda can call the target itself."""
    return project.already_a_gateway and "." not in project.attribute


def _aws(project: Project) -> dict[str, Any]:
    settings = {"trigger": "http_api", "architecture": "x86_64", **project.settings.get("aws", {})}
    # AWS's runtime client cannot stream from Python.
    default = "unigate" if settings["trigger"] == "function_url" else "aws"
    return {"runtime": default, **settings}
