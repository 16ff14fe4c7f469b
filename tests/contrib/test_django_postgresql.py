"""Connections to a real PostgreSQL that end between two requests, in servers and functions."""

from __future__ import annotations

import os
import re
import signal
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.lambda_runtime.function import Function, event
from tests.servers.client import ask
from tests.servers.processes import Server, module
from tests.waiting import SECONDS, until

from .postgresql_server import PostgreSQL

PROJECT = "tests.contrib.postgresql_project"
GUNICORN = ("gunicorn", "--bind=127.0.0.1:{port}", "--no-control-socket")
SERVERS = {
    "gunicorn sync": (*GUNICORN, f"{PROJECT}:wsgi"),
    "gunicorn gthread": (*GUNICORN, "--worker-class=gthread", "--threads=2", f"{PROJECT}:wsgi"),
    "uvicorn": ("uvicorn", "--host=127.0.0.1", "--port={port}", f"{PROJECT}:asgi"),
}
FUNCTIONS = {"lambda wsgi": f"{PROJECT}.wsgi", "lambda asgi": f"{PROJECT}.asgi"}
DOORS = [*FUNCTIONS, *SERVERS]

pytestmark = pytest.mark.usefixtures("bounded")


class Site:
    """The project in its own process, behind one door."""

    def __init__(
        self,
        name: str,
        process: Server,
        get: Callable[[str], tuple[int, str]],
        database: PostgreSQL,
    ) -> None:
        self.name = name
        self.process = process
        self.get = get
        self.database = database
        self._process_group = int(get("/process-group")[1])

    def backends(self) -> set[int]:
        return self.database.backends(self.name)

    def kill(self) -> None:
        self.database.kill(self.name)

    def signal(self, number: int) -> None:
        """Send a signal to the process and to those that it has started."""
        os.killpg(self._process_group, number)


class Network:
    """A proxy between a program and a server that loses connections as address translation does."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._threads: list[threading.Thread] = []
        self._servers: list[socket.socket] = []
        self._programs: list[socket.socket] = []

    def __enter__(self) -> Network:
        self._start(self._accept)
        return self

    def __exit__(self, *error: object) -> None:
        ends = [self._listener, *self._servers, *self._programs]
        for end in ends:
            with suppress(OSError):  # it is no longer connected
                end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(SECONDS)
        for end in ends:
            end.close()
        assert not any(thread.is_alive() for thread in self._threads)

    def forget(self) -> None:
        """Drop every connection; a program gets a reset only when it sends again."""
        for end in self._servers:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _start(self, work: Callable[..., None], *arguments: socket.socket) -> None:
        self._threads.append(threading.Thread(target=work, args=arguments, daemon=True))
        self._threads[-1].start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                program, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                self._programs.append(program)
                self._servers.append(server)
                self._start(self._forward, program, server)
                self._start(self._return, server, program)

    def _forward(self, program: socket.socket, server: socket.socket) -> None:
        with suppress(ConnectionResetError):
            while data := program.recv(65536):
                try:
                    server.sendall(data)
                except OSError:
                    # With SO_LINGER of 0 seconds, close() sends a reset.
                    program.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    program.close()
                    return
        with suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)

    def _return(self, server: socket.socket, program: socket.socket) -> None:
        with suppress(OSError):
            while data := server.recv(65536):
                program.sendall(data)


@pytest.fixture(scope="module")
def database() -> Iterator[PostgreSQL]:
    with PostgreSQL() as server:
        yield server


@contextmanager
def running(
    door: str, database: PostgreSQL, folder: Path, *, with_unigate: bool = True, **variables: str
) -> Iterator[Site]:
    name = f"{door} {folder.name}"
    env: Mapping[str, str] = {
        "DATABASE_PORT": str(database.port),
        "APPLICATION_NAME": name,
        "WITH_UNIGATE": "1" if with_unigate else "0",
        **variables,
    }
    if door in FUNCTIONS:
        with Function(FUNCTIONS[door], folder, env=env) as function:

            def invoke(target: str) -> tuple[int, str]:
                reply = function.api.invoke(event(target)).json()
                return reply["statusCode"], reply["body"]

            yield Site(name, function.server, invoke, database)
        return
    with Server(module(*SERVERS[door]), folder / "log", env=env) as server:
        server.wait_until_it_listens()

        def fetch(target: str) -> tuple[int, str]:
            response = ask(server.port, target)
            return response.status, response.body.decode()

        yield Site(name, server, fetch, database)


@pytest.fixture(scope="module", params=DOORS)
def site(
    request: pytest.FixtureRequest, database: PostgreSQL, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    with running(request.param, database, tmp_path_factory.mktemp("site")) as running_site:
        yield running_site


every_view = pytest.mark.parametrize(
    "target",
    ["/query/default", "/async/default", "/atomic/default", "/query/pool", "/async/pool"],
)


@every_view
def test_the_request_after_a_connection_was_killed_succeeds(site: Site, target: str) -> None:
    status, first = site.get(target)
    assert status == 200
    site.kill()
    assert int(first) not in site.backends()

    status, second = site.get(target)
    assert status == 200
    assert second != first


def test_the_request_after_the_server_was_restarted_succeeds(site: Site) -> None:
    before = [site.get(f"/query/{alias}") for alias in ("default", "pool")]
    site.database.restart()

    after = [site.get(f"/query/{alias}") for alias in ("default", "pool")]

    assert [status for status, _ in before + after] == [200] * 4


def test_a_connection_closed_by_the_driver_is_replaced(site: Site) -> None:
    assert site.get("/spoil/default")[0] == 200
    assert site.get("/query/default")[0] == 200


def test_the_request_after_a_freeze_succeeds(site: Site) -> None:
    before = [site.get(f"/query/{alias}") for alias in ("ended", "pool")]
    freeze(site)

    after = [site.get(f"/query/{alias}") for alias in ("ended", "pool")]

    assert [status for status, _ in before + after] == [200] * 4


def freeze(site: Site) -> None:
    """Stop the process until the server has closed its connections for being idle."""
    site.signal(signal.SIGSTOP)
    until(lambda: not site.database.backends(f"{site.name} ended"))
    site.signal(signal.SIGCONT)


@pytest.mark.parametrize(
    ("door", "stop", "targets"),
    [
        ("lambda wsgi", Site.kill, ["/query/default", "/query/pool"]),
        ("lambda wsgi", freeze, ["/query/ended", "/query/pool"]),
        # Django's ASGI handler uses a new thread for each request: only a pool is kept.
        ("lambda asgi", Site.kill, ["/async/pool"]),
        ("gunicorn sync", Site.kill, ["/query/default", "/query/pool"]),
    ],
)
def test_without_the_application_the_request_fails(
    database: PostgreSQL,
    tmp_path: Path,
    door: str,
    stop: Callable[[Site], None],
    targets: list[str],
) -> None:
    with running(door, database, tmp_path, with_unigate=False) as site:
        for target in targets:
            assert site.get(target)[0] == 200
            stop(site)
            assert site.get(target)[0] == 500


# A connection that the network drops without notice to either side


@pytest.mark.parametrize("with_unigate", [True, False])
def test_a_connection_dropped_by_the_network(
    database: PostgreSQL, tmp_path: Path, with_unigate: bool
) -> None:
    with (
        Network(database.port) as network,
        running(
            "lambda wsgi",
            database,
            tmp_path,
            with_unigate=with_unigate,
            DATABASE_PORT=str(network.port),
            CONNECTION_PAUSE="0.5",
        ) as site,
    ):
        for target in ("/query/default", "/query/pool"):
            assert site.get(target)[0] == 200
            site.signal(signal.SIGSTOP)
            network.forget()
            time.sleep(0.6)
            site.signal(signal.SIGCONT)

            assert site.get(target)[0] == (200 if with_unigate else 500)


# wait_until


@pytest.mark.parametrize("view", ["later", "later-async"])
@pytest.mark.parametrize("alias", ["default", "pool"])
def test_work_after_the_response_closes_its_connections(site: Site, view: str, alias: str) -> None:
    request_pids: set[int] = set()
    for _ in range(5):  # more than the pool holds
        before = len(pids_of_work(site))
        status, pid = site.get(f"/{view}/{alias}")
        assert status == 200
        request_pids.add(int(pid))
        until(lambda before=before: len(pids_of_work(site)) > before)

    if alias == "default":
        work_pids = set(pids_of_work(site)) - request_pids
        until(lambda: not site.backends() & work_pids)


def pids_of_work(site: Site) -> list[int]:
    return [int(pid) for pid in re.findall(r"later: (\d+)\n", site.process.output())]
