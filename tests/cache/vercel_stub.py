"""A stub of Vercel's Runtime Cache: an HTTP server on the loopback interface.

It implements what the official clients use, and faults.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.waiting import SECONDS
from unigate.cache.vercel import VercelBackend

BASE = "/iad1/v1/suspense-cache/"
TOKEN = "Bearer an-example"


@dataclass
class Entry:
    body: bytes
    tags: list[str]
    expires: float
    stored: int
    name: str | None


@dataclass
class ReceivedRequest:
    """A received request."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


class Stub(ThreadingHTTPServer):
    """The server; `fault` is the key in `FAULTS` of what every response does wrong."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.origin = f"http://127.0.0.1:{self.server_address[1]}"
        self.endpoint = self.origin + BASE
        self.headers = {"authorization": TOKEN}
        self.fault = ""
        self.requests: list[ReceivedRequest] = []
        self.connections = 0
        self.entries: dict[str, Entry] = {}
        self.expired: dict[str, int] = {}
        self.clock = 0
        self.lock = threading.Lock()
        self.closing = threading.Event()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that disconnect."""


class Handler(BaseHTTPRequestHandler):
    server: Stub
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        with self.server.lock:
            self.server.connections += 1

    def do_GET(self) -> None:
        key = self.receive()
        entry = self.server.entries.get(key)
        if entry is None:
            return self.answer(404)
        expired = self.server.expired
        state = "fresh" if time.monotonic() < entry.expires else "stale"
        if any(expired.get(tag, -1) >= entry.stored for tag in entry.tags):
            state = "expired"
        self.answer(200, entry.body, {"x-vercel-cache-state": state})

    def do_POST(self) -> None:
        key = self.receive()
        if urlsplit(key).path == "revalidate":
            return self.revalidate(key)
        headers = self.headers
        ttl = headers.get("x-vercel-revalidate")
        tags = headers.get("x-vercel-cache-tags", "")
        with self.server.lock:
            self.server.clock += 1
            self.server.entries[key] = Entry(
                self.body,
                [tag.strip() for tag in tags.split(",") if tag],
                time.monotonic() + float(ttl) if ttl else float("inf"),
                self.server.clock,
                headers.get("x-vercel-cache-item-name"),
            )
        self.answer(200)

    def do_DELETE(self) -> None:
        key = self.receive()
        with self.server.lock:
            entry = self.server.entries.pop(key, None)
        self.answer(200 if entry else 404)

    def revalidate(self, target: str) -> None:
        tags = parse_qs(urlsplit(target).query)["tags"][0].split(",")
        with self.server.lock:
            self.server.expired.update(dict.fromkeys(tags, self.server.clock))
        self.answer(200)

    def receive(self) -> str:
        """Read the body and return the path below the endpoint."""
        self.body = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.requests.append(ReceivedRequest(self.command, self.path, headers, self.body))
        return self.path.removeprefix(BASE)

    def answer(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        if self.headers.get("authorization") != TOKEN or not self.path.startswith(BASE):
            status, body = 401, b'{"error":"forbidden"}'
        fault = self.server.fault
        if fault:
            return self.fail(fault)
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def fail(self, fault: str) -> None:
        """Send the parts of a fault, then hang or close."""
        self.close_connection = True
        for part in FAULTS[fault].parts:
            self.wfile.write(part)
            if len(FAULTS[fault].parts) > 2:
                self.server.closing.wait(0.05)
        if FAULTS[fault].hangs:
            self.server.closing.wait(SECONDS)

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""


@dataclass
class Fault:
    parts: list[bytes] = field(default_factory=list)
    hangs: bool = False


_OK = b"HTTP/1.1 200 OK\r\nx-vercel-cache-state: fresh\r\n"
FAULTS = {
    "closes": Fault(),
    "hangs": Fault(hangs=True),
    "hangs in a header": Fault([b"HTTP/1.1 200 O"], hangs=True),
    "hangs in the body": Fault([_OK + b'content-length: 8\r\n\r\n"hal'], hangs=True),
    "drips": Fault([_OK + b"content-length: 4000\r\n\r\n", *[b"x"] * 4000]),
    "half a body": Fault([_OK + b'content-length: 8\r\n\r\n"hal']),
    "half a chunk": Fault([_OK + b'transfer-encoding: chunked\r\n\r\n8\r\n"hal']),
    "no last chunk": Fault([_OK + b'transfer-encoding: chunked\r\n\r\n4\r\n"ha"\r\n']),
    "not the gzip it says": Fault([_OK + b"content-encoding: gzip\r\ncontent-length: 2\r\n\r\n{}"]),
    "garbage": Fault([b"\x00\xff\x16\x03garbage\r\n\r\n\r\n"]),
    "500": Fault([b"HTTP/1.1 500 Oops\r\ncontent-length: 4\r\n\r\nnull"]),
    "429": Fault([b"HTTP/1.1 429 Slow down\r\ncontent-length: 0\r\n\r\n"]),
    "204": Fault([b"HTTP/1.1 204 Nothing\r\n\r\n"]),
    "a redirect": Fault(
        [b"HTTP/1.1 307 There\r\nlocation: /iad1/v1/elsewhere\r\ncontent-length: 0\r\n\r\n"]
    ),
}


@contextmanager
def serve() -> Iterator[Stub]:
    """Run an empty server."""
    stub = Stub()
    thread = threading.Thread(target=stub.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield stub
    finally:
        stub.closing.set()
        stub.shutdown()
        stub.server_close()
        thread.join(SECONDS)
        assert not thread.is_alive()


@contextmanager
def backend() -> Iterator[VercelBackend]:
    """Yield an empty backend, with a timeout long enough for a busy machine."""
    with serve() as stub:
        backend = VercelBackend(stub.endpoint, stub.headers, timeout=10)
        try:
            yield backend
        finally:
            backend.close()
