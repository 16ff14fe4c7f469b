"""`unigate invoke`: ask an application once, with an event as a platform would send it."""

from __future__ import annotations

import atexit
import json
import statistics
import sys
import time
import traceback
from collections.abc import Sequence
from contextlib import redirect_stdout
from typing import IO, Any

import click

from unigate import Gateway, InvalidEvent, UnknownEvent
from unigate.emulator import BASE_URL, EVENT_SOURCES, Context, make_request, sent
from unigate.events import EventSource

from .project.target import load, their_part


@click.command()
@click.argument("target", metavar="MODULE:APP")
@click.option("--event", "file", type=click.File("rb"), help='A file with an event, "-" for stdin.')
@click.option(
    "--as",
    "source",
    type=click.Choice(list(EVENT_SOURCES)),
    help="Without a file: the event that a request becomes.  [default: http_api]",
)
@click.option("--path", help="The request's path, with its query.  [default: /]")
@click.option("--method", help="Its method.  [default: GET, or POST with --data]")
@click.option("--header", "headers", multiple=True, help='A header field, "name: value"; repeat.')
@click.option("--data", help="Its body.")
@click.option(
    "--repeat",
    type=click.IntRange(1),
    help="Invoke so many times more, and say on stderr how long it took.",
)
def invoke(
    target: str,
    file: IO[bytes] | None,
    source: str | None,
    path: str | None,
    method: str | None,
    headers: Sequence[str],
    data: str | None,
    repeat: int | None,
) -> int:
    """Invoke an application with one event and print its reply.

    The event comes from a file, or is what a platform makes of a request. The exit code is 1 when
    the application fails or answers with a status of 500 or more, and 2 when there is nothing to
    invoke or nothing to invoke it with. What the application prints goes to stderr.

    \b
    Examples:
      unigate invoke main:app --event event.json
      unigate invoke main:app --as alb --path "/users?page=2"
    """
    if file is None:
        event = _make_event(source or "http_api", path or "/", method, headers, data)
    elif source or path or method or headers or data is not None:
        raise click.UsageError("--event has the whole request: give the others without it.")
    else:
        event = _read(file)
    with redirect_stdout(sys.stderr):
        began = time.perf_counter()
        app = load(target)
        loaded = time.perf_counter() - began
        try:
            reply, first = _call(app, event)
            warm = [_call(app, event)[1] for _ in range(repeat or 0)]
            asked = app.find_source(event)
            failed = _failed(asked, reply)
        except UnknownEvent as error:
            raise click.ClickException(str(error)) from error
        except (Exception, SystemExit) as error:
            theirs = their_part(error.__traceback__)
            trace = traceback.format_exception(type(error), error, theirs)
            click.echo("".join(trace), err=True, nl=False)
            return 1
    # JSON can say what UTF-8 cannot: a lone surrogate stays the escape that it was.
    text = json.dumps(reply, indent=2, ensure_ascii=False).encode("utf-8", "backslashreplace")
    click.echo(text)
    # What a lifespan prints as it stops comes after this.
    atexit.register(lambda: setattr(sys, "stdout", sys.stderr))
    if warm:
        cold = f"cold {_ms(loaded + first)} (import {_ms(loaded)}, first invocation {_ms(first)})"
        click.echo(f"{cold}, warm {_ms(statistics.median(warm))} (median of {len(warm)})", err=True)
    return 1 if failed else 0


def _make_event(
    source: str, path: str, method: str | None, headers: Sequence[str], data: str | None
) -> Any:
    fields = []
    for header in headers:
        name, colon, value = header.partition(":")
        if not (name and colon):
            raise click.BadParameter(f'{header!r} is not "name: value".', param_hint="'--header'")
        fields.append((name.strip(), value.strip()))
    body = (data or "").encode("utf-8", "surrogateescape")
    method = method or ("GET" if data is None else "POST")
    request = make_request(method.upper(), f"{BASE_URL}/{path.removeprefix('/')}", fields, body)
    request.source = source
    return sent(EVENT_SOURCES[source].make_event(request))


def _read(file: IO[bytes]) -> Any:
    try:
        return json.loads(file.read())
    except (ValueError, RecursionError) as error:
        message = f"{file.name!r} holds no JSON: {error}"
        raise click.BadParameter(message, param_hint="'--event'") from error


def _call(app: Gateway, event: Any) -> tuple[Any, float]:
    """Return what an application replies to a copy of an event, and the seconds it took."""
    event, context = sent(event), Context()
    began = time.perf_counter()
    reply = app.lambda_handler(event, context)
    seconds = time.perf_counter() - began
    return sent(reply), seconds


def _failed(source: EventSource | None, reply: Any) -> bool:
    """Tell whether a platform answers with a status of 500 or more, for what is HTTP at all."""
    try:
        return source is not None and source.from_reply(reply).status >= 500
    except (AttributeError, KeyError, TypeError, ValueError, InvalidEvent):
        click.echo("The reply is none that the platform can read: it answers 502.", err=True)
        return True


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.3g} ms"
