"""AWS Lambda: a SAM template, and a zip of the application with its dependencies."""

from __future__ import annotations

import re
from functools import partial
from shlex import quote
from typing import Any

import click

from unigate.cli.build.bundle import make_zip
from unigate.cli.build.plan import BuildPlan, GeneratedFile
from unigate.cli.build.templates import render
from unigate.cli.project.core import Project
from unigate.cli.project.layout import own_metadata
from unigate.lambda_runtime.streaming import SWITCH, is_switched_on

from .sam import sam_template

TEMPLATE = "template.yaml"
ZIP = "function.zip"
WRAPPER = "unigate-runtime"
ENTRYPOINT = "lambda_function.py"
UNUSED = ("functions",)

# AWS, Lambda API reference, "Environment". CloudFormation takes {"Ref": ...} for a reference.
_VARIABLE = re.compile(r"(?!Ref\Z)[A-Za-z][A-Za-z0-9_]+")

# AWS, Lambda developer guide, "Defined runtime environment variables": Lambda refuses a function
# that sets them.
RESERVED = (
    "_HANDLER", "_X_AMZN_TRACE_ID", "AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_DEFAULT_REGION",
    "AWS_EXECUTION_ENV", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_VERSION", "AWS_LAMBDA_INITIALIZATION_TYPE", "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME", "AWS_LAMBDA_MAX_CONCURRENCY", "AWS_LAMBDA_METADATA_API",
    "AWS_LAMBDA_METADATA_TOKEN", "AWS_LAMBDA_RUNTIME_API", "AWS_REGION", "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN", "LAMBDA_RUNTIME_DIR", "LAMBDA_TASK_ROOT",
)  # fmt: skip
_EXEC_WRAPPER = "AWS_LAMBDA_EXEC_WRAPPER"

# AWS, Lambda developer guide, "Modifying the runtime environment": the wrapper's arguments are the
# command that starts the runtime, the interpreter first. That command, bootstrap.py, makes layers
# and the runtime's own packages importable, so the wrapper that replaces it does the same.
WRAPPER_TEXT = b"""\
#!/bin/sh
cd "$LAMBDA_TASK_ROOT"
layers="/opt/python/lib/${1##*/}/site-packages:/opt/python"
export PYTHONPATH="${PYTHONPATH:+$PYTHONPATH:}$layers${LAMBDA_RUNTIME_DIR:+:$LAMBDA_RUNTIME_DIR}"
exec "$1" -m unigate.lambda_runtime "$_HANDLER"
"""


def plan(project: Project) -> BuildPlan:
    """Plan the template and the zip that it names."""
    added = _added_files(project)
    sources = sorted({*project.files(), *added})
    local = [str(package.path) for package in project.dependencies.local]
    sources.append(f"and the packages of: {' '.join([*project.requirements, *local])}")
    handler = "lambda_function:handler" if ENTRYPOINT in added else project.target.import_string
    zipped = GeneratedFile(partial(make_zip, project, handler, added), sources)
    command = f"sam deploy --guided --template {quote(str(project.output / TEMPLATE))}"
    return BuildPlan({TEMPLATE: _template(project), ZIP: zipped}, [command])


def _added_files(project: Project) -> dict[str, bytes]:
    """Return the files of the zip that are not the project's."""
    files = own_metadata(project.pyproject)
    if not _is_handler(project):
        binding = project.binding("handler").rstrip("\n")
        files[ENTRYPOINT] = render("lambda.py.j2", handler=binding)
    if _aws(project)["runtime"] == "unigate":
        files[WRAPPER] = WRAPPER_TEXT
    return files


def _template(project: Project) -> bytes:
    aws = _aws(project)
    environment = _environment(project)
    limits = {"memory": 512, "timeout": 29, **project.limits()}
    handler = f"{project.target.module}.{project.target.attribute}"
    function = {
        "CodeUri": ZIP,
        "Handler": handler if _is_handler(project) else "lambda_function.handler",
        "Runtime": f"python{project.python}",
        "Architectures": [aws["architecture"]],
        "MemorySize": limits["memory"],
        "Timeout": limits["timeout"],
    }
    description = f"The application {project.target.import_string}"
    streams = aws["runtime"] == "unigate" and is_switched_on(environment)
    return sam_template(description, function, environment, aws["trigger"], streams=streams)


def _environment(project: Project) -> dict[str, str]:
    """Return the environment variables of the function: the project's, and those of our runtime."""
    environment: dict[str, str] = dict(project.settings.get("environment", {}))
    for name in environment:
        if name in RESERVED:
            raise click.ClickException(
                f"Lambda sets the variable {name} itself: remove it from tool.unigate.environment."
            )
        if not _VARIABLE.fullmatch(name):
            raise click.ClickException(
                f"Lambda has no variable {name!r} of tool.unigate.environment: its names begin "
                "with a letter, have two characters or more, and are not Ref."
            )
    aws = _aws(project)
    if aws["runtime"] == "unigate":
        if _EXEC_WRAPPER in environment:
            raise click.ClickException(
                f"{_EXEC_WRAPPER} starts unigate's runtime: remove it from "
                'tool.unigate.environment, or set tool.unigate.aws.runtime to "aws".'
            )
        environment[_EXEC_WRAPPER] = f"/var/task/{WRAPPER}"
        if aws["trigger"] == "function_url":
            environment.setdefault(SWITCH, "on")
    return environment


def _is_handler(project: Project) -> bool:
    """Return True if Lambda can call the target itself."""
    if project.paths:  # the entry point makes them importable
        return False
    return project.target.is_gateway and "." not in project.target.attribute


def _aws(project: Project) -> dict[str, Any]:
    """Return the settings of tool.unigate.aws, with their defaults."""
    settings = {"trigger": "http_api", "architecture": "x86_64", **project.settings.get("aws", {})}
    # AWS's runtime client cannot stream from Python.
    default = "unigate" if settings["trigger"] == "function_url" else "aws"
    return {"runtime": default, **settings}
