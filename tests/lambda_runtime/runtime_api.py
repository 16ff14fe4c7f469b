"""Lambda's Runtime API, played: HTTP over loopback, chunks and trailers as they are on the wire."""

from __future__ import annotations

import json
import queue
import socket
import threading
import time
import uuid
from base64 import b64decode
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, BinaryIO

from tests.waiting import SECONDS, until

PREFIX = "/2018-06-01/runtime"
LIMIT = 6 * 1024 * 1024 + 100


class Posted:
    """What a runtime posted: an answer or an error, with its body as it was cut into chunks."""

    def __init__(self, kind: str, headers: dict[str, str]) -> None:
        self.kind = kind
        self.headers = headers
        self.chunks: list[bytes] = []
        self.trailers: dict[str, str] = {}

    @property
    def body(self) -> bytes:
        return b"".join(self.chunks)

    def json(self) -> Any:
        """Return what a buffered answer says."""
        return json.loads(self.body)

    @property
    def prelude(self) -> dict[str, Any]:
        """Return the status and headers of a streamed answer."""
        assert self.headers["lambda-runtime-function-response-mode"] == "streaming"
        assert self.headers["content-type"] == "application/vnd.awslambda.http-integration-response"
        told: dict[str, Any] = json.loads(self.body.partition(bytes(8))[0])
        return told

    @property
    def streamed(self) -> bytes:
        """Return the body of a streamed answer."""
        return self.body.partition(bytes(8))[2]

    @property
    def failure(self) -> dict[str, Any]:
        """Return what the trailers say went wrong."""
        told: dict[str, Any] = json.loads(
            b64decode(self.trailers["lambda-runtime-function-error-body"])
        )
        assert self.trailers["lambda-runtime-function-error-type"] == told["errorType"]
        return told


class Call:
    """One invocation, and all that became of it."""

    def __init__(self, event: Any, headers: dict[str, str], seconds: float) -> None:
        self.id = str(uuid.uuid4())
        self.body = event if isinstance(event, bytes) else json.dumps(event).encode()
        deadline = str(int((time.time() + seconds) * 1000))
        self.headers = {
            "Content-Type": "application/json",
            "Lambda-Runtime-Aws-Request-Id": self.id,
            "Lambda-Runtime-Deadline-Ms": deadline,
            "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:us-east-1:1:function:f",
            "Lambda-Runtime-Trace-Id": f"Root=1-5759e988-bd862e3fe1be46a994272793;Self={self.id}",
            **headers,
        }
        self.answers: list[Posted] = []
        self.refused: list[Posted] = []
        self.parts: queue.Queue[bytes | None] = queue.Queue()  # of a body, as they come; None last
        self.resume = threading.Event()  # reading on, where `stop_reading_after` has been read
        self.stop_reading_after: int | None = None
        self.cut_after: int | None = None  # how much is read before the connection is closed
        self.refuse_after: int | None = None  # how much is read before a 413, which ends nothing
        self.drop = False  # whether what is read is counted only
        self.read = 0
        self._answered = threading.Event()

    def wait(self, seconds: float = SECONDS) -> Posted:
        """Return the answer; AssertionError where none comes."""
        assert self._answered.wait(seconds), f"{self.id} is not answered."
        return self.answers[0]

    def part(self, seconds: float = SECONDS) -> bytes | None:
        """Return the next part of a streamed answer, as soon as it arrives."""
        return self.parts.get(timeout=seconds)

    def end(self, posted: Posted) -> bool:
        """Count an answer; False for one too many."""
        if self.answers:
            self.refused.append(posted)
            return False
        self.answers.append(posted)
        return True

    def announce(self) -> None:
        self._answered.set()


class RuntimeApi:
    """The API, and the queue of events behind it.

    `faults` holds what goes wrong, by what is asked for ("next", "response", "error", "restore",
    "report"): a status, or
    "drop" to close the connection before an answer is counted, "lose" to do so after.
    `happened` is what was asked for, in order.
    """

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._events: queue.Queue[Call | None] = queue.Queue()
        self._calls: dict[str, Call] = {}
        self._sockets: set[socket.socket] = set()
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
        for connection in tuple(self._sockets):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def call(
        self, event: Any, headers: dict[str, str] | None = None, *, seconds: float = 30, **how: Any
    ) -> Call:
        """Let a runtime have an event."""
        call = Call(event, headers or {}, seconds)
        for name, value in how.items():
            setattr(call, name, value)
        self._calls[call.id] = call
        self._events.put(call)
        return call

    def invoke(self, event: Any, headers: dict[str, str] | None = None, **how: Any) -> Posted:
        """Return the answer to an event."""
        return self.call(event, headers, **how).wait()

    def order(self, *kinds: str) -> list[tuple[str, str]]:
        """Return what happened, of some kinds."""
        return [(kind, which) for kind, which, _ in list(self.happened) if kind in kinds]

    def wait_for(self, kind: str, times: int) -> None:
        """Wait until something has been asked for so many times."""
        until(
            lambda: len(self.order(kind)) >= times,
            lambda: f"No {times} times {kind!r} in {self.happened}",
        )

    def wait_until_idle(self) -> int:
        """Wait until a runtime asks for an event; return how often one has."""
        until(
            lambda: len(self.order("next")) > len(self.order("given")),
            lambda: f"No runtime asks for an event: {self.happened}",
        )
        return len(self.order("next"))

    # --- the wire --------------------------------------------------------------------------------

    def _accept(self) -> None:
        while not self._closed:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._sockets.add(connection)
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
                pass  # a runtime that was killed
            finally:
                self._sockets.discard(connection)

    def _answer(
        self, connection: socket.socket, stream: BinaryIO, asked: str, headers: dict[str, str]
    ) -> bool:
        """Answer a request; False where the connection ends with it."""
        path = asked.partition(" ")[2].removeprefix(PREFIX)
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
        if asked == f"GET {PREFIX}/invocation/next":
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
        call = self._calls[path.split("/")[2]]
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
                    call.refuse_after = None  # and read on, as if nothing were
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
                raise ValueError("The body is not whole.")
            yield body
            return
        while size := int(stream.readline(), 16):
            part = stream.read(size)
            if stream.read(2) != b"\r\n":
                raise ValueError("A chunk is not whole.")
            yield part
        posted.trailers = read_fields(stream)


def read_fields(stream: BinaryIO) -> dict[str, str]:
    """Read header fields, or trailers, to the empty line; names in lower case."""
    fields: dict[str, str] = {}
    while (line := stream.readline()) != b"\r\n":
        if not line.endswith(b"\r\n"):
            raise ValueError("The fields have no end.")
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
    """Tell whether the other side has closed a connection."""
    try:
        return connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True
