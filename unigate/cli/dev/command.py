"""`unigate dev`: serve an application locally through the events of a platform."""

from __future__ import annotations

import logging
import os
import re
import secrets
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import click

import unigate
from unigate.cli.choice import Choice
from unigate.cli.project.target import load
from unigate.deployment import default_deployment
from unigate.emulator import EVENT_SOURCES
from unigate.import_strings import import_from
from unigate.routing import read_base_path
from unigate.types import Environ, StartResponse

from .functions import Functions, Here, InFolder, InRuntime
from .inspector.access import Access
from .inspector.exchanges import History
from .inspector.exports import Recorder
from .inspector.page import ROOT, Inspector
from .local_host import STAGED, LocalHost, Setup
from .reloader import Reloader
from .server import Server, listen, url_of
from .supervisor import RELOAD, inherited, supervise
from .visitor import Place, Visitor
from .visitor import address as parse_address
from .visitor import place as parse_place

_log = logging.getLogger("unigate")


def _stage(context: click.Context, option: click.Parameter, value: str | None) -> str | None:
    """Validate the name of a stage (API Gateway API reference, CreateStage)."""
    if value is not None and not re.fullmatch(r"[A-Za-z0-9_-]{1,128}", value):
        problem = f"must be 1 to 128 letters, digits, '_' or '-', got {value!r}."
        raise click.BadParameter(problem, context, option)
    return value


def _base_path(context: click.Context, option: click.Parameter, value: str | None) -> str | None:
    """Normalize a prefix to one slash at the start and none at the end."""
    try:
        return read_base_path(value) or None
    except ValueError as error:
        raise click.BadParameter(str(error), context, option) from error


def _recorder(context: click.Context, option: click.Parameter, value: Path | None) -> Any:
    """Create the folder for recorded events."""
    try:
        return Recorder(value) if value is not None else None
    except OSError as error:
        raise click.BadParameter(str(error), context, option) from error


@click.command()
@click.argument("target", metavar="MODULE:APP", required=False)
@click.option(
    "--as",
    "source",
    type=Choice(list(EVENT_SOURCES)),
    help="The event source: requests are converted to its events.  [default: http_api; "
    "function_url with --stream, vercel with --functions]",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8000,
    show_default=True,
    help="Port to listen on; 0 picks a free port.",
)
@click.option(
    "--reload/--no-reload",
    default=True,
    show_default=True,
    help="Restart when a Python file changes.",
)
@click.option(
    "--stage",
    callback=_stage,
    metavar="NAME",
    help="Mount the application at the API Gateway stage /NAME/ (rest_api and http_api).",
)
@click.option(
    "--base-path",
    callback=_base_path,
    metavar="PATH",
    help="Mount the application at a prefix that stays on the path, like a custom domain's base "
    "path mapping.",
)
@click.option(
    "--geo",
    "place",
    callback=parse_place,
    metavar="CITY,COUNTRY",
    help="Client location that the platform reports. Platforms that report none are put behind "
    "CloudFront, unless UNIGATE_PLATFORM or the application sets another.",
)
@click.option(
    "--ip",
    "address",
    callback=parse_address,
    metavar="ADDRESS",
    help="Client IP address that the platform reports.",
)
@click.option(
    "--stream",
    is_flag=True,
    help="Run the application in unigate's AWS Lambda runtime, with response streaming.",
)
@click.option(
    "--functions",
    "folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="Serve a folder of functions, one per file, as Vercel does; instead of MODULE:APP.",
)
@click.option(
    "--record",
    "recorder",
    type=click.Path(file_okay=False, path_type=Path),
    callback=_recorder,
    metavar="DIR",
    help="Save each event to a file in DIR for `unigate invoke`.",
)
@click.option(
    "--show-secrets",
    is_flag=True,
    help=f"Do not mask secrets on the page {ROOT}/, in the terminal and in saved events.",
)
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
    """Serve an application locally through the events of a platform.

    Each request is converted to an event, and the reply to a response. MODULE:APP is the import
    string of a WSGI or ASGI application or of a unigate.wrap() gateway, which is looked up in the
    current directory first.

    The page /_unigate/ shows every request with its event, and can send it again. Its address,
    which contains a token, is printed at the start.

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
    problem = _conflict(target, folder, source, stage, base_path, stream=stream)
    if problem:
        raise click.UsageError(problem, context)
    parent = inherited()
    if reload and parent is None:
        with listen(host, port) as listener:
            return supervise(listener, _new_token())
    setup = Setup(
        source,
        stage=f"/{stage}" if stage else "",
        base_path=base_path or "",
        visitor=Visitor(address, place),
        recorder=recorder,
        show_secrets=show_secrets,
    )
    token = parent.token if parent else _new_token()

    def start() -> Functions:
        return _start(target, folder, setup, stream=stream)

    with ExitStack() as stack:
        listener = stack.enter_context(parent.listener if parent else listen(host, port))
        memory = stack.enter_context(parent.memory) if parent else None
        reloader = Reloader(folder) if reload else None
        first = parent is None or parent.first
        functions = stack.enter_context(closing(start() if first else _restart(start)))
        history = History()
        if memory and not first:
            history.load(memory)
        app = LocalHost(functions, setup, history)
        inspector = Inspector(
            app,
            history,
            Access(token, ROOT, listener.getsockname()[:2], host),
            app=target,
            mount=setup.mount,
            show_secrets=show_secrets,
        )
        server = Server(inspector, listener, at_end=history.close)
        if first:
            url = url_of(listener)
            click.echo(
                f"{folder or target} answers as {source} on {url}\n"
                f"{url}{ROOT}/?token={token} shows every request."
            )
        if reloader is not None:
            reloader.start(server)
        server.run()
        if reloader is None or not reloader.changed:
            return 0
        assert memory is not None  # a reloader runs below a supervisor only
        history.save(memory)
    return RELOAD


def _conflict(
    target: str | None,
    folder: Path | None,
    source: str,
    stage: str | None,
    base_path: str | None,
    *,
    stream: bool,
) -> str:
    """Explain which options conflict; "" if none do."""
    if target is not None and folder is not None:
        return "Pass either MODULE:APP or --functions, not both."
    if stream and folder is not None:
        return "--stream requires MODULE:APP and cannot be used with --functions."
    if base_path and (stage or stream or folder is not None):
        return "--base-path cannot be used with --stage, --stream or --functions."
    if stage and source not in STAGED:
        return f"--stage requires --as {' or --as '.join(STAGED)}, got {source}."
    return ""


def _start(target: str | None, folder: Path | None, setup: Setup, *, stream: bool) -> Functions:
    """Start the functions to serve; raise ClickException if the options do not allow it."""
    visitor = setup.visitor
    if visitor.place and not os.environ.get("UNIGATE_PLATFORM"):
        os.environ["UNIGATE_PLATFORM"] = visitor.platform(setup.source)
    if folder is not None:
        visitor.check(setup.source, default_deployment())
        return InFolder(folder)
    assert target is not None
    if stream:
        runtime = InRuntime(target)
        try:
            visitor.check(setup.source, runtime.deployment)
        except BaseException:
            runtime.close()
            raise
        return runtime
    gateway = load(target)
    if setup.base_path and gateway.base_path != setup.base_path:
        application = import_from(target)
        if application is gateway:
            raise click.UsageError(
                f"{target!r} is a gateway, which --base-path cannot change: "
                f"use unigate.wrap(..., base_path={setup.base_path!r})."
            )
        gateway = unigate.wrap(application, base_path=setup.base_path)
    visitor.check(setup.source, gateway.deployment)
    return Here(gateway)


def _restart(start: Callable[[], Functions]) -> Functions:
    """Start the changed functions; if they do not start, serve the error until the next change."""
    try:
        return start()
    except click.ClickException as error:
        text = f"{getattr(error, 'trace', '')}{error.message}\n"
    _log.error("%s", text)

    def broken(environ: Environ, start_response: StartResponse) -> list[bytes]:
        start_response("500 Internal Server Error", [("Content-Type", "text/plain; charset=utf-8")])
        return [text.encode("utf-8", "backslashreplace")]

    return Here(unigate.wrap(broken))


def _new_token() -> str:
    """Return the secret in the address of the page, for one run of the program."""
    return secrets.token_urlsafe(24)
