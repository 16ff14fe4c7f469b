"""The counts in `RuntimeCache.stats`, and failures, which are counted and suppressed."""

from __future__ import annotations

import itertools
import threading
from types import TracebackType

from unigate.errors import CacheError


class Counter:
    """A number that many threads can add 1 to without a lock.

    Attributes:
        add_one: Adds 1. It is one call of C, which no other thread interrupts.
    """

    def __init__(self) -> None:
        self.add_one = itertools.count().__next__
        self._lock = threading.Lock()
        self._other = 0

    def add(self, number: int) -> None:
        """Add a number."""
        with self._lock:
            self._other += number

    def read(self) -> int:
        """Return the sum."""
        with self._lock:
            self._other -= 1  # since an iterator is only read by a step of it
            return self.add_one() + self._other + 1


class Counters:
    """The counts in `RuntimeCache.stats`, over all threads."""

    def __init__(self) -> None:
        self.hits = Counter()
        self.misses = Counter()
        self.sets = Counter()
        self.errors = Counter()
        self.unconfirmed = Counter()

    def read(self) -> dict[str, int]:
        """Return all counts by name."""
        return {name: counter.read() for name, counter in vars(self).items()}


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
        self._counters.errors.add_one()
        return not self._strict
