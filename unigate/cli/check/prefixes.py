"""Ask ASGI applications below a prefix if they know `root_path`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from unigate import Gateway, LifespanFailed, Request, without_prefix
from unigate.asgi.driver import ResponseCollector, collect
from unigate.cli.project.route_tables import has_table
from unigate.routing import Mount

from .findings import Finding

SECONDS = 10.0


def check_prefixes(gateway: Gateway) -> Iterator[Finding]:
    """Find applications that answer 404 for "/" below their prefix, and not without it.

    Only those are asked, after their start-up, of which no route table can be read: the frameworks
    of the others know `root_path`.
    """
    mounts = [
        mount
        for mount in gateway.mounts
        if mount.interface == "asgi"
        and (gateway.base_path or mount.prefix)
        and not has_table(mount.app)
    ]
    if not mounts:
        return
    try:
        gateway.start()
        for mount in mounts:
            prefix = gateway.base_path + mount.prefix
            if _status(gateway, mount, prefix) == 404:
                bare = Mount("", without_prefix(mount.app, keep_root_path=False), "asgi")
                if _status(gateway, bare, prefix) not in (404, None):
                    yield Finding("prefix", prefix, _MESSAGE)
    except LifespanFailed:
        pass  # as in a deployment without its database: nothing can be asked
    finally:
        gateway.stop()


_MESSAGE = (
    "The application answers 404 below its prefix, because it ignores root_path: mount "
    "unigate.without_prefix(application)."
)


def _status(gateway: Gateway, mount: Mount, root_path: str) -> int | None:
    """Return the status of "/" below a root path; None if the application fails or hangs."""
    request = Request("GET", f"{root_path}/".encode(), root_path=root_path)
    scope = gateway.runtime.scope_of(mount, request)
    scope["root_path"] = root_path
    response = ResponseCollector(request.body)
    answer = collect(mount.app, scope, request, raising=False, response=response)
    try:
        return gateway.runtime.loop.run(asyncio.wait_for(answer, SECONDS)).status
    except Exception:
        return None
