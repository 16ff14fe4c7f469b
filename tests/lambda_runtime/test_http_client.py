"""The HTTP client below the Runtime API."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from unigate.lambda_runtime import http_client
from unigate.lambda_runtime.http_client import HTTPConnection

pytestmark = pytest.mark.usefixtures("bounded")
ASKED = b"GET / HTTP/1.1\r\n\r\n"


@contextmanager
def server(*answers: bytes, cut: bool = False) -> Iterator[HTTPConnection]:
    """Answer each request with the next bytes, one by one so that none arrives with another."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            left = list(answers)
            while left:
                peer, _ = listener.accept()
                with peer:
                    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    while left and peer.recv(65536):
                        answer = left.pop(0)
                        for at in range(0, len(answer), 7):
                            peer.sendall(answer[at : at + 7])
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


def test_a_body_with_a_length_is_read_and_the_connection_kept() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-One:  1 \r\n\r\nhello"
    with server(answer, answer) as connection:
        first = connection.request(ASKED)
        kept = connection.socket
        second = connection.request(ASKED)

        assert (first.status, first.body, first.headers["x-one"]) == (200, b"hello", "1")
        assert second.body == b"hello"
        assert connection.socket is kept


def test_a_chunked_body_is_put_together() -> None:
    chunks = b"5;name=value\r\nhello\r\nA\r\n, chunked.\r\n0\r\nX-Trailer: 1\r\n\r\n"
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    after = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"
    with server(head + chunks, after) as connection:
        assert connection.request(ASKED).body == b"hello, chunked."
        assert connection.request(ASKED).status == 202


def test_a_body_without_a_length_ends_with_the_connection() -> None:
    answer = b"HTTP/1.0 200 OK\r\n\r\nuntil the end"
    with server(answer, answer, cut=True) as connection:
        for _ in range(2):
            assert connection.request(ASKED).body == b"until the end"
            assert connection.socket is None


def test_what_comes_before_the_answer_is_passed_over() -> None:
    answer = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n"
    with server(answer) as connection:
        assert connection.request(ASKED).status == 204


def test_a_connection_that_is_to_be_closed_is_closed() -> None:
    answer = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"
    with server(answer, answer, cut=True) as connection:
        for _ in range(2):
            assert connection.request(ASKED).body == b"ok"
            assert connection.socket is None


def test_a_connection_that_was_closed_meanwhile_is_made_again() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    with server(answer, answer, cut=True) as connection:
        connection.request(ASKED)
        while not connection.has_input():
            pass

        assert connection.request(ASKED).body == b"ok"


@pytest.mark.parametrize(
    "answer",
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
def test_what_cannot_be_read_is_an_error_of_the_connection(answer: bytes) -> None:
    with server(answer, cut=True) as connection:
        with pytest.raises(OSError):
            connection.request(ASKED)
        assert connection.socket is None


def test_nobody_who_listens_is_an_error_of_the_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    with pytest.raises(OSError):
        HTTPConnection("127.0.0.1", port).request(ASKED)


def test_a_server_that_takes_no_connection_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http_client, "CONNECT_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener, ExitStack() as stack:
        for _ in range(4):  # the queue is full with the first of them, or the second
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        with pytest.raises(TimeoutError, match=r"^timed out$"):  # ours, not TCP's
            HTTPConnection(*listener.getsockname()).open()
