"""The vectors of one interface, and those of bridges from WSGI to ASGI."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from conformance_apps import CLOSED, SEEN, Living, asgi
from conformance_tools import Tool
from conformance_vectors import (
    COOKIE,
    FORM,
    PEP,
    Vector,
    answered,
    asked,
    body,
    body_of,
    event_of,
    requests,
    responses,
)

SECONDS = 3
SCOPE = "ASGI, connection scope"
LIFESPAN = "ASGI, lifespan"
Fields = list[tuple[bytes, bytes]]


def of_wsgi() -> Iterator[Vector]:
    """Yield the vectors of WSGI alone."""
    check = answered("replaced", lambda got, _: (got.status, got.body), (500, b"error page"))
    yield Vector("`exc_info` before output replaces the response", PEP, check)
    check = answered("written", body_of, b"written, returned")
    yield Vector("`write()`", PEP, check)
    yield Vector("`close()` is called", PEP, _closed)
    post = {"method": "POST", "body": b"a\nb"}
    check = asked(body, [b"a\n", b"b"], url="/line", **post)
    yield Vector("`wsgi.input.readline(n)`", PEP, check)
    check = asked(body, [b"a\n", b"b"], url="/lines", **post)
    yield Vector("`wsgi.input.readlines()`", PEP, check)


def _closed(tool: Tool) -> tuple[Any, Any]:
    CLOSED.clear()
    tool.handler(event_of(tool.source, "/closed"))
    return CLOSED, ["closed"]


def of_asgi() -> Iterator[Vector]:
    """Yield the vectors of ASGI alone."""
    right = {"query_string": "bytes", "path": "str"}
    yield Vector("types in the scope", SCOPE, asked(lambda seen: seen["types"], right, "http_api"))
    check = answered("stream", body_of, b"one,two,three", "http_api")
    yield Vector("no disconnect before the response ends", "ASGI, `http.disconnect`", check)
    check = answered("bare", lambda got, _: (got.status, got.body), (200, b""), "http_api")
    yield Vector("`http.response.body` without `body`", "ASGI, `http.response.body`", check)
    yield Vector("an application without a lifespan", LIFESPAN, _without)
    yield Vector("one startup for three requests", LIFESPAN, _startups)
    yield Vector("a failed startup is not served", LIFESPAN, _failed)
    yield Vector("a request after `asyncio.run()`", "Python, `asyncio.run`", _after_run)


def _without(tool: Tool) -> tuple[Any, Any]:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            raise ValueError(scope["type"])
        await asgi(scope, receive, send)

    tool.make(app)(event_of("http_api", "/x"))
    return SEEN[-1]["path"], "/x"


def _startups(tool: Tool) -> tuple[Any, Any]:
    living = Living()
    handler = tool.make(living)
    for _ in range(3):
        handler(event_of("http_api", "/x"))
    return living.startups, 1


def _failed(tool: Tool) -> tuple[Any, Any]:
    served = len(SEEN)
    with contextlib.suppress(Exception):  # which one is the tool's choice
        tool.make(Living("failed"))(event_of("http_api", "/x"))
    return len(SEEN) - served, 0


def _after_run(tool: Tool) -> tuple[Any, Any]:
    handler = tool.make(None)
    asyncio.run(asyncio.sleep(0))
    handler(event_of("http_api", "/x"))
    return SEEN[-1]["path"], "/x"


# --- bridges -------------------------------------------------------------------------------------


async def _through(
    app: Any, path: str, parts: list[bytes], fields: Fields, *, cut: bool = False, **scope: Any
) -> tuple[int, Fields, bytes]:
    """Ask an ASGI application as a server does; with `cut`, the client leaves after the parts."""
    length = sum(map(len, parts)) + (7 if cut else 0)
    messages: list[dict[str, Any]] = [
        {"type": "http.request", "body": part, "more_body": True} for part in parts
    ]
    if cut:
        messages.append({"type": "http.disconnect"})
    else:
        messages.append({"type": "http.request", "body": b"", "more_body": False})
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if messages:
            return messages.pop(0)
        await asyncio.sleep(SECONDS)
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    whole_scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(b"host", b"localhost"), (b"content-length", b"%d" % length), *fields],
        "server": ("localhost", 80),
        "client": ("127.0.0.1", 50000),
        "extensions": {},
    }
    await asyncio.wait_for(app({**whole_scope, **scope}, receive, send), SECONDS)
    whole = b"".join(message.get("body", b"") for message in sent[1:])
    return sent[0]["status"], sent[0]["headers"], whole


def bridged(
    key: Callable[[dict[str, Any]], Any],
    right: Any,
    path: str = "/x",
    parts: tuple[bytes, ...] = (),
    fields: tuple[tuple[bytes, bytes], ...] = (),
    **scope: Any,
) -> Callable[[Tool], tuple[Any, Any]]:
    """Return a check of what a WSGI application sees of a request through a bridge."""

    def check(tool: Tool) -> tuple[Any, Any]:
        asyncio.run(_through(tool.make(None), path, list(parts), list(fields), **scope))
        return key(SEEN[-1]), right

    return check


def returned(path: str, key: Callable[[int, Fields, bytes], Any], right: Any) -> Any:
    """Return a check of what comes back through a bridge."""

    def check(tool: Tool) -> tuple[Any, Any]:
        return key(*asyncio.run(_through(tool.make(None), path, [], []))), right

    return check


def of_bridges() -> Iterator[Vector]:
    """Yield the vectors of bridges from WSGI to ASGI."""
    lines = (b"a\n", b"b")
    yield Vector("`wsgi.input.readline(n)`", PEP, bridged(body, [*lines], "/line", lines))
    yield Vector("`wsgi.input.readlines()`", PEP, bridged(body, [*lines], "/lines", lines))
    yield Vector("a body that the client breaks off is not taken for whole",
                 "ASGI, `http.disconnect`", _cut)  # fmt: skip
    fields = ((b"cookie", b"a=1"), (b"cookie", b"b=2"))
    check = bridged(lambda seen: seen["fields"].get("cookie"), "a=1; b=2", fields=fields)
    yield Vector("two Cookie fields of HTTP/2", f"{COOKIE}; RFC 9113, 8.2.3", check)
    fields = ((b"x-user", b"ada"), (b"x_user", b"mallory"))
    check = bridged(lambda seen: seen["fields"].get("x-user"), "ada", fields=fields)
    yield Vector("`X_User` does not change `X-User`", "RFC 3875, 4.1.18", check)
    query = b"q=\xe9"
    check = bridged(lambda seen: seen["query"], "q=\xe9", query_string=query)
    yield Vector("a byte beyond ASCII in the query", f"{PEP}; {FORM}", check)
    check = bridged(lambda seen: seen["path_info"], "/apix/y", "/apix/y", root_path="/api")
    yield Vector("`root_path` `/api` is no prefix of `/apix/y`", f"{PEP}; {SCOPE}", check)
    check = bridged(lambda seen: seen["path"], "/café", "/café")
    yield Vector("path `/caf%C3%A9`", PEP, check)
    right = (500, b"error page")
    check = returned("/replaced", lambda status, _, got: (status, got), right)
    yield Vector("`exc_info` before output replaces the response", PEP, check)
    check = returned("/written", lambda status, _, got: got, b"written, returned")
    yield Vector("`write()`", PEP, check)
    yield Vector("`close()` is called", PEP, _closed_by_bridge)
    check = returned("/field", lambda _, sent, __: dict(sent).get(b"x-name"), b"caf\xe9")
    yield Vector("header value of Latin-1", "RFC 9110, 5.5", check)
    yield Vector("lifespan of a WSGI application", LIFESPAN, _lifespan)


def _cut(tool: Tool) -> tuple[Any, Any]:
    noted = len(SEEN)
    with contextlib.suppress(Exception):  # an error is a right answer, too
        asyncio.run(_through(tool.make(None), "/x", [b"abc"], [], cut=True))
    return [seen["body"] for seen in SEEN[noted:]], []


def _closed_by_bridge(tool: Tool) -> tuple[Any, Any]:
    CLOSED.clear()
    asyncio.run(_through(tool.make(None), "/closed", [], []))
    return CLOSED, ["closed"]


def _lifespan(tool: Tool) -> tuple[Any, Any]:
    """Start and stop as a server does: an answer for each, or an error for none at all."""
    sent: list[str] = []

    async def run() -> None:
        messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]

        async def receive() -> dict[str, Any]:
            return messages.pop(0)

        async def send(message: dict[str, Any]) -> None:
            sent.append(message["type"])

        await tool.make(None)({"type": "lifespan", "asgi": {}, "state": {}}, receive, send)  # type: ignore[misc]

    try:
        asyncio.run(asyncio.wait_for(run(), SECONDS))
    except Exception:
        return sent, []
    return sent, ["lifespan.startup.complete", "lifespan.shutdown.complete"]


VECTORS: dict[str, list[Vector]] = {
    "wsgi": [*requests(), *responses(), *of_wsgi()],
    "asgi": [*requests(), *responses(), *of_asgi()],
    "routes": [*requests(), *responses()],
    "bridge": [*of_bridges()],
}
