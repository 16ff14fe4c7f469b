"""The local host with its page in this process, and a client for both."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from werkzeug.test import EnvironBuilder, run_wsgi_app

import unigate
from tests.cli.dev.dev_server import Answer
from unigate import Headers
from unigate.cli.dev.functions import Here, InRuntime
from unigate.cli.dev.inspector.access import Access
from unigate.cli.dev.inspector.exchanges import Exchange, History
from unigate.cli.dev.inspector.page import ROOT, Inspector
from unigate.cli.dev.local_host import LocalHost, Setup

HOST = "localhost:8000"
ORIGIN = f"http://{HOST}"
TOKEN = "open-sesame"
COOKIE = ("cookie", f"unigate-8000={TOKEN}")


class Inspected:
    """An application under `unigate dev`, without the process and the socket.

    An InRuntime stands for `unigate dev --stream`.
    """

    def __init__(
        self, app: Any, setup: Setup | None = None, *, show_secrets: bool = False,
        address: tuple[str, int] = ("127.0.0.1", 8000), name: str = "",
    ) -> None:  # fmt: skip
        self.history = History()
        if not isinstance(app, InRuntime):
            app = Here(app if isinstance(app, unigate.Gateway) else unigate.wrap(app))
        setup = (setup or Setup("http_api"))._replace(show_secrets=show_secrets)
        self._wsgi = Inspector(
            LocalHost(app, setup, self.history),
            self.history,
            Access(TOKEN, ROOT, address, name),
            app="main:app",
            mount=setup.mount,
            show_secrets=show_secrets,
        )

    def ask(
        self,
        target: str,
        body: bytes = b"",
        method: str | None = None,
        headers: Iterable[tuple[str, str]] = (),
        peer: str = "127.0.0.1",
    ) -> Answer:
        """Send a request as a client does; by default with a Host field, and the page's cookie."""
        fields = Headers(headers)
        if "host" not in fields:
            fields = Headers([("host", HOST), *fields])
        if f"{target}/".startswith(f"{ROOT}/") and "cookie" not in fields:
            fields = Headers([*fields, COOKIE])
        path, _, query = target.partition("?")
        builder = EnvironBuilder(
            path=path, query_string=query, method=method or ("POST" if body else "GET"),
            headers=list(fields), data=body, environ_base={"REMOTE_ADDR": peer},
        )  # fmt: skip
        environ = builder.get_environ()
        environ["RAW_URI"] = target
        environ["unigate.headers"] = fields
        chunks, status, received = run_wsgi_app(self._wsgi, environ, buffered=True)
        builder.close()
        return Answer(int(status.split()[0]), list(received), b"".join(chunks))

    def page(self, path: str) -> str:
        """Return what the page's script would receive."""
        answer = self.ask(f"/_unigate/{path}")
        assert answer.status == 200, answer.body
        return answer.body.decode()

    def exchange(self, number: int) -> Exchange:
        """Return the recorded exchange of a request."""
        exchange = self.history.get(number)
        assert exchange is not None
        return exchange

    def post(self, path: str, given: Any, **fields: str) -> Answer:
        """Post as the page's script does."""
        headers = {"origin": ORIGIN, "content-type": "application/json", **fields}
        return self.ask(f"/_unigate/{path}", json.dumps(given).encode(), "POST", headers.items())
