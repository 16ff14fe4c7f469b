"""A Runtime API for tests: HTTP over loopback that records chunks and trailers as received."""

from __future__ import annotations

import json
import queue
import socket
import threading
import time
import uuid
from base64 import b64decode
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, BinaryIO
from urllib.parse import unquote

from tests.waiting import SECONDS, until

PREFIX = "/2018-06-01/runtime"
LIMIT = 6 * 1024 * 1024 + 100


class Posted:
    """A response or an error that a runtime posted, with the chunks of its body."""

    def __init__(self, kind: str, headers: dict[str, str]) -> None:
        self.kind = kind
        self.headers = headers
        self.chunks: list[bytes] = []
        self.trailers: dict[str, str] = {}

    @property
    def body(self) -> bytes:
        return b"".join(self.chunks)

    def json(self) -> Any:
        """Return the parsed body of a buffered response."""
        return json.loads(self.body)

    @property
    def prelude(self) -> dict[str, Any]:
        """The status and headers of a streamed response."""
        assert self.headers["lambda-runtime-function-response-mode"] == "streaming"
        assert self.headers["content-type"] == "application/vnd.awslambda.http-integration-response"
        prelude: dict[str, Any] = json.loads(self.body.partition(bytes(8))[0])
        return prelude

    @property
    def streamed(self) -> bytes:
        """The body of a streamed response, without its prelude."""
        return self.body.partition(bytes(8))[2]

    @property
    def failure(self) -> dict[str, Any]:
        """The error object in the trailers."""
        error: dict[str, Any] = json.loads(
            b64decode(self.trailers["lambda-runtime-function-error-body"])
        )
        assert self.trailers["lambda-runtime-function-error-type"] == error["errorType"]
        return error


class Call:
    """One invocation: its event, and everything that the runtime posts for it.

    Header fields that are None are left out.
    """

    def __init__(self, event: Any, headers: Mapping[str, str | None], seconds: float) -> None:
        self.id = headers.get("Lambda-Runtime-Aws-Request-Id") or str(uuid.uuid4())
        self.body = event if isinstance(event, bytes) else json.dumps(event).encode()
        deadline = str(int((time.time() + seconds) * 1000))
        fields: dict[str, str | None] = {
            "Content-Type": "application/json",
            "Lambda-Runtime-Aws-Request-Id": self.id,
            "Lambda-Runtime-Deadline-Ms": deadline,
            "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:us-east-1:1:function:f",
            "Lambda-Runtime-Trace-Id": f"Root=1-5759e988-bd862e3fe1be46a994272793;Self={self.id}",
            **headers,
        }
        self.headers = {name: value for name, value in fields.items() if value is not None}
        self.answers: list[Posted] = []
        self.refused: list[Posted] = []
        self.parts: queue.Queue[bytes | None] = queue.Queue()  # chunks in order, then None
        self.resume = threading.Event()  # continues reading after `stop_reading_after`
        self.stop_reading_after: int | None = None
        self.cut_after: int | None = None  # bytes to read before closing the connection
        self.refuse_after: int | None = None  # bytes to read before sending a 413 and reading on
        self.drop = False  # count the bytes, do not keep them
        self.read = 0
        self._answered = threading.Event()

    def wait(self, seconds: float = SECONDS) -> Posted:
        """Return the response; AssertionError if none arrives."""
        assert self._answered.wait(seconds), f"{self.id} has no response."
        return self.answers[0]

    def part(self, seconds: float = SECONDS) -> bytes | None:
        """Return the next chunk of a streamed response; None at its end."""
        return self.parts.get(timeout=seconds)

    def end(self, posted: Posted) -> bool:
        """Record a response; return False if there is one already."""
        if self.answers:
            self.refused.append(posted)
            return False
        self.answers.append(posted)
        return True

    def announce(self) -> None:
        self._answered.set()


class RuntimeApi:
    """A Runtime API with a queue of events.

    Attributes:
        faults: The faults of the next requests by kind ("next", "response", "error", "restore",
            "report"): a status to send, "drop" to close the connection before the response is
            recorded, or "lose" to close it afterwards.
        happened: The kind, invocation id and time of each step, in order.
        reports: The path, headers and body of each report to /init/error and /restore/error.
        restore: Lets /restore/next return.
        connections: The open connections.
    """

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._events: queue.Queue[Call | None] = queue.Queue()
        self._calls: dict[str, Call] = {}
        self.connections: set[socket.socket] = set()
        self._closed = False
        self.faults: dict[str, deque[int | str]] = defaultdict(deque)
        self.happened: list[tuple[str, str, float]] = []
        self.reports: queue.Queue[tuple[str, dict[str, str], Any]] = queue.Queue()
        self.restore = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> RuntimeApi:
        return self

    def __exit__(self, *error: object) -> None:
        self._closed = True
        self._listener.close()
        for connection in tuple(self.connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def call(
        self,
        event: Any,
        headers: Mapping[str, str | None] | None = None,
        *,
        seconds: float = 30,
        **how: Any,
    ) -> Call:
        """Queue an event."""
        call = Call(event, headers or {}, seconds)
        for name, value in how.items():
            setattr(call, name, value)
        self._calls[call.id] = call
        self._events.put(call)
        return call

    def invoke(
        self, event: Any, headers: Mapping[str, str | None] | None = None, **how: Any
    ) -> Posted:
        """Queue an event and return the response."""
        return self.call(event, headers, **how).wait()

    def order(self, *kinds: str) -> list[tuple[str, str]]:
        """Return the steps of some kinds, without their times."""
        return [(kind, which) for kind, which, _ in list(self.happened) if kind in kinds]

    def wait_for(self, kind: str, times: int) -> None:
        """Wait until a step has happened so many times."""
        until(
            lambda: len(self.order(kind)) >= times,
            lambda: f"Fewer than {times} times {kind!r} in {self.happened}",
        )

    def wait_until_idle(self) -> int:
        """Wait until a runtime waits for an event; return the number of such requests so far."""
        until(
            lambda: len(self.order("next")) > len(self.order("given")),
            lambda: f"No runtime waits for an event: {self.happened}",
        )
        return len(self.order("next"))

    # --- HTTP --------------------------------------------------------------------------------

    def _accept(self) -> None:
        while not self._closed:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as stream:
            try:
                while line := stream.readline():
                    method, path, _ = line.decode().split(" ")
                    headers = read_fields(stream)
                    if not self._answer(connection, stream, f"{method} {path}", headers):
                        return
            except (OSError, ValueError):
                pass  # the runtime was killed
            finally:
                self.connections.discard(connection)

    def _answer(
        self, connection: socket.socket, stream: BinaryIO, request: str, headers: dict[str, str]
    ) -> bool:
        """Answer a request; return False if the connection must be closed."""
        path = request.partition(" ")[2].removeprefix(PREFIX)
        kind = path.rpartition("/")[2]
        if path in ("/init/error", "/restore/error"):
            body = stream.read(int(headers["content-length"]))
            self.reports.put((path, headers, json.loads(body)))
            refusal = self.faults["report"].popleft() if self.faults["report"] else 202
            return send(connection, int(refusal))
        if path == "/restore/next":
            if self.faults["restore"]:
                return send(connection, int(self.faults["restore"].popleft()))
            return self.restore.wait(SECONDS) and send(connection, 200)
        self.happened.append((kind, path.split("/")[2], time.monotonic()))
        fault = self.faults[kind].popleft() if self.faults[kind] else None
        if request == f"GET {PREFIX}/invocation/next":
            return self._give(connection, fault)
        return self._take(connection, stream, path, headers, fault)

    def _give(self, connection: socket.socket, fault: int | str | None) -> bool:
        if fault == "drop":
            return False
        if isinstance(fault, int):
            return send(connection, fault)
        while True:
            try:
                call = self._events.get(timeout=0.05)
                break
            except queue.Empty:
                if self._closed or is_closed(connection):
                    return False
        assert call is not None
        if is_closed(connection):
            self._events.put(call)
            return False
        self.happened.append(("given", call.id, time.monotonic()))
        send(connection, 200, call.body, call.headers)
        self.happened.append(("arrived", call.id, time.monotonic()))
        return True

    def _take(
        self,
        connection: socket.socket,
        stream: BinaryIO,
        path: str,
        headers: dict[str, str],
        fault: int | str | None,
    ) -> bool:
        call = self._calls[unquote(path.split("/")[2])]
        posted = Posted(path.rpartition("/")[2], headers)
        try:
            for part in self._body(stream, headers, posted):
                if not call.drop:
                    posted.chunks.append(part)
                    call.parts.put(part)
                call.read += len(part)
                if call.cut_after is not None and call.read > call.cut_after:
                    return False
                if call.refuse_after is not None and call.read > call.refuse_after:
                    call.refuse_after = None  # read on regardless
                    send(connection, 413)
                if call.stop_reading_after is not None and call.read > call.stop_reading_after:
                    assert call.resume.wait(SECONDS)
        finally:
            call.parts.put(None)
        if fault == "drop":
            return False
        if isinstance(fault, int):
            call.refused.append(posted)
            return send(connection, fault)
        if call.read > LIMIT and "transfer-encoding" not in headers:
            call.refused.append(posted)
            return send(connection, 413)
        first = call.end(posted)
        self.happened.append(("answered", call.id, time.monotonic()))
        try:
            return fault != "lose" and send(connection, 202 if first else 400)
        finally:
            call.announce()

    def _body(self, stream: BinaryIO, headers: dict[str, str], posted: Posted) -> Iterator[bytes]:
        if "transfer-encoding" not in headers:
            length = int(headers["content-length"])
            body = stream.read(length)
            if len(body) < length:
                raise ValueError("The body is incomplete.")
            yield body
            return
        while size := int(stream.readline(), 16):
            part = stream.read(size)
            if stream.read(2) != b"\r\n":
                raise ValueError("A chunk is incomplete.")
            yield part
        posted.trailers = read_fields(stream)


def read_fields(stream: BinaryIO) -> dict[str, str]:
    """Read header fields or trailers up to the empty line; names in lower case."""
    fields: dict[str, str] = {}
    while (line := stream.readline()) != b"\r\n":
        if not line.endswith(b"\r\n"):
            raise ValueError("The header section is incomplete.")
        name, _, value = line.decode("latin-1").partition(":")
        fields[name.lower()] = value.strip()
    return fields


def send(
    connection: socket.socket, status: int, body: bytes = b"", headers: dict[str, str] | None = None
) -> bool:
    """Send a response."""
    fields = {"Content-Length": str(len(body)), **(headers or {})}
    lines = [f"HTTP/1.1 {status} Whatever", *(f"{name}: {fields[name]}" for name in fields)]
    connection.sendall("\r\n".join([*lines, "\r\n"]).encode() + body)
    return True


def is_closed(connection: socket.socket) -> bool:
    """Return True if the peer has closed the connection."""
    try:
        return connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True
