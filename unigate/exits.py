"""The end of a process that does not end by itself."""

from __future__ import annotations

import logging
import os
import sys
import threading
from contextlib import suppress

_log = logging.getLogger("unigate")

# How long the log of such an end may take, in seconds.
LOG_SECONDS = 0.5


def end_within(seconds: float, status: int) -> None:
    """End the process after some time if it has not ended by itself.

    Python waits without limit for threads that are no daemons and for pools of threads.

    Args:
        seconds: The time.
        status: The exit status.
    """
    timer = threading.Timer(seconds, _end_now, (seconds, status))
    timer.daemon = True
    timer.name = "unigate-end"
    with suppress(RuntimeError):  # no thread can be started any more
        timer.start()


def _end_now(seconds: float, status: int) -> None:
    try:
        # In a thread, because a thread that goes on may hold the lock of a stream or log handler.
        thread = threading.Thread(target=_log_end, args=(seconds,), daemon=True)
        thread.start()
        thread.join(LOG_SECONDS)
    finally:
        os._exit(status)


def _log_end(seconds: float) -> None:
    here = {threading.current_thread().name, "unigate-end"}
    names = [each.name for each in threading.enumerate() if each.name not in here]
    _log.critical(
        "The process did not end within %s seconds and is ended now. Its threads: %s.",
        seconds,
        ", ".join(names),
    )
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
