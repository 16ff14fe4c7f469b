"""Vercel: `api/index.py` or a function for each route, `vercel.json`, Django's static files.

The project is deployed as functions in `api/` (`"framework": null`), with rewrites that lead to
them; a function gets the path of the request. Vercel then serves every other file publicly, the
sources included, unless the project has a folder `public/`, which is served instead. A framework's
preset makes one function that answers every path without rewrites; a rewrite would change the path
that the application gets. (`vercel build`.)
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import click

from unigate.cli.project.core import Project
from unigate.cli.project.record import read_json_written, read_record
from unigate.cli.project.route_tables import is_django, routes_of, unwrap
from unigate.cli.project.routes import Route
from unigate.cli.project.settings import FRAMEWORKS, nearest_or_all
from unigate.cli.project.target import Unloadable
from unigate.cli.vercel.entrypoint import find_entrypoint
from unigate.cli.vercel.project import read_vercel_json
from unigate.cli.vercel.rewrites import read_rewrites

from .ignore_file import ignore_file
from .next_command import Variable, to_run
from .plan import BuildPlan, FileContent
from .route_functions import FALLBACK, RouteFunction, function_for, functions_of
from .templates import render

FILE = "vercel.json"
SCHEMA = "https://openapi.vercel.sh/vercel.json"
ENTRYPOINT = "api.index:app"
UNUSED = ("bytecode", "keep", "requirements")
MAX_FUNCTIONS = 12  # of a deployment on the Hobby plan


def plan(project: Project, split: bool = False) -> BuildPlan:
    """Plan the functions, vercel.json, and the files that Vercel needs beside them.

    Args:
        split: Make a function for each route, beside the one for all other paths.
    """
    framework = project.settings.get("vercel", {}).get("framework")
    _check_project(project, framework, split)
    routes = routes_of(project.target.gateway) if split else []
    functions = functions_of(routes)
    if split:
        _check_function_settings(project, routes, functions)
    files: dict[str, FileContent] = {}
    if not _is_entrypoint(project):
        files[FALLBACK] = _entrypoint(project, FALLBACK, "every path")
    for function in functions:
        files[function.file] = _entrypoint(project, function.file, function.path)
    files[FILE] = _json(_configuration(project, framework, functions))
    if framework:
        files |= _entrypoint_setting(project)
    else:
        files |= _static_files(project)
        if not any(path.startswith("public/") for path in (*files, *project.files())):
            files["public/.gitkeep"] = b""
    if not _declares_python(project):
        files[".python-version"] = f"{project.python}\n".encode()
    if project.in_place:
        files |= ignore_file(project, "vercel", files)
    notes = _notes(project, len(functions) + 1, split)
    return BuildPlan(files, notes if framework else [*notes, *_taken_before(project)])


def _check_project(project: Project, framework: str | None, split: bool) -> None:
    """Raise a ClickException for settings that do not work together on Vercel."""
    if split and framework:
        message = "--split needs api/ functions: remove tool.unigate.vercel.framework."
        raise click.ClickException(message)
    if framework == "django" and (project.root / "manage.py").is_file():
        raise click.ClickException(
            "Vercel's preset for Django always deploys ASGI_APPLICATION of the settings: remove "
            "tool.unigate.vercel.framework."
        )
    _check_configuration(project, framework)
    listed = project.pyproject.declares_dependencies or (
        project.replaces_requirements and not project.in_place
    )
    if project.pyproject and not listed:
        raise click.ClickException(
            "pyproject.toml has no project.dependencies, and Vercel reads no other file beside "
            "it: list them there."
        )


def _check_configuration(project: Project, framework: str | None) -> None:
    """Raise a ClickException for keys of an existing vercel.json that exclude those of the build.

    Source: Vercel, "Project configuration", of "builds", "routes" and "framework".
    """
    present = read_vercel_json(project.root) or {}
    for key, excluded in (("builds", "functions"), ("routes", "rewrites")):
        if key in present:
            raise click.ClickException(
                f'vercel.json must not have "{key}", which Vercel refuses beside the "{excluded}" '
                'of the build: write what it does as "rewrites", "redirects" or "headers", and '
                "remove it."
            )
    named, last = present.get("framework"), read_json_written(project.root).get(FILE, {})
    if named is None or named in (framework, last.get("framework")):
        return
    if named in FRAMEWORKS:
        advice = f'write framework = "{named}" to [tool.unigate.vercel], or remove it there'
    else:
        advice = (
            "remove it, or build in a folder of the application's own, which is a Vercel project "
            "of its own beside that of the front end"
        )
    raise click.ClickException(
        f'vercel.json must have "framework": {json.dumps(framework)}, as '
        f"tool.unigate.vercel.framework says, got {json.dumps(named)}: {advice}."
    )


def _notes(project: Project, functions: int, split: bool) -> list[str]:
    command = ["vercel", "deploy", "--scope", Variable("TEAM"), "--regions", Variable("REGION")]
    if not project.in_place:
        command += ["--cwd", str(project.output)]
    for name, value in project.settings.get("environment", {}).items():
        command += ["--env", f"{name}={value}"]
    notes = [to_run("Deploy a preview, or with --prod to production", command)]
    if functions > MAX_FUNCTIONS:
        notes.append(f"{functions} functions: Vercel's Hobby plan allows {MAX_FUNCTIONS}.")
    if "functions" in project.settings and not split:
        notes.append("Not used for vercel without --split: tool.unigate.functions.")
    return notes


def _taken_before(project: Project) -> Iterator[str]:
    """Yield a note for each rewrite that takes all paths before the build's, which comes last."""
    try:
        rewrites = read_rewrites(project.root / FILE)
    except Unloadable:
        return
    rules = (read_vercel_json(project.root) or {}).get("rewrites", ())
    for rule, rewrite in zip(rules, rewrites, strict=True):
        conditional = "has" in rule or "missing" in rule
        is_ours = rewrite.destination.removesuffix(".py") in ("/api", "/api/index")
        if not (conditional or is_ours) and rewrite.pattern.fullmatch("/any/path"):
            yield (
                f"The rewrite of {rule['source']!r} to {rule['destination']!r} in vercel.json "
                "takes every path before that of the build, so that no request reaches the "
                "application: write a narrower source, or remove it."
            )


def _is_entrypoint(project: Project) -> bool:
    """Return True if the target is what Vercel deploys of an existing `api/index.py`."""
    if project.target_file() != FALLBACK:
        return False
    entrypoint = find_entrypoint((project.root / FALLBACK).read_text("utf-8"))
    attribute = project.target.attribute
    if entrypoint is None:
        raise click.ClickException(
            f"Vercel finds no app in {FALLBACK}, expected {attribute!r}: bind it at the top level."
        )
    name, statement = entrypoint
    if name != attribute or not project.target.is_gateway:
        raise click.ClickException(
            f"Vercel deploys {name!r} of line {statement.lineno} in {FALLBACK}, expected the "
            f"gateway {attribute!r}."
        )
    return True


def _entrypoint(project: Project, file: str, paths: str) -> bytes:
    app = project.binding("app", file.count("/")).rstrip("\n")
    return render("vercel.py.j2", app=app, paths=paths, depth=file.count("/"))


def _configuration(project: Project, framework: str | None, functions: list[RouteFunction]) -> Any:
    """Return the content of vercel.json."""
    configuration: dict[str, Any] = {"$schema": SCHEMA, "framework": framework}
    limits = {FALLBACK: _limits(project)}
    limits |= {function.file: _limits(project, function.path) for function in functions}
    limits = {file: values for file, values in limits.items() if values}
    if limits:
        configuration["functions"] = limits
    if not framework:
        configuration["rewrites"] = [
            {"source": source, "destination": "/" + function.file.removesuffix(".py")}
            for function in functions
            for source in function.sources
        ]
        configuration["rewrites"].append({"source": "/(.*)", "destination": "/api/index"})
    return configuration


def _limits(project: Project, path: str | None = None) -> dict[str, Any]:
    """Return a function's limits under the names that vercel.json has for them."""
    settings = project.limits(path)
    limits: dict[str, Any] = {}
    if "memory" in settings:
        limits["memory"] = settings["memory"]
    if "timeout" in settings:
        limits["maxDuration"] = settings["timeout"]
    if settings.get("exclude"):
        patterns = settings["exclude"]
        limits["excludeFiles"] = patterns[0] if len(patterns) == 1 else f"{{{','.join(patterns)}}}"
    return limits


def _check_function_settings(
    project: Project, routes: list[Route], functions: list[RouteFunction]
) -> None:
    """Raise a ClickException for a path of tool.unigate.functions without its own function."""
    paths = {function.path for function in functions}
    for path in project.settings.get("functions", {}):
        if path in paths:
            continue
        shared = function_for(path, functions)
        if all(route.path != path for route in routes):
            problem = f"no route has this path: {nearest_or_all(path, paths)}"
        elif shared is not None:
            problem = f"the function of {shared.path!r} answers this path: write that one."
        else:
            problem = f"{FALLBACK} answers this path, with the limits of [tool.unigate]: remove it."
        raise click.ClickException(f"tool.unigate.functions.{path!r}: {problem}")


def _declares_python(project: Project) -> bool:
    """Return True if the project declares its version of Python in a file that Vercel reads."""
    built = ".python-version" in read_record(project.root).get("vercel", {})
    # A build into another folder does not copy the file, because its name begins with ".".
    pinned = project.pinned_python is not None and not built and project.in_place
    return pinned or "requires-python" in project.pyproject.project


def _entrypoint_setting(project: Project) -> dict[str, FileContent]:
    """Return pyproject.toml with the entry point: by default a preset looks in app.py first.

    A pyproject.toml with the table, or that would be overwritten, is left to its author.
    """
    table = project.pyproject.tools.get("vercel", {})
    if table.get("entrypoint") == ENTRYPOINT:
        return {}
    line = f'entrypoint = "{ENTRYPOINT}"'
    if table or project.in_place:
        raise click.ClickException(f"pyproject.toml: add {line} to [tool.vercel].")
    file = project.root / "pyproject.toml"
    text = file.read_text("utf-8").rstrip("\n") + "\n\n" if file.is_file() else ""
    return {"pyproject.toml": f"{text}[tool.vercel]\n{line}\n".encode()}


def _static_files(project: Project) -> dict[str, FileContent]:
    """Return Django's static files below `public/`, which Vercel serves without a function."""
    apps = [unwrap(mount.app, is_django) for mount in project.target.gateway.mounts]
    if not any(apps):
        return {}
    from django.conf import settings
    from django.contrib.staticfiles.finders import get_finders

    if "django.contrib.staticfiles" not in settings.INSTALLED_APPS or "://" in settings.STATIC_URL:
        return {}
    folder = PurePosixPath("public", settings.STATIC_URL.strip("/"))
    files: dict[str, FileContent] = {}
    for finder in get_finders():
        for path, storage in finder.list(None):
            name = f"{getattr(storage, 'prefix', None) or ''}/{path}".strip("/")
            file = Path(storage.path(path))
            project.check_file(file)
            files.setdefault((folder / name).as_posix(), file)
    return files


def _json(value: Any) -> bytes:
    return f"{json.dumps(value, indent=2, ensure_ascii=False)}\n".encode()
