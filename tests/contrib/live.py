"""Real servers in threads of the tests, around applications that tests have made themselves."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from typing import Any

import uvicorn
from waitress.server import create_server

from unigate import Gateway, Headers, Request, Response

SECONDS = 20


class Live:
    """A server that listens; it is asked as the hosts in `tests.hosts` are."""

    def __init__(self, port: int) -> None:
        self.port = port

    def __call__(self, app: Gateway, request: Request) -> Response:
        with self.begin(request) as response:
            headers = Headers((name.lower(), value) for name, value in response.getheaders())
            return Response(response.status, headers, response.read())

    @contextmanager
    def begin(self, request: Request) -> Iterator[http.client.HTTPResponse]:
        """Send a request, and give what can be read of the response so far."""
        target = request.raw_path + (b"?" + request.query_string if request.query_string else b"")
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)) as wire:
            wire.putrequest(
                request.method, target.decode("ascii"), skip_host=True, skip_accept_encoding=True
            )
            for name, value in request.headers:
                wire.putheader(name, value)
            wire.endheaders(request.body or None)
            with wire.getresponse() as response:
                yield response


@contextmanager
def on_uvicorn(app: Gateway) -> Iterator[Live]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="on"))
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            yield Live(listener.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join(SECONDS)


@contextmanager
def on_waitress(app: Gateway) -> Iterator[Live]:
    everything: dict[int, Any] = {}
    server = create_server(app.wsgi, map=everything, host="127.0.0.1", port=0, threads=2)

    ended = threading.Event()

    def run() -> None:
        while not ended.is_set():
            server.asyncore.loop(map=everything, count=1)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield Live(server.effective_port)
    finally:
        ended.set()
        server.pull_trigger()
        thread.join(SECONDS)
        server.task_dispatcher.shutdown()
        for one in list(everything.values()):
            one.close()


SERVERS: dict[str, Callable[[Gateway], AbstractContextManager[Live]]] = {
    "uvicorn": on_uvicorn,
    "waitress": on_waitress,
}
