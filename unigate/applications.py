"""The applications of a gateway: loaded at first use, found by path, and run in this process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from . import interfaces
from .http.urls import remove_path_prefix
from .request import Request
from .routing import Interface, Mount, Router, check_prefixes, read_base_path

if TYPE_CHECKING:
    from .asgi.lifespan import Mode
    from .asgi.runtime import ASGIRuntime
    from .http.responses import Response


class Applications:
    """Applications by path prefix; import strings are loaded at first use.

    Args:
        root: The application at the root, or None.
        mounts: The others, by prefix.
        interface: The interface of the root application, or None to determine it.
        base_path: A prefix that the host leaves on the path.
        lifespan: Whether ASGI applications have a lifespan; see `unigate.wrap`.

    Attributes:
        given: The applications by prefix, "" for the root, as `wrap` got them.
        base_path: The prefix, with a "/" at its start, or "".
        only: The mount that answers every path, once it is loaded and if there is just one.
        call_wsgi: `wsgi.call`, once a WSGI application is loaded.
    """

    call_wsgi: Callable[[Any, Request, str], Response]

    def __init__(
        self,
        root: Any,
        mounts: Mapping[str, Any] | None,
        interface: Interface | None,
        base_path: str | None,
        lifespan: Mode,
    ) -> None:
        if not isinstance(mounts, Mapping | None):
            raise TypeError(
                f'mounts must map prefixes to applications, as in {{"/v2": app}}, got {mounts!r}.'
            )
        self.given = dict(mounts or {})
        check_prefixes(self.given)
        if root is not None:
            self.given = {"": root, **self.given}
        if not self.given:
            raise TypeError(
                "wrap() takes an application, mounts, or both, got None. If a factory or a "
                "decorator made the application, `return` is missing in it."
            )
        self.base_path = read_base_path(base_path)
        self.only: Mount | None = None
        self._interface = interface
        self._lifespan: Mode = lifespan
        self._runtime: ASGIRuntime | None = None
        self._router: Router | None = None
        self._has_asgi = False
        self._lock = threading.Lock()
        if not any(isinstance(app, str) for app in self.given.values()):
            self.load()

    def __repr__(self) -> str:
        return ", ".join(map(repr, self.given.values()))

    def load(self) -> Router:
        """Return the loaded applications.

        Raises:
            UnknownInterface: If an object is neither a WSGI nor an ASGI application.
            ImportError: If an import string does not lead to an object.
        """
        with self._lock:
            if self._router is None:
                mounts: dict[str, Mount] = {}
                for prefix, application in self.given.items():
                    interface = self._interface if prefix == "" else None
                    mounts[prefix] = Mount(prefix, *_load(prefix, application, interface))
                self._has_asgi = any(each.interface == "asgi" for each in mounts.values())
                if any(each.interface == "wsgi" for each in mounts.values()):
                    from . import wsgi  # ASGI applications do without it

                    self.call_wsgi = wsgi.call
                root = mounts.pop("", None)
                self.only = root if not mounts and not self.base_path else None
                self._router = Router(root, mounts)
            return self._router

    def find(self, request: Request) -> Mount | None:
        """Return the mount for a request; the base path becomes part of its root path."""
        router = self._router or self.load()
        path = request.path
        if request.root_path:
            rest = remove_path_prefix(path, request.root_path)
            path = path if rest is None else rest
        if self.base_path:
            rest = remove_path_prefix(path, self.base_path)
            if rest is not None:
                request.root_path += self.base_path
                path = rest
        return router.match(path)

    @property
    def runtime(self) -> ASGIRuntime:
        """What runs ASGI applications in this process: made at first use, and after a fork."""
        runtime = self._runtime
        if runtime is None or runtime.loop.left_behind:
            from .asgi.runtime import ASGIRuntime

            router = self.load()
            with self._lock:
                if self._runtime is runtime:
                    self._runtime = ASGIRuntime(router, self._lifespan)
                runtime = self._runtime
        assert runtime is not None
        return runtime

    def start(self) -> None:
        """Load the applications, and run the start-up of those that are ASGI applications."""
        self.load()
        if self._has_asgi:
            self.runtime.start()

    def start_once(self) -> None:
        """Do what `start` does, unless it is done in this process."""
        if self._router is None or (self._has_asgi and not self.runtime.lifespans.started):
            self.start()

    def stop(self) -> None:
        """Run the shutdown of the applications that were started in this process."""
        if self._runtime is not None:
            self._runtime.stop()


def _load(prefix: str, application: Any, interface: Interface | None) -> tuple[Any, Interface]:
    try:
        return interfaces.load(application, interface)
    except TypeError as error:
        from .errors import UnknownInterface

        if not prefix or not isinstance(error, UnknownInterface):
            raise
        raise UnknownInterface(f"mounts[{prefix!r}]: {error}") from None
