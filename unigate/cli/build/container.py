"""Containers: a Dockerfile for every host that builds or runs images, and a .dockerignore.

Hosts name the port in PORT, and stop a container with SIGTERM: Cloud Run ("Container runtime
contract") and Docker kill it 10 seconds later, Kubernetes and ECS 30. The server is process 1, so
that it gets the signal, and ends within 8 seconds.
"""

from __future__ import annotations

import json
import re
from shlex import join, quote

import click

from unigate.cli.project.core import Project
from unigate.cli.project.dependencies import REQUIREMENTS

from .ignore_file import ignore_file
from .next_command import Variable, in_output, service_name, to_run
from .plan import BuildPlan, FileContent
from .templates import render

FILE = "Dockerfile"
IGNORE = ".dockerignore"
OWN_FILES = b"Dockerfile\n.*\n!.well-known\n"
ENTRYPOINT = "container_app.py"
UNUSED = ("bytecode", "functions", "keep")
UID = 1000  # a number, by which Kubernetes can tell that it is not root ("runAsNonRoot")
PORT = "8080"
STOP_SECONDS = 8
# Load balancers reuse connections for up to 60 seconds (AWS, "Application Load Balancers",
# idle timeout): a server that closes one first makes a request fail.
KEEP_ALIVE_SECONDS = 65

# uvicorn and gunicorn read FORWARDED_ALLOW_IPS, the addresses of proxies, and WEB_CONCURRENCY, the
# number of processes. No document names the addresses from which the platforms' proxies connect:
# link-local ones are reported of Cloud Run, which no client can have, and private ones of Fly. For
# others the scheme stays http.
PROXIES = "127.0.0.1,::1,169.254.0.0/16"
FLY_PROXIES = "172.16.0.0/12"

UVICORN = "uvicorn[standard]>=0.30"
GUNICORN = "gunicorn>=23"

# A line of a requirements file that needs other files of the project: an option, a path, a URL.
_NEEDS_FILES = re.compile(
    r"^\s*(-r|-c|-e|--requirement|--constraint|--editable|--find-links|-f|\.|/|file:)"
    r"|@\s*(file:|\.)",
    re.MULTILINE,
)


def plan(project: Project) -> BuildPlan:
    """Plan the Dockerfile and its .dockerignore, and an entry point if the target is no gateway."""
    environment = _environment(project)
    health = project.settings.get("container", {}).get("health")
    files: dict[str, FileContent] = {FILE: _dockerfile(project, environment, health)}
    # Another folder has nothing that is left out but the files of the build itself.
    files |= ignore_file(project, "container", files) if project.in_place else {IGNORE: OWN_FILES}
    if not _is_loadable(project):
        module = ENTRYPOINT.removesuffix(".py")
        if project.target.module == module or project.has_package(module):
            raise click.ClickException(
                f"The entry point must be {ENTRYPOINT}, and the project has a module of this "
                "name: rename it."
            )
        files[ENTRYPOINT] = render("container.py.j2", app=project.binding("app").rstrip("\n"))
    return BuildPlan(files, _notes(project, environment, health))


def _dockerfile(project: Project, environment: dict[str, str], health: str | None) -> bytes:
    text, file = _requirements(project)
    server = GUNICORN if _is_wsgi(project) else UVICORN
    packages = ["-r", file] if file else list(project.requirements)
    if not _has(text, re.split(r"\W", server)[0]):
        packages.append(server)
    if file is None:
        copy: str | None = ""
    else:
        copy = None if _NEEDS_FILES.search(text) else f"{quote(file)} {quote(file)}"
    return render(
        "Dockerfile.j2",
        python=project.python,
        uid=UID,
        copy=copy,
        packages=join(packages),
        environment=[(name, _escaped(value)) for name, value in environment.items()],
        port=environment["PORT"],
        health=health and json.dumps(_health_command(health)),
        command=json.dumps(_command(project)),
    )


def _environment(project: Project) -> dict[str, str]:
    environment = {"PORT": PORT, "FORWARDED_ALLOW_IPS": PROXIES}
    environment |= project.settings.get("environment", {})
    for name, value in environment.items():
        if "\n" in value or "\r" in value:
            raise click.ClickException(
                f"tool.unigate.environment.{name} must be one line for a Dockerfile, got {value!r}."
            )
    if not environment["PORT"].isdecimal():
        message = f"tool.unigate.environment.PORT must be a number, got {environment['PORT']!r}."
        raise click.ClickException(message)
    return environment


def _escaped(value: str) -> str:
    """Return a value as it stands between double quotes in a Dockerfile."""
    return re.sub(r'([\\"$])', r"\\\1", value)


def _is_wsgi(project: Project) -> bool:
    return all(mount.interface == "wsgi" for mount in project.target.gateway.mounts)


def _is_loadable(project: Project) -> bool:
    """Return True if both servers can load the gateway by the target's own import string."""
    if project.paths:  # the entry point makes them importable
        return False
    return project.target.is_gateway and "." not in project.target.attribute


def _command(project: Project) -> list[str]:
    """Return the command of the server, which becomes process 1."""
    app = project.target.import_string if _is_loadable(project) else "container_app:app"
    if _is_wsgi(project):
        # gunicorn listens on PORT by itself. Its workers are not killed for their silence, because
        # hosts stop the clock of a container between requests; /dev/shm is memory.
        options = ["--threads=8", "--timeout=0", f"--graceful-timeout={STOP_SECONDS}"]
        options += [f"--keep-alive={KEEP_ALIVE_SECONDS}", "--worker-tmp-dir=/dev/shm"]
        return ["gunicorn", *options, app]
    options = [f"--timeout-graceful-shutdown={STOP_SECONDS}"]
    options += [f"--timeout-keep-alive={KEEP_ALIVE_SECONDS}"]
    return ["sh", "-c", f'exec uvicorn --host=0.0.0.0 --port="$PORT" {join([*options, app])}']


def _health_command(path: str) -> list[str]:
    """Return a command that fails unless the application answers a path with success."""
    url = f'"http://127.0.0.1:" + os.environ["PORT"] + {json.dumps(path)}'
    return ["python", "-c", f"import os, urllib.request as u; u.urlopen({url}, timeout=4)"]


def _requirements(project: Project) -> tuple[str, str | None]:
    """Return the text of the requirements, and the file that has it, None for pyproject.toml."""
    if project.replaces_requirements:
        return "\n".join([*project.dependencies.lines, *project.added]), REQUIREMENTS
    requirements = project.requirements
    if requirements[:1] != ["-r"]:
        return "\n".join(requirements), None
    file = requirements[1]
    return (project.root / file).read_text("utf-8-sig", "replace"), file


def _has(text: str, package: str) -> bool:
    return re.search(rf"^\s*{package}\b(?!-)", text, re.MULTILINE | re.IGNORECASE) is not None


def _notes(project: Project, environment: dict[str, str], health: str | None) -> list[str]:
    name, port = service_name(project), environment["PORT"]
    folder = str(project.output)
    limits = project.limits()
    run = ["gcloud", "run", "deploy", name, "--source", folder, "--project", Variable("PROJECT")]
    run += ["--region", Variable("REGION"), "--port", port, "--allow-unauthenticated"]
    if "memory" in limits:
        run += ["--memory", f"{limits['memory']}Mi"]
    if "timeout" in limits:
        run += ["--timeout", f"{limits['timeout']}"]
    if health:
        run += ["--liveness-probe", f"httpGet.path={health}"]
    fly = [*in_output(project), "fly", "launch", "--name", name, "--region", Variable("REGION")]
    fly += ["--internal-port", port, "--env", f"FORWARDED_ALLOW_IPS={FLY_PROXIES}"]
    here = ["docker", "build", "--tag", name, folder]
    start = ["docker", "run", "--rm", "--publish", f"127.0.0.1:{port}:{port}", name]
    notes = [
        to_run("Try it here", here, start),
        to_run("Deploy to Cloud Run", run),
        to_run("Or to Fly", fly),
    ]
    text, file = _requirements(project)
    if not _has(text, "unigate") and not _NEEDS_FILES.search(text):
        notes.append(f"unigate is not in {file or 'project.dependencies'}: add it.")
    return notes
