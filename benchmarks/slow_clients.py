"""Measure WSGI applications under uvicorn beside clients that do not send or do not read.

    git worktree add ../before <commit>
    python benchmarks/slow_clients.py ../before

Each checkout runs in a server of its own. First, how long a GET takes beside 200 clients of either
kind, with the memory and the threads of the server. Then, without such clients, the time of small
requests, for which the checkouts take turns. Linux only: memory is read from /proc.
"""

from __future__ import annotations

import argparse
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from statistics import median
from typing import Any

HERE = Path(__file__).resolve().parent
SECONDS = 5
REQUESTS = 50
KINDS = {
    "no others": b"",
    "unfinished POSTs": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nx",
    "large POSTs, nearly finished": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n"
    + b"x" * 1_000_000,
    "readers that do not read": b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n",
}
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
WORKLOADS = {
    "GET": GET,
    "POST of 100 bytes": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n" + b"x" * 100,
    "POST of 200 kB": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n"
    + b"x" * 200_000,
    "POST of 2 MB": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n"
    + b"x" * 2_000_000,
    "GET, not a list": b"GET /iterator HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET of 1 MiB": b"GET /1MiB HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET of 1 MiB in 128 parts": b"GET /parts HTTP/1.1\r\nHost: x\r\n\r\n",
}


def wsgi_app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Answer with the size of the body, or with a body of some size."""
    path = environ["PATH_INFO"]
    size = len(environ["wsgi.input"].read())
    body: Iterable[bytes] = [b"%d" % size]
    length = len(b"%d" % size)
    if path == "/large":
        body, length = (b"x" * 65536 for _ in range(1000)), 65_536_000
    elif path == "/iterator":
        body = iter(list(body))
    elif path == "/1MiB":
        body, length = [b"x" * 2**20], 2**20
    elif path == "/parts":
        body, length = (b"x" * 8192 for _ in range(128)), 2**20
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(length))])
    return body


class Checkout:
    """A server that runs the application with the unigate of a folder."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", "slow_clients:app", "--port", str(self.port)]
            + ["--log-level", "error", "--timeout-graceful-shutdown", "1"],
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(HERE)])},
            cwd=HERE,
        )
        stack.callback(self._stop)
        deadline = time.monotonic() + 20
        while True:
            with suppress(OSError):
                self.took(GET)
                return
            if time.monotonic() > deadline:
                raise SystemExit("The server did not start.")
            time.sleep(0.05)

    def _stop(self) -> None:
        self._process.kill()
        self._process.wait(10)

    def connect(self, timeout: float = SECONDS) -> socket.socket:
        """Return a connection to the server."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=timeout)

    def took(self, request: bytes, count: int = 1) -> float:
        """Return the seconds of a request over a connection that is kept."""
        with self.connect() as connection:
            if count > 1:
                ask(connection, request)
            begun = time.perf_counter()
            for _ in range(count):
                ask(connection, request)
            return (time.perf_counter() - begun) / count

    def status(self) -> tuple[float, int]:
        """Return the memory of the server in MB, and its threads."""
        text = Path(f"/proc/{self._process.pid}/status").read_text()
        fields = dict(line.split(":", 1) for line in text.splitlines())
        return int(fields["VmRSS"].split()[0]) / 1000, int(fields["Threads"])


def ask(connection: socket.socket, request: bytes) -> None:
    """Send a request, and read its response."""
    connection.sendall(request)
    received = b""
    while b"\r\n\r\n" not in received:
        received += receive(connection)
    head, _, body = received.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise SystemExit(f"The response must have status 200, got {head[:100]!r}")
    left = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]) - len(body)
    while left > 0:
        left -= len(receive(connection))


def receive(connection: socket.socket) -> bytes:
    """Return what has arrived; OSError at the end of the connection."""
    data = connection.recv(2**18)
    if not data:
        raise OSError("The server closed the connection.")
    return data


@contextmanager
def clients(server: Checkout, request: bytes, count: int) -> Iterator[None]:
    """Keep clients that have sent a request, and neither send nor read any more."""
    with ExitStack() as stack:
        for _ in range(count if request else 0):
            connection = stack.enter_context(socket.socket())
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.settimeout(SECONDS)
            connection.connect(("127.0.0.1", server.port))
            with suppress(TimeoutError):
                connection.sendall(request)
        time.sleep(1)
        yield


def beside(folders: dict[str, Path], count: int) -> None:
    """Print how long a GET takes beside other clients."""
    title = f"a GET beside {count}"
    print(f"{title:<30}{'':<8}{'median':>12}{'longest':>12}{'RSS':>10}{'threads':>9}")
    for kind, request in KINDS.items():
        for name, folder in folders.items():
            with ExitStack() as stack:
                server = Checkout(folder, stack)
                stack.enter_context(clients(server, request, count))
                try:
                    times = [server.took(GET) for _ in range(50)]
                    shown = f"{median(times) * 1e3:>9.1f} ms{max(times) * 1e3:>9.1f} ms"
                except OSError:
                    shown = f"{f'no answer in {SECONDS} s':>24}"
                memory, threads = server.status()
                print(f"{kind:<30}{name:<8}{shown}{memory:>7.0f} MB{threads:>9}")


def turns(folders: dict[str, Path], rounds: int) -> None:
    """Print the time of a request on each checkout."""
    with ExitStack() as stack:
        servers = {name: Checkout(folder, stack) for name, folder in folders.items()}
        print(f"\n{'microseconds':<30}" + "".join(f"{n:>10}" for n in servers) + f"{'ratio':>10}")
        for workload, request in WORKLOADS.items():
            times: dict[str, list[float]] = {name: [] for name in servers}
            for _ in range(rounds):
                for name in random.sample(list(servers), len(servers)):
                    times[name].append(servers[name].took(request, REQUESTS))
            line = "".join(f"{median(found) * 1e6:>10.0f}" for found in times.values())
            pairs = list(zip(*times.values(), strict=True))
            if len(servers) > 1:
                line += f"{median(pair[0] / pair[1] for pair in pairs):>10.3f}"
            print(f"{workload:<30}{line}")


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("other", type=Path, nargs="?", help="the folder of another checkout")
    parser.add_argument("--clients", type=int, default=200, help="clients (default 200)")
    parser.add_argument("--rounds", type=int, default=20, help="turns of each (default 20)")
    options = parser.parse_args()
    folders = {"this": HERE.parent}
    if options.other is not None:
        folders["other"] = options.other.resolve()
    steps: list[Callable[[], None]] = [
        lambda: beside(folders, options.clients),
        lambda: turns(folders, options.rounds),
    ]
    for step in steps:
        step()


if __name__ == "__main__":
    main()
else:
    import unigate

    app = unigate.wrap(wsgi_app)
