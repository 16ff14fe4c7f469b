"""The end of a process that does not end by itself."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from contextlib import suppress

_log = logging.getLogger("unigate")

# How long the log of such an end may take, in seconds.
LOG_SECONDS = 0.5
NAME = "unigate-end"


def end_within(seconds: float, status: int) -> None:
    """End the process after some time if it has not ended by itself.

    Python waits without limit for threads that are no daemons and for pools of threads.

    Args:
        seconds: The time.
        status: The exit status.
    """
    due, logged = threading.Event(), threading.Event()

    def log() -> None:
        due.wait()
        _log_end(seconds)
        logged.set()

    def end() -> None:
        time.sleep(seconds)
        due.set()
        logged.wait(LOG_SECONDS)
        os._exit(status)

    # Both now, because Python 3.12 and up start no thread while the process ends. Two, because a
    # thread that goes on may hold the lock of a stream or log handler.
    with suppress(RuntimeError):  # no thread can be started any more
        for target in (end, log):
            threading.Thread(target=target, name=NAME, daemon=True).start()


def _log_end(seconds: float) -> None:
    names = [each.name for each in threading.enumerate() if each.name != NAME]
    _log.critical(
        "The process did not end within %s seconds and is ended now. Its threads: %s.",
        seconds,
        ", ".join(names),
    )
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
