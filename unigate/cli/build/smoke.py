"""Try a function that was built: start it as its platform would, and ask it once.

It runs in a fresh process, on the target's Python, with nothing importable but what the platform
would have: the files of the build, and the packages that the platform installs. A function that
cannot be imported or does not answer is an error. Any status is an answer, and one of 500 or more
is reported: an application may need a database or a secret that is not here.
"""

from __future__ import annotations

import json
import os
import platform as machine
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from unigate import Headers, Request
from unigate.cli.project.core import Project
from unigate.cli.project.interpreters import find_interpreter, find_uv
from unigate.events import alb, http_api, rest_api

from . import google, smoke_probe
from .advice import NO_ANSWER, advice, advice_on_variables, exception_in
from .aws.function import ZIP, handler_of
from .route_functions import FALLBACK

_SECONDS = 60
_LINES = 15  # of a traceback
_CPU = {"x86_64": ("x86_64", "AMD64"), "arm64": ("aarch64", "arm64")}
_EVENTS = {"http_api": http_api, "function_url": http_api, "alb": alb, "rest_api": rest_api}
# What a platform installs by itself.
_PROVIDED = {"google": ["functions-framework"], "azure": ["azure-functions"], "vercel": []}


def try_function(
    project: Project, target: str, output: Path, paths: Iterable[str]
) -> Iterable[str]:
    """Start a function and ask for "/"; yield lines for the user.

    Args:
        target: The name of the build target. Nothing is tried for one that makes no function.
        output: The folder that the build wrote to.
        paths: The paths of the files that it generated there.

    Raises:
        click.ClickException: The function cannot be imported, or does not answer in a minute.
    """
    files = set(paths)
    if (target != "aws" and target not in _PROVIDED) or (target == "aws" and ZIP not in files):
        return
    python = find_interpreter(project.python)
    if python is None:
        yield (
            f"Not tried, because Python {project.python} is not on this machine: "
            f"uv python install {project.python}."
        )
        return
    with TemporaryDirectory() as work:
        folder = Path(os.path.realpath(work))
        if target == "aws":
            trial = _lambda_trial(project, output, folder / "task")
            if trial is None:
                yield "Not tried: the packages were compiled for another kind of machine."
                return
        else:
            packages = _install(project, target, python, folder / "packages")
            trial = _trial(project, target, output.resolve(), files, packages)
        status, log = _run(project, python, {"platform": target, **trial}, folder / "status")
        if status is None:
            raise click.ClickException(_explain(project, log))
        if status >= 500:
            yield from log.splitlines()[-_LINES:]
            yield from advice_on_variables(project)
        yield f"The function was started, and answered GET / with {status}."


def _lambda_trial(project: Project, output: Path, task: Path) -> dict[str, Any] | None:
    """Unpack the zip; return None if it has packages that cannot run on this machine."""
    settings = project.settings.get("aws", {})
    with zipfile.ZipFile(output / ZIP) as archive:
        names = archive.namelist()
        archive.extractall(task)
        for info in archive.infolist():  # which extractall leaves at the default
            (task / info.filename).chmod(info.external_attr >> 16 & 0o777)
    cpus = _CPU[settings.get("architecture", "x86_64")]
    fits = sys.platform == "linux" and machine.machine() in cpus
    if not fits and any(name.endswith(".so") for name in names):
        return None
    request = Request("GET", b"/", headers=Headers([("host", "example.org")]))
    triggers = settings.get("trigger", "http_api")
    trigger = triggers if isinstance(triggers, str) else (*triggers, "http_api")[0]
    if trigger == "function_url":
        request.source = trigger
    event = _EVENTS[trigger].make_event(request)
    return {
        "folder": str(task),
        "path": [str(task)],
        "handler": handler_of(project),
        "event": event,
    }


def _trial(
    project: Project, target: str, output: Path, files: set[str], packages: Path
) -> dict[str, Any]:
    path = [str(output), str(packages)]
    if target == "google":  # the framework adds the folder itself
        file = google.OTHER_FILE if google.OTHER_FILE in files else google.FILE
        return {"folder": str(output), "path": path[1:], "file": file}
    others = sorted(name for name in files if re.fullmatch(r"api/.+\.py", name))
    functions = [FALLBACK, *(name for name in others if name != FALLBACK)]
    return {"folder": str(output), "path": path, "files": functions}


def _install(project: Project, target: str, python: str, packages: Path) -> Path:
    """Install what the platform would into a folder, for this machine."""
    if not project.declares_dependencies:
        required = _PROVIDED[target]
    else:
        local = [str(each.path) for each in project.dependencies.local]
        required = [*project.requirements, *_PROVIDED[target], *local]
    packages.mkdir()
    if not required:
        return packages
    uv = find_uv()
    if uv is not None:
        command = [uv, "pip", "install", "--quiet", "--python", python]
    else:
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
        other = ["--python-version", project.python, "--only-binary", ":all:"]
        command = pip if python == sys.executable else [*pip, *other]
    command += ["--target", str(packages), *required]
    if subprocess.run(command, cwd=project.root, stdout=2).returncode:
        raise click.ClickException(
            "The files are written, but the packages to try the function with cannot be "
            "installed. --no-smoke leaves the trial out."
        )
    return packages


def _run(
    project: Project, python: str, trial: Mapping[str, Any], report: Path
) -> tuple[int | None, str]:
    """Run the probe; return the status of the answer, None without one, and what it printed."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("PYTHON") and name != "VIRTUAL_ENV"
    }
    inherited |= project.settings.get("environment", {})
    # -B: no bytecode is written into the build. -I and -S: none of this environment's packages.
    command = [python, "-I", "-S", "-B", smoke_probe.__file__, json.dumps(trial), str(report)]
    try:
        done = subprocess.run(
            command, env=inherited, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=_SECONDS,
        )  # fmt: skip
        printed = done.stdout
    except subprocess.TimeoutExpired as error:
        printed = (error.stdout or b"") + f"\n{NO_ANSWER} {_SECONDS} seconds".encode()
    status = json.loads(report.read_text("utf-8")) if report.exists() else None
    return status, printed.decode("utf-8", "replace")


def _explain(project: Project, log: str) -> str:
    """Print the end of a function's output, and return what is wrong and what to do."""
    for line in log.strip().splitlines()[-_LINES:]:
        click.echo(line, err=True)
    sentences = [
        f"The files are written, but the function does not run: {exception_in(log).rstrip('.')}.",
        *advice(project, log),
        "--no-smoke leaves this trial out.",
    ]
    return " ".join(sentences)
