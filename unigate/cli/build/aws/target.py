"""AWS Lambda: the files of the target, and the commands that deploy them."""

from __future__ import annotations

from functools import partial
from shlex import quote

from unigate.cli.build.bundle import make_zip
from unigate.cli.build.plan import BuildPlan, FileContent, GeneratedFile
from unigate.cli.build.templates import render
from unigate.cli.project.core import Project

from .event_sources import missing_sources
from .function import ENTRYPOINT, PYTHONS, WRAPPER, ZIP, Function, function_of, is_handler
from .sam import TEMPLATE, sam_template

__all__ = ["PYTHONS", "UNUSED", "plan"]

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


def plan(project: Project) -> BuildPlan:
    """Plan the template and the zip that it names."""
    function = function_of(project, is_image=False, needs_stream=True)
    files: dict[str, FileContent] = {TEMPLATE: sam_template(function)}
    added = _added_files(project, function)
    sources = sorted({*project.files(), *added})
    sources.append(f"and the packages of: {' '.join(project.requirements)}")
    files[ZIP] = GeneratedFile(partial(make_zip, project, added), sources)
    command = f"sam deploy --guided --template {quote(str(project.output / TEMPLATE))}"
    return BuildPlan(files, [command, *missing_sources(project, needs_stream=True)])


def _added_files(project: Project, function: Function) -> dict[str, bytes]:
    """Return the files of the function that are not the project's."""
    files: dict[str, bytes] = {}
    if not is_handler(project):
        binding = project.binding("handler").rstrip("\n")
        files[ENTRYPOINT] = render("lambda.py.j2", handler=binding)
    if function.runs_unigate and not function.is_image:
        files[WRAPPER] = WRAPPER_TEXT
    return files
