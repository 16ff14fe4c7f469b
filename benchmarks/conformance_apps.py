"""The applications that `conformance.py` runs on each tool; what they saw is in `SEEN`.

A request is noted in `SEEN`, so a vector about a request does not depend on the response. The last
segment of the path chooses the answer.
"""

from __future__ import annotations

import asyncio
import gzip
import sys
from collections.abc import Iterator
from typing import Any

SEEN: list[dict[str, Any]] = []
CLOSED: list[str] = []
EXPIRES = "Wed, 09 Jun 2100 10:18:14 GMT"
Fields = list[tuple[str, str]]

# The status, the header fields and the parts of the body.
ANSWERS: dict[str, tuple[str, Fields, list[bytes]]] = {
    "cookies": (
        "200 OK",
        [("Set-Cookie", f"a=1; Expires={EXPIRES}"), ("Set-Cookie", "b=2; Path=/")],
        [b"ok"],
    ),
    "vary": ("200 OK", [("Vary", "Accept"), ("Vary", "Cookie")], [b"ok"]),
    "none": ("204 No Content", [], []),
    "untyped": ("200 OK", [], [b"<h1>tea</h1>"]),
    "latin": ("200 OK", [("Content-Type", "text/html; charset=iso-8859-1")], [b"caf\xe9"]),
    "png": ("200 OK", [("Content-Type", "image/png")], [bytes(range(256))]),
    "gzip": (
        "200 OK",
        [("Content-Type", "text/plain"), ("Content-Encoding", "gzip")],
        [gzip.compress(b"tea", mtime=0)],
    ),
    "problem": ("400 Bad Request", [("Content-Type", "application/problem+json")], [b"{}"]),
    "field": ("200 OK", [("X-Name", "caf\xe9")], [b"ok"]),
    "odd": ("299 Odd", [], [b"ok"]),
    "parts": ("200 OK", [("Content-Type", "text/plain")], [b"one,", b"two,", b"three"]),
}
OK: tuple[str, Fields, list[bytes]] = ("200 OK", [("Content-Type", "text/plain")], [b"ok"])


def wsgi(environ: dict[str, Any], start_response: Any) -> Any:
    """Answer as the path says (PEP 3333)."""
    path = environ["SCRIPT_NAME"] + environ["PATH_INFO"]
    last = path.rpartition("/")[2]
    body = _read(environ, last)
    SEEN.append(
        {
            "path": path.encode("latin-1").decode("utf-8", "replace"),
            "path_info": environ["PATH_INFO"],
            "query": environ["QUERY_STRING"],
            "fields": {
                name[5:].lower().replace("_", "-"): value
                for name, value in environ.items()
                if name.startswith("HTTP_") and isinstance(value, str)
            },
            "client": environ.get("REMOTE_ADDR"),
            "server": (environ["SERVER_NAME"], environ["SERVER_PORT"]),
            "scheme": environ["wsgi.url_scheme"],
            "length": environ.get("CONTENT_LENGTH"),
            "body": body,
        }
    )
    if last == "replaced":
        start_response("200 OK", [("X-First", "1")])
        try:
            raise ValueError("replaced by an error page")
        except ValueError:
            start_response("500 Replaced", [("X-Second", "1")], sys.exc_info())
        return [b"error page"]
    if last == "written":
        start_response("200 OK", [("Content-Type", "text/plain")])(b"written, ")
        return [b"returned"]
    if last == "closed":
        start_response(*OK[:2])
        return Closing()
    status, fields, parts = ANSWERS.get(last, OK)
    start_response(status, list(fields))
    return list(parts)


class Closing:
    """A body that must be closed."""

    def __iter__(self) -> Iterator[bytes]:
        yield b"ok"

    def close(self) -> None:
        CLOSED.append("closed")


def _read(environ: dict[str, Any], last: str) -> Any:
    body = environ["wsgi.input"]
    if last == "line":
        return [body.readline(100), body.readline(100)]
    if last == "lines":
        return list(body.readlines())
    return body.read(int(environ.get("CONTENT_LENGTH") or 0))


async def asgi(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answer as the path says (ASGI 3)."""
    if scope["type"] == "lifespan":
        while True:
            kind = (await receive())["type"]
            await send({"type": f"{kind}.complete"})
            if kind == "lifespan.shutdown":
                return
    last = scope["path"].rpartition("/")[2]
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    fields: dict[str, str] = {}
    for name, value in scope["headers"]:
        separator = "; " if name == b"cookie" else ","
        key, text = name.decode("latin-1"), value.decode("latin-1")
        fields[key] = fields[key] + separator + text if key in fields else text
    SEEN.append(
        {
            "path": scope["path"],
            "query": scope["query_string"],
            "fields": fields,
            "client": (scope.get("client") or (None,))[0],
            "server": tuple(scope.get("server") or ("", "")),
            "scheme": scope.get("scheme", "http"),
            "length": fields.get("content-length"),
            "body": body,
            "types": {name: type(scope.get(name)).__name__ for name in ("query_string", "path")},
        }
    )
    if last == "stream":
        await _stream(receive, send)
        return
    status, answer, parts = ANSWERS.get(last, OK)
    await send(
        {
            "type": "http.response.start",
            "status": int(status[:3]),
            "headers": [(key.lower().encode(), value.encode("latin-1")) for key, value in answer],
        }
    )
    if last == "bare":
        await send({"type": "http.response.body"})
        return
    for part in parts:
        await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _stream(receive: Any, send: Any) -> None:
    """Send a body in parts until the client is gone, as Starlette's StreamingResponse does."""

    async def parts() -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for part in (b"one,", b"two,", b"three"):
            await asyncio.sleep(0)
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def gone() -> None:
        while (await receive())["type"] != "http.disconnect":
            await asyncio.sleep(0)

    tasks = [asyncio.ensure_future(parts()), asyncio.ensure_future(gone())]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()


class Living:
    """An ASGI application with a lifespan, which may fail, end without an answer or raise."""

    def __init__(self, startup: str = "complete") -> None:
        self.startup = startup
        self.startups = 0

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            self.startups += 1
            if self.startup == "nothing":
                return
            await send({"type": f"lifespan.startup.{self.startup}"})
            if self.startup == "complete":
                await receive()
                await send({"type": "lifespan.shutdown.complete"})
        else:
            await asgi(scope, receive, send)
