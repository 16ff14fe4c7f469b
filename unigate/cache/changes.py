"""Changes without which the cache would return old values: attempted again, then reported."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from unigate.errors import CacheError

from .guard import BETWEEN_LINES, Guard

_log = logging.getLogger("unigate")
P = ParamSpec("P")
T = TypeVar("T")

PAUSES = (0.02, 0.1)  # seconds before the second and the third attempt
LONGEST = 0.6  # seconds after which there is no further attempt


class Changes:
    """Changes of a backend, each attempted up to three times.

    Args:
        guard: The guard of the backend; all attempts are one call to it.
    """

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._silent_until = float("-inf")

    def make(self, change: Callable[P, T], *args: P.args, **options: P.kwargs) -> T:
        """Call a function that can be repeated, and return its result.

        Raises:
            CacheError: The last attempt has failed, or the guard allows none.
        """
        end = time.monotonic() + LONGEST
        with self._guard:
            for pause in PAUSES:
                try:
                    return change(*args, **options)
                except Exception:
                    if time.monotonic() + pause > end:
                        raise
                time.sleep(pause)
            return change(*args, **options)

    def report(self, change: str, error: CacheError) -> None:
        """Log a change that was not made, at most one line in `BETWEEN_LINES` seconds."""
        now = time.monotonic()
        if now >= self._silent_until:
            self._silent_until = now + BETWEEN_LINES
            _log.error("The cache may return old values, because %s has failed: %s", change, error)
