"""Google Cloud Functions: `main.py`, with a function for functions-framework."""

from __future__ import annotations

from unigate.cli.project.core import Project

from .ignore_file import ignore_file
from .next_command import Variable, joined, service_name, to_run
from .plan import BuildPlan, FileContent
from .templates import render

FILE = "main.py"
UNUSED = ("bytecode", "functions", "keep", "requirements")
# Used if the project has a module main of its own with the application, or a package main, which
# main.py would hide: GOOGLE_FUNCTION_SOURCE, a variable of the build, names another file.
OTHER_FILE = "google_function.py"


def plan(project: Project) -> BuildPlan:
    """Plan the entry point."""
    has_main = project.target.module == "main" or project.has_package("main")
    file = OTHER_FILE if has_main else FILE
    text = render("google.py.j2", gateway=project.binding("gateway"))
    files: dict[str, FileContent] = {file: text}
    if project.in_place:
        files |= ignore_file(project, "google", files)
    return BuildPlan(files, _notes(project, file))


def _notes(project: Project, file: str) -> list[str]:
    version = project.python.replace(".", "")
    limits, environment = project.limits(), project.settings.get("environment", {})
    command = ["gcloud", "functions", "deploy", service_name(project), "--gen2"]
    command += ["--project", Variable("PROJECT"), "--region", Variable("REGION")]
    command += ["--runtime", f"python{version}", "--source", str(project.output)]
    command += ["--entry-point", "main", "--trigger-http", "--allow-unauthenticated"]
    if "memory" in limits:
        command += ["--memory", f"{limits['memory']}MiB"]
    if "timeout" in limits:
        command += ["--timeout", f"{limits['timeout']}s"]
    if environment:
        command += ["--set-env-vars", joined(environment)]
    if file != FILE:
        command += ["--set-build-env-vars", f"GOOGLE_FUNCTION_SOURCE={file}"]
    notes = [to_run("Deploy", command)]
    written = project.replaces_requirements or (project.root / "requirements.txt").is_file()
    if not written and not _has_framework(project):
        # With a requirements.txt, Google installs the framework itself ("Specify dependencies in
        # Python").
        notes.append("Google requires functions-framework in project.dependencies: add it.")
    return notes


def _has_framework(project: Project) -> bool:
    requirements = project.pyproject.dependencies
    return any(line.lower().startswith("functions-framework") for line in requirements)
