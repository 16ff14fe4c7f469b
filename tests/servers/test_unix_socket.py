"""gunicorn on a Unix socket, where the host and port of a request are what the client writes."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

import pytest

from tests.waiting import until

from .client import SECONDS
from .processes import Server, module


@pytest.fixture(scope="module")
def listening(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("unix")
    path = folder / "socket"
    options = (f"--bind=unix:{path}", "--no-control-socket", "--threads=2")
    command = module("gunicorn", *options, "tests.servers.mixed_app:app")
    with Server(command, folder / "log") as server:
        until(path.exists, server.output)
        yield path


def ask(path: Path, target: str, host: bytes) -> tuple[int, Any]:
    """Return the status and the body of a response, from JSON if it is."""
    with closing(socket.socket(socket.AF_UNIX)) as connection:
        connection.settimeout(SECONDS)
        connection.connect(str(path))
        head = f"GET {target} HTTP/1.1\r\nConnection: close\r\nHost: ".encode()
        connection.sendall(head + host + b"\r\n\r\n")
        response = HTTPResponse(connection)
        response.begin()
        body = response.read()
        is_json = response.getheader("content-type") == "application/json"
        return response.status, json.loads(body) if is_json else body


@pytest.mark.parametrize(
    ("host", "server"),
    [
        (b"shop.example", ["shop.example", 80]),
        (b"shop.example:8000", ["shop.example", 8000]),
        (b"a:\xb2", ["a", 0]),
        (b"a:-1", ["a", 0]),
        (b"a:99999", ["a", 0]),
        (b"a:" + b"1" * 5000, ["a", 0]),
        (b"a:", ["a", 0]),
        (b"a:port", ["a", 0]),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_any_host_is_answered(listening: Path, host: bytes, server: list[Any]) -> None:
    assert ask(listening, "/cookies", host) == (201, b"cookies")
    status, answer = ask(listening, "/v2/x", host)
    assert status == 200
    assert answer["common"]["server"] == server
    assert answer["port"] == server[1]
