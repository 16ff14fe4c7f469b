"""Circuit breaker of a backend, so that a broken backend does not break a request."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from types import TracebackType
from weakref import WeakKeyDictionary

from unigate.errors import CacheError
from unigate.forking import after_in_child

from .backend import Backend

_log = logging.getLogger("unigate")

FAILURES = 3
REST = 5.0  # seconds
BETWEEN_LINES = 60.0  # seconds


class Guard:
    """A context manager for calls of a backend, which raises CacheError for every failure.

    After `FAILURES` failures in a row, calls are not made for `REST` seconds. Then one call is let
    through: if it succeeds, so are all others; if it fails, the next `REST` seconds begin.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._rest_until = 0.0
        self._silent_until = float("-inf")

    def __enter__(self) -> None:
        # Read without the lock: a thread that reads too early makes one call too many.
        if self._failures >= FAILURES and not self._may_try():
            raise CacheError(
                f"The backend of the cache has failed; it is not called for {REST:g} seconds."
            )

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            if self._failures:
                with self._lock:
                    self._failures = 0
        elif isinstance(error, Exception):
            with self._lock:
                self._failures += 1
                self._rest_until = self._clock() + REST
            self.report(error)
            raise CacheError(f"The backend of the cache has failed: {error!r}") from error

    def _may_try(self) -> bool:
        with self._lock:
            if self._failures >= FAILURES and self._clock() < self._rest_until:
                return False
            self._rest_until = self._clock() + REST  # for all other threads
            return True

    def report(self, error: Exception) -> None:
        """Log an error of the backend, at most one line in `BETWEEN_LINES` seconds."""
        with self._lock:
            if self._clock() < self._silent_until:
                return
            self._silent_until = self._clock() + BETWEEN_LINES
        _log.warning("The cache is not working, so its values count as missing: %r", error)


_guards: WeakKeyDictionary[Backend, Guard] = WeakKeyDictionary()
_lock = threading.Lock()


def guard_of(backend: Backend) -> Guard:
    """Return the guard that all caches of a backend share."""
    guard = _guards.get(backend)
    if guard is None:
        with _lock:
            guard = _guards.setdefault(backend, Guard())
    return guard


@after_in_child
def _after_fork() -> None:
    global _lock
    _lock = threading.Lock()
