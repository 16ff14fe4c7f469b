"""A local HTTP server on werkzeug's, and the process above it that starts it again on a change."""

from __future__ import annotations

import os
import signal
import socket
import string
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import IO, NamedTuple
from urllib.parse import quote, unquote

import click
from werkzeug._reloader import StatReloaderLoop
from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

from unigate.cli.vercel.function_folder import watched
from unigate.http import HOP_BY_HOP, Headers
from unigate.types import Environ, WSGIApp

RELOAD = 3  # the exit code with which a server asks to be started again

# Tell a server process which socket and which file it inherits, and whether it is the first:
# "first", "again".
_LISTENER = "UNIGATE_DEV_LISTENER"
_MEMORY = "UNIGATE_DEV_MEMORY"
_LIFE = "UNIGATE_DEV_LIFE"

_WATCH_SECONDS = 0.5
_ARRIVE_SECONDS = 0.1  # for a request whose connection has just been accepted
_FINISH_SECONDS = 3


class Connection(WSGIRequestHandler):
    """A client's connection, whose request reaches the environ as it was sent."""

    server: Server

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

    def run_wsgi(self) -> None:
        """Answer a request; what the server waits for at its end."""
        answering = self.server.answering
        answering.add(threading.current_thread())
        try:
            super().run_wsgi()
        finally:
            answering.discard(threading.current_thread())

    def send_response(self, code: int, message: str | None = None) -> None:
        """Send the application's header fields, without a Server and a second Date among them."""
        self.send_response_only(code, message)

    def log(self, type: str, message: str, *args: object) -> None:
        """Say nothing: the application prints its own line."""


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens, on any free port for port 0."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        # create_server leaves its socket open where a host cannot even be looked up.
        address = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)[0][4]
        return socket.create_server(address, family=family, backlog=128)
    except (OSError, UnicodeError) as error:
        # Python adds the address in parentheses, but only to some of these.
        problem = str(getattr(error, "strerror", None) or error).partition(" (")[0]
        raise click.ClickException(f"Cannot listen on {host}:{port}: {problem}.") from error


class Inherited(NamedTuple):
    """What a server process has of the process above it.

    That keeps the socket open from one server to the next, so no client is turned away, and a file
    without a name for what the next one shall know.
    """

    listener: socket.socket
    memory: IO[bytes]
    first: bool


def inherited() -> Inherited | None:
    """Return what there is of the process above, None where there is no such process."""
    number = os.environ.pop(_LISTENER, None)
    if number is None:
        return None
    # Ctrl-C in a terminal reaches this process too, but it is for the one above to end it.
    signal.signal(signal.SIGINT, lambda signum, frame: None)
    memory = os.fdopen(int(os.environ.pop(_MEMORY)), "r+b")
    return Inherited(socket.socket(fileno=int(number)), memory, os.environ.pop(_LIFE) == "first")


def url_of(listener: socket.socket) -> str:
    """Return the address under which a browser finds the server."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class Server(ThreadedWSGIServer):
    """Answer each request in a thread of its own, until SIGTERM, Ctrl-C or `shutdown`.

    `at_end` is called then, and lets those answers end that would go on for ever.
    """

    def __init__(self, app: WSGIApp, listener: socket.socket, at_end: Callable[[], object]) -> None:
        host, port = listener.getsockname()[:2]
        super().__init__(host, port, app, Connection, fd=listener.fileno())
        self._at_end = at_end
        self.answering: set[threading.Thread] = set()
        signal.signal(signal.SIGTERM, _exit)

    def run(self) -> None:
        """Serve, and at the end let the answers that are under way come through."""
        try:
            self.serve_forever(poll_interval=0.1)
        finally:
            self._at_end()
            # Browsers connect ahead of what they ask: such a connection is not waited for.
            time.sleep(_ARRIVE_SECONDS)
            deadline = time.monotonic() + _FINISH_SECONDS
            for thread in list(self.answering):
                thread.join(max(0.0, deadline - time.monotonic()))


class Watch(StatReloaderLoop):
    """Watch the Python files on the path from now on, and those that get imported from elsewhere.

    Begun before the application is imported, it sees what changes meanwhile. Of a folder of
    functions it sees the files that come and go as well.
    """

    def __init__(self, functions: Path | None = None) -> None:
        super().__init__(extra_files=[os.getcwd()], interval=_WATCH_SECONDS)
        self.mtimes = {}
        self._functions = functions.absolute() if functions is not None else None
        self._watched: dict[Path, int] | None = None
        self.changed = False
        self._has_looked = threading.Event()
        self.run_step()

    def end(self, server: Server) -> None:
        """Shut a server down at the first change of what is there now or comes later."""
        self._server = server
        self._has_looked.clear()  # at what the application has put on the path
        threading.Thread(target=self.run, daemon=True).start()
        self._has_looked.wait()

    def run_step(self) -> None:
        super().run_step()
        if self._functions is not None:
            before, now = self._watched, watched(self._functions)
            # While the folder itself is away, as during a checkout, nothing could be served.
            if self._functions.is_dir():
                self._watched = now
                if before not in (None, now):
                    self.trigger_reload(str(self._functions))
        self._has_looked.set()

    def trigger_reload(self, filename: str) -> None:
        self.changed = True
        self._has_looked.set()
        self._server.shutdown()
        sys.exit()  # this thread


def supervise(listener: socket.socket) -> int:
    """Run this program again as the server, as often as files change; return its last exit code.

    werkzeug's own supervisor kills the server when it is ended itself, so no lifespan would stop.
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
    with tempfile.TemporaryFile() as memory:
        os.set_inheritable(memory.fileno(), True)
        environ = {
            **os.environ,
            _LISTENER: str(listener.fileno()),
            _MEMORY: str(memory.fileno()),
            _LIFE: "first",
        }
        program = [sys.executable, *sys.orig_argv[1:]]
        while True:
            child = subprocess.Popen(program, env=environ, close_fds=False)
            if ending:  # since the last one ended
                child.terminate()
            code = child.wait()
            if ending:
                # As Python ends it forgets the handlers, and once more would look like a crash.
                signal.signal(signal.SIGINT, signal.SIG_IGN)
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                return 0
            if code != RELOAD:
                return code
            environ[_LIFE] = "again"


def _exit(signum: int, frame: FrameType | None) -> None:
    signal.signal(signum, signal.SIG_IGN)  # sent to a whole group, it also comes from above
    sys.exit(0)
