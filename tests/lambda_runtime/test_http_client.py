"""The HTTP client of the Runtime API's client."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.waiting import until
from unigate.lambda_runtime import http_client
from unigate.lambda_runtime.http_client import HTTPConnection

pytestmark = pytest.mark.usefixtures("bounded")
REQUEST = b"GET / HTTP/1.1\r\n\r\n"


@contextmanager
def server(*responses: bytes, cut: bool = False) -> Iterator[HTTPConnection]:
    """Send the next bytes for each request, in small pieces that arrive separately."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            left = list(responses)
            while left:
                peer, _ = listener.accept()
                with peer:
                    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    while left and peer.recv(65536):
                        response = left.pop(0)
                        for at in range(0, len(response), 7):
                            peer.sendall(response[at : at + 7])
                        if cut:
                            break

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        connection = HTTPConnection("127.0.0.1", listener.getsockname()[1])
        try:
            yield connection
        finally:
            connection.close()
            thread.join(5)
            assert not thread.is_alive()


def test_a_body_with_a_length_is_read_and_the_connection_is_reused() -> None:
    response = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-One:  1 \r\n\r\nhello"
    with server(response, response) as connection:
        first = connection.request(REQUEST)
        socket_before = connection.socket
        second = connection.request(REQUEST)

        assert (first.status, first.body, first.headers["x-one"]) == (200, b"hello", "1")
        assert second.body == b"hello"
        assert connection.socket is socket_before


def test_a_chunked_body_is_joined() -> None:
    chunks = b"5;name=value\r\nhello\r\nA\r\n, chunked.\r\n0\r\nX-Trailer: 1\r\n\r\n"
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    after = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"
    with server(head + chunks, after) as connection:
        assert connection.request(REQUEST).body == b"hello, chunked."
        assert connection.request(REQUEST).status == 202


def test_a_body_without_a_length_ends_with_the_connection() -> None:
    response = b"HTTP/1.0 200 OK\r\n\r\nuntil the end"
    with server(response, response, cut=True) as connection:
        for _ in range(2):
            assert connection.request(REQUEST).body == b"until the end"
            assert connection.socket is None


def test_informational_responses_are_skipped() -> None:
    response = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n"
    with server(response) as connection:
        assert connection.request(REQUEST).status == 204


def test_a_connection_is_closed_on_request_of_the_server() -> None:
    response = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"
    with server(response, response, cut=True) as connection:
        for _ in range(2):
            assert connection.request(REQUEST).body == b"ok"
            assert connection.socket is None


def test_a_connection_closed_by_the_server_is_reopened() -> None:
    response = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    with server(response, response, cut=True) as connection:
        connection.request(REQUEST)
        until(connection.has_input)

        assert connection.request(REQUEST).body == b"ok"


@pytest.mark.parametrize(
    "response",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: nine\r\n\r\nhello",
        b"HTTP/1.1 2xx OK\r\n\r\n",
        b"SMTP ready\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
    ],
)
def test_a_malformed_response_is_an_os_error(response: bytes) -> None:
    with server(response, cut=True) as connection:
        with pytest.raises(OSError):
            connection.request(REQUEST)
        assert connection.socket is None


def test_a_refused_connection_is_an_os_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    with pytest.raises(OSError):
        HTTPConnection("127.0.0.1", port).request(REQUEST)


def test_connecting_has_a_time_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http_client, "CONNECT_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener, ExitStack() as stack:
        for _ in range(4):  # the backlog is full after one or two of them
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        with pytest.raises(TimeoutError, match=r"^timed out$"):  # our limit, not TCP's
            HTTPConnection(*listener.getsockname()).open()
