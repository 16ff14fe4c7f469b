"""`unigate routes`: list the routes of an application."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout

import click

from .project.route_tables import Route, routes_of
from .project.target import importing, load

_TITLES = ("METHOD", "PATH", "NAME", "ENDPOINT", "APP")


@click.command()
@click.argument("target", metavar="MODULE:APP")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list instead of a table.")
def routes(target: str, as_json: bool) -> int:
    """List the routes of an application.

    It reads the route tables of Flask, Django, Starlette and FastAPI, and those of applications
    mounted in them. An application without a table is listed with its prefix. ANY stands for all
    methods.

    \b
    Examples:
      unigate routes main:app
      unigate routes main:app --json
    """
    # The application may print while it is imported, and loads its mounts when they are read.
    with redirect_stdout(sys.stderr), importing(target):
        rows = routes_of(load(target))
    if as_json:
        click.echo(json.dumps([route._asdict() for route in rows], indent=2))
    else:
        click.echo(_table([_TITLES, *map(_cells, rows)]))
    return 0


def _cells(route: Route) -> Sequence[str]:
    return (",".join(route.methods), *route[1:])


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
    return "\n".join(lines)
