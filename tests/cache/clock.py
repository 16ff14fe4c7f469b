"""A clock for tests of expiry."""

from __future__ import annotations


class Clock:
    """A clock that moves only when `now` is set."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now
