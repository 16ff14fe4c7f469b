"""An HTTP/1.1 client for one server over a persistent connection, and an event that interrupts it.

It has what the Runtime API needs. `http.client` would do, but importing it takes longer than a
whole cold start may, and it can neither send trailers nor notice that a server has stopped reading
a body. For the same reason this module uses `_socket`, on which `socket` is built: the rest of
`socket` costs an eighth of a cold start, most of it to turn constants into enumerations.
"""

from __future__ import annotations

import _socket
import os
import signal
from contextlib import suppress
from select import POLLIN, poll

CONNECT_SECONDS = 5
_MAX_HEAD = 1 << 20  # bytes; real heads are a thousandth of it
_MAX_BODY = 1 << 30  # bytes; Lambda's payloads are far below
_READ_SIZE = 1 << 16
# A head and a body up to this size are joined and sent at once; larger ones are not worth a copy.
_MAX_JOINED = 1 << 16


class HTTPResponse:
    """A response; the names of its header fields are in lower case."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body


class StopEvent:
    """The request to stop, as an event that can be polled together with a socket."""

    def __init__(self) -> None:
        self.is_set = False
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)

    def set(self) -> None:
        """Set the event; every current and future wait ends."""
        self.is_set = True
        with suppress(BlockingIOError):  # a full pipe wakes every waiting thread as well
            os.write(self._writer, b"\0")

    def wake_on_signals(self) -> None:
        """Let every signal end a wait, so that Python runs its handler.

        A signal that arrives just before the wait, or in another thread, does not interrupt it.
        """
        signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)

    def clear_wakeup(self) -> bool:
        """Clear what ended a wait; return True if that was this event and not only a signal."""
        with suppress(BlockingIOError):
            os.read(self._reader, 4096)
        if self.is_set:
            self.set()  # for the other waiting threads
        return self.is_set

    def fileno(self) -> int:
        """Return the file descriptor to poll; it is readable once the event is set."""
        return self._reader


class HTTPConnection:
    """A persistent connection: it opens with the first request and reopens if it was closed."""

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self._unread = b""
        self.socket: _socket.socket | None = None

    def open(self) -> _socket.socket:
        """Return the connected socket; a new one if the server has closed the last."""
        if self.socket is not None and self.has_input():
            self.close()  # closed by the server, or with a response to no request
        if self.socket is None:
            self.socket = self._connect()
        return self.socket

    def _connect(self) -> _socket.socket:
        family = _socket.AF_INET6 if ":" in self._address[0] else _socket.AF_INET
        connected = _socket.socket(family, _socket.SOCK_STREAM)
        try:
            connected.settimeout(CONNECT_SECONDS)
            connected.connect(self._address)
            connected.settimeout(None)
            connected.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
        except BaseException:
            connected.close()
            raise
        return connected

    def has_input(self) -> bool:
        """Return True if the server has sent something or closed the connection."""
        if self.socket is None or self._unread:
            return True
        try:
            self.socket.recv(1, _socket.MSG_PEEK | _socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            pass
        return True

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self.socket is not None:
            self.socket.close()
            self.socket = None
            self._unread = b""

    def shut_down(self) -> None:
        """Fail the send or read that another thread is in."""
        if self.socket is not None:
            with suppress(OSError):
                self.socket.shutdown(_socket.SHUT_RDWR)

    def request(self, head: bytes, body: bytes = b"") -> HTTPResponse:
        """Send a request and return the response.

        Raises:
            OSError: If no readable response arrives.
        """
        try:
            self.open()
            if len(body) <= _MAX_JOINED:
                self.send(head + body)
            else:
                self.send(head, body)
            return self.read_response()
        except BaseException:
            self.close()
            raise

    def request_until(self, stop: StopEvent, head: bytes) -> HTTPResponse | None:
        """Send a request; return the response, or None if it has not begun when the event is set.

        Raises:
            OSError: If no readable response arrives.
        """
        try:
            self.open()
            self.send(head)
            if self._wait(stop):
                return self.read_response()
        except BaseException:
            self.close()
            raise
        self.close()
        return None

    def _wait(self, stop: StopEvent) -> bool:
        """Wait for input from the server; return False if the event is set first."""
        assert self.socket is not None
        poller = poll()
        poller.register(self.socket, POLLIN)
        poller.register(stop, POLLIN)
        while True:
            if self.socket.fileno() in dict(poller.poll()):
                return True
            if stop.clear_wakeup():
                return False

    def send(self, *parts: bytes) -> None:
        """Send bytes; block for as long as the server reads slowly."""
        assert self.socket is not None
        for part in parts:
            self.socket.sendall(part)

    def read_response(self) -> HTTPResponse:
        """Read a response.

        Raises:
            ConnectionError: If the response is missing, incomplete or malformed.
        """
        try:
            status, headers = self._read_head()
            while 100 <= status < 200:
                status, headers = self._read_head()
            body = self._read_body(status, headers)
        except ValueError as error:
            raise ConnectionError(f"The response cannot be read: {error}") from error
        if headers.get("connection", "").lower() == "close":
            self.close()
        return HTTPResponse(status, headers, body)

    def _read_head(self) -> tuple[int, dict[str, str]]:
        data = self._unread
        while (end := data.find(b"\r\n\r\n")) < 0:
            if len(data) > _MAX_HEAD:
                raise ValueError(f"its head must end within {_MAX_HEAD} bytes.")
            data += self._receive()
        self._unread = data[end + 4 :]
        lines = data[:end].decode("latin-1").split("\r\n")
        protocol, _, rest = lines[0].partition(" ")
        if not protocol.startswith("HTTP/1."):
            raise ValueError(f"it must begin with HTTP/1.x, got {lines[0]!r}.")
        headers: dict[str, str] = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        if protocol == "HTTP/1.0":
            headers.setdefault("connection", "close")
        return int(rest[:3]), headers

    def _read_body(self, status: int, headers: dict[str, str]) -> bytes:
        if status in (204, 304):
            return b""
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return self._read_chunks()
        length = headers.get("content-length")
        if length is not None:
            return self._read_exactly(int(length))
        parts = [self._unread]
        self._unread = b""
        assert self.socket is not None
        while part := self.socket.recv(_READ_SIZE):
            parts.append(part)
        headers["connection"] = "close"
        return b"".join(parts)

    def _read_chunks(self) -> bytes:
        parts: list[bytes] = []
        while size := int(self._read_line().partition(b";")[0], 16):
            parts.append(self._read_exactly(size))
            self._read_line()
        while self._read_line():
            pass  # trailers
        return b"".join(parts)

    def _read_line(self) -> bytes:
        while (end := self._unread.find(b"\r\n")) < 0:
            if len(self._unread) > _MAX_HEAD:
                raise ValueError(f"each of its lines must end within {_MAX_HEAD} bytes.")
            self._unread += self._receive()
        line, self._unread = self._unread[:end], self._unread[end + 2 :]
        return line

    def _read_exactly(self, length: int) -> bytes:
        if not 0 <= length <= _MAX_BODY:
            raise ValueError(f"its length must be at most {_MAX_BODY} bytes, got {length}.")
        buffered = self._unread[:length]
        self._unread = self._unread[length:]
        if len(buffered) == length:
            return buffered
        body = bytearray(length)
        body[: len(buffered)] = buffered
        remaining = memoryview(body)[len(buffered) :]
        assert self.socket is not None
        while remaining:
            count = self.socket.recv_into(remaining, 0, _socket.MSG_WAITALL)
            if not count:
                raise ConnectionError("The server closed the connection within a response.")
            remaining = remaining[count:]
        return bytes(body)

    def _receive(self) -> bytes:
        assert self.socket is not None
        data = self.socket.recv(_READ_SIZE)
        if not data:
            raise ConnectionError("The server closed the connection within a response.")
        return data
