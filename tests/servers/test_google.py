"""Google's functions-framework around the gateway, as it runs on the platform.

`functions_framework.http` passes Flask's request under gunicorn, `functions_framework.aio.http`
passes Starlette's under uvicorn.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from .client import Answer, ask, begin
from .processes import Server, module

MAIN = """
import {decorator}

import unigate
from tests.apps import flask_app, starlette_app
from tests.servers import plain_asgi, plain_wsgi

app = unigate.wrap(
    plain_wsgi.app,
    mounts={{"/v2": plain_asgi.app, "/flask": flask_app.app, "/fastapi": starlette_app.fast}},
)


@{decorator}.http
def main(request):
    return app.google(request)
"""
DECORATORS = {"flask": "functions_framework", "starlette": "functions_framework.aio"}


def serve(kind: str, folder: Path) -> Server:
    """Return the framework around a `main.py` with a function for one kind of request."""
    source = folder / "main.py"
    source.write_text(MAIN.format(decorator=DECORATORS[kind]))
    options = ("--target=main", f"--source={source}", "--host=127.0.0.1", "--port={port}")
    return Server(module("functions_framework", *options), folder / "log")


@pytest.fixture(scope="module", params=DECORATORS)
def framework(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    with serve(request.param, tmp_path_factory.mktemp(request.param)) as server:
        server.wait_until_it_listens()
        yield server


@pytest.fixture(params=["", "/v2"], ids=["wsgi-application", "asgi-application"])
def prefix(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


def contract(answer: Answer) -> dict[str, Any]:
    """Return what an application of the matrix says it was asked."""
    seen: dict[str, Any] = answer.json()
    return {**seen, "body": base64.b64decode(seen["body"])}


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("", "/"),
        ("/caf%C3%A9", "/café"),
        ("/a%2Fb", "/a/b"),
        ("/100%2525", "/100%25"),
        ("/a//b", "/a//b"),
        ("/x/", "/x/"),
    ],
)
def test_paths_are_decoded_once(framework: Server, prefix: str, target: str, path: str) -> None:
    answer = ask(framework.port, f"{prefix}{target or '/'}?a=%20&b").json()

    assert (answer["root"], answer["path"]) == (prefix, prefix + path)
    assert answer["query"] == "a=%20&b"
    assert answer["common"]["raw_path"] == prefix + (target or "/")


def test_the_common_request_says_who_called(framework: Server, prefix: str) -> None:
    fields = [("X-Forwarded-For", "198.51.100.1"), ("X-Forwarded-For", "198.51.100.2")]

    # uvicorn takes the client from X-Forwarded-For where the peer is this machine.
    answer = ask(framework.port, f"{prefix}/a", "PUT").json()
    common = answer["common"]
    headers = dict(ask(framework.port, f"{prefix}/a", "PUT", fields).json()["headers"])

    assert (common["source"], common["method"], common["root_path"]) == ("google", "PUT", "")
    assert common["client"][0] == answer["client"] == "127.0.0.1"
    assert common["server"][1] == framework.port
    assert headers["x-forwarded-for"].endswith("198.51.100.2")
    assert len(headers["function-execution-id"]) == 12


@pytest.mark.parametrize("app", ["flask", "fastapi"])
def test_repeated_fields_reach_the_application(framework: Server, app: str) -> None:
    fields = [("X-Multi", "1"), ("X-Multi", "2"), ("Cookie", "a=1; b=2")]

    headers = contract(ask(framework.port, f"/{app}/x", fields=fields))["headers"]

    assert headers["x-multi"] == "1,2"
    assert headers["cookie"] == "a=1; b=2"


def test_every_cookie_is_set_in_order(framework: Server, prefix: str) -> None:
    answer = ask(framework.port, f"{prefix}/cookies")

    assert (answer.status, answer.body) == (201, b"cookies")
    assert answer.values("set-cookie") == ["a=1; Path=/", "b=2; Path=/; HttpOnly"]


@pytest.mark.parametrize("app", ["flask", "fastapi"])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_of_any_bytes_arrives_whole(framework: Server, app: str, chunked: bool) -> None:
    body = bytes(range(256)) * 40
    fields = [("Content-Type", "application/octet-stream")]
    sent = [body[:5000], body[5000:]] if chunked else body

    seen = contract(ask(framework.port, f"/{app}/x", "POST", fields, sent))

    assert seen["body"] == body
    assert seen["method"] == "POST"
    assert seen["headers"]["content-type"] == "application/octet-stream"


def test_a_large_upload_arrives_whole(framework: Server, prefix: str) -> None:
    body = bytes(range(256)) * 40_000

    answer = ask(framework.port, f"{prefix}/x", "POST", body=body).json()

    assert answer["length"] == len(body)
    assert answer["sha256"] == hashlib.sha256(body).hexdigest()


def test_an_upload_that_nobody_reads_leaves_the_connection_in_order(framework: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", framework.port, timeout=10)
    with closing(connection):
        for _ in range(2):
            connection.request("POST", "/cookies", bytes(1_000_000))
            response = connection.getresponse()
            assert (response.status, response.read()) == (201, b"cookies")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_nothing_is_added_to_an_answer(framework: Server, prefix: str, method: str) -> None:
    own = ("connection", "server")
    empty = ask(framework.port, f"{prefix}/empty", method)
    cookies = ask(framework.port, f"{prefix}/cookies", method)

    assert (empty.status, empty.body) == (204, b"")
    assert [pair for pair in empty.headers if pair[0] not in own] == [("x-left", "nothing")]
    assert [pair for pair in cookies.headers if pair[0] not in own] == [
        ("content-type", "text/plain"),
        ("set-cookie", "a=1; Path=/"),
        ("set-cookie", "b=2; Path=/; HttpOnly"),
        ("content-length", "7"),
    ]
    assert cookies.body == (b"cookies" if method == "GET" else b"")


def test_parts_of_a_response_arrive_as_they_are_made(framework: Server, prefix: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)
        target = f"{prefix}/stream?port={listener.getsockname()[1]}"
        with closing(begin(framework.port, target)) as connection:
            response = connection.getresponse()
            assert response.getheader("content-type") == "text/event-stream"
            assert response.read1() == b"data: one\n\n"

            listener.accept()[0].close()  # only now can the application go on

            assert response.read() == b"data: two\n\n"


def test_a_failure_is_a_500_and_a_traceback_in_the_log(framework: Server, prefix: str) -> None:
    answer = ask(framework.port, f"{prefix}/fail?of={prefix}")

    assert (answer.status, answer.body) == (500, b"Internal Server Error")
    framework.wait_for_output(f"RuntimeError: a detail for the log: of={prefix}\n")
    assert ask(framework.port, f"{prefix}/x").status == 200


def test_a_failure_half_way_does_not_look_like_an_end(framework: Server, prefix: str) -> None:
    with pytest.raises(http.client.IncompleteRead):
        ask(framework.port, f"{prefix}/fail-late")


def test_a_wsgi_application_ends_when_the_client_goes(framework: Server) -> None:
    with closing(begin(framework.port, "/endless")) as connection:
        assert connection.getresponse().read(100_000)

    framework.wait_for_output("endless: closed")


# uvicorn leaves it to an ASGI application to ask whether its client is there.
@pytest.mark.parametrize("framework", ["flask"], indirect=True)
def test_an_asgi_application_ends_when_flasks_client_goes(framework: Server) -> None:
    known = framework.output().count("endless: closed")
    with closing(begin(framework.port, "/v2/endless")) as connection:
        assert connection.getresponse().read(100_000)

    framework.wait_for_output("endless: closed", known + 1)


@pytest.mark.parametrize("target", ["/robots.txt", "/favicon.ico"])
def test_some_paths_are_the_frameworks_own(framework: Server, target: str) -> None:
    assert ask(framework.port, target).status == 404


def test_an_asgi_application_is_started_once(framework: Server) -> None:
    state = [ask(framework.port, "/v2/x").json()["state"] for _ in range(3)]

    assert state == ["at startup"] * 3
    assert framework.output().count("lifespan.startup") == 1


def test_an_asgi_application_is_stopped_with_the_framework(tmp_path: Path) -> None:
    with serve("flask", tmp_path) as server:
        server.wait_until_it_listens()
        assert ask(server.port, "/v2/x").status == 200
        assert "lifespan.shutdown" not in server.output()

        assert server.stop().count("lifespan.shutdown") == 1
