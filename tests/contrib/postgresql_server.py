"""A real PostgreSQL on a loopback port, with its own data folder; from Debian's `postgresql`."""

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
    """A context manager that runs a server without authentication."""

    def __enter__(self) -> PostgreSQL:
        self.port = free_port()
        self._owner = {"user": USER, "group": USER, "extra_groups": []} if os.getuid() == 0 else {}
        self._folder = tempfile.TemporaryDirectory(prefix="unigate-postgresql-")
        self._log = Path(self._folder.name, "log")
        self._data = os.path.join(self._folder.name, "data")
        if self._owner:
            shutil.chown(self._folder.name, USER)
        try:
            make = ("initdb", "--no-sync", "--auth=trust", "--locale=C", "--encoding=UTF8")
            initdb = self._run(*make, f"--username={USER}", f"--pgdata={self._data}")
            assert initdb.wait(SECONDS) == 0, self._log.read_text()
            self._start()
        except BaseException:
            self._folder.cleanup()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self._end(signal.SIGQUIT)
        self._folder.cleanup()

    def restart(self) -> None:
        """Stop the server with all its connections, and start it again on the same port."""
        self._end(signal.SIGINT)
        self._start()

    def backends(self, name: str) -> set[int]:
        """Return the process IDs of connections whose application name starts with `name`."""
        rows = self.ask("select pid from pg_stat_activity where application_name ^@ %s", name)
        return {pid for (pid,) in rows}

    def kill(self, name: str) -> None:
        """Terminate these connections from the server's side."""
        for pid in self.backends(name):
            self.ask("select pg_terminate_backend(%s, 20000)", pid)

    def ask(self, query: str, *arguments: Any) -> list[Any]:
        """Send a query over a new connection."""
        with psycopg.connect(self._address(), autocommit=True) as connection:
            return connection.execute(query, arguments).fetchall()

    def _address(self) -> str:
        return f"host=127.0.0.1 port={self.port} user={USER} dbname={USER} connect_timeout=10"

    def _run(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
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
        assert self._process.poll() is None, self._log.read_text()
        try:
            return self.ask("select 1") == [(1,)]
        except psycopg.OperationalError:  # it is starting
            return False

    def _end(self, number: int) -> None:
        self._process.send_signal(number)
        self._process.wait(SECONDS)


def _path(program: str) -> str:
    """Return the path of a program of the server; Debian has a folder for each version."""
    installed = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"))
    path = str(installed[-1]) if installed else shutil.which(program)
    if path is None:
        raise RuntimeError("These tests need a PostgreSQL server: apt-get install postgresql")
    return path
