"""What stands between a cache and its backend: a broken backend must not break a request."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TypeVar
from weakref import WeakKeyDictionary

from unigate.errors import CacheError
from unigate.forking import after_in_child

from .backend import Backend

T = TypeVar("T")
_log = logging.getLogger("unigate")

FAILURES = 3
REST = 5.0  # seconds
BETWEEN_LINES = 60.0  # seconds


class Guard:
    """Make one error of all that a backend raises, and leave it alone while it is down.

    After `FAILURES` calls in a row have failed, calls fail at once for `REST` seconds; then one is
    let through, and either all are again, or none for as long.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._rest_until = 0.0
        self._silent_until = float("-inf")

    def run(self, call: Callable[[], T]) -> T:
        """Call a backend; raises CacheError if it fails or is left alone just now."""
        # Unlocked as long as all is well: a thread that looks a moment too early only asks as well.
        if self._failures >= FAILURES and not self._may_try():
            raise CacheError("The backend of the cache has failed and is left alone for a moment.")
        try:
            result = call()
        except Exception as error:
            with self._lock:
                self._failures += 1
                self._rest_until = self._clock() + REST
            self.report(error)
            raise CacheError(f"The backend of the cache has failed: {error!r}") from error
        if self._failures:
            with self._lock:
                self._failures = 0
        return result

    def _may_try(self) -> bool:
        with self._lock:
            if self._failures >= FAILURES and self._clock() < self._rest_until:
                return False
            self._rest_until = self._clock() + REST  # the others go on waiting
            return True

    def report(self, error: Exception) -> None:
        """Log an error of a backend, one line a minute."""
        with self._lock:
            if self._clock() < self._silent_until:
                return
            self._silent_until = self._clock() + BETWEEN_LINES
        _log.warning("The cache is not working, so nothing is found in it: %r", error)


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
