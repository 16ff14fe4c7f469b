"""Real servers in threads of the test process, around applications built by tests."""

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
    """A listening server, called like the hosts in `tests.hosts`."""

    def __init__(self, port: int) -> None:
        self.port = port

    def __call__(self, app: Gateway, request: Request) -> Response:
        with self.begin(request) as response:
            headers = Headers((name.lower(), value) for name, value in response.getheaders())
            return Response(response.status, headers, response.read())

    @contextmanager
    def begin(self, request: Request) -> Iterator[http.client.HTTPResponse]:
        """Send a request, and yield the response before its body is complete."""
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
            assert not thread.is_alive()


@contextmanager
def on_waitress(app: Gateway) -> Iterator[Live]:
    sockets: dict[int, Any] = {}
    server = create_server(app.wsgi, map=sockets, host="127.0.0.1", port=0, threads=2)

    stopped = threading.Event()

    def run() -> None:
        while not stopped.is_set():
            server.asyncore.loop(map=sockets, count=1)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield Live(server.effective_port)
    finally:
        stopped.set()
        server.pull_trigger()
        thread.join(SECONDS)
        assert not thread.is_alive()
        server.task_dispatcher.shutdown()
        for dispatcher in list(sockets.values()):
            dispatcher.close()


SERVERS: dict[str, Callable[[Gateway], AbstractContextManager[Live]]] = {
    "uvicorn": on_uvicorn,
    "waitress": on_waitress,
}
