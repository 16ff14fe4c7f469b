"""What ASGI and WSGI servers pass for a request, as the arguments of `request.Request`.

Functions for events do without it: `Request.from_scope` and `Request.from_environ` import it.
"""

from __future__ import annotations

from typing import Any

from .http.headers import Headers, is_token, latin1
from .http.hosts import port_number, split_host
from .http.urls import decode_path, quote_path, remove_path_prefix
from .types import Environ, Scope

# CGI's two header keys without the prefix; some servers give them with it as well.
_CONTENT_KEYS = ("CONTENT_TYPE", "CONTENT_LENGTH")


def read_scope_path(scope: Scope) -> tuple[str, bytes, str]:
    """Return the decoded path, the raw path and the root path of an ASGI scope."""
    path: str = scope["path"]
    raw = scope.get("raw_path") or b""
    root_path = scope.get("root_path", "").rstrip("/")
    # Servers older than ASGI 2.4 leave the root path out of the path.
    if root_path and remove_path_prefix(path, root_path) is None:
        path = root_path + path
    if decode_path(raw) != path:
        raw = raw.partition(b"?")[0]  # daphne leaves the query on
        if decode_path(raw) != path:  # rewritten on the way, or missing
            raw = quote_path(path)
    return path, raw, root_path


def read_scope(scope: Scope) -> dict[str, Any]:
    """Return the arguments for an ASGI HTTP or WebSocket scope, except those of its path."""
    scheme = scope.get("scheme") or "http"
    client = scope.get("client")
    server = scope.get("server")
    headers = Headers(
        (name.decode("latin-1"), value.decode("latin-1"))
        for name, value in scope.get("headers") or ()
    )
    headers.join_cookies()  # HTTP/2 clients may send a field for each cookie
    return {
        "method": scope.get("method", "GET"),
        "query_string": scope.get("query_string", b""),
        "headers": headers,
        "scheme": scheme,
        # A server on a Unix socket has a path and no port; granian gives it as text.
        "server": (server[0], int(server[1] or 0)) if server else split_host("localhost", scheme),
        "client": (client[0], int(client[1])) if client else None,
        "http_version": scope.get("http_version", "1.1"),
    }


def read_environ(environ: Environ) -> dict[str, Any]:
    """Return the arguments for a WSGI environ (PEP 3333).

    Servers leave members out, or give them another type than str: see `environ_text`.
    """
    root = environ_text(environ, "SCRIPT_NAME").encode("latin-1")
    path = root + environ_text(environ, "PATH_INFO").encode("latin-1") or b"/"
    target = environ_text(environ, "REQUEST_URI") or environ_text(environ, "RAW_URI")
    raw = target.partition("?")[0].encode("latin-1")
    if decode_path(raw) != path.decode("utf-8", "replace"):  # rewritten, or in absolute form
        raw = quote_path(path)
    remote = environ_text(environ, "REMOTE_ADDR")
    return {
        "method": environ_text(environ, "REQUEST_METHOD", "GET"),
        "raw_path": raw,
        "query_string": environ_text(environ, "QUERY_STRING").encode("latin-1"),
        "headers": _environ_headers(environ),
        "scheme": environ_text(environ, "wsgi.url_scheme", "http"),
        "server": (
            environ_text(environ, "SERVER_NAME", "localhost"),
            # waitress puts the path of a Unix socket here, gunicorn what Host says.
            port_number(environ_text(environ, "SERVER_PORT")),
        ),
        "client": (remote, port_number(environ_text(environ, "REMOTE_PORT"))) if remote else None,
        "root_path": root.decode("utf-8", "replace"),
        "http_version": environ_text(environ, "SERVER_PROTOCOL").partition("/")[2] or "1.1",
    }


def _environ_headers(environ: Environ) -> Headers:
    fields: dict[Any, Any] = environ  # keys of the server's own may have any type
    return Headers(
        (key.removeprefix("HTTP_").replace("_", "-"), environ_text(environ, key))
        for key, value in fields.items()
        if (key in _CONTENT_KEYS and value)
        or (isinstance(key, str) and key.startswith("HTTP_") and _is_field(key[5:]))
    )


def _is_field(key: str) -> bool:
    """Return True if a key of an environ, without "HTTP_", is the name of a header field."""
    return key not in _CONTENT_KEYS and is_token(key)


def environ_text(environ: Environ, key: str, default: str = "") -> str:
    """Return a member of a WSGI environ as Latin-1 text; the default if it is missing or empty."""
    value = environ.get(key)
    if not value:
        return default
    return value.decode("latin-1") if isinstance(value, bytes) else latin1(value)
