"""A local HTTP server, built on werkzeug's."""

from __future__ import annotations

import signal
import socket
import string
import threading
import time
from collections.abc import Callable
from types import FrameType
from urllib.parse import quote, unquote

import click
from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

from unigate.http import HOP_BY_HOP, Headers
from unigate.types import Environ, WSGIApp

_ARRIVE_SECONDS = 0.1  # for a request whose connection has just been accepted
_FINISH_SECONDS = 3


class RequestHandler(WSGIRequestHandler):
    """A client's connection; its requests reach the environ as they were sent."""

    server: Server

    def make_environ(self) -> Environ:
        """Restore what CGI variables, http.server and werkzeug lose.

        That is a second "/" at the start of the path, bytes that the client should have quoted,
        and repeated header fields, which "unigate.headers" holds.
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

    def run_wsgi(self) -> None:
        """Answer a request, which the server waits for when it stops."""
        answering = self.server.answering
        answering.add(threading.current_thread())
        try:
            super().run_wsgi()
        finally:
            answering.discard(threading.current_thread())

    def send_response(self, code: int, message: str | None = None) -> None:
        """Send the status line without adding a Server field or a second Date field."""
        self.send_response_only(code, message)

    def log(self, type: str, message: str, *args: object) -> None:
        """Log nothing: the application prints a line for each request."""


class Server(ThreadedWSGIServer):
    """Answer each request in its own thread, until SIGTERM, Ctrl-C or `shutdown`.

    Args:
        app: The WSGI application.
        listener: The socket to accept connections from.
        at_end: Called when the server stops; it must end the responses that would never end.
    """

    def __init__(self, app: WSGIApp, listener: socket.socket, at_end: Callable[[], object]) -> None:
        host, port = listener.getsockname()[:2]
        super().__init__(host, port, app, RequestHandler, fd=listener.fileno())
        self._at_end = at_end
        self.answering: set[threading.Thread] = set()
        signal.signal(signal.SIGTERM, self._stop)
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._stop)

    def run(self) -> None:
        """Serve, and when the server stops, give open requests some time to finish."""
        try:
            self.serve_forever(poll_interval=0.1)
        finally:
            self._at_end()
            # Browsers open connections ahead of their requests; those are not waited for.
            time.sleep(_ARRIVE_SECONDS)
            deadline = time.monotonic() + _FINISH_SECONDS
            for thread in list(self.answering):
                thread.join(max(0.0, deadline - time.monotonic()))

    def _stop(self, signum: int, frame: FrameType | None) -> None:
        """Stop from a thread: an exception here could cut off a connection being accepted."""
        # SIGTERM may arrive again, from a process group and from the supervisor; a second Ctrl-C
        # interrupts.
        again = signal.SIG_IGN if signum == signal.SIGTERM else signal.default_int_handler
        signal.signal(signum, again)
        threading.Thread(target=self.shutdown, daemon=True).start()


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket; port 0 takes any free port.

    Raises:
        click.ClickException: The address is invalid or in use.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        # create_server leaves its socket open if the host name cannot be resolved.
        address = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)[0][4]
        return socket.create_server(address, family=family, backlog=128)
    except (OSError, UnicodeError) as error:
        # Python appends the address in parentheses, but only to some of these messages.
        problem = str(getattr(error, "strerror", None) or error).partition(" (")[0]
        raise click.ClickException(f"Cannot listen on {host}:{port}: {problem}.") from error


def url_of(listener: socket.socket) -> str:
    """Return the URL of the server for a browser on this machine."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # all addresses, this one too
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
