"""`unigate invoke`: invoke an application with one event."""

from __future__ import annotations

import atexit
import json
import statistics
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from typing import IO, Any

import click

from unigate import InvalidEvent, UnknownEvent
from unigate.emulator import BASE_URL, EVENT_SOURCES, make_request, through_json
from unigate.emulator import invoke as call
from unigate.events import EventSource, parse_event
from unigate.http import is_token

from .choice import Choice
from .project.target import load_handler, user_frames


@click.command()
@click.argument("target", metavar="MODULE:APP")
@click.option("--event", "file", type=click.File("rb"), help='A file with an event; "-" is stdin.')
@click.option(
    "--as",
    "source",
    type=Choice(list(EVENT_SOURCES)),
    help="The kind of event to make from the options below.  [default: http_api]",
)
@click.option("--path", help="The request's path, with its query string.  [default: /]")
@click.option("--method", help="The request's method.  [default: GET, or POST with --data]")
@click.option(
    "--header", "headers", multiple=True, help='A header field, "name: value"; may be repeated.'
)
@click.option("--data", help="The request's body.")
@click.option(
    "--repeat",
    type=click.IntRange(1),
    help="Invoke it that many times more, and print the times on stderr.",
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

    The event is read from a file, or made from a request as a platform does. The exit code is 1 if
    the application fails or answers with a status of 500 or more, and 2 if the application or the
    event cannot be loaded. Output of the application goes to stderr.

    \b
    Examples:
      unigate invoke main:app --event event.json
      unigate invoke main:app --as alb --path "/users?page=2"
    """
    if file is None:
        event = _make_event(source or "http_api", path or "/", method, headers, data)
    elif source or path or method or headers or data is not None:
        raise click.UsageError("--event contains the whole request: omit the other options.")
    else:
        event = _read_event(file)
    with redirect_stdout(sys.stderr):
        began = time.perf_counter()
        handler, gateway = load_handler(target)
        import_time = time.perf_counter() - began
        try:
            reply, first = _call(handler, event)
            warm = [_call(handler, event)[1] for _ in range(repeat or 0)]
            failed = _is_failure(gateway.find_source(parse_event(event)), reply)
        except UnknownEvent as error:
            raise click.ClickException(str(error)) from error
        except (Exception, SystemExit) as error:
            frames = user_frames(error.__traceback__)
            trace = traceback.format_exception(type(error), error, frames)
            click.echo("".join(trace), err=True, nl=False)
            return 1
    # JSON may contain a lone surrogate, which UTF-8 cannot encode: write it as an escape.
    text = json.dumps(reply, indent=2, ensure_ascii=False).encode("utf-8", "backslashreplace")
    click.echo(text)
    # Lifespans stop at the exit of the process; what they print belongs to stderr too.
    atexit.register(lambda: setattr(sys, "stdout", sys.stderr))
    if warm:
        click.echo(_times(import_time, first, warm), err=True)
    return 1 if failed else 0


def _make_event(
    source: str, path: str, method: str | None, headers: Sequence[str], data: str | None
) -> Any:
    fields = []
    for header in headers:
        name, colon, value = header.partition(":")
        if not (name and colon):
            message = f'It must be "name: value", got {header!r}.'
            raise click.BadParameter(message, param_hint="'--header'")
        fields.append((name.strip(), value.strip()))
    body = (data or "").encode("utf-8", "surrogateescape")
    method = ("GET" if data is None else "POST") if method is None else method
    if not is_token(method):
        message = f"It must be an HTTP token such as GET, got {method!r}."
        raise click.BadParameter(message, param_hint="'--method'")
    request = make_request(method.upper(), f"{BASE_URL}/{path.removeprefix('/')}", fields, body)
    request.source = source
    return through_json(EVENT_SOURCES[source].make_event(request))


def _read_event(file: IO[bytes]) -> Any:
    try:
        return json.loads(file.read())
    except (ValueError, RecursionError) as error:
        message = f"{file.name!r} is not valid JSON: {error}"
        raise click.BadParameter(message, param_hint="'--event'") from error


def _call(handler: Callable[[Any, Any], Any], event: Any) -> tuple[Any, float]:
    """Return the reply to a copy of an event, and the seconds that it took."""
    event = through_json(event)
    began = time.perf_counter()
    reply = call(handler, event)
    return reply, time.perf_counter() - began


def _is_failure(source: EventSource | None, reply: Any) -> bool:
    """Return True if a platform answers a request with a status of 500 or more."""
    try:
        return source is not None and source.from_reply(reply).status >= 500
    except (AttributeError, KeyError, TypeError, ValueError, InvalidEvent):
        click.echo("The platform cannot read this reply: it would answer 502.", err=True)
        return True


def _times(import_time: float, first: float, warm: Sequence[float]) -> str:
    parts = f"import {_ms(import_time)}, first invocation {_ms(first)}"
    median = f"{_ms(statistics.median(warm))} (median of {len(warm)})"
    return f"cold {_ms(import_time + first)} ({parts}), warm {median}"


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.3g} ms"
