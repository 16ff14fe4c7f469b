"""AWS Lambda: the files of the target, and the commands that deploy them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial

import click

from unigate.cli.build.bundle import make_zip
from unigate.cli.build.plan import BuildPlan, FileContent, GeneratedFile
from unigate.cli.build.templates import render
from unigate.cli.project.core import Project
from unigate.cli.project.layout import own_metadata

from .cdk import cdk_files
from .commands import next_commands
from .event_sources import missing_sources
from .function import WRAPPER, ZIP, Function, entrypoint_of, function_of, handler_of
from .image import image_files
from .sam import TEMPLATE, sam_template
from .serverless import serverless_files
from .sst import sst_files
from .terraform import terraform_files

UNUSED = ("functions",)

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


_TEMPLATES: Mapping[str, Callable[[Function], dict[str, bytes]]] = {
    "sam": lambda function: {TEMPLATE: sam_template(function)},
    "terraform": terraform_files,
    "cdk": cdk_files,
    "serverless": serverless_files,
    "sst": sst_files,
    "none": lambda function: {},
}
# They look the stream of a DynamoDB table up.
_FIND_STREAMS = ("terraform", "sst")
# Amazon API Gateway developer guide, "Quotas for configuring and running" an HTTP API and a REST
# API: the maximum integration timeout. Lambda developer guide, "Configure Lambda function timeout":
# what managed instances allow beyond 900 seconds is not for requests.
_LONGEST_REQUESTS = {
    "http_api": (30, ": function_url and alb wait longer"),
    "rest_api": (
        29,
        ", unless the account's quota for the integration timeout is higher: function_url and alb "
        "wait longer",
    ),
    "function_url": (900, ""),
    "alb": (900, ""),
}
_STREAM_REST_APIS = ("sam", "cdk", "none")


def plan(project: Project, package: str | None = None, template: str | None = None) -> BuildPlan:
    """Plan the function's code and the template that deploys it.

    Args:
        package: "zip" or "image"; by default what the settings say, else "zip".
        template: One of `project.aws_settings.TEMPLATES`; by default what the settings say, else
            "sam".
    """
    is_image = makes_image(project, package)
    template = template or project.settings.get("aws", {}).get("template", "sam")
    needs_stream = template not in _FIND_STREAMS
    function = function_of(project, is_image=is_image, needs_stream=needs_stream)
    if function.streams and "rest_api" in function.triggers and template not in _STREAM_REST_APIS:
        raise click.ClickException(
            f'A rest_api streams with template "sam" or "cdk", got {template!r}: choose one, use '
            'trigger = "function_url", or turn UNIGATE_RESPONSE_STREAMING off.'
        )
    added = _added_files(project, function)
    files: dict[str, FileContent] = {}
    if is_image:
        files |= image_files(project, function, added)
    else:
        sources = sorted({*project.files(), *added})
        local = [str(package.path) for package in project.dependencies.local]
        sources.append(f"and the packages of: {' '.join([*project.requirements, *local])}")
        make = partial(make_zip, project, handler_of(project), added)
        files[ZIP] = GeneratedFile(make, sources)
    files |= _TEMPLATES[template](function)
    notes = next_commands(function, template, project.output)
    notes += missing_sources(project, needs_stream=needs_stream)
    return BuildPlan(files, [*notes, *_long_requests(function)])


def makes_image(project: Project, package: str | None) -> bool:
    """Return True if the function is deployed as an image, by the option or the settings."""
    return (package or project.settings.get("aws", {}).get("format", "zip")) == "image"


def _long_requests(function: Function) -> Iterator[str]:
    """Yield a note for each trigger that waits for a shorter time than the function may take."""
    for trigger, (seconds, but) in _LONGEST_REQUESTS.items():
        if trigger in function.triggers and function.timeout > seconds:
            yield (
                f"tool.unigate.timeout is {function.timeout}, and {trigger} answers a request with "
                f"an error after {seconds} seconds{but}."
            )


def _added_files(project: Project, function: Function) -> dict[str, bytes]:
    """Return the files of the function that are not the project's."""
    files = own_metadata(project.pyproject)
    if entrypoint := entrypoint_of(project):
        binding = project.binding("handler").rstrip("\n")
        files[f"{entrypoint}.py"] = render("lambda.py.j2", handler=binding)
    if function.runs_unigate and not function.is_image:
        if (project.root / WRAPPER).exists():
            raise click.ClickException(
                f"The build writes a program {WRAPPER}, and the project has one: rename it."
            )
        files[WRAPPER] = WRAPPER_TEXT
    return files
