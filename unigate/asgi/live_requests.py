"""The request of an ASGI server, most of which is read when it is needed."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from unigate.deployment import Deployment
from unigate.request import Request
from unigate.server_requests import read_scope, read_scope_path
from unigate.types import Scope

# What is read late; the rest has a value from the beginning.
_LATE = frozenset(
    {
        *("body", "client", "context", "event", "headers", "http_version", "identify", "method"),
        *("query_string", "scheme", "server", "source"),
    }
)


class LiveRequest(Request):
    """A request that reads its path at once, and the rest of its scope when that is asked for.

    Few ASGI applications ask for it: they have the scope.

    Args:
        scope: An HTTP or WebSocket scope, which must not change.
        deployment: The deployment of the gateway.
    """

    __slots__ = ("_scope",)

    def __init__(self, scope: Scope, deployment: Deployment) -> None:
        self._path, self.raw_path, self.root_path = read_scope_path(scope)
        self._scope = scope
        self.deployment = deployment
        self.deferred = None
        self.answered = False

    def read(self) -> None:
        """Read the rest now."""
        for name, value in read_scope(self._scope).items():
            setattr(self, name, value)
        self.body = b""
        self.event = self.context = self.identify = None
        self._take_origin(self._scope.get("unigate.request"), "asgi")

    def __getattr__(self, name: str) -> Any:
        """Read the rest when the first member of it is missing, except what was set before."""
        if name not in _LATE:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        known: dict[str, Any] = {}
        for member in _LATE:
            with suppress(AttributeError):
                known[member] = object.__getattribute__(self, member)
        self.read()
        for member, value in known.items():
            setattr(self, member, value)
        return object.__getattribute__(self, name)
