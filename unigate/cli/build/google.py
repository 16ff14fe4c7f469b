"""Google Cloud Functions: `main.py`, with a function for functions-framework."""

from __future__ import annotations

from shlex import quote

from unigate.cli.project.core import Project

from .plan import BuildPlan
from .templates import render

FILE = "main.py"
UNUSED = ("environment", "functions", "requirements")
# Used if the application itself is in main.py: GOOGLE_FUNCTION_SOURCE, a variable of the build,
# names another file.
OTHER_FILE = "google_function.py"


def plan(project: Project) -> BuildPlan:
    """Plan the entry point."""
    file = OTHER_FILE if project.target.module == "main" else FILE
    text = render("google.py.j2", gateway=project.binding("gateway"))
    return BuildPlan({file: text}, _notes(project, file))


def _notes(project: Project, file: str) -> list[str]:
    option = "" if file == FILE else f" --set-build-env-vars GOOGLE_FUNCTION_SOURCE={file}"
    version = project.python.replace(".", "")
    source = f" --source {quote(str(project.output))}" if not project.in_place else ""
    notes = [
        f"gcloud functions deploy NAME --gen2 --trigger-http --entry-point main"
        f" --runtime python{version}{source}{option}{_limits(project)}"
    ]
    written = project.replaces_requirements or (project.root / "requirements.txt").is_file()
    if not written and not _has_framework(project):
        # With a requirements.txt, Google installs the framework itself ("Specify dependencies in
        # Python").
        notes.append("Google requires functions-framework in project.dependencies: add it.")
    if project.in_place and "exclude" in project.settings:
        notes.append(
            "tool.unigate.exclude has no effect without --output: write .gcloudignore instead."
        )
    return notes


def _has_framework(project: Project) -> bool:
    requirements = project.pyproject.dependencies
    return any(line.lower().startswith("functions-framework") for line in requirements)


def _limits(project: Project) -> str:
    limits = project.limits()
    memory = f" --memory {limits['memory']}MiB" if "memory" in limits else ""
    timeout = f" --timeout {limits['timeout']}s" if "timeout" in limits else ""
    return memory + timeout
