"""A pytest plugin for CPython on WebAssembly, which has no threads, processes, sockets or timers.

asyncio gets an event loop that waits for its own timers only. A test that fails because of what
is not there is reported as skipped, with the words of the error.
"""

from __future__ import annotations

import asyncio
import signal
import time
from typing import Any

import pytest

MISSING = (
    "can't start new thread",
    "emscripten does not support processes",
    "No module named",
)


class Timers:
    """A selector without files: it waits until the next timer of the loop is due."""

    def select(self, timeout: float | None) -> list[Any]:
        if timeout is None:
            raise RuntimeError("can't start new thread: nothing else wakes this event loop")
        time.sleep(timeout)
        return []


class Loop(asyncio.BaseEventLoop):
    def __init__(self) -> None:
        super().__init__()
        self._selector = Timers()

    def _process_events(self, events: list[Any]) -> None:
        pass

    def _write_to_self(self) -> None:
        pass


class Policy(asyncio.events._AbstractEventLoopPolicy):  # type: ignore[name-defined,misc]
    """Makes these loops, in place of Pyodide's, which is always running."""

    def __init__(self) -> None:
        self._current: Loop | None = None

    def get_event_loop(self) -> Loop:
        if self._current is None:
            raise RuntimeError("There is no current event loop")
        return self._current

    def set_event_loop(self, loop: Loop | None) -> None:
        self._current = loop

    def new_event_loop(self) -> Loop:
        return Loop()


def pytest_configure() -> None:
    asyncio.events._set_running_loop(None)
    asyncio.events._set_event_loop_policy(Policy())  # type: ignore[attr-defined]
    signal.setitimer = lambda which, seconds, interval=0.0: (0.0, 0.0)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Any:
    return skip_what_is_missing((yield), str(collector.path), 0)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    return skip_what_is_missing((yield), str(item.path), item.location[1] or 0)


def skip_what_is_missing(report: Any, path: str, line: int) -> Any:
    """Report a failure as skipped if its text has the words of something that is missing."""
    found = [words for words in MISSING if report.failed and words in report.longreprtext]
    if found:
        report.outcome = "skipped"
        report.longrepr = (path, line, f"Skipped: {found[0]}")
    return report
