"""Vercel: `api/index.py` or a function for each route, `vercel.json`, Django's static files.

A project is deployed as functions in `api/` (`"framework": null`), to which a rewrite leads and
which see the path that was asked for. Of such a project Vercel serves every other file to everyone,
the sources too, unless there is a folder `public/`: then it serves that. A framework's preset
instead makes one function that answers everything by itself: a rewrite there would change the path
that the application sees. (vercel 64, `vercel build`.)
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from unigate.cli.project.core import Project
from unigate.cli.project.route_tables import is_django, routes_of, unwrapped
from unigate.cli.project.settings import nearest
from unigate.cli.vercel.entrypoint import find_entry

from .route_functions import FALLBACK, Function, function_for, functions_of
from .templates import render
from .writing import Content, read_record

SCHEMA = "https://openapi.vercel.sh/vercel.json"
ENTRYPOINT = "api.index:app"
UNUSED = ("environment", "requirements")
PYTHONS = ("3.12", "3.13", "3.14")
MOST_FUNCTIONS = 12  # of a deployment on the smallest plan


def plan(project: Project, split: bool = False) -> dict[str, Content]:
    """Return the functions, how to reach them, and what they need beside them."""
    framework = project.settings.get("vercel", {}).get("framework")
    if split and framework:
        raise click.ClickException("A framework's preset makes one function: --split needs none.")
    if framework == "django" and (project.root / "manage.py").is_file():
        raise click.ClickException(
            "Vercel's preset for Django deploys ASGI_APPLICATION of the settings, whatever else is "
            "said: leave tool.unigate.vercel.framework out."
        )
    if project.pyproject and not project.pyproject.get("project", {}).get("dependencies"):
        message = (
            "pyproject.toml has no project.dependencies, and Vercel reads no other where it is."
        )
        raise click.ClickException(message)
    routes = functions_of(routes_of(project.gateway)) if split else []
    _check_limits(project, routes, split)
    files: dict[str, Content] = {}
    if not _is_entry(project):
        files[FALLBACK] = _entry(project, FALLBACK, "every path")
    for function in routes:
        files[function.file] = _entry(project, function.file, function.path)
    files["vercel.json"] = _json(_configuration(project, framework, routes))
    if framework:
        files |= _entrypoint_setting(project)
    else:
        files |= _static_files(project)
        if not any(path.startswith("public/") for path in (*files, *project.files())):
            files["public/.gitkeep"] = b""
    if not _says_python(project):
        files[".python-version"] = f"{_python(project)}\n".encode()
    return files


def notes(project: Project, split: bool = False) -> list[str]:
    """Return how to deploy it, and what the plan has too many of."""
    found = ["vercel deploy" if project.in_place else f"vercel deploy --cwd {project.output}"]
    many = len(functions_of(routes_of(project.gateway))) + 1 if split else 1
    if many > MOST_FUNCTIONS:
        found.append(f"{many} functions: Vercel's Hobby plan allows {MOST_FUNCTIONS}.")
    return found


def _is_entry(project: Project) -> bool:
    """Tell whether the target is itself what Vercel would deploy of `api/index.py`."""
    if project.file_of_target() != FALLBACK:
        return False
    entry = find_entry((project.root / FALLBACK).read_text("utf-8"))
    if entry is None or entry[0] != project.attribute or not project.already_a_gateway:
        found = f"takes {entry[0]!r} of line {entry[1].lineno}" if entry else "finds no app"
        message = f"Vercel {found} in {FALLBACK}, where {project.attribute!r} is asked for."
        raise click.ClickException(message)
    return True


def _entry(project: Project, file: str, what: str) -> bytes:
    app = project.binding("app").rstrip("\n")
    return render("vercel.py.j2", app=app, what=what, depth=file.count("/"))


def _configuration(project: Project, framework: str | None, routes: list[Function]) -> Any:
    found: dict[str, Any] = {"$schema": SCHEMA, "framework": framework}
    limits = {FALLBACK: _limits(project)}
    limits |= {function.file: _limits(project, function.path) for function in routes}
    limits = {file: values for file, values in limits.items() if values}
    if limits:
        found["functions"] = limits
    if not framework:
        found["rewrites"] = [
            {"source": source, "destination": "/" + function.file.removesuffix(".py")}
            for function in routes
            for source in function.sources
        ]
        found["rewrites"].append({"source": "/(.*)", "destination": "/api/index"})
    return found


def _limits(project: Project, path: str | None = None) -> dict[str, Any]:
    limits = project.limits(path)
    found: dict[str, Any] = {}
    if "memory" in limits:
        found["memory"] = limits["memory"]
    if "timeout" in limits:
        found["maxDuration"] = limits["timeout"]
    if limits.get("exclude"):
        patterns = limits["exclude"]
        found["excludeFiles"] = patterns[0] if len(patterns) == 1 else f"{{{','.join(patterns)}}}"
    return found


def _check_limits(project: Project, routes: list[Function], split: bool) -> None:
    limited = project.settings.get("functions", {})
    if limited and not split:
        raise click.ClickException("tool.unigate.functions is for --split: say that too.")
    known = {function.path for function in routes}
    paths = {route.path for route in routes_of(project.gateway)}
    for path in (path for path in limited if path not in known):
        shared = function_for(path, routes)
        if path not in paths:
            problem = f"no route has that path: {nearest(path, known)}"
        elif shared is not None:
            problem = f"the function of {shared.path!r} answers it, write that."
        else:
            problem = f"{FALLBACK} answers it, with the limits of [tool.unigate]."
        raise click.ClickException(f"tool.unigate.functions.{path!r}: {problem}")


def _python(project: Project) -> str:
    if project.python in PYTHONS:
        return project.python
    if "python" in project.settings or project.pinned_python is not None:
        message = f"Vercel has Python {', '.join(PYTHONS)}, not {project.python}."
        raise click.ClickException(message)
    return PYTHONS[0]


def _says_python(project: Project) -> bool:
    """Tell whether the project itself says which Python it wants, in a place that Vercel reads."""
    ours = ".python-version" in read_record(project.root).get("vercel", {})
    told = "requires-python" in project.pyproject.get("project", {})
    # Another folder does not get the file: its name begins with ".".
    pinned = project.pinned_python is not None and not ours and project.in_place
    return told or pinned


def _entrypoint_setting(project: Project) -> dict[str, Content]:
    """Return pyproject.toml with the entry point in it: a preset looks in app.py and others first.

    The project's own file is left to its author.
    """
    found = project.pyproject.get("tool", {}).get("vercel", {})
    if found.get("entrypoint") == ENTRYPOINT:
        return {}
    line = f'entrypoint = "{ENTRYPOINT}"'
    if found or project.in_place:
        raise click.ClickException(f"pyproject.toml: [tool.vercel] needs {line}: write it there.")
    file = project.root / "pyproject.toml"
    text = file.read_text("utf-8").rstrip("\n") + "\n\n" if file.is_file() else ""
    return {"pyproject.toml": f"{text}[tool.vercel]\n{line}\n".encode()}


def _static_files(project: Project) -> dict[str, Content]:
    """Return Django's static files under `public/`, which Vercel serves without a function."""
    apps = [unwrapped(mount.app, is_django) for mount in project.gateway.mounts]
    if not any(apps):
        return {}
    from django.conf import settings
    from django.contrib.staticfiles.finders import get_finders

    if "django.contrib.staticfiles" not in settings.INSTALLED_APPS or "://" in settings.STATIC_URL:
        return {}
    below = f"public/{settings.STATIC_URL.strip('/')}"
    found: dict[str, Content] = {}
    for finder in get_finders():
        for path, storage in finder.list(None):
            name = f"{getattr(storage, 'prefix', None) or ''}/{path}".lstrip("/")
            found.setdefault(f"{below}/{name}", Path(storage.path(path)))
    return found


def _json(value: Any) -> bytes:
    return f"{json.dumps(value, indent=2, ensure_ascii=False)}\n".encode()
