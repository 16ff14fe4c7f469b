"""Scaleway's emulator for Python around the gateway, over HTTP."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator

import pytest

from tests.servers.client import Answer, Fields, ask
from tests.servers.processes import ROOT, Server, module

INDEX = """
import os
import sys

from scaleway_functions_python import local

import unigate
from tests.servers import plain_wsgi
from unigate.events import scaleway

app = unigate.wrap(plain_wsgi.app, sources=[scaleway])
print("process", os.getpid(), flush=True)
local.serve_handler(app.lambda_handler, host="127.0.0.1", port=int(sys.argv[1]), debug=False)
"""


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    folder = tmp_path_factory.mktemp("scaleway")
    (folder / "index.py").write_text(INDEX, "utf-8")
    env = {"PYTHONPATH": f"{ROOT}:{folder}"}
    with Server(module("index", "{port}"), folder / "log", env=env, cwd=folder) as server:
        server.wait_until_it_listens()
        yield server.port


def received(answer: Answer, body: bytes) -> bool:
    """Return True if the application, which sends a digest back, received these bytes."""
    seen = answer.json()
    return bool((seen["length"], seen["sha256"]) == (len(body), hashlib.sha256(body).hexdigest()))


def test_a_get_arrives(port: int) -> None:
    fields: Fields = [("Accept", "text/html"), ("X-Envoy-External-Address", "203.0.113.9")]
    seen = ask(port, "/caf%C3%A9/a%20b?q=a%2Bb&q=c&flag=", fields=fields).json()
    assert seen["common"] == {
        "source": "scaleway",
        "method": "GET",
        "path": "/caf\xe9/a b",
        "raw_path": "/caf%C3%A9/a%20b",
        "root_path": "",
        "server": ["shop.example", 80],
        "client": ["127.0.0.1", 0],
    }
    assert seen["query"] == "q=a%2Bb&flag="
    assert ["accept", "text/html"] in seen["headers"]
    assert (seen["scheme"], seen["length"]) == ("http", 0)


def test_json_arrives(port: int) -> None:
    body = json.dumps({"n": [1, "\xe9"]}, ensure_ascii=False).encode()
    answer = ask(port, "/notes", "POST", [("Content-Type", "application/json")], body)
    assert received(answer, body)
    assert ["content-type", "application/json"] in answer.json()["headers"]


@pytest.mark.parametrize(
    "body",
    [
        b"YWJj",  # looks like base64 of a text: the emulator says that it is base64
        b"abcd",  # looks like base64 of something else
        b"\x00\x01\x7f binary that happens to be UTF-8 \xf0\x9f\x90\x8d",
        "an honest \ufffd".encode(),
    ],
)
@pytest.mark.parametrize("chunked", [False, True])
def test_bytes_that_are_utf_8_arrive_as_they_are(port: int, body: bytes, chunked: bool) -> None:
    sent = [body[:2], body[2:]] if chunked else body
    assert received(ask(port, "/upload-it", "POST", body=sent), body)


@pytest.mark.parametrize("body", [b"\xff", b"\x89PNG\r\n\x1a\n\x00", b"caf\xe9"])
def test_bytes_that_the_emulator_would_replace_are_refused(port: int, body: bytes) -> None:
    assert ask(port, "/upload-it", "POST", body=body).status == 400


def test_every_cookie_arrives(port: int) -> None:
    answer = ask(port, "/cookies", fields=[("Cookie", "a=1; b=2")])
    assert (answer.status, answer.body) == (201, b"cookies")
    assert answer.values("set-cookie") == ["a=1; Path=/", "b=2; Path=/; HttpOnly"]
    assert answer.values("content-type") == ["text/plain"]
    seen = ask(port, "/", fields=[("Cookie", "a=1; b=2")]).json()
    assert ["cookie", "a=1; b=2"] in seen["headers"]


def test_an_answer_without_a_body_stays_without(port: int) -> None:
    answer = ask(port, "/empty")
    assert (answer.status, answer.body) == (204, b"")
    assert answer.values("x-left") == ["nothing"]
