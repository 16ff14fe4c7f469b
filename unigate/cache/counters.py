"""The counts in `RuntimeCache.stats`, and failures, which are counted and suppressed."""

from __future__ import annotations

import threading
from types import TracebackType

from unigate.errors import CacheError


class Counters:
    """The counts in `RuntimeCache.stats`, over all threads."""

    def __init__(self) -> None:
        self._numbers = dict.fromkeys(("hits", "misses", "sets", "errors", "unconfirmed"), 0)
        self._lock = threading.Lock()

    def add(self, name: str, number: int = 1) -> None:
        """Add to a counter."""
        with self._lock:
            self._numbers[name] += number

    def read(self) -> dict[str, int]:
        """Return all counters, as of one moment."""
        with self._lock:
            return dict(self._numbers)


class Failures:
    """Count each CacheError raised inside, and suppress it unless `strict`."""

    def __init__(self, strict: bool, counters: Counters) -> None:
        self._strict = strict
        self._counters = counters

    def __enter__(self) -> None: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        if error is None or not isinstance(error, CacheError):
            return False
        self._counters.add("errors")
        return not self._strict
