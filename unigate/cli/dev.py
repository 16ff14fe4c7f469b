"""`unigate dev`: serve an application locally, as a platform would call it."""

from __future__ import annotations

import logging

import click

import unigate
from unigate.local import EVENT_SOURCES
from unigate.types import Environ, StartResponse

from .local_host import LocalHost
from .server import RELOAD, Server, Watch, inherited, listen, supervise, url_of
from .target import Unloadable, load

_log = logging.getLogger("unigate")


@click.command()
@click.argument("target", metavar="MODULE:APP")
@click.option(
    "--as",
    "source",
    type=click.Choice(list(EVENT_SOURCES)),
    default="http_api",
    show_default=True,
    help="The event that each request becomes.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8000,
    show_default=True,
    help="The port to listen on; 0 takes any free one.",
)
@click.option(
    "--reload/--no-reload", default=True, show_default=True, help="Start again on a change."
)
def dev(target: str, source: str, host: str, port: int, reload: bool) -> int:
    """Serve an application by way of a platform's events.

    Each request becomes an event, and the reply to it a response. MODULE:APP is the import string
    of a WSGI or ASGI application, or of what unigate.wrap() made of it. The current directory is
    searched first.

    \b
    Examples:
      unigate dev main:app
      unigate dev main:app --as rest_api --port 8080
    """
    above = inherited()
    if reload and above is None:
        with listen(host, port) as listener:
            return supervise(listener)
    listener, life = above or (listen(host, port), "first")
    with listener:
        watch = Watch() if reload else None
        app = LocalHost(load(target) if life == "first" else _load_again(target), source)
        if life == "first":
            click.echo(f"{target} answers as {source} on {url_of(listener)}")
        server = Server(app, listener)
        if watch is not None:
            watch.end(server)
        server.run()
    return RELOAD if watch is not None and watch.changed else 0


def _load_again(target: str) -> unigate.Gateway:
    """Load a target that has changed; what is broken by that is shown until the next change."""
    try:
        return load(target)
    except Unloadable as error:
        text = f"{error.trace}{error.message}\n"
    _log.error("%s", text)

    def broken(environ: Environ, start_response: StartResponse) -> list[bytes]:
        start_response("500 Internal Server Error", [("Content-Type", "text/plain; charset=utf-8")])
        return [text.encode("utf-8", "backslashreplace")]

    return unigate.wrap(broken)
