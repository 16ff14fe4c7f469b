"""The sites: real applications, each in an environment of its own, for they conflict."""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from tests.servers.processes import ROOT

from . import visits

ENVIRONMENTS = ROOT / ".cache" / "applications"
INSTALL_SECONDS = 300
PREPARE_SECONDS = 300

# Servers, and what the platforms have.
HOSTS = ("uvicorn>=0.54", "gunicorn>=27", "waitress>=3.0", "functions-framework>=3.10")
HOSTS += ("azure-functions>=1.26",)


class Site(NamedTuple):
    """An application.

    Attributes:
        interface: "asgi" or "wsgi".
        requirements: What its environment has besides the hosts and unigate.
        visit: What a client asks it.
    """

    interface: str
    requirements: tuple[str, ...]
    visit: visits.Visit


SITES = {
    "blacksheep": Site("asgi", ("blacksheep==2.6.4",), visits.framework),
    "connexion": Site("asgi", ("connexion[flask,uvicorn]==3.3.0",), visits.framework),
    "datasette": Site("asgi", ("datasette==0.65.5",), visits.datasette),
    "klaus": Site("wsgi", ("klaus==3.0.1",), visits.klaus),
    "litestar": Site("asgi", ("litestar==2.25.0",), visits.framework),
    "mcp": Site("asgi", ("mcp==2.3.0",), visits.mcp),
    "quart": Site("asgi", ("quart==0.22.0",), visits.framework),
    "radicale": Site("wsgi", ("radicale==3.9.0",), visits.radicale),
    "sanic": Site("asgi", ("sanic==25.12.1",), visits.framework),
    "wagtail": Site("wsgi", ("wagtail==8.0.1",), visits.wagtail),
    "wsgidav": Site("wsgi", ("wsgidav==4.4.0",), visits.wsgidav),
}


def python_of(name: str) -> Path:
    """Return the interpreter of a site's environment."""
    return environment(name, (*HOSTS, *SITES[name].requirements))


def environment(name: str, requirements: tuple[str, ...]) -> Path:
    """Return the interpreter of an environment, which is made if it is missing or old.

    Other processes that ask for the same one wait.

    Args:
        name: The name of its folder.
        requirements: What it has besides unigate.
    """
    wanted = [*requirements, sys.version]
    project = (ROOT / "pyproject.toml").read_bytes()
    mark = hashlib.sha256(project + "\n".join(wanted).encode()).hexdigest()
    folder = ENVIRONMENTS / name
    python, ready = folder / "bin" / "python", folder / "ready"
    ENVIRONMENTS.mkdir(parents=True, exist_ok=True)
    with (ENVIRONMENTS / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not ready.exists() or ready.read_text() != mark:
            uv = [sys.executable, "-m", "uv"]
            run([*uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)])
            unigate = ["--editable", str(ROOT)]
            install = [*uv, "pip", "install", "--quiet", "--python", str(python)]
            run([*install, *unigate, *requirements])
            ready.write_text(mark)
    return python


def application(name: str) -> str:
    """Return where a site's application is, as servers take it."""
    return f"tests.applications.sites.{name}_site:application"


def variables(name: str, folder: Path, prefix: str = "") -> dict[str, str]:
    """Return the variables with which a site runs, on the files of a folder, below a prefix."""
    return {
        "SITE": application(name),
        "SITE_FOLDER": str(folder),
        "SITE_PREFIX": prefix,
        "PYTHONPATH": str(ROOT),
        "PYTHONHASHSEED": "0",  # some sites list the members of a set
    }


def prepare(name: str, folder: Path) -> None:
    """Write the files that a site starts with."""
    module = f"tests.applications.sites.{name}_site"
    code = f"import {module} as site; getattr(site, 'prepare', lambda: None)()"
    run([str(python_of(name)), "-c", code], variables(name, folder), PREPARE_SECONDS)


def run(
    command: list[str], env: dict[str, str] | None = None, seconds: int = INSTALL_SECONDS
) -> None:
    """Run a command; AssertionError with what it printed if it fails."""
    ran = subprocess.run(
        command,
        env={**os.environ, **(env or {})},
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=seconds,
    )
    assert ran.returncode == 0, (command, ran.stdout)
