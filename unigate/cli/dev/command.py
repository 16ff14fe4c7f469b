"""`unigate dev`: serve an application locally, as a platform would call it."""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import click

import unigate
from unigate.cli.project.target import load
from unigate.deployment import default
from unigate.emulator import EVENT_SOURCES
from unigate.interfaces import import_from
from unigate.types import Environ, StartResponse

from . import visitor
from .functions import Functions, Here, InFolder, InRuntime
from .inspector.exchanges import History
from .inspector.exports import Recorder
from .inspector.page import ROOT, Inspector
from .local_host import STAGED, LocalHost, Setup
from .server import RELOAD, Server, Watch, inherited, listen, supervise, url_of
from .visitor import Place, Visitor

_log = logging.getLogger("unigate")


def _stage(context: click.Context, option: click.Parameter, value: str | None) -> str | None:
    """Check a stage as API Gateway does (API reference, CreateStage)."""
    if value is not None and not re.fullmatch(r"[A-Za-z0-9_-]{1,128}", value):
        raise click.BadParameter(f"{value!r} is no name for a stage.", context, option)
    return value


def _base_path(context: click.Context, option: click.Parameter, value: str | None) -> str | None:
    """Take a prefix with slashes around it or without."""
    return f"/{value.strip('/')}" if value and value.strip("/") else None


def _recorder(context: click.Context, option: click.Parameter, value: Path | None) -> Any:
    """Open the folder to record into."""
    try:
        return Recorder(value) if value is not None else None
    except OSError as error:
        raise click.BadParameter(str(error), context, option) from error


@click.command()
@click.argument("target", metavar="MODULE:APP", required=False)
@click.option(
    "--as",
    "source",
    type=click.Choice(list(EVENT_SOURCES)),
    help="The event that each request becomes.  [default: http_api; function_url with --stream, "
    "vercel with --functions]",
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
@click.option(
    "--stage",
    callback=_stage,
    metavar="NAME",
    help="Mount the application at a stage of API Gateway, /NAME/.",
)
@click.option(
    "--base-path",
    callback=_base_path,
    metavar="PATH",
    help="Mount the application at a prefix that is left on the path, as a custom domain does.",
)
@click.option(
    "--geo",
    "place",
    callback=visitor.place,
    metavar="CITY,COUNTRY",
    help="Where requests come from, as the platform tells it; CloudFront in front of those that "
    "do not, unless UNIGATE_PLATFORM or the application names another.",
)
@click.option(
    "--ip",
    "address",
    callback=visitor.address,
    metavar="ADDRESS",
    help="Who seems to ask.",
)
@click.option(
    "--stream",
    is_flag=True,
    help="Run the application in our runtime for AWS Lambda, which streams responses.",
)
@click.option(
    "--functions",
    "folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="Serve a folder of files with a function each, as Vercel does, and no MODULE:APP.",
)
@click.option(
    "--record",
    "recorder",
    type=click.Path(file_okay=False, path_type=Path),
    callback=_recorder,
    metavar="DIR",
    help="Keep each event as a file for `unigate invoke`. They hold secrets, such as cookies.",
)
@click.option("--show-secrets", is_flag=True, help=f"Mask nothing on the page {ROOT}/.")
@click.pass_context
def dev(
    context: click.Context,
    target: str | None,
    source: str | None,
    host: str,
    port: int,
    reload: bool,
    stage: str | None,
    base_path: str | None,
    place: Place | None,
    address: str | None,
    stream: bool,
    folder: Path | None,
    recorder: Recorder | None,
    show_secrets: bool,
) -> int:
    """Serve an application by way of a platform's events.

    Each request becomes an event, and the reply to it a response. MODULE:APP is the import string
    of a WSGI or ASGI application, or of what unigate.wrap() made of it. The current directory is
    searched first.

    The page /_unigate/ shows every request with its event, and sends it again.

    \b
    Examples:
      unigate dev main:app
      unigate dev main:app --as rest_api --stage prod --port 8080
      unigate dev main:app --as vercel --geo "São Paulo,BR" --ip 203.0.113.7
      unigate dev main:app --stream
      unigate dev --functions api/ --record events/
    """
    if target is None and folder is None:
        raise click.MissingParameter(ctx=context, param=context.command.params[0])
    source = source or ("function_url" if stream else "vercel" if folder else "http_api")
    problem = _contradiction(target, folder, source, stage, base_path, stream=stream)
    if problem:
        raise click.UsageError(problem, context)
    above = inherited()
    if reload and above is None:
        with listen(host, port) as listener:
            return supervise(listener)
    setup = Setup(
        source,
        stage=f"/{stage}" if stage else "",
        base_path=base_path or "",
        visitor=Visitor(address, place),
        recorder=recorder,
    )

    def start() -> Functions:
        return _start(target, folder, setup, stream=stream)

    with ExitStack() as stack:
        listener = stack.enter_context(above.listener if above else listen(host, port))
        memory = stack.enter_context(above.memory) if above else None
        watch = Watch(folder) if reload else None
        first = above is None or above.first
        functions = stack.enter_context(closing(start() if first else _start_again(start)))
        history = History()
        if memory and not first:
            history.load(memory)
        app = LocalHost(functions, setup, history)
        inspector = Inspector(
            app,
            history,
            app=target,
            mount=setup.mount,
            show_secrets=show_secrets,
        )
        server = Server(inspector, listener, at_end=history.close)
        if first:
            _greet(f"{folder or target} answers as {source} on", url_of(listener))
        if watch is not None:
            watch.end(server)
        server.run()
        if watch is None or not watch.changed:
            return 0
        assert memory is not None  # as there is one to start this again
        history.save(memory)
    return RELOAD


def _contradiction(
    target: str | None,
    folder: Path | None,
    source: str,
    stage: str | None,
    base_path: str | None,
    *,
    stream: bool,
) -> str:
    """Say which options cannot go together, "" where all can."""
    if target is not None and folder is not None:
        return "Give MODULE:APP or --functions, not both."
    if stream and folder is not None:
        return "--stream is for MODULE:APP."
    if base_path and (stage or stream or folder is not None):
        return "--base-path is for MODULE:APP, without --stage and --stream."
    if stage and source not in STAGED:
        return f"--stage: {source} has none, {' and '.join(STAGED)} have."
    return ""


def _start(target: str | None, folder: Path | None, setup: Setup, *, stream: bool) -> Functions:
    """Start what is served; ClickException where it cannot be, or not as it was wished for."""
    asking = setup.visitor
    if asking.place and not os.environ.get("UNIGATE_PLATFORM"):
        os.environ["UNIGATE_PLATFORM"] = asking.platform(setup.source)
    if folder is not None:
        asking.check(setup.source, default())
        return InFolder(folder)
    assert target is not None
    if stream:
        runtime = InRuntime(target)
        try:
            asking.check(setup.source, runtime.deployment)
        except BaseException:
            runtime.close()
            raise
        return runtime
    gateway = load(target)
    if setup.base_path and gateway._base_path != setup.base_path:
        found = import_from(target)
        if found is gateway:
            raise click.UsageError(
                f"{target!r} is a gateway, which says itself what is left on the path: "
                f"unigate.wrap(..., base_path={setup.base_path!r})."
            )
        gateway = unigate.wrap(found, base_path=setup.base_path)
    asking.check(setup.source, gateway._deployment)
    return Here(gateway)


def _start_again(start: Callable[[], Functions]) -> Functions:
    """Start what has changed; what is broken by that is shown until the next change."""
    try:
        return start()
    except click.ClickException as error:
        text = f"{getattr(error, 'trace', '')}{error.message}\n"
    _log.error("%s", text)

    def broken(environ: Environ, start_response: StartResponse) -> list[bytes]:
        start_response("500 Internal Server Error", [("Content-Type", "text/plain; charset=utf-8")])
        return [text.encode("utf-8", "backslashreplace")]

    return Here(unigate.wrap(broken))


def _greet(what: str, url: str) -> None:
    """Say where the server is; on a terminal, where there is more to see."""
    more = f"{url}{ROOT}/ shows every request.\n" if sys.stdout.isatty() else ""
    click.echo(f"{more}{what} {url}")
