"""`unigate routes`: list the routes of an application."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout

import click

from unigate.routing import Mount

from .project.route_tables import KNOWN, has_table, routes_of
from .project.routes import Route, endpoint_of
from .project.target import importing, load

_TITLES = ("METHOD", "PATH", "NAME", "ENDPOINT", "APP")


@click.command()
@click.argument("target", metavar="MODULE:APP")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list instead of a table.")
def routes(target: str, as_json: bool) -> int:
    """List the routes of an application.

    It reads the route tables of Bottle, Connexion, Django, Falcon, FastAPI, Flask, Litestar,
    Pyramid, Quart, Sanic and Starlette, and those of applications mounted in them. Any other
    application is listed with its prefix and named on stderr; without one whose table can be read,
    the exit code is 1. ANY stands for all methods.

    \b
    Examples:
      unigate routes main:app
      unigate routes main:app --json
    """
    # The application may print while it is imported, and loads its mounts when they are read.
    with redirect_stdout(sys.stderr), importing(target):
        gateway = load(target)
        rows = routes_of(gateway)
    if as_json:
        click.echo(json.dumps([route._asdict() for route in rows], indent=2))
    else:
        click.echo(_table([_TITLES, *map(_cells, rows)]))
    unknown = [mount for mount in gateway.mounts if not has_table(mount.app)]
    for mount in unknown:
        click.echo(_unknown_message(mount), err=True)
    if not rows:
        click.echo("The application has no routes.", err=True)
    return 1 if unknown and len(unknown) == len(gateway.mounts) else 0


def _unknown_message(mount: Mount) -> str:
    known = f"{', '.join(KNOWN[:-1])} and {KNOWN[-1]}"
    return (
        f"The routes of the application below {mount.prefix or '/'} cannot be read: unigate reads "
        f"those of {known}, got {endpoint_of(mount.app)}. Middleware around one of them must keep "
        "it in an attribute, such as app."
    )


def _cells(route: Route) -> Sequence[str]:
    return (",".join(route.methods), *route[1:])


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
    return "\n".join(lines)
