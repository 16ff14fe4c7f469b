"""Measure a cold start of a build for AWS, with bytecode and without, and of `sam build`.

Each build is unpacked into a folder. A new process imports the handler from there, without writing
bytecode, as in Lambda's read-only folder, and answers one event of an HTTP API. README.md in this
folder explains the lines.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from rounds import UNIGATE, Result, compare, in_rounds, parser, show, table
from samples import http_api_event

ROOT = Path(__file__).resolve().parents[1]
MINOR = f"{sys.version_info.major}.{sys.version_info.minor}"
UV = Path(sys.executable).with_name("uv")
APPLICATIONS = {
    "Flask": """
import flask
site = flask.Flask("orders")
@site.get("/orders/<int:number>")
def order(number):
    return {"id": number}
""",
    "Django": """
import django.conf, django.core.wsgi, django.http, django.urls
def order(request, number):
    return django.http.JsonResponse({"id": number})
django.conf.settings.configure(
    ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="benchmark",
    INSTALLED_APPS=[
        "django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes",
        "django.contrib.sessions", "django.contrib.messages",
    ],
)
site = django.core.wsgi.get_wsgi_application()
from django.contrib import admin
from django.urls import path
urlpatterns = [path("orders/<int:number>", order), path("admin/", admin.site.urls)]
""",
    "FastAPI": """
import fastapi
site = fastapi.FastAPI()
@site.get("/orders/{number}")
async def order(number: int):
    return {"id": number}
""",
}
WITHOUT, SAM = "without bytecode", "sam build"
TARGET = 0.4
TEMPLATE = f"""
AWSTemplateFormatVersion: "2010-09-09"
Transform: AWS::Serverless-2016-10-31
Resources:
  Function:
    Type: AWS::Serverless::Function
    Properties: {{CodeUri: ., Handler: main.app, Runtime: python{MINOR}, Timeout: 29}}
"""
# What every Lambda runtime has loaded before it imports a handler.
START = """
import json, logging, sys, time
folder, event = sys.argv[1], json.loads(sys.argv[2])
sys.path.insert(0, folder)
start = time.perf_counter()
import main
reply = main.app(event, None)
end = time.perf_counter()
assert reply["statusCode"] == 200, reply
print(end - start)
"""


def milliseconds(task: Path) -> float:
    """Return what the import and the first reply take in a new process."""
    command = [sys.executable, "-I", "-S", "-B", "-c", START, str(task)]
    output = subprocess.check_output(
        [*command, json.dumps(http_api_event(b""))], stderr=subprocess.DEVNULL
    )
    return float(output) * 1000


def build(name: str, folder: Path, sam: Path | None) -> dict[str, Path]:
    """Build an application in all ways, and return the folder of each as Lambda has it."""
    project = folder / name / "project"
    project.mkdir(parents=True)
    code = f"import unigate\n{APPLICATIONS[name]}\napp = unigate.wrap(site)\n"
    (project / "main.py").write_text(code)
    (project / "requirements.txt").write_text(f"unigate\n{name.lower()}\n")
    (project / "pyproject.toml").write_text(f'[tool.unigate]\npython = "{MINOR}"\n')
    run([UV, "build", "--quiet", "--wheel", "--out-dir", folder / "wheels", ROOT], project)
    found = {"UV_FIND_LINKS": str(folder / "wheels"), "PIP_FIND_LINKS": str(folder / "wheels")}
    made: dict[str, Path] = {}
    for contender, options in ((UNIGATE, []), (WITHOUT, ["--no-bytecode"])):
        out = folder / name / contender
        command = [sys.executable, "-m", UNIGATE, "build", "main:app", "--target", "aws"]
        run([*command, *options, "--output", out], project, **found)
        made[contender] = out / "task"
        with zipfile.ZipFile(out / "function.zip") as archive:
            archive.extractall(made[contender])
    if sam is not None:
        out = folder / name / "sam"
        (project / "template.yaml").write_text(TEMPLATE)
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        run([sam, "build", "--build-dir", out], project, PATH=path, SAM_CLI_TELEMETRY="0", **found)
        made[SAM] = out / "Function"
    return made


def run(command: list[str | Path], folder: Path, **variables: str) -> None:
    """Run a command that must succeed."""
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **variables}, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, errors="replace", timeout=600,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{command[0]} has failed:\n{done.stdout}")


def installed_sam() -> Path:
    """Return the program `sam`, which is installed at first use where `make builds` has it too."""
    kept = ROOT / ".cache" / f"sam-{MINOR}"
    if not kept.exists():
        kept.parent.mkdir(exist_ok=True)
        try:
            run([UV, "venv", "--quiet", "--python", sys.executable, kept], ROOT)
            install: list[str | Path] = [UV, "pip", "install", "--quiet", "--python"]
            run([*install, kept / "bin/python", "aws-sam-cli>=1.170", "cfn-lint>=1.58"], ROOT)
        except BaseException:
            shutil.rmtree(kept, ignore_errors=True)
            raise
    return kept / "bin/sam"


def measure(applications: list[str], rounds: int, *, with_sam: bool) -> list[Result]:
    """Return what a cold start takes of each build of each application."""
    sam = installed_sam() if with_sam else None
    with tempfile.TemporaryDirectory() as made:
        groups: dict[str, dict[str, Callable[[], float]]] = {
            name: {
                contender: partial(milliseconds, task)
                for contender, task in build(name, Path(made), sam).items()
            }
            for name in applications
        }
        in_rounds(groups, 1)  # reads the files
        taken = in_rounds(groups, rounds)
    targets = {WITHOUT: TARGET, SAM: TARGET}
    return [
        result
        for name, samples in taken.items()
        for result in compare(f"{name}, cold start", "milliseconds", samples, targets=targets)
    ]


def main() -> None:
    """Read the command line, measure, print."""
    arguments = parser(__doc__, rounds=20)
    arguments.add_argument("applications", nargs="*", help=f"of {', '.join(APPLICATIONS)}; all")
    arguments.add_argument("--without-sam", action="store_true", help="do not run sam build")
    options = arguments.parse_args()
    chosen = options.applications or list(APPLICATIONS)
    if not set(chosen) <= set(APPLICATIONS):
        arguments.error(f"applications must be of {', '.join(APPLICATIONS)}, got {chosen}")
    results = measure(chosen, options.rounds, with_sam=not options.without_sam)
    show(results, [name.lower() for name in chosen], options.json, table(results))


if __name__ == "__main__":
    main()
