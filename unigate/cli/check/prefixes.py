"""Ask applications below a prefix if they can be reached there."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import click

from unigate import Gateway, Headers, LifespanFailed, Request, without_prefix, wsgi
from unigate.asgi.driver import ResponseCollector, collect
from unigate.asgi.lifespan import START_SECONDS
from unigate.cli.project.route_tables import has_table
from unigate.routing import Mount

from .findings import Finding

SECONDS = 5.0  # for all requests to one application
_MOST_PATHS = 20  # of one application
_PARAMETER = re.compile(r"[{<].*?[}>]")


def check_prefixes(gateway: Gateway) -> Iterator[Finding]:
    """Find applications that answer 404 below their prefix, and not without it.

    Only those are asked, after their start-up, of which no route table can be read: the frameworks
    of the others know their prefix.
    """
    mounts = [
        mount
        for mount in gateway.mounts
        if (gateway.base_path or mount.prefix) and not has_table(mount.app)
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
    """Return paths that an application has, as far as its framework shows them.

    Their parameters are "1", which is text and a number.
    """
    try:
        paths = [_PARAMETER.sub("1", path) for path in _routes_of(app)]
    except Exception:  # whatever an object of another framework has under these names
        return []
    return [f"/{path.lstrip('/')}" for path in paths[:_MOST_PATHS]]


def _routes_of(app: Any) -> Iterable[str]:
    """Return the paths of Falcon, Sanic, muffin, Microdot and Socket.IO, in their own notations."""
    app = getattr(app, "__wrapped__", app)
    if isinstance(getattr(app, "engineio_path", None), str):
        return [app.engineio_path]
    if any(base.__module__.startswith("falcon.") for base in type(app).__mro__):
        from falcon.inspect import inspect_routes

        return [route.path for route in inspect_routes(app)]
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
