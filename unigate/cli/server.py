"""A local HTTP server on werkzeug's, and the process above it that starts it again on a change."""

from __future__ import annotations

import logging
import os
import signal
import socket
import string
import subprocess
import sys
from types import FrameType
from urllib.parse import quote, unquote

import click
from werkzeug.serving import WSGIRequestHandler, make_server, run_simple

from unigate.http import Headers
from unigate.http.headers import HOP_BY_HOP
from unigate.types import Environ, WSGIApp

# Tells a server process that another one watches it, and whether it is the first: "first", "again".
LIFE = "UNIGATE_DEV_LIFE"

_RELOAD = 3  # the exit code with which werkzeug's reloader asks to be started again


class Connection(WSGIRequestHandler):
    """A client's connection, whose request reaches the environ as it was sent."""

    def make_environ(self) -> Environ:
        """Put right what CGI's variables, http.server and werkzeug take away.

        That is a second "/" at the start, bytes that a client ought to have quoted, and which
        fields were repeated: "unigate.headers" holds them.
        """
        target = self.requestline.split()[1]
        self.path = quote(target, safe=string.punctuation, encoding="latin-1")
        environ = super().make_environ()
        if target.startswith("/"):
            environ["PATH_INFO"] = unquote(self.path.partition("?")[0], "latin-1")
        environ["unigate.headers"] = Headers(
            (name, value.replace("\r\n", ""))
            for name, value in self.headers.items()
            if name.lower() not in HOP_BY_HOP
        )
        return environ

    def send_response(self, code: int, message: str | None = None) -> None:
        """Send the application's header fields, without a Server and a second Date among them."""
        self.send_response_only(code, message)

    def log(self, type: str, message: str, *args: object) -> None:
        """Say nothing: the application prints its own line."""


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens, on any free port for port 0."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=128)
    except (OSError, UnicodeError) as error:
        # Python adds the address in parentheses, but only to some of these.
        problem = str(getattr(error, "strerror", None) or error).partition(" (")[0]
        raise click.ClickException(f"Cannot listen on {host}:{port}: {problem}.") from error


def inherited() -> socket.socket:
    """Return the socket of the process above this one, which keeps it open between two servers."""
    return socket.socket(fileno=int(os.environ["WERKZEUG_SERVER_FD"]))


def url_of(listener: socket.socket) -> str:
    """Return the address under which a browser finds the server."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serve(app: WSGIApp, listener: socket.socket) -> None:
    """Answer requests, each in a thread of its own, until SIGTERM or Ctrl-C."""
    signal.signal(signal.SIGTERM, _exit)
    host, port = listener.getsockname()[:2]
    make_server(
        host, port, app, threaded=True, request_handler=Connection, fd=listener.fileno()
    ).serve_forever()


def serve_until_change(app: WSGIApp) -> None:
    """Answer requests on the inherited socket; end with the reloader's code when a file changes."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    run_simple(
        "inherited",
        0,
        app,
        threaded=True,
        use_reloader=True,
        reloader_type="stat",
        request_handler=Connection,
    )


def supervise(listener: socket.socket) -> int:
    """Run this program again as the server, as often as files change; return its last exit code.

    werkzeug's own watcher kills the server when it is ended itself, so no lifespan would stop.
    This one asks for an end, and the second time insists on it.
    """
    child: subprocess.Popen[bytes] | None = None
    ending = False

    def end(signum: int, frame: FrameType | None) -> None:
        nonlocal ending
        if child is not None:
            if ending:
                child.kill()
            else:
                child.terminate()
        ending = True

    signal.signal(signal.SIGINT, end)
    signal.signal(signal.SIGTERM, end)
    listener.set_inheritable(True)
    environ = {"WERKZEUG_RUN_MAIN": "true", "WERKZEUG_SERVER_FD": str(listener.fileno())}
    life = "first"
    while True:
        child = subprocess.Popen(
            [sys.executable, *sys.orig_argv[1:]],
            env={**os.environ, **environ, LIFE: life},
            close_fds=False,
        )
        if ending:  # since the last one ended
            child.terminate()
        code = child.wait()
        if ending:
            return 0
        if code != _RELOAD:
            return code
        life = "again"


def _exit(signum: int, frame: FrameType | None) -> None:
    sys.exit(0)
