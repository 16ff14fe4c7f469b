"""Vectors of Vercel's Python runtime, which is asked over HTTP; it needs Python 3.12 or later."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from conformance_tools import Tool
from conformance_vectors import CLIENT, COOKIE, ONCE, PEP, SERVER, Vector
from vercel_loop import start

SECONDS = 5
Fields = tuple[tuple[str, str], ...]

APPLICATION = """
import json
from conformance_apps import SEEN, wsgi

def application(environ, start_response):
    if environ["PATH_INFO"].endswith("/failing"):
        raise ValueError("before output")
    if "HTTP_X_SEEN" not in environ:
        return wsgi(environ, start_response)
    wsgi(environ, lambda *arguments: None)
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(SEEN[-1], default=repr).encode()]

"""


@contextlib.contextmanager
def servers() -> Iterator[list[Tool]]:
    """Run the runtime with the gateway, and with the application alone, until the block ends."""
    around = {
        "unigate": "import unigate\napp = unigate.wrap(application)\n",
        "vercel-runtime": "app = application\n",
    }
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        yield [
            Tool(name, _asker(start(APPLICATION + code, folder / name, stack)))
            for name, code in around.items()
        ]


def _asker(port: int) -> Callable[[Any], Any]:
    def ask(path: str, fields: Fields) -> tuple[int, bytes]:
        connection = HTTPConnection("127.0.0.1", port, timeout=SECONDS)
        with contextlib.closing(connection):
            connection.putrequest("GET", path, skip_host=True, skip_accept_encoding=True)
            for name, value in fields:
                connection.putheader(name, value)
            connection.endheaders()
            response = connection.getresponse()
            return response.status, response.read()

    return lambda app: ask


def seen(
    key: Callable[[dict[str, Any]], Any], right: Any, path: str = "/x", fields: Fields = ()
) -> Callable[[Tool], tuple[Any, Any]]:
    """Return a check of what the application sees of a request."""

    def check(tool: Tool) -> tuple[Any, Any]:
        hosts: Fields = () if any(name == "host" for name, _ in fields) else (("host", "a.test"),)
        ask: Any = tool.handler
        _, body = ask(path, (*hosts, ("x-seen", "1"), *fields))
        return key(json.loads(body)), right

    return check


def returned(path: str, key: Callable[[int, bytes], Any], right: Any) -> Any:
    """Return a check of what comes back."""

    def check(tool: Tool) -> tuple[Any, Any]:
        ask: Any = tool.handler
        return key(*ask(path, (("host", "a.test"),))), right

    return check


def of_vercel() -> Iterator[Vector]:
    """Yield the vectors."""
    for path, right in (("/caf%C3%A9", "/café"), ("/100%2525", "/100%25")):
        yield Vector(f"path `{path}`", f"{PEP}; {ONCE}", seen(lambda x: x["path"], right, path))
    cookies = (("cookie", "a=1"), ("cookie", "b=2"))
    check = seen(lambda x: x["fields"].get("cookie"), "a=1; b=2", fields=cookies)
    yield Vector("two Cookie fields of HTTP/2", f"{COOKIE}; RFC 9113, 8.2.3", check)
    check = seen(
        lambda x: x["fields"].get("x-a", "").replace(" ", ""),
        "1,2",
        fields=(("x-a", "1"), ("x-a", "2")),
    )
    yield Vector("a field twice", "RFC 9110, 5.3", check)
    yield Vector("the client has an address", CLIENT, seen(lambda x: bool(x["client"]), True))
    host = (("host", "shop.test:8080"),)
    check = seen(lambda x: ":" in x["server"][0], False, fields=host)
    yield Vector("there is no port in SERVER_NAME", SERVER, check)
    check = returned("/failing", lambda status, _: status, 500)
    yield Vector("an exception before output is answered", "RFC 9110, 15.6.1", check)
    check = returned("/replaced", lambda status, body: (status, body), (500, b"error page"))
    yield Vector("`exc_info` before output replaces the response", PEP, check)
    check = returned("/written", lambda _, body: body, b"written, returned")
    yield Vector("`write()`", PEP, check)
    check = returned("/png", lambda _, body: body, bytes(range(256)))
    yield Vector("body: image", "RFC 9110, 6.4", check)
