"""A real PostgreSQL on a loopback port, in a folder of its own. Debian's `postgresql` has it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import psycopg

from tests.servers.processes import free_port
from tests.waiting import until

SECONDS = 40
# The server refuses to run as root; Debian's package makes this user.
USER = "postgres"
FAST = ("fsync=off", "full_page_writes=off", "unix_socket_directories=", "max_connections=200")


class PostgreSQL:
    """A server that trusts whoever connects, running when entered."""

    def __enter__(self) -> PostgreSQL:
        self.port = free_port()
        self._owner = {"user": USER, "group": USER, "extra_groups": []} if os.getuid() == 0 else {}
        self._folder = tempfile.TemporaryDirectory(prefix="unigate-postgresql-")
        self._data = os.path.join(self._folder.name, "data")
        if self._owner:
            shutil.chown(self._folder.name, USER)
        try:
            make = ("initdb", "--no-sync", "--auth=trust", "--locale=C", "--encoding=UTF8")
            self._run(*make, f"--username={USER}", f"--pgdata={self._data}").wait(SECONDS)
            self._start()
        except BaseException:
            self._folder.cleanup()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self._end(signal.SIGQUIT)
        self._folder.cleanup()

    def restart(self) -> None:
        """End every connection and the server, and start it again on the same port."""
        self._end(signal.SIGINT)
        self._start()

    def backends(self, name: str) -> set[int]:
        """Return the processes that serve connections whose name begins so."""
        rows = self.ask("select pid from pg_stat_activity where application_name ^@ %s", name)
        return {pid for (pid,) in rows}

    def kill(self, name: str) -> None:
        """End these connections from the server's side."""
        for pid in self.backends(name):
            self.ask("select pg_terminate_backend(%s, 20000)", pid)

    def ask(self, query: str, *arguments: Any) -> list[Any]:
        """Send a query over a connection of its own."""
        with psycopg.connect(self._address(), autocommit=True) as connection:
            return connection.execute(query, arguments).fetchall()

    def _address(self) -> str:
        return f"host=127.0.0.1 port={self.port} user={USER} dbname={USER} connect_timeout=10"

    def _run(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        with Path(self._folder.name, "log").open("ab") as log:
            return subprocess.Popen(
                [_path(program), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._folder.name,
                **self._owner,
            )

    def _start(self) -> None:
        options = [f"-c{option}" for option in FAST]
        listen = ("-h", "127.0.0.1", "-p", str(self.port))
        self._process = self._run("postgres", "-D", self._data, *listen, *options)
        until(self._answers)

    def _answers(self) -> bool:
        assert self._process.poll() is None, Path(self._folder.name, "log").read_text()
        try:
            return self.ask("select 1") == [(1,)]
        except psycopg.OperationalError:  # it is starting
            return False

    def _end(self, number: int) -> None:
        self._process.send_signal(number)
        self._process.wait(SECONDS)


def _path(program: str) -> str:
    """Return where a program of the server is: Debian keeps them beside each other by version."""
    kept = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"))
    found = str(kept[-1]) if kept else shutil.which(program)
    if found is None:
        raise RuntimeError("These tests need a PostgreSQL server: apt-get install postgresql")
    return found
