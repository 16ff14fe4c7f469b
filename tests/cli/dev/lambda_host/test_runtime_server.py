"""The Runtime API of `unigate dev --stream`, without a process."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from unigate.cli.dev.lambda_host.runtime_server import RuntimeServer
from unigate.cli.dev.lambda_host.streams import InvocationError, StreamedReply
from unigate.errors import FailedInvocation

pytestmark = pytest.mark.usefixtures("bounded")

SECONDS = 20
PATH = "/2018-06-01/runtime/invocation"


@pytest.fixture
def server() -> Iterator[RuntimeServer]:
    server = RuntimeServer()
    yield server
    server.close()


def connected(server: RuntimeServer) -> socket.socket:
    host, _, port = server.address.partition(":")
    return socket.create_connection((host, int(port)), SECONDS)


def fetch_event(server: RuntimeServer, connection: socket.socket) -> None:
    connection.sendall(f"GET {PATH}/next HTTP/1.1\r\nHost: {server.address}\r\n\r\n".encode())
    received = b""
    while not received.endswith(b"\r\n\r\n{}"):
        received += connection.recv(65_536)


def test_an_answer_that_a_process_sent_before_it_exited_counts(server: RuntimeServer) -> None:
    start, rest = f"POST {PATH}/one/resp", f"onse HTTP/1.1\r\nHost: {server.address}\r\n"
    prelude = b'{"statusCode": 200}' + bytes(8) + b"first"
    with ThreadPoolExecutor(2) as pool, connected(server) as connection:
        reply = pool.submit(server.invoke, "one", {})
        fetch_event(server, connection)
        connection.sendall(start.encode())
        exit_noticed = pool.submit(server.process_exited, "its process ended with 9")
        assert server.exited.wait(SECONDS)
        connection.sendall(f"{rest}Transfer-Encoding: chunked\r\n\r\n".encode())
        connection.sendall(f"{len(prelude):x}\r\n".encode() + prelude)
        connection.shutdown(socket.SHUT_WR)
        exit_noticed.result(SECONDS)
        answer = reply.result(SECONDS)
        assert isinstance(answer, StreamedReply)
        assert next(answer.body) == b"first"
        with pytest.raises(InvocationError, match="broke off its answer: its process ended with 9"):
            next(answer.body)


def test_a_failure_that_the_platform_expects_is_a_reply(server: RuntimeServer) -> None:
    report = FailedInvocation("[404]").report
    content = json.dumps({**report, "requestId": "one", "stackTrace": []}).encode()
    with ThreadPoolExecutor(1) as pool, connected(server) as connection:
        reply = pool.submit(server.invoke, "one", {})
        fetch_event(server, connection)
        head = f"POST {PATH}/one/error HTTP/1.1\r\nHost: {server.address}\r\n"
        connection.sendall(f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content)
        assert reply.result(SECONDS) == json.loads(content)


def test_a_process_that_exits_without_an_answer_fails_its_invocation(
    server: RuntimeServer,
) -> None:
    with ThreadPoolExecutor(1) as pool:
        reply = pool.submit(server.invoke, "one", {})
        with connected(server) as connection:
            fetch_event(server, connection)
        server.process_exited("its process ended with 7")
        with pytest.raises(InvocationError, match="did not answer: its process ended with 7"):
            reply.result(SECONDS)


def test_an_invocation_after_the_exit_fails_at_once(server: RuntimeServer) -> None:
    server.process_exited("its process ended with 7")
    with pytest.raises(InvocationError, match="did not answer: its process ended with 7"):
        server.invoke("one", {})
