"""An HTTP server that is a platform: each request becomes an event or an object of its kind.

An ASGI application, so that a real server reads the requests; HOST names the emulated host.
"""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from unigate import Request, emulator

from .gateway import app as gateway

HOST = os.environ["HOST"]
STAGE = os.environ["STAGE"]
# A function has one invocation at a time.
_invocations = ThreadPoolExecutor(1)


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Ask the gateway as the platform does."""
    if scope["type"] != "http":
        return
    request = Request.from_scope({**scope, "root_path": STAGE})
    request.body = b""
    while True:
        message = await receive()
        request.body += message.get("body", b"")
        if not message.get("more_body", False):
            break
    request.headers.remove("transfer-encoding")
    request.headers.set("content-length", str(len(request.body)))
    answer = await asyncio.get_running_loop().run_in_executor(_invocations, deliver, request)
    if not (answer.headers.get("content-length") or "0").isdigit():
        answer.headers.remove("content-length")  # two lengths that a platform has joined
    fields = [(n.encode("latin-1"), v.encode("latin-1")) for n, v in answer.headers]
    await send({"type": "http.response.start", "status": answer.status, "headers": fields})
    await send({"type": "http.response.body", "body": answer.body})


def deliver(request: Request) -> Any:
    """Return the response of the platform."""
    return emulator.find_host(HOST)(gateway, request, False).response
