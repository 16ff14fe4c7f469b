"""Google Cloud Functions: `main.py`, with a function for functions-framework."""

from __future__ import annotations

from unigate.cli.project.core import Project

from .templates import render
from .writing import Content

FILE = "main.py"
UNUSED = ("environment", "functions", "requirements")
# Where the application itself is in main.py; Google takes another file by a variable of the build.
OTHER_FILE = "google_function.py"


def plan(project: Project) -> dict[str, Content]:
    """Return the entry point."""
    text = render("google.py.j2", gateway=project.binding("gateway"))
    return {_file(project): text}


def notes(project: Project) -> list[str]:
    """Return how to deploy it."""
    file = _file(project)
    option = "" if file == FILE else f" --set-build-env-vars GOOGLE_FUNCTION_SOURCE={file}"
    version = project.python.replace(".", "")
    source = f" --source {project.output}" if not project.in_place else ""
    found = [
        f"gcloud functions deploy NAME --gen2 --trigger-http --entry-point main"
        f" --runtime python{version}{source}{option}{_limits(project)}"
    ]
    if not (project.root / "requirements.txt").is_file() and not _has_framework(project):
        # With a requirements.txt it installs that itself (Specify dependencies in Python).
        found.append("Google wants functions-framework in the project.dependencies.")
    if project.in_place and "exclude" in project.settings:
        found.append("tool.unigate.exclude is for another --output: here .gcloudignore says it.")
    return found


def _file(project: Project) -> str:
    return OTHER_FILE if project.module == "main" else FILE


def _has_framework(project: Project) -> bool:
    needs = project.pyproject.get("project", {}).get("dependencies", [])
    return any(need.lower().startswith("functions-framework") for need in needs)


def _limits(project: Project) -> str:
    limits = project.limits()
    memory = f" --memory {limits['memory']}MiB" if "memory" in limits else ""
    timeout = f" --timeout {limits['timeout']}s" if "timeout" in limits else ""
    return memory + timeout
