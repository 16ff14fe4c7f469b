"""Applications that do not know `root_path`: they get their path without its prefix."""

from __future__ import annotations

from typing import Any

from . import interfaces
from .http.urls import decode_path, quote_path, remove_path_prefix
from .types import Receive, Scope, Send


def without_prefix(application: Any, *, keep_root_path: bool = True) -> Any:
    """Return an application that gets its path without the prefix of its mount, stage or base path.

    ASGI applications get the whole path and a `root_path` that it begins with (ASGI 2.4). Some
    ignore `root_path`, such as Falcon and Sanic, and answer 404 to every request below a prefix.
    With this they get `path` and `raw_path` without it; `root_path` stays, for the links that they
    make. WSGI applications get their path without the prefix in any case (PEP 3333), and are
    returned as they are.

    Args:
        application: The application, an import string, or a factory, as for `wrap`.
        keep_root_path: False for an application that puts `root_path` before `path` itself, such as
            one in muffin: it gets an empty one.

    Raises:
        ImportError: The import string does not lead to an object.
        UnknownInterface: The object is neither a WSGI nor an ASGI application.
    """
    app, interface = interfaces.load(application)
    if interface == "wsgi":
        return app

    async def prefix_removed(scope: Scope, receive: Receive, send: Send) -> None:
        root_path = scope.get("root_path")
        rest = remove_path_prefix(scope["path"], root_path) if root_path else None
        if root_path and rest is not None:
            raw = _without_raw_prefix(scope.get("raw_path") or b"", root_path)
            scope = {**scope, "path": rest or "/", "raw_path": raw or quote_path(rest)}
            if not keep_root_path:
                scope["root_path"] = ""
        await app(scope, receive, send)

    return prefix_removed


def _without_raw_prefix(raw: bytes, prefix: str) -> bytes:
    """Return the rest of a path as sent after a decoded prefix; b"" if there is none.

    Nothing is found where the prefix ends at an encoded "/".
    """
    end = 0
    while end >= 0:
        end = raw.find(b"/", end + 1)
        head = raw if end < 0 else raw[:end]
        decoded = decode_path(head)
        if decoded == prefix:
            return raw[len(head) :]
        if len(decoded) > len(prefix):
            break
    return b""
