"""Real ASGI servers around WSGI applications, with clients that do not send or do not read."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from .client import ask
from .processes import Server, module
from .test_servers import ASGI_SERVERS

CLIENTS = 200
UNFINISHED = b"POST /upload HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 100000\r\n\r\nx"
ENDLESS = b"GET /endless HTTP/1.1\r\nHost: shop.example\r\n\r\n"
FLOOD = b"GET /flood HTTP/1.1\r\nHost: shop.example\r\n\r\n"
HANG = b"GET /hang HTTP/1.1\r\nHost: shop.example\r\n\r\n"
SECONDS = 20

# Since Python 3.12.1 hypercorn waits for all connections before its time limit begins: it awaits
# `asyncio.Server.wait_closed`.
HYPERCORN = [("hypercorn", ["--graceful-timeout=1"])] if sys.version_info < (3, 12) else []

every_server = pytest.mark.parametrize("name", ASGI_SERVERS)
# daphne calls an application only when it has the whole body, and sends without end to clients that
# do not read.
but_daphne = pytest.mark.parametrize("name", [name for name in ASGI_SERVERS if name != "daphne"])


@contextmanager
def serving(
    name: str, log: Path, *options: str, timeout: int = 60, threads: int = 40
) -> Iterator[Server]:
    arguments = module(*ASGI_SERVERS[name], *options, "tests.servers.slow_app:app")
    env = {"UNIGATE_CLIENT_TIMEOUT": str(timeout), "UNIGATE_WSGI_THREADS": str(threads)}
    with Server(arguments, log, env=env) as server:
        server.wait_until_it_listens()
        yield server


def send(server: Server, request: bytes) -> socket.socket:
    """Send a request, and leave it at that."""
    connection = socket.socket()
    connection.settimeout(SECONDS)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect(("127.0.0.1", server.port))
    connection.sendall(request)
    return connection


@every_server
def test_unfinished_uploads_stop_nobody_else(name: str, tmp_path: Path) -> None:
    with serving(name, tmp_path / "log") as server:
        with ExitStack() as clients:
            for _ in range(CLIENTS):
                clients.enter_context(send(server, UNFINISHED))
            assert ask(server.port, "/x").status == 200
            assert ask(server.port, "/x", "POST", body=b"whole").json()["length"] == 5
        if name != "daphne":
            server.wait_for_output("ended early: The client disconnected", CLIENTS)

        output = server.stop()
    assert "upload: begun" not in output
    assert "Traceback" not in output


@every_server
def test_client_that_expects_100_continue_may_send_its_body(name: str, tmp_path: Path) -> None:
    head = UNFINISHED[:-1].replace(b"Content", b"Expect: 100-continue\r\nContent")
    with serving(name, tmp_path / "log") as server, closing(send(server, head)) as connection:
        assert connection.recv(4096).startswith(b"HTTP/1.1 100")
        connection.sendall(b"x" * 100_000)
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")


@but_daphne
def test_clients_that_do_not_read_stop_nobody_else(name: str, tmp_path: Path) -> None:
    with serving(name, tmp_path / "log") as server:
        with ExitStack() as clients:
            for _ in range(CLIENTS):
                clients.enter_context(send(server, ENDLESS)).recv(1)
            assert ask(server.port, "/x").status == 200
            assert "endless: closed" not in server.output()
        server.wait_for_output("endless: closed", CLIENTS)
        server.wait_for_output("ended early: The client disconnected", CLIENTS)

        assert "Traceback" not in server.stop()


@but_daphne
def test_burst_of_clients_that_do_not_read_is_bounded_and_stops_nobody_else(
    name: str, tmp_path: Path
) -> None:
    with serving(name, tmp_path / "log", threads=2) as server, ExitStack() as clients:
        for _ in range(CLIENTS):
            clients.enter_context(send(server, FLOOD))
        assert ask(server.port, "/x").status == 200
        server.wait_for_output("flood: closed", CLIENTS - 22)
        assert ask(server.port, "/threads").json() <= 22
        assert server.output().count("flood: closed") <= CLIENTS - 20


@but_daphne
def test_clients_that_stand_still_are_broken_off(name: str, tmp_path: Path) -> None:
    with serving(name, tmp_path / "log", timeout=1) as server:
        with closing(send(server, ENDLESS)), closing(send(server, UNFINISHED)) as upload:
            received = b"".join(iter(lambda: upload.recv(4096), b""))
            assert received.startswith(b"HTTP/1.1 408")
            server.wait_for_output("endless: closed")
            server.wait_for_output("ended early: The client took no part of the response")

        assert "Traceback" not in server.stop()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("uvicorn", ["--timeout-graceful-shutdown=1"]),
        *HYPERCORN,
        ("granian", ["--workers-kill-timeout=1"]),
        ("gunicorn-uvicorn", ["--graceful-timeout=1"]),
    ],
)
def test_servers_end_beside_clients_that_stand_still_and_a_busy_application(
    name: str, options: list[str], tmp_path: Path
) -> None:
    with serving(name, tmp_path / "log", *options) as server, ExitStack() as clients:
        for _ in range(20):
            clients.enter_context(send(server, UNFINISHED))
            clients.enter_context(send(server, ENDLESS)).recv(1)
        clients.enter_context(send(server, HANG))
        server.wait_for_output("hang: begun")

        server.stop()


def test_uvicorn_ends_when_unfinished_uploads_have_timed_out(tmp_path: Path) -> None:
    with serving("uvicorn", tmp_path / "log", timeout=1) as server, ExitStack() as clients:
        for _ in range(20):
            clients.enter_context(send(server, UNFINISHED))

        assert "Traceback" not in server.stop()
