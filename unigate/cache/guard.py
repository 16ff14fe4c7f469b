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

# What no network raises: an entry that is not what its reader expects.
_ENTRY_ERRORS = (ValueError, TypeError, LookupError)


class Guard:
    """A context manager for calls of a backend, which raises CacheError for every failure.

    After `FAILURES` failures in a row, calls are not made for `REST` seconds. Then one call is let
    through: if it succeeds, so are all others; if it fails, the next `REST` seconds begin. An error
    of one entry is not such a failure, because it shows that the backend responds. An error of a
    busy client shows nothing, and changes nothing.

    Args:
        clock: A clock in seconds.
        entry_errors: Exceptions of the backend that concern one entry, in addition to ValueError,
            TypeError and LookupError.
        busy_errors: Exceptions raised without asking the backend, such as for want of a connection.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        *,
        entry_errors: tuple[type[Exception], ...] = (),
        busy_errors: tuple[type[Exception], ...] = (),
    ) -> None:
        self._clock = clock
        self._entry_errors = _ENTRY_ERRORS + entry_errors
        self._busy_errors = busy_errors
        self._lock = threading.Lock()
        self._failures = 0
        self._rest_until = 0.0
        self._reason = ""
        self._silent_until: dict[str, float] = {}

    def __enter__(self) -> None:
        # Read without the lock: a thread that reads too early makes one call too many.
        if self._failures >= FAILURES and not self._may_try():
            raise CacheError(
                f"The backend of the cache is not called for {REST:g} seconds, because it has "
                f"failed: {self._reason}"
            )

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None or self._of_an_entry(error):
            if self._failures:
                with self._lock:
                    self._failures = 0
        elif isinstance(error, Exception) and not isinstance(error, self._busy_errors):
            with self._lock:
                self._failures += 1
                self._reason = describe(error)
                self._rest_until = self._clock() + REST
        if isinstance(error, Exception):
            self.report(error)
            raise CacheError(f"The backend of the cache has failed: {describe(error)}") from error

    def _may_try(self) -> bool:
        with self._lock:
            if self._failures >= FAILURES and self._clock() < self._rest_until:
                return False
            self._rest_until = self._clock() + REST  # for all other threads
            return True

    def _of_an_entry(self, error: BaseException) -> bool:
        # An error of a certificate is both a ValueError and an OSError.
        return isinstance(error, self._entry_errors) and not isinstance(error, OSError)

    def may_log(self, kind: str) -> bool:
        """Return True once in `BETWEEN_LINES` seconds for each kind of line."""
        with self._lock:
            now = self._clock()
            if now < self._silent_until.get(kind, float("-inf")):
                return False
            self._silent_until[kind] = now + BETWEEN_LINES
            return True

    def report(self, error: Exception) -> None:
        """Log an error, at most one line of each kind in `BETWEEN_LINES` seconds."""
        of_a_call = self._of_an_entry(error) or isinstance(error, self._busy_errors)
        if not self.may_log("call" if of_a_call else "backend"):
            return
        if of_a_call:
            _log.warning(
                "A call of the cache has failed, as if no value were there: %s", describe(error)
            )
        else:
            _log.warning(
                "The cache is not working, so its values count as missing: %s", describe(error)
            )


def describe(error: Exception) -> str:
    """Return the type and text of an error, and its notes, such as the address of a server."""
    text = f"{type(error).__name__}: {error}"
    notes = dict.fromkeys(getattr(error, "__notes__", ()))
    return " ".join([text, *(f"({note})" for note in notes if note not in text)])


_guards: WeakKeyDictionary[Backend, Guard] = WeakKeyDictionary()
_lock = threading.Lock()


def guard_of(backend: Backend) -> Guard:
    """Return the guard that all caches of a backend share."""
    guard = _guards.get(backend)
    if guard is None:
        with _lock:
            fresh = Guard(
                entry_errors=getattr(backend, "entry_errors", ()),
                busy_errors=getattr(backend, "busy_errors", ()),
            )
            guard = _guards.setdefault(backend, fresh)
    return guard


@after_in_child
def _after_fork() -> None:
    global _lock
    _lock = threading.Lock()
