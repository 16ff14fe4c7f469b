"""Wait for what happens soon, on a machine that is busy with other tests."""

from __future__ import annotations

import time
from collections.abc import Callable

SECONDS = 30


def until(
    happened: Callable[[], object], seen: Callable[[], object] = lambda: "It never came true."
) -> None:
    """Wait for something to become true; AssertionError with what was seen when it does not."""
    end = time.monotonic() + SECONDS
    while not happened():
        assert time.monotonic() < end, seen()
        time.sleep(0.01)
