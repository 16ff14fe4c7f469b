"""The platforms' own tools, and a project to build.

The tools are large and require other versions of packages than the tests, so the first run installs
them into `.cache/` at the root of the repository. `make builds` installs npm, but no Python.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from unigate.cli.vercel.tools import DETECTORS, TOOLS

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache"
UV = Path(sys.executable).with_name("uv")
# With its own node: vercel requires 20 or later, and Debian 12 has 18.
VERCEL = {
    "private": True,
    "dependencies": {"vercel": TOOLS["vercel"], "node": "22"},
    "overrides": {"sandbox": "4.5.0"},  # 4.4.0, which vercel 64 requires, is not available
}
# What reads AWS's files of other tools than SAM; @pulumi/aws has the resources of SST.
DEPLOYERS = {
    "private": True,
    "dependencies": {"serverless": "3", "typescript": "5", "@pulumi/aws": "7.48.0"},
}
NOT_SOURCE = shutil.ignore_patterns("__pycache__", "*.sqlite3")

MIXED = """
import fastapi
import flask

import unigate

site = flask.Flask(__name__)
api = fastapi.FastAPI(openapi_url=None)


@site.get("/")
def home():
    return "home"


@site.get("/users/create")
def create():
    return "the form"


@site.get("/users/<name>")
def user(name):
    return f"user {name}, query {flask.request.query_string.decode()}"


@site.get("/files/<path:name>")
def file(name):
    return f"file {name}"


@site.get("/where")
def where():
    return f"{flask.__file__} {unigate.__file__}"


@api.get("/notes/{number}")
async def note(number: int):
    return {"note": number}


app = unigate.wrap(site, mounts={"/v2": api})
"""

Build = Callable[..., Path]


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the wheel of this tree, for installers to find."""
    tree = tmp_path_factory.mktemp("source")
    for name in ("unigate", "contrib"):
        shutil.copytree(ROOT / name, tree / name, ignore=NOT_SOURCE)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree)
    out = tmp_path_factory.mktemp("wheels")
    run([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out)], tree)
    return out


@pytest.fixture
def build(tmp_path: Path, wheels: Path) -> Build:
    """Return a function that builds a project for a platform and returns the output folder."""

    def made(target: str, *options: str, files: dict[str, str] | None = None) -> Path:
        source, output = tmp_path / "project", tmp_path / "out"
        needs = "unigate\nflask\nfastapi\n"
        for path, text in {"main.py": MIXED, "requirements.txt": needs, **(files or {})}.items():
            (source / path).parent.mkdir(parents=True, exist_ok=True)
            (source / path).write_text(text, "utf-8")
        return build_in(source, target, *options, output=output, wheels=wheels)

    return made


def build_in(folder: Path, target: str, *options: str, output: Path, wheels: Path) -> Path:
    """Build the project of a folder into another one."""
    command = [sys.executable, "-m", "unigate", "build", target, *options, "--output", str(output)]
    run([*command, "--force"], folder, UV_FIND_LINKS=str(wheels))
    return output


def run(command: list[str], cwd: Path, **environment: str) -> str:
    """Run a command that must succeed, and return what it printed."""
    path = f"{ROOT}{os.pathsep}{ROOT / 'contrib'}"
    environment = {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", **environment}
    # The tests of Django set DJANGO_SETTINGS_MODULE in this process.
    inherited = {k: v for k, v in os.environ.items() if k != "DJANGO_SETTINGS_MODULE"}
    done = subprocess.run(
        command, cwd=cwd, env={**inherited, **environment}, timeout=600,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="session")
def sam() -> Path:
    """Return the folder with the programs `sam`, `cfn-lint` and `python` for the translator."""
    return installed("sam", "aws-sam-cli>=1.170", "cfn-lint>=1.58")


@pytest.fixture(scope="session")
def cdk() -> Path:
    """Return the interpreter of an environment with AWS's CDK, and with parsers of other files."""
    return (
        installed("cdk", "aws-cdk-lib>=2.200", "python-hcl2>=7", "dockerfile-parse>=2") / "python"
    )


@pytest.fixture(scope="session")
def vercel() -> Path:
    """Return the folder with the programs `vercel` and `node`, as npm has installed them."""
    return _npm(f"vercel-{TOOLS['vercel']}-node-22", VERCEL) / "node_modules/.bin"


@pytest.fixture(scope="session")
def detectors() -> Path:
    """Return the folder with the program `node` that finds @vercel/fs-detectors."""
    packages = {"@vercel/fs-detectors": DETECTORS, "node": "22"}
    name = f"vercel-detectors-{DETECTORS}-node-22"
    return _npm(name, {"private": True, "dependencies": packages}) / "node_modules/.bin"


@pytest.fixture(scope="session")
def deployers() -> Path:
    """Return a folder in which npm has installed the Serverless Framework and TypeScript."""
    return _npm("deployers", DEPLOYERS, "--ignore-scripts")


def installed(name: str, *packages: str) -> Path:
    """Return the folder of the programs of packages, in an environment that is made once."""

    def make(folder: Path) -> None:
        run([str(UV), "venv", "--quiet", "--python", sys.executable, str(folder)], CACHE)
        install = [str(UV), "pip", "install", "--quiet", "--python", str(folder / "bin/python")]
        run([*install, *packages], CACHE)

    return _once(f"{name}-{sys.version_info.major}.{sys.version_info.minor}", make) / "bin"


def _npm(name: str, package: dict[str, object], *options: str) -> Path:
    def make(folder: Path) -> None:
        folder.mkdir()
        (folder / "package.json").write_text(json.dumps(package))
        run(["npm", "install", "--no-audit", "--no-fund", *options], folder)

    return _once(name, make)


def _once(name: str, make: Callable[[Path], None]) -> Path:
    """Return a folder of the cache; the first process that asks for it makes it."""
    CACHE.mkdir(exist_ok=True)
    folder, mark = CACHE / name, CACHE / f"{name}.complete"
    with (CACHE / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not mark.exists():
            shutil.rmtree(folder, ignore_errors=True)
            make(folder)
            mark.touch()
    return folder


@pytest.fixture(scope="session")
def python312() -> Path:
    """Return an interpreter of a version that Vercel supports."""
    if sys.version_info >= (3, 12):
        return Path(sys.executable)
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
    for found in (shutil.which("python3.12"), *sorted(versions.glob("3.12*/bin/python3.12"))):
        if found:
            command = [found, "--version"]
            if not subprocess.run(command, capture_output=True, timeout=60).returncode:
                return Path(found)
    pytest.fail("Vercel supports Python 3.12 and later: install it, or run the tests with it.")
