"""Projects of many layouts, built for every target, and tried with the platforms' own tools.

The build itself starts each function in a fresh process on the target's Python. Lock files are made
here, by the tools that they are of: they name the package index of the machine.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml
from pip._internal.models.index import PyPI

from tests.servers.client import ask
from unigate.events import http_api

from .conftest import ROOT, UV, installed, run
from .test_aws import Function, request, unpacked
from .test_vercel import Deployment

PROJECTS = Path(__file__).with_name("projects")
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
TARGETS = ("aws", "google", "azure", "vercel")
ANSWER = "The function was started, and answered GET / with 200."


class Layout(NamedTuple):
    """A project of the folder.

    Attributes:
        app: The import string of its application.
        folder: Where the build runs, below the project.
        lock: The commands that make its lock file there; {tools} is the folder of the programs.
        importable: Folders that are installed in the developer's environment.
    """

    app: str = "main:app"
    folder: str = "."
    lock: tuple[str, ...] = ()
    importable: tuple[str, ...] = ()


LAYOUTS = {
    "flat": Layout(),
    "src_layout": Layout("shop.web:app"),
    "own_package": Layout("own_package.web:app"),
    "monorepo": Layout("main:app", "services/api", (), ("libs/common/src",)),
    "namespace": Layout("acme.shop.web:app"),
    "uv_lock": Layout(lock=("{uv} lock",)),
    "uv_workspace": Layout("api:app", "services/api", ("{uv} lock",), ("libs/common/src",)),
    "poetry": Layout("shop.web:app", "shop", ("{tools}/poetry lock",), ("common/src",)),
    "pdm": Layout(lock=("{tools}/pdm lock --python >={version}",)),
    "pylock": Layout(lock=("{uv} lock", "{uv} export --format pylock.toml -o pylock.toml")),
    "requirement_files": Layout(),
    "django_nested": Layout("site_of_shop.wsgi:application"),
}

# Poetry's default asks PyPI's JSON API, which mirrors do not have. This is pip's default.
SOURCE = f"""
[[tool.poetry.source]]
name = "index"
url = "{PyPI.simple_url}/"
priority = "primary"
"""

Made = Callable[..., Path]


@pytest.fixture(scope="session")
def tools() -> Path:
    """Return the folder with the programs `poetry` and `pdm`."""
    # pdm 2.29 does not work with hishel 2.0.
    return installed("locks", "poetry>=2.1", "poetry-plugin-export>=1.9", "pdm>=2.20", "hishel<2")


@pytest.fixture
def made(tmp_path: Path, wheels: Path, tools: Path) -> Made:
    """Return a function that builds a project for a target; it returns the output folder."""

    def build(name: str, target: str) -> Path:
        layout = LAYOUTS[name]
        project, output = tmp_path / name, tmp_path / "out"
        shutil.copytree(PROJECTS / name, project)
        [wheel] = wheels.glob("*.whl")
        for file in project.rglob("pyproject.toml"):
            file.write_text(file.read_text().replace("{wheel}", str(wheel)))
        here = project / layout.folder
        importable = [str(project / folder) for folder in layout.importable]
        if name == "own_package":
            site = tmp_path / "site"
            command = [str(UV), "pip", "install", "--quiet", "--no-deps", "--target", str(site)]
            run([*command, str(project)], project)
            importable.append(str(site))
        path = os.pathsep.join([str(ROOT), str(ROOT / "contrib"), *importable])
        environment = {
            "UV_FIND_LINKS": str(wheels), "UNIGATE_NO_SMOKE": "", "PYTHONPATH": path,
        }  # fmt: skip
        if name == "poetry":
            with (here / "pyproject.toml").open("a") as file:
                file.write(SOURCE)
        for line in layout.lock:
            command = line.format(uv=UV, tools=tools, version=VERSION).split()
            run(command, here, UV_FIND_LINKS=str(wheels))
        command = [sys.executable, "-m", "unigate", "build", layout.app, "--target", target]
        printed = run([*command, "--output", str(output), "--force"], here, **environment)
        assert ANSWER in printed, printed
        return output

    return build


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", LAYOUTS)
def test_a_project_is_built_and_answers(made: Made, name: str, target: str) -> None:
    output = made(name, target)
    read = "pyproject.toml" if target == "vercel" else "requirements.txt"  # by the platform
    texts = [file.read_text() for file in output.glob(read)]
    assert not any("file://" in text or "-e " in text for text in texts), texts
    assert not list(output.rglob("__pycache__"))


@pytest.mark.parametrize("name", ["src_layout", "own_package", "uv_workspace"])
def test_awss_runtime_client_runs_a_project(made: Made, name: str) -> None:
    task = unpacked(made(name, "aws"))
    function = Function(task, [sys.executable, "-m", "awslambdaric", "lambda_function.handler"])
    with function.server as server:
        server.wait_until_it_listens()
        reply = function.invoke(http_api.make_event(request("/"))).json()
        assert http_api.from_reply(reply).body.startswith(b"home")


@pytest.mark.parametrize("name", ["src_layout", "uv_workspace", "poetry"])
def test_vercel_builds_a_project(
    made: Made, name: str, vercel: Path, python312: Path, wheels: Path
) -> None:
    deployment = Deployment(made(name, "vercel"), vercel, python312, wheels)
    with deployment.running("api/index") as port:
        assert ask(port, "/").body.startswith(b"home")


@pytest.mark.parametrize("name", ["src_layout", "uv_workspace"])
def test_sam_builds_a_project(made: Made, name: str, sam: Path) -> None:
    out = made(name, "aws")
    run([str(sam / "cfn-lint"), "--non-zero-exit-code", "informational", "template.yaml"], out)
    run([str(sam / "sam"), "build"], out, SAM_CLI_TELEMETRY="0", AWS_DEFAULT_REGION="eu-west-1")
    built = yaml.safe_load((out / ".aws-sam/build/template.yaml").read_text())
    # A zip is deployed as it is.
    code = built["Resources"]["Function"]["Properties"]["CodeUri"]
    assert (out / ".aws-sam/build" / code).resolve() == (out / "function.zip").resolve()


def test_our_reading_of_poetrys_lock_is_poetrys(made: Made, tmp_path: Path, tools: Path) -> None:
    output = made("poetry", "google")
    command = [str(tools / "poetry"), "export", "--without-hashes", "--only", "main"]
    exported = run(command, tmp_path / "poetry/shop").splitlines()
    theirs = {line.partition(" ;")[0].strip() for line in exported if "==" in line.split(";")[0]}
    ours = (output / "requirements.txt").read_text().splitlines()[1:]
    assert {line.partition(" ;")[0] for line in ours} == theirs


def test_our_reading_of_pdms_lock_is_pdms(made: Made, tmp_path: Path, tools: Path) -> None:
    output = made("pdm", "google")
    command = [str(tools / "pdm"), "export", "--without-hashes", "--prod", "-f", "requirements"]
    exported = run(command, tmp_path / "pdm").splitlines()
    theirs = {line.partition(";")[0].strip() for line in exported if "==" in line.split(";")[0]}
    ours = (output / "requirements.txt").read_text().splitlines()[1:]
    assert {line.partition(" ;")[0] for line in ours} == theirs
