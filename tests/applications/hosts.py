"""The hosts around the gateway, and the servers that run a site directly."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from tests.servers.processes import ROOT, Server

from . import environments

GATEWAY = "tests.applications.gateway:app"
EMULATED = "tests.applications.emulated:app"
STAGE = "/prod"
# Azure's prefix of all functions, "/api" unless an application sets it.
ROUTE_PREFIX = "AzureFunctionsJobHost__extensions__http__routePrefix"

UVICORN = ("uvicorn", "--host=127.0.0.1", "--port={port}", "--log-level=warning")
WAITRESS = ("waitress", "--listen=127.0.0.1:{port}")
GUNICORN = ("gunicorn", "--bind=127.0.0.1:{port}", "--no-control-socket", "--log-level=warning")
SANIC = ("sanic", "--host=127.0.0.1", "--port={port}", "--single-process", "--no-motd")
GOOGLE = (
    "functions_framework",
    "--target=main",
    f"--source={ROOT / 'tests' / 'applications' / 'gateway.py'}",
    "--host=127.0.0.1",
    "--port={port}",
)


class Host(NamedTuple):
    """A host around the gateway.

    Attributes:
        command: The server.
        emulated: The host that the emulator takes the place of; "" if the server is the host.
        prefix: The path of the site in the URLs that clients ask.
    """

    command: tuple[str, ...]
    emulated: str = ""
    prefix: str = ""


HOSTS = {
    "uvicorn": Host((*UVICORN, GATEWAY)),
    "gunicorn": Host((*GUNICORN, GATEWAY)),
    "waitress": Host((*WAITRESS, GATEWAY)),
    "google": Host(GOOGLE),
    "azure": Host((*UVICORN, EMULATED), "azure"),
    "http_api": Host((*UVICORN, EMULATED), "http_api"),
    "rest_api": Host((*UVICORN, EMULATED), "rest_api", STAGE),
    "alb": Host((*UVICORN, EMULATED), "alb"),
}
PREFIXES = ("", STAGE)


def around_gateway(host: str, site: str, folder: Path, log: Path) -> Server:
    """Return a host around the gateway around a site."""
    command, emulated, prefix = HOSTS[host]
    env = {"HOST": emulated, "STAGE": prefix, ROUTE_PREFIX: ""}
    return _server(site, folder, log, command, prefix, env)


def directly(site: str, prefix: str, folder: Path, log: Path) -> Server:
    """Return a site under its own server, or under a plain one below a prefix."""
    where = environments.application(site)
    if environments.SITES[site].interface == "wsgi":
        return _server(site, folder, log, (*GUNICORN, where), prefix, {"SCRIPT_NAME": prefix})
    if site == "sanic" and not prefix:
        return _server(site, folder, log, (*SANIC, where), prefix)
    return _server(site, folder, log, (*UVICORN, f"--root-path={prefix}", where), prefix)


def sent_prefix(site: str, prefix: str) -> str:
    """Return what clients put before paths of a site that runs directly below a prefix.

    uvicorn adds its root path to what clients ask, as behind a proxy that has removed it.
    """
    return prefix if environments.SITES[site].interface == "wsgi" else ""


def _server(
    site: str,
    folder: Path,
    log: Path,
    command: tuple[str, ...],
    prefix: str,
    env: Mapping[str, str] = {},
) -> Server:
    python = str(environments.python_of(site))
    variables = {**environments.variables(site, folder, prefix), **env}
    return Server([python, "-m", *command], log, env=variables)
