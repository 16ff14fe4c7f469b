"""Applications for the runtime; their path and query choose what they do."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import random
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import unigate
from unigate.lambda_runtime import on_invocation_end, on_restore, on_snapshot

Scope = dict[str, Any]
Environ = dict[str, Any]
TEXT = ("content-type", "text/plain")
log = logging.getLogger("apps")
log.setLevel(logging.INFO)


def say(line: str) -> None:
    print(line, flush=True)


# --- ASGI ----------------------------------------------------------------------------------------


async def asgi_app(scope: Scope, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await lifespan(scope, receive, send)
        return
    query = dict(parse_qsl(scope["query_string"].decode()))
    await ASGI[scope["path"].rpartition("/")[2]](query, scope, receive, send)


async def lifespan(scope: Scope, receive: Any, send: Any) -> None:
    await receive()
    say("lifespan.startup")
    if os.environ.get("FAIL_START"):
        await send({"type": "lifespan.startup.failed", "message": "no database"})
        return
    await send({"type": "lifespan.startup.complete"})
    await receive()
    say("lifespan.shutdown")
    await send({"type": "lifespan.shutdown.complete"})


async def start(send: Any, status: int = 200, *fields: tuple[str, str]) -> None:
    headers = [(name.encode(), value.encode()) for name, value in (TEXT, *fields)]
    await send({"type": "http.response.start", "status": status, "headers": headers})


async def part(send: Any, body: bytes, more: bool = True) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": more})


async def a_hello(query: Any, scope: Scope, receive: Any, send: Any) -> None:
    await start(send, 200, ("set-cookie", "a=1"), ("set-cookie", "b=2"), ("x-one", "1"))
    await part(send, b"hello", False)


async def a_empty(query: Any, scope: Scope, receive: Any, send: Any) -> None:
    await start(send, int(query["status"]), ("location", "/elsewhere"))
    await part(send, query.get("body", "").encode(), False)


async def a_steps(query: Any, scope: Scope, receive: Any, send: Any) -> None:
    """Send a part, then wait for a file, as often as `count`."""
    say("steps: begun")
    await start(send)
    for number in range(int(query["count"])):
        await part(send, f"data: {number}\n\n".encode())
        await file_of(query, number)
    say("steps: all sent")
    await part(send, b"", False)


async def file_of(query: Any, number: int) -> None:
    file = Path(query["folder"], str(number))
    while not file.exists():
        await asyncio.sleep(0.005)


async def a_much(query: Any, scope: Scope, receive: Any, send: Any) -> None:
    await start(send)
    size = int(query["size"])
    data = random.Random(0).randbytes(size)
    for number in range(int(query["count"])):
        await part(send, data)
        if number % 16 == 0:
            say(f"much: {number * size}")
    await part(send, b"", False)


async def a_fail(query: Any, scope: Scope, receive: Any, send: Any) -> None:
    if query.get("when") != "before":
        await start(send)
    if query.get("when") == "midway":
        await part(send, b"a part")
    fail(query)


def fail(query: Any) -> None:
    raise asyncio.CancelledError if "cancelled" in query else RuntimeError("a detail for the log")


async def a_large(query: Any, scope: Scope, receive: Any, send: Any) -> None:
    await start(send, 200, ("x-large", "x" * int(query["size"])))
    await part(send, b"never", False)


async def a_twice(query: Any, scope: Scope, receive: Any, send: Any) -> None:
    await start(send)
    await part(send, b"a part")
    await start(send)


async def a_crowd(query: Any, scope: Scope, receive: Any, send: Any) -> None:
    await start(send)
    size = int(query["size"])
    await asyncio.gather(
        *(part(send, bytes([65 + number]) * size) for number in range(int(query["count"])))
    )
    await part(send, b"", False)


async def a_impatient(query: Any, scope: Scope, receive: Any, send: Any) -> None:
    await start(send)
    try:
        async with asyncio.timeout(0.2):
            await part(send, b"x" * 50_000_000)
    finally:
        say("impatient: gave up")


async def a_length(query: Any, scope: Scope, receive: Any, send: Any) -> None:
    """Send parts of three bytes beside a Content-Length."""
    await start(send, 200, ("content-length", query["length"]))
    for number in range(int(query["count"])):
        await part(send, b"0123456789"[number * 3 :][:3])
    await part(send, b"", False)


async def a_text(query: Any, scope: Scope, receive: Any, send: Any) -> None:
    """Send a status that is not a number."""
    await send({"type": "http.response.start", "status": "200", "headers": []})
    await part(send, b"never", False)


async def a_half(query: Any, scope: Scope, receive: Any, send: Any) -> None:
    await start(send)
    await part(send, b"a half")


async def a_endless(query: Any, scope: Scope, receive: Any, send: Any) -> None:
    await start(send)
    try:
        while True:
            await part(send, b"and so on\n" * 100)
            await asyncio.sleep(0.005)
    except OSError as error:
        say(f"endless: {type(error).__name__}")
    message = await receive()
    message = await receive()
    say(f"endless: {message['type']}")


async def a_listening(query: Any, scope: Scope, receive: Any, send: Any) -> None:
    """Send a part, then wait for the disconnect."""
    await start(send)
    await part(send, b"x" * 1000)
    await receive()
    message = await receive()
    say(f"listening: {message['type']}")


async def a_background(query: Any, scope: Scope, receive: Any, send: Any) -> None:
    await a_hello(query, scope, receive, send)
    if not query.get("now"):
        await asyncio.sleep(float(query.get("seconds", 0.5)))
    if query.get("exit"):
        sys.exit(int(query["exit"]))
    say(f"background: done {query.get('name')}")
    if query.get("fail"):
        raise RuntimeError("in the background")


async def a_later(query: Any, scope: Scope, receive: Any, send: Any) -> None:
    async def work() -> None:
        if "folder" in query:
            await file_of(query, 0)
        else:
            await asyncio.sleep(float(query.get("seconds", 0.5)))
        if query.get("fail"):
            raise RuntimeError("in the background")
        say(f"later: done {query.get('name')}")

    unigate.wait_until(work())
    await a_hello(query, scope, receive, send)


async def a_token(query: Any, scope: Scope, receive: Any, send: Any) -> None:
    request = scope["unigate.request"]
    log.info("token %s", query["token"])
    await asyncio.sleep(float(query.get("seconds", 0)))
    trace = request.context.trace_id or "none"
    await start(send, 200, ("set-cookie", f"token={query['token']}"), ("x-trace", trace))
    await part(send, f"{query['token']} {os.getpid()}".encode(), False)


async def a_exit(query: Any, scope: Scope, receive: Any, send: Any) -> None:
    if query.get("when") == "midway":
        await start(send)
        await part(send, b"a part")
    sys.exit(3)


async def a_hang(query: Any, scope: Scope, receive: Any, send: Any) -> None:
    say("hang: begun")
    try:
        await asyncio.sleep(3600)
    finally:
        say("hang: cancelled")


ASGI = {name.removeprefix("a_"): view for name, view in vars().items() if name.startswith("a_")}


# --- WSGI ----------------------------------------------------------------------------------------


def wsgi_app(environ: Environ, start_response: Any) -> Iterable[bytes]:
    query = dict(parse_qsl(environ["QUERY_STRING"]))
    return Closed(WSGI[environ["PATH_INFO"].rpartition("/")[2]](query, environ, start_response))


class Closed:
    """A body that prints when it is closed."""

    def __init__(self, body: Iterable[bytes]) -> None:
        self._body = body

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._body)

    def close(self) -> None:
        close = getattr(self._body, "close", None)
        if close:
            close()
        say("wsgi: closed")


def w_hello(query: Any, environ: Environ, start_response: Any) -> Iterable[bytes]:
    fields = [TEXT, ("set-cookie", "a=1"), ("set-cookie", "b=2"), ("x-one", "1")]
    start_response("200 OK", fields)
    return [b"hello"]


def w_empty(query: Any, environ: Environ, start_response: Any) -> Iterable[bytes]:
    start_response(f"{query['status']} X", [TEXT, ("location", "/elsewhere")])
    return [query.get("body", "").encode()]


def w_steps(query: Any, environ: Environ, start_response: Any) -> Iterator[bytes]:
    say("steps: begun")
    start_response("200 OK", [TEXT])
    for number in range(int(query["count"])):
        yield f"data: {number}\n\n".encode()
        while not Path(query["folder"], str(number)).exists():
            time.sleep(0.005)
    say("steps: all sent")


def w_much(query: Any, environ: Environ, start_response: Any) -> Iterator[bytes]:
    start_response("200 OK", [TEXT])
    size = int(query["size"])
    data = random.Random(0).randbytes(size)
    for number in range(int(query["count"])):
        yield data
        if number % 16 == 0:
            say(f"much: {number * size}")


def w_fail(query: Any, environ: Environ, start_response: Any) -> Iterator[bytes]:
    if query.get("when") != "before":
        start_response("200 OK", [TEXT])
    if query.get("when") == "midway":
        yield b"a part"
    fail(query)


def w_length(query: Any, environ: Environ, start_response: Any) -> Iterator[bytes]:
    start_response("200 OK", [TEXT, ("content-length", query["length"])])
    for number in range(int(query["count"])):
        yield b"0123456789"[number * 3 :][:3]


def w_endless(query: Any, environ: Environ, start_response: Any) -> Iterator[bytes]:
    start_response("200 OK", [TEXT])
    while True:
        yield b"and so on\n" * 100
        time.sleep(0.005)


def w_later(query: Any, environ: Environ, start_response: Any) -> Iterable[bytes]:
    def work() -> None:
        time.sleep(float(query.get("seconds", 0.5)))
        if query.get("fail"):
            raise RuntimeError("in the background")
        say(f"later: done {query.get('name')}")

    unigate.wait_until(work)
    return w_hello(query, environ, start_response)


def w_token(query: Any, environ: Environ, start_response: Any) -> Iterable[bytes]:
    log.info("token %s", query["token"])
    time.sleep(float(query.get("seconds", 0)))
    trace = environ["unigate.request"].context.trace_id or "none"
    fields = [TEXT, ("set-cookie", f"token={query['token']}"), ("x-trace", trace)]
    start_response("200 OK", fields)
    return [f"{query['token']} {threading.current_thread().name}".encode()]


def w_exit(query: Any, environ: Environ, start_response: Any) -> Iterator[bytes]:
    start_response("200 OK", [TEXT])
    if query.get("when") == "midway":
        yield b"a part"
    sys.exit(3)


def w_hang(query: Any, environ: Environ, start_response: Any) -> Iterable[bytes]:
    say("hang: begun")
    time.sleep(3600)
    return []


WSGI = {name.removeprefix("w_"): view for name, view in vars().items() if name.startswith("w_")}


# --- handlers ------------------------------------------------------------------------------------

app = unigate.wrap(wsgi_app, mounts={"/v2": asgi_app})
raising = unigate.wrap(wsgi_app, mounts={"/v2": asgi_app}, on_error="raise")
wsgi_only = unigate.wrap(wsgi_app)


@app.on_event("sqs")
def take(event: Any, context: Any) -> Any:
    return {"batchItemFailures": [], "seen": len(event["Records"])}


@app.on_event("sns")
def note(event: Any, context: Any) -> Any:
    """Defer a synchronous call."""

    def work() -> None:
        time.sleep(event["seconds"])
        say(f"note: done {event['name']}")

    unigate.wait_until(work)
    if event.get("fail"):
        raise ValueError("not noted")
    return {"noted": True}


@app.on_event("s3")
async def note_later(event: Any, context: Any) -> Any:
    """Defer a coroutine."""

    async def work() -> None:
        await asyncio.sleep(event["seconds"])
        say(f"note: done {event['name']}")

    unigate.wait_until(work())
    if event.get("cancelled"):
        raise asyncio.CancelledError
    if event.get("fail"):
        raise ValueError("not noted")
    return {"noted": True}


def function(event: Any, context: Any) -> Any:
    """A plain handler; the event chooses what it does."""
    if isinstance(event, dict) and "cancelled" in event:
        raise asyncio.CancelledError
    if isinstance(event, dict) and "seconds" in event:
        return note(event, context)
    if isinstance(event, bytes):
        return {"bytes": event.decode()}
    if event.get("fail"):
        raise ValueError("not like this")
    if event.get("return") == "bytes":
        return b"as they are"
    if event.get("return") == "object":
        return object()
    if event.get("return") == "surrogate":
        return {"text": "\ud800"}
    return {
        "event": event,
        "id": context.aws_request_id,
        "arn": context.invoked_function_arn,
        "name": context.function_name,
        "memory": context.memory_limit_in_mb,
        "left": context.get_remaining_time_in_millis(),
        "client": getattr(context.client_context, "custom", None),
        "title": getattr(getattr(context.client_context, "client", None), "app_title", None),
        "identity": context.identity.cognito_identity_id,
        "tenant": context.tenant_id,
        "w3c": context.w3c(),
        "trace": os.environ.get("_X_AMZN_TRACE_ID"),
    }


async def async_function(event: Any, context: Any) -> Any:
    await asyncio.sleep(0)
    return {"awaited": event}


if os.environ.get("HOOKS"):
    on_snapshot(lambda: say("hook: before the snapshot"))

    @on_snapshot
    async def first() -> None:
        say("hook: registered last")

    @on_restore
    def restored() -> None:
        if os.environ["HOOKS"] == "fail":
            raise RuntimeError("no network yet")
        say(f"hook: restored {random.random()}")

    @on_invocation_end
    async def flush() -> None:
        say("hook: flushed")

    def stuck() -> None:
        time.sleep(3600)

    on_invocation_end(stuck, seconds=0.05)

    @on_invocation_end
    def fail_at_the_end() -> None:
        raise RuntimeError("no collector")

    async def slow() -> None:
        await asyncio.sleep(3600)

    on_invocation_end(slow, seconds=0.05)

    @on_invocation_end
    async def fail_later() -> None:
        raise RuntimeError("no connection")


say(f"random: {json.dumps(random.Random(1).random())}")
random.seed(1)
