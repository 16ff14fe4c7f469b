"""A gateway whose background work never ends, with limits that a test can wait for."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import Any

import unigate
from unigate import background, background_tasks

background.HOST_SECONDS = background_tasks.EXIT_SECONDS = 0.5


async def stubborn() -> None:
    """Go on, whoever cancels this."""
    while True:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(1)


def again() -> None:
    """Add this as work once more, without end."""
    threading.Event().wait(0.01)
    unigate.wait_until(again)


WORK: dict[str, Any] = {"/call": threading.Event().wait, "/coroutine": stubborn, "/again": again}


def plain(environ: Any, start_response: Any) -> Any:
    if environ["PATH_INFO"] in WORK:
        unigate.wait_until(WORK[environ["PATH_INFO"]])
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "2")])
    return [b"ok"]


app = unigate.wrap(plain, interface="wsgi")
