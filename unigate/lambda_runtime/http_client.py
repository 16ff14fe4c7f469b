"""HTTP/1.1 to one server, over a connection that is kept: what the Runtime API needs of it.

`http.client` would do, but importing it takes longer than a whole cold start may, and it can
neither send trailers nor tell that a server has had enough of a body. For the same reason this is
over `_socket`, which `socket` is made of: the rest of that costs an eighth of a cold start, most of
it to make enumerations of all the constants.
"""

from __future__ import annotations

import _socket
import os
import signal
from contextlib import suppress
from select import POLLIN, poll

CONNECT_SECONDS = 5
_MOST = 1 << 20  # bytes of a head; any real one is a thousandth of it
_READ = 1 << 16
# What is joined to be sent at once; more than that is not worth copying.
_JOINED = 1 << 16


class Answer:
    """A response; names of header fields in lower case."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body


class Stop:
    """A wish to stop, which can be waited for along with a server."""

    def __init__(self) -> None:
        self.wanted = False
        self._file, self._other_end = os.pipe()
        os.set_blocking(self._file, False)
        os.set_blocking(self._other_end, False)

    def want(self) -> None:
        """Wake whoever waits, now or later."""
        self.wanted = True
        with suppress(BlockingIOError):  # there is enough to wake everybody
            os.write(self._other_end, b"\0")

    def watch_signals(self) -> None:
        """Let every signal wake who waits, so that Python gets to call its handler.

        One that comes just before the wait, or in another thread, does not interrupt it.
        """
        signal.set_wakeup_fd(self._other_end, warn_on_full_buffer=False)

    def is_wanted(self) -> bool:
        """Tell whether it was the wish that woke who waits, and no other signal."""
        with suppress(BlockingIOError):
            os.read(self._file, 4096)
        if self.wanted:
            self.want()  # for the others, who wait too
        return self.wanted

    def fileno(self) -> int:
        """Return the file that can be read from once the wish is there."""
        return self._file


class Connection:
    """A connection to a server, made when there is something to send and again when it is gone."""

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self._unread = b""
        self.socket: _socket.socket | None = None

    def open(self) -> _socket.socket:
        """Return the socket, of a new connection where the server has closed the last."""
        if self.socket is not None and self.has_input():
            self.close()  # the end of it, or an answer that nobody asked for
        if self.socket is None:
            self.socket = self._connect()
        return self.socket

    def _connect(self) -> _socket.socket:
        family = _socket.AF_INET6 if ":" in self._address[0] else _socket.AF_INET
        made = _socket.socket(family, _socket.SOCK_STREAM)
        try:
            made.settimeout(CONNECT_SECONDS)
            made.connect(self._address)
            made.settimeout(None)
            made.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
        except BaseException:
            made.close()
            raise
        return made

    def has_input(self) -> bool:
        """Tell whether the server has sent something, or nothing any more."""
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

    def cut_off(self) -> None:
        """End the connection under another thread that sends or reads."""
        if self.socket is not None:
            with suppress(OSError):
                self.socket.shutdown(_socket.SHUT_RDWR)

    def ask(self, head: bytes, body: bytes = b"") -> Answer:
        """Send a request and return the response; OSError where there is none."""
        try:
            self.open()
            if len(body) <= _JOINED:
                self.send(head + body)
            else:
                self.send(head, body)
            return self.read()
        except BaseException:
            self.close()
            raise

    def ask_until(self, stop: Stop, head: bytes) -> Answer | None:
        """Send a request and return the response; None where it has not begun at the stop."""
        try:
            self.open()
            self.send(head)
            if self._wait(stop):
                return self.read()
        except BaseException:
            self.close()
            raise
        self.close()
        return None

    def _wait(self, stop: Stop) -> bool:
        """Wait for the server to send something; False where the stop comes before it has."""
        assert self.socket is not None
        waiting = poll()
        waiting.register(self.socket, POLLIN)
        waiting.register(stop, POLLIN)
        while True:
            if self.socket.fileno() in dict(waiting.poll()):
                return True
            if stop.is_wanted():
                return False

    def send(self, *parts: bytes) -> None:
        """Send bytes, waiting for as long as the server takes them slowly."""
        assert self.socket is not None
        for part in parts:
            self.socket.sendall(part)

    def read(self) -> Answer:
        """Read a response; ConnectionError where there is none, or none that can be read."""
        try:
            status, headers = self._read_head()
            while 100 <= status < 200:
                status, headers = self._read_head()
            body = self._read_body(status, headers)
        except ValueError as error:
            raise ConnectionError(f"The answer cannot be read: {error}") from error
        if headers.get("connection", "").lower() == "close":
            self.close()
        return Answer(status, headers, body)

    def _read_head(self) -> tuple[int, dict[str, str]]:
        data = self._unread
        while (end := data.find(b"\r\n\r\n")) < 0:
            if len(data) > _MOST:
                raise ValueError("its head has no end.")
            data += self._receive()
        self._unread = data[end + 4 :]
        lines = data[:end].decode("latin-1").split("\r\n")
        protocol, _, rest = lines[0].partition(" ")
        if not protocol.startswith("HTTP/1."):
            raise ValueError(f"{lines[0]!r} is not HTTP.")
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
            return self._take(int(length))
        parts = [self._unread]
        self._unread = b""
        assert self.socket is not None
        while part := self.socket.recv(_READ):
            parts.append(part)
        headers["connection"] = "close"
        return b"".join(parts)

    def _read_chunks(self) -> bytes:
        parts: list[bytes] = []
        while size := int(self._line().partition(b";")[0], 16):
            parts.append(self._take(size))
            self._line()
        while self._line():
            pass  # trailers
        return b"".join(parts)

    def _line(self) -> bytes:
        while (end := self._unread.find(b"\r\n")) < 0:
            if len(self._unread) > _MOST:
                raise ValueError("a line of it has no end.")
            self._unread += self._receive()
        line, self._unread = self._unread[:end], self._unread[end + 2 :]
        return line

    def _take(self, length: int) -> bytes:
        there = self._unread[:length]
        self._unread = self._unread[length:]
        if len(there) == length:
            return there
        whole = bytearray(length)
        whole[: len(there)] = there
        left = memoryview(whole)[len(there) :]
        assert self.socket is not None
        while left:
            count = self.socket.recv_into(left, 0, _socket.MSG_WAITALL)
            if not count:
                raise ConnectionError("The connection was closed before the answer was whole.")
            left = left[count:]
        return bytes(whole)

    def _receive(self) -> bytes:
        assert self.socket is not None
        data = self.socket.recv(_READ)
        if not data:
            raise ConnectionError("The connection was closed before the answer was whole.")
        return data
