"""Applications that do not know their prefix: they get their path without it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from . import interfaces
from .http.urls import decode_path, quote_path, remove_path_prefix
from .types import Application, ASGIApp, Environ, Receive, Scope, Send, StartResponse, WSGIApp


def without_prefix(
    application: Application,
    *,
    keep_root_path: bool = True,
    interface: Literal["asgi", "wsgi"] | None = None,
) -> ASGIApp | WSGIApp:
    """Return an application that gets its path without the prefix of its mount, stage or base path.

    ASGI applications get the whole path and a `root_path` that it begins with (ASGI 2.4). Some
    ignore `root_path`, such as Falcon and Sanic, and answer 404 to every request below a prefix.
    With this they get `path` and `raw_path` without it; `root_path` stays, for the links that they
    make. WSGI applications get PATH_INFO without the prefix in any case (PEP 3333), so only those
    need this that put SCRIPT_NAME before it, such as Microdot's and CherryPy's.

    Args:
        application: The application, an import string, or a factory, as for `wrap`.
        keep_root_path: False for an application that puts `root_path` or SCRIPT_NAME before the
            path itself: it gets an empty one, and its links lack the prefix.
        interface: The interface of the application, where it cannot be determined.

    Raises:
        ImportError: The import string does not lead to an object.
        UnknownInterface: The object is neither a WSGI nor an ASGI application.
        TypeError: The object is a gateway.
        ValueError: The application is a WSGI one, and `keep_root_path` is True; or `interface` is
            no interface.
    """
    if interface not in (None, "asgi", "wsgi"):
        raise ValueError(f'interface must be "asgi" or "wsgi", got {interface!r}.')
    app, found = interfaces.load(application, interface)
    if hasattr(app, "lambda_handler") and hasattr(app, "mounts"):
        raise TypeError(
            "without_prefix() takes an application, got the gateway that wrap() returns. Write "
            "wrap(without_prefix(application)), or mount the applications themselves."
        )
    if found == "wsgi":
        if keep_root_path:
            raise ValueError(
                "A WSGI application gets its path without the prefix in any case: mount it without "
                "without_prefix(). If it puts SCRIPT_NAME before the path, write "
                "without_prefix(application, keep_root_path=False)."
            )
        return _without_script_name(app)
    return _without_asgi_prefix(app, keep_root_path=keep_root_path)


def _without_script_name(app: WSGIApp) -> WSGIApp:
    def script_name_removed(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if environ.get("SCRIPT_NAME"):
            path = environ.get("PATH_INFO") or "/"
            environ = {**environ, "SCRIPT_NAME": "", "PATH_INFO": path}
        return app(environ, start_response)

    vars(script_name_removed)["__wrapped__"] = app  # where tools look for what it has
    return script_name_removed


def _without_asgi_prefix(app: ASGIApp, *, keep_root_path: bool) -> ASGIApp:
    async def prefix_removed(scope: Scope, receive: Receive, send: Send) -> None:
        root_path = scope.get("root_path")
        rest = remove_path_prefix(scope["path"], root_path) if root_path else None
        if root_path and rest is not None:
            raw = _without_raw_prefix(scope.get("raw_path") or b"", root_path)
            scope = {**scope, "path": rest or "/", "raw_path": raw or quote_path(rest)}
            if not keep_root_path:
                scope["root_path"] = ""
        await app(scope, receive, send)

    vars(prefix_removed)["__wrapped__"] = app  # where tools look for what it has
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
