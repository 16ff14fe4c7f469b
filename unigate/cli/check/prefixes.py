"""Ask applications below a prefix if they can be reached there."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import click

from unigate import Gateway, Headers, LifespanFailed, Request, without_prefix, wrap, wsgi
from unigate.asgi.driver import ResponseCollector, collect
from unigate.asgi.lifespan import START_SECONDS
from unigate.cli.project.route_tables import has_table, knows_prefix, routes_of
from unigate.cli.project.routes import WEBSOCKET
from unigate.routing import Mount

from .findings import Finding

SECONDS = 5.0  # for all requests to one application
_MOST_ROUTES = 20  # of one application
# A parameter in Starlette's syntax, and in that of Microdot.
_PARAMETER = re.compile(r"\{\w+(?::(\w+))?\}|<.*?>")
# Values of parameters by their convertor: those of the others are all of these. Some convertors ask
# for a number of digits.
_SAMPLES = {
    "uuid": ("00000000-0000-4000-8000-000000000000",),
    "dt": ("2000-01-01T00:00:00Z", "2000-01-01"),
    "date": ("2000-01-01",),
    "datetime": ("2000-01-01T00:00:00",),
    "ymd": ("2000-01-01",),
    "ip": ("127.0.0.1",),
    "ext": ("1.txt",),
}
_SAMPLE = ("1", "12", "123", "1234", "a")


def check_prefixes(gateway: Gateway) -> Iterator[Finding]:
    """Find applications that answer 404 below their prefix, and not without it.

    Those are asked, after their start-up, whose framework is not one that knows its prefix.
    """
    mounts = [
        mount
        for mount in gateway.mounts
        if (gateway.base_path or mount.prefix) and not knows_prefix(mount.app)
    ]
    for mount in mounts:
        prefix = gateway.base_path + mount.prefix
        call = _judged(gateway, mount, prefix)
        if call:
            yield Finding("prefix", prefix, _MESSAGE.format(call))


_MESSAGE = (
    "The application answers 404 below its prefix, which it does not expect on its path: mount {}."
)
_KEEP = "unigate.without_prefix(application)"
_EMPTY = "unigate.without_prefix(application, keep_root_path=False)"


def _judged(gateway: Gateway, mount: Mount, prefix: str) -> str | None:
    """Return the call that helps an application; None if none does, or it cannot be asked.

    It is asked in a thread with an event loop of its own: one that blocks must not keep the command
    from its end.
    """
    started = threading.Event()
    calls: list[str | None] = []

    def ask() -> None:
        lifespans = gateway.runtime.lifespans
        with asyncio.Runner() as runner:
            if mount.interface == "asgi":
                runner.run(lifespans.start())
            started.set()
            try:
                calls.append(_remedy(partial(_status, gateway, runner), mount, prefix))
            finally:
                runner.run(lifespans.stop())

    def run() -> None:
        try:
            ask()
        except LifespanFailed:
            calls.append(None)  # as in a deployment without its database
        except Exception as error:
            _report(prefix, f"it failed with {error!r}")
            calls.append(None)
        finally:
            started.set()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    started.wait(START_SECONDS)
    thread.join(SECONDS)
    if not calls:
        _report(prefix, f"it did not answer within {SECONDS:g} seconds")
    return calls[0] if calls else None


def _report(prefix: str, reason: str) -> None:
    click.echo(
        f"The application below {prefix} was not checked for its prefix: {reason}.", err=True
    )


def _remedy(status: Callable[..., int], mount: Mount, prefix: str) -> str | None:
    """Return the call that helps an application, or None if it needs none or none helps."""

    def exists(keep: bool) -> bool:
        bare = Mount("", without_prefix(mount.app, keep_root_path=keep), mount.interface)
        return status(bare, prefix, method, path) != 404

    for method, path in [("GET", "/"), *(("OPTIONS", path) for path in _paths_of(mount.app))]:
        # One that gets no prefix at all shows whether the path is one of its own.
        if status(mount, prefix, method, path) == 404 and exists(keep=False):
            return _KEEP if mount.interface == "asgi" and exists(keep=True) else _EMPTY
    return None


def _paths_of(app: Any) -> list[str]:
    """Return paths that an application has, as far as its framework shows them."""
    try:
        routes = list(_routes_of(app))[:_MOST_ROUTES]
    except Exception:  # whatever an object of another framework has under these names
        return []
    samples = [
        _filled(f"/{path.lstrip('/')}", turn) for turn in range(len(_SAMPLE)) for path in routes
    ]
    return list(dict.fromkeys(samples))


def _filled(path: str, turn: int) -> str:
    """Return a path with values in place of its parameters; each turn takes other ones."""

    def value(match: re.Match[str]) -> str:
        samples = _SAMPLES.get(match[1] or "", _SAMPLE)
        return samples[min(turn, len(samples) - 1)]

    return _PARAMETER.sub(value, path)


def _routes_of(app: Any) -> Iterable[str]:
    """Return the paths of an application; those of muffin and Microdot in their own notations."""
    if has_table(app):
        routes = routes_of(wrap(app))
        return [route.path for route in routes if WEBSOCKET not in route.methods]
    app = getattr(app, "__wrapped__", app)
    if isinstance(getattr(app, "engineio_path", None), str):
        return [app.engineio_path]
    if isinstance(getattr(app, "url_map", None), list):
        return [pattern.url_pattern for _, pattern, *_ in app.url_map]
    routes = app.router.routes
    return [route.path for route in (routes() if callable(routes) else routes)]


def _status(
    gateway: Gateway,
    runner: asyncio.Runner,
    mount: Mount,
    root_path: str,
    method: str,
    path: str,
) -> int:
    """Return the status of a path below a root path."""
    request = Request(
        method,
        f"{root_path}{path}".encode(),
        headers=Headers([("host", "localhost")]),
        client=("127.0.0.1", 50000),
        root_path=root_path,
    )
    if mount.interface == "wsgi":
        return wsgi.call(mount.app, request, root_path).status
    scope = gateway.runtime.scope_of(mount, request)
    scope["root_path"] = root_path
    response = ResponseCollector(request.body)
    answer = collect(mount.app, scope, request, raising=True, response=response)
    status: int = runner.run(answer).status
    return status
