"""The supervisor: a parent process that starts the server process again after a change."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
from types import FrameType
from typing import IO, NamedTuple

RELOAD = 3  # the exit code with which a server process asks to be started again

# Variables for the server process: the file descriptors that it inherits, the token of the page,
# and whether the process is the first ("first") or a later one ("again").
_LISTENER = "UNIGATE_DEV_LISTENER"
_MEMORY = "UNIGATE_DEV_MEMORY"
_TOKEN = "UNIGATE_DEV_TOKEN"
_LIFE = "UNIGATE_DEV_LIFE"


class Inherited(NamedTuple):
    """What a server process inherits from the supervisor.

    Attributes:
        listener: The socket, open from one server to the next so that no client is refused.
        memory: A file without a name, for what the next server process has to know.
        token: The secret in the address of the page.
        first: Whether this is the first server process.
    """

    listener: socket.socket
    memory: IO[bytes]
    token: str
    first: bool


def inherited() -> Inherited | None:
    """Return what this process inherits, or None if it has no supervisor."""
    number = os.environ.pop(_LISTENER, None)
    if number is None:
        return None
    # Ctrl-C in a terminal reaches this process too, but the supervisor is the one to stop it.
    signal.signal(signal.SIGINT, lambda signum, frame: None)
    memory = os.fdopen(int(os.environ.pop(_MEMORY)), "r+b")
    token, life = os.environ.pop(_TOKEN), os.environ.pop(_LIFE)
    return Inherited(socket.socket(fileno=int(number)), memory, token, life == "first")


def supervise(listener: socket.socket, token: str) -> int:
    """Run this program as the server process, again after each change; return its exit code.

    All server processes share a listening socket and the token of the page.

    werkzeug's supervisor kills the server when it is stopped itself, so no lifespan would shut
    down. This one sends SIGTERM at the first signal, and SIGKILL at the second.
    """
    child: subprocess.Popen[bytes] | None = None
    stopping = False

    def stop(signum: int, frame: FrameType | None) -> None:
        nonlocal stopping
        if child is not None:
            if stopping:
                child.kill()
            else:
                child.terminate()
        stopping = True

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    listener.set_inheritable(True)
    with tempfile.TemporaryFile() as memory:
        os.set_inheritable(memory.fileno(), True)
        environ = {
            **os.environ,
            _LISTENER: str(listener.fileno()),
            _MEMORY: str(memory.fileno()),
            _TOKEN: token,
            _LIFE: "first",
        }
        program = [sys.executable, *sys.orig_argv[1:]]
        while True:
            child = subprocess.Popen(program, env=environ, close_fds=False)
            if stopping:  # since the last one exited
                child.terminate()
            code = child.wait()
            if stopping:
                # Python restores the default handlers when it exits: another signal would then
                # look like a crash.
                signal.signal(signal.SIGINT, signal.SIG_IGN)
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                return 0
            if code != RELOAD:
                return code
            environ[_LIFE] = "again"
