"""Ask applications below a prefix if they can be reached there."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Iterable, Iterator
from typing import Any

from unigate import Gateway, LifespanFailed, Request, without_prefix, wsgi
from unigate.asgi.driver import ResponseCollector, collect
from unigate.cli.project.route_tables import has_table
from unigate.routing import Mount

from .findings import Finding

SECONDS = 10.0
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
    if not mounts:
        return
    try:
        gateway.start()
        for mount in mounts:
            prefix = gateway.base_path + mount.prefix
            call = _remedy(gateway, mount, prefix)
            if call:
                yield Finding("prefix", prefix, _MESSAGE.format(call))
    except LifespanFailed:
        pass  # as in a deployment without its database: nothing can be asked
    finally:
        gateway.stop()


_MESSAGE = (
    "The application answers 404 below its prefix, which it does not expect on its path: mount {}."
)
_KEEP = "unigate.without_prefix(application)"
_EMPTY = "unigate.without_prefix(application, keep_root_path=False)"


def _remedy(gateway: Gateway, mount: Mount, prefix: str) -> str | None:
    """Return the call that helps an application, or None if it needs none or none helps."""

    def exists(keep: bool) -> bool:
        bare = Mount("", without_prefix(mount.app, keep_root_path=keep), mount.interface)
        return _status(gateway, bare, prefix, method, path) not in (404, None)

    for method, path in [("GET", "/"), *(("OPTIONS", path) for path in _paths_of(mount.app))]:
        # One that gets no prefix at all shows whether the path is one of its own.
        if _status(gateway, mount, prefix, method, path) == 404 and exists(keep=False):
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
    """Return the paths of Falcon, Sanic, muffin and Microdot, in their own notations."""
    app = getattr(app, "__wrapped__", app)
    if any(base.__module__.startswith("falcon.") for base in type(app).__mro__):
        from falcon.inspect import inspect_routes

        return [route.path for route in inspect_routes(app)]
    if isinstance(getattr(app, "url_map", None), list):
        return [pattern.url_pattern for _, pattern, *_ in app.url_map]
    routes = app.router.routes
    return [route.path for route in (routes() if callable(routes) else routes)]


def _status(gateway: Gateway, mount: Mount, root_path: str, method: str, path: str) -> int | None:
    """Return the status of a path below a root path; None if the application fails or hangs."""
    request = Request(method, f"{root_path}{path}".encode(), root_path=root_path)
    if mount.interface == "wsgi":
        return _wsgi_status(mount, request, root_path)
    scope = gateway.runtime.scope_of(mount, request)
    scope["root_path"] = root_path
    response = ResponseCollector(request.body)
    answer = collect(mount.app, scope, request, raising=False, response=response)
    try:
        return gateway.runtime.loop.run(asyncio.wait_for(answer, SECONDS)).status
    except Exception:
        return None


def _wsgi_status(mount: Mount, request: Request, root_path: str) -> int | None:
    statuses: list[int] = []

    def ask() -> None:
        try:
            statuses.append(wsgi.call(mount.app, request, root_path).status)
        except Exception:
            return

    # A thread that hangs must not keep the command from its end.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(SECONDS)
    return statuses[0] if statuses else None
