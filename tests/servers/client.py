"""A client that sends what it is told to send: targets, repeated fields and bodies untouched."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from typing import Any, NamedTuple

import wsproto
from wsproto.events import AcceptConnection, BytesMessage, Message, RejectConnection, TextMessage

HOST = "shop.example"
SECONDS = 30

Fields = Sequence[tuple[str, str]]


class Answer(NamedTuple):
    """A response as it came over the wire; header names in lower case, `date` left out."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def json(self) -> Any:
        """Return what the body says."""
        assert self.status == 200, self
        return json.loads(self.body)

    def values(self, name: str) -> list[str]:
        """Return every value of a header field."""
        return [value for key, value in self.headers if key == name]


def ask(
    port: int,
    target: str,
    method: str = "GET",
    fields: Fields = (),
    body: bytes | Iterable[bytes] = b"",
) -> Answer:
    """Send one request; a body in parts is sent chunked."""
    with closing(begin(port, target, method, fields, body)) as connection:
        response = connection.getresponse()
        headers = [(name.lower(), value) for name, value in response.getheaders()]
        kept = [pair for pair in headers if pair[0] != "date"]
        return Answer(response.status, kept, response.read())


def begin(
    port: int,
    target: str,
    method: str = "GET",
    fields: Fields = (),
    body: bytes | Iterable[bytes] = b"",
) -> http.client.HTTPConnection:
    """Send one request and return the connection, to read the response from."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
    connection.putheader("Host", HOST)
    for name, value in fields:
        connection.putheader(name, value)
    if not isinstance(body, bytes):
        connection.putheader("Transfer-Encoding", "chunked")
        connection.endheaders(body, encode_chunked=True)
        return connection
    if body:
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)
    return connection


class WebSocket:
    """A WebSocket; `status` is 101, or that of the refusal."""

    def __init__(self, port: int, target: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=SECONDS)
        self._protocol = wsproto.WSConnection(wsproto.ConnectionType.CLIENT)
        self._events = self._read()
        self._send(wsproto.events.Request(host=HOST, target=target))
        first = next(self._events)
        assert isinstance(first, AcceptConnection | RejectConnection), first
        self.status = 101 if isinstance(first, AcceptConnection) else first.status_code

    def send(self, data: str | bytes) -> None:
        """Send a message: text or bytes."""
        self._send(TextMessage(data) if isinstance(data, str) else BytesMessage(data))

    def receive(self) -> str | bytes:
        """Return the next message."""
        whole: Any = None
        while True:
            event = next(self._events)
            assert isinstance(event, Message), event
            whole = event.data if whole is None else whole + event.data
            if event.message_finished:
                return whole if isinstance(whole, str) else bytes(whole)

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def _send(self, event: wsproto.events.Event) -> None:
        self._socket.sendall(self._protocol.send(event))

    def _read(self) -> Iterator[wsproto.events.Event]:
        while True:
            yield from self._protocol.events()
            self._protocol.receive_data(self._socket.recv(65536) or None)
