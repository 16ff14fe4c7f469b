"""Run work in many threads, or in a fork of this process, for a bounded time."""

from __future__ import annotations

import os
import signal
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from tests.waiting import SECONDS

T = TypeVar("T")


def in_threads(work: Callable[[int], T], count: int) -> list[T]:
    """Call `work` with 0 to `count` - 1 in threads that begin together; return its results."""
    start = threading.Barrier(count, timeout=SECONDS)

    def begin(number: int) -> T:
        start.wait()
        return work(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(begin, range(count), timeout=SECONDS))


def in_a_child(check: Callable[[], object]) -> None:
    """Run a check in a fork of this process, which ends after 20 seconds at the latest."""
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(20)
        try:
            check()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
