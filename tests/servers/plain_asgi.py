"""An ASGI application without any framework, for servers to run bare or behind the gateway."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import unigate

from .plain_wsgi import common, wait_for

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

TEXT = [(b"content-type", b"text/plain")]


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a path below any prefix; what is no view tells what arrived."""
    if scope["type"] == "lifespan":
        await lifespan(scope, receive, send)
    elif scope["type"] == "websocket":
        await converse(scope, receive, send)
    else:
        name = scope["path"].rpartition("/")[2]
        await VIEWS.get(name, echo)(scope, receive, send)


async def lifespan(scope: Scope, receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        print(message["type"], flush=True)
        if message["type"] == "lifespan.startup":
            scope.get("state", {})["opened"] = "at startup"
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def converse(scope: Scope, receive: Receive, send: Send) -> None:
    """Tell the path and root path, then give every message back, in its own kind."""
    await receive()
    await send({"type": "websocket.accept"})
    told = {"path": scope["path"], "root": scope.get("root_path", ""), "state": opened(scope)}
    await send({"type": "websocket.send", "text": json.dumps(told)})
    while (message := await receive())["type"] == "websocket.receive":
        kind = "bytes" if message.get("bytes") is not None else "text"
        await send({"type": "websocket.send", kind: message[kind]})


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    body = await read(receive)
    answer = {
        "interface": "asgi",
        "method": scope["method"],
        "root": scope.get("root_path", ""),
        "path": scope["path"],
        "raw_path": (scope.get("raw_path") or b"").decode(),
        "query": scope["query_string"].decode(),
        "headers": [[name.decode(), value.decode("latin-1")] for name, value in scope["headers"]],
        "scheme": scope.get("scheme", "http"),
        "protocol": f"HTTP/{scope['http_version']}",
        "client": scope["client"] and scope["client"][0],
        "port": scope["server"][1],
        "length": len(body),
        "sha256": hashlib.sha256(body).hexdigest(),
        "state": opened(scope),
        "common": common(scope.get("unigate.request")),
    }
    await answer_with(send, 200, [(b"content-type", b"application/json")], json.dumps(answer))


async def cookies(scope: Scope, receive: Receive, send: Send) -> None:
    fields = [
        *TEXT,
        (b"set-cookie", b"a=1; Path=/"),
        (b"set-cookie", b"b=2; Path=/; HttpOnly"),
        (b"content-length", b"7"),
    ]
    await answer_with(send, 201, fields, "" if scope["method"] == "HEAD" else "cookies")


async def empty(scope: Scope, receive: Receive, send: Send) -> None:
    await answer_with(send, 204, [(b"x-left", b"nothing")], "")


async def endless(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": TEXT})
    part = {"type": "http.response.body", "body": b"and so on\n" * 1000, "more_body": True}
    try:
        while True:
            await send(part)
            await asyncio.sleep(0.001)
    finally:
        print("endless: closed", flush=True)


async def later(scope: Scope, receive: Receive, send: Send) -> None:
    file = Path(parse_qs(scope["query_string"].decode())["file"][0])
    unigate.wait_until(asyncio.to_thread(wait_for, file))
    await answer_with(send, 200, [*TEXT, (b"content-length", b"5")], "later")


async def fail(scope: Scope, receive: Receive, send: Send) -> None:
    raise RuntimeError(f"a detail for the log: {scope['query_string'].decode()}")


async def fail_late(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": TEXT})
    await send({"type": "http.response.body", "body": b"a part", "more_body": True})
    raise RuntimeError("too late for a 500")


async def stream(scope: Scope, receive: Receive, send: Send) -> None:
    """Send one part, and the other when whoever listens at the given port says so."""
    port = int(parse_qs(scope["query_string"].decode())["port"][0])
    fields = [(b"content-type", b"text/event-stream")]
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    one = {"type": "http.response.body", "body": b"data: one\n\n", "more_body": True}
    await send(one)
    async with asyncio.timeout(8):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        await reader.read(1)
    writer.close()
    await send({**one, "body": b"data: two\n\n"})
    await send({"type": "http.response.body"})


async def answer_with(send: Send, status: int, fields: list[Any], body: str) -> None:
    await send({"type": "http.response.start", "status": status, "headers": fields})
    await send({"type": "http.response.body", "body": body.encode()})


async def read(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return body


def opened(scope: Scope) -> Any:
    return scope.get("state", {}).get("opened")


VIEWS = {
    "cookies": cookies,
    "empty": empty,
    "endless": endless,
    "fail": fail,
    "later": later,
    "fail-late": fail_late,
    "stream": stream,
}
