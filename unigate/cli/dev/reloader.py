"""The reloader: it watches Python files and stops the server at the first change."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

# There is no public way to werkzeug's reloader without its supervisor: `run_simple` and
# `run_with_reloader` start the process again by themselves and kill the server, see `supervisor`.
from werkzeug._reloader import StatReloaderLoop

from unigate.cli.vercel.function_folder import watched

from .server import Server

_INTERVAL_SECONDS = 0.5


class Reloader(StatReloaderLoop):
    """Watch the Python files on the path, and those that are imported from elsewhere.

    Create it before the application is imported, so that it notices changes during the import.

    Args:
        functions: A folder of functions, in which added and removed files count as well.

    Attributes:
        changed: Whether a file has changed.
    """

    def __init__(self, functions: Path | None = None) -> None:
        super().__init__(extra_files=[os.getcwd()], interval=_INTERVAL_SECONDS)
        self.mtimes = {}
        self._functions = functions.absolute() if functions is not None else None
        self._watched: dict[Path, int] | None = None
        self.changed = False
        self._checked = threading.Event()
        self.run_step()

    def start(self, server: Server) -> None:
        """Shut a server down at the first change, from a thread."""
        self._server = server
        self._checked.clear()  # the application may have extended the path
        threading.Thread(target=self.run, daemon=True).start()
        self._checked.wait()

    def run_step(self) -> None:
        super().run_step()
        if self._functions is not None:
            before, now = self._watched, watched(self._functions)
            # While the folder itself is missing, as during a checkout, a reload would fail.
            if self._functions.is_dir():
                self._watched = now
                if before not in (None, now):
                    self.trigger_reload(str(self._functions))
        self._checked.set()

    def trigger_reload(self, filename: str) -> None:
        self.changed = True
        self._checked.set()
        self._server.shutdown()
        sys.exit()  # ends this thread
