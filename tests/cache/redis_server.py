"""Real Redis servers on loopback ports, each in a directory of its own.

`backend` is what the contract of all backends runs over. Debian's `redis-server` has the program.
"""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from itertools import count
from typing import Any
from urllib.parse import urlencode

import redis

from tests.waiting import until
from unigate.cache.redis import RedisBackend

SLOTS = 16384
# For a machine that is busy with other tests.
PATIENT = {"socket_connect_timeout": 10, "socket_timeout": 10}


class Server:
    """A server that keeps nothing on disk unless told so by its options, running when entered."""

    def __init__(self, *options: str) -> None:
        self._options = options

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

    def start(self) -> None:
        """Start it on the port that it has had, and wait until it answers."""
        command = [program(), "--port", str(self.port), "--bind", "127.0.0.1"]
        command += ["--dir", self.folder, "--save", "", *self._options]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        self.client = self._connect()
        until(self._answers)

    def _connect(self) -> redis.Redis:
        return redis.Redis(port=self.port, socket_timeout=10, protocol=2)

    def _answers(self) -> bool:
        if self._process.poll() is not None:
            raise RuntimeError(f"redis-server has ended: {self._process.args!r}")
        try:
            return bool(self.ask("PING"))
        except (redis.ConnectionError, redis.TimeoutError):  # or it is loading
            return False

    def ask(self, *command: Any) -> Any:
        """Send a command from outside of the backend."""
        return self.client.execute_command(*command)

    def stop(self) -> None:
        """End it in order: it writes what it is to keep."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def _end(self, number: int) -> None:
        self.client.close()
        self._process.send_signal(number)
        self._process.wait(10)

    def freeze(self) -> None:
        """Let it hang: connections are still accepted, by the system."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    @contextmanager
    def asked(self) -> Iterator[list[str]]:
        """Give the commands that clients send meanwhile, in the order of their arrival."""
        names: list[str] = []
        with self._connect() as own, own.monitor() as monitor:
            yield names
            self.ask("ECHO", "the end")
            for seen in monitor.listen():
                if seen["command"] == "ECHO the end":
                    break
                if seen["client_type"] != "lua":
                    names.append(seen["command"].split(" ")[0].upper())


class Cluster:
    """Nodes that share the slots among them, running when entered."""

    def __init__(self, size: int) -> None:
        options = ["--cluster-enabled", "yes", "--cluster-node-timeout", "2000"]
        options += ["--cluster-require-full-coverage", "no"]
        self.nodes = [Server(*options) for _ in range(size)]

    def __enter__(self) -> Cluster:
        self._entered: list[Server] = []
        try:
            for number, node in enumerate(self.nodes):
                self._entered.append(node.__enter__())
                share = range(SLOTS)[number :: len(self.nodes)]
                node.ask("CLUSTER", "ADDSLOTS", *share)
                # Else two of them may say the same, which they only settle in time.
                node.ask("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            for node in self.nodes[1:]:
                self.nodes[0].ask("CLUSTER", "MEET", "127.0.0.1", node.port)
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
        """Return the node that has a key."""
        slot = self.nodes[0].ask("CLUSTER", "KEYSLOT", key)
        return self.nodes[slot % len(self.nodes)]


@cache
def program() -> str:
    """Return the server's program: Redis, or Valkey where distributions have that instead."""
    names = [os.environ.get("REDIS_SERVER", "redis-server"), "valkey-server"]
    for name in names:
        if found := shutil.which(name):
            return found
    raise RuntimeError("These tests need a Redis server: apt-get install redis-server")


def free_port() -> int:
    """Return a port that is free, and so is the one 10000 above it, where cluster nodes talk."""
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
    """Return the server that the tests of this process share."""
    server = Server().__enter__()
    atexit.register(server.__exit__)
    return server


@cache
def shared_cluster() -> Cluster:
    """Return the cluster that the tests of this process share."""
    cluster = Cluster(3).__enter__()
    atexit.register(cluster.__exit__)
    return cluster


_namespaces = (f"test {number}" for number in count())


@contextmanager
def opened(url: str) -> Iterator[RedisBackend]:
    """Open a backend for a while."""
    made = RedisBackend(url)
    try:
        yield made
    finally:
        made.close()


@contextmanager
def backend() -> Iterator[RedisBackend]:
    """Give a backend with a namespace that nobody has used."""
    with opened(shared().url(namespace=next(_namespaces))) as made:
        yield made


@contextmanager
def cluster_backend() -> Iterator[RedisBackend]:
    """Give one that knows a node of a cluster, which only has a third of the keys."""
    with opened(shared_cluster().nodes[0].url(namespace=next(_namespaces))) as made:
        yield made
