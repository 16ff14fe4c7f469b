"""Vercel's own Python runtime around the gateway, as it runs on the platform.

The platform listens on a Unix socket; the runtime connects, says at which port it answers HTTP,
and reports each request's begin, end and log. Left out below Python 3.12, which it needs.
"""

from __future__ import annotations

import base64
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from vercel_runtime.resolver import detect_app_type

import unigate

from . import mixed_app, plain_asgi, plain_wsgi, wsgi_app
from .client import WebSocket, ask
from .processes import START_SECONDS, Server, module


class Platform:
    """The platform's end of the socket, and what the runtime has said on it."""

    def __init__(self, path: Path) -> None:
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._listener.settimeout(START_SECONDS)
        self._news = threading.Condition()
        self._messages: list[dict[str, Any]] = []
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def __enter__(self) -> Platform:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: object
    ) -> None:
        """Wait for the runtime to hang up."""
        self._thread.join(START_SECONDS)
        assert not self._thread.is_alive()

    def wait_for(self, kind: str, **expected: Any) -> dict[str, Any]:
        """Return the payload of a message that was or will be received."""
        deadline = time.monotonic() + START_SECONDS
        with self._news:
            while True:
                for message in self._messages:
                    payload: dict[str, Any] = message["payload"]
                    if message["type"] == kind and expected.items() <= payload.items():
                        return payload
                left = deadline - time.monotonic()
                assert left > 0, (kind, expected, self._messages)
                self._news.wait(left)

    def log(self) -> str:
        """Return what the runtime has logged for the application."""
        with self._news:
            parts = [m["payload"]["message"] for m in self._messages if m["type"] == "log"]
        return "".join(base64.b64decode(part).decode() for part in parts)

    def _listen(self) -> None:
        with self._listener, self._listener.accept()[0] as connection:
            rest = b""
            while received := connection.recv(65536):
                *whole, rest = (rest + received).split(b"\0")
                with self._news:
                    self._messages += map(json.loads, whole)
                    self._news.notify_all()


class Runtime:
    """The runtime around one of our modules."""

    def __init__(self, platform: Platform, server: Server) -> None:
        self.platform = platform
        self.port: int = platform.wait_for("server-started")["httpPort"]
        self.server = server


@pytest.fixture(scope="module", params=[wsgi_app, mixed_app], ids=["wsgi", "mixed"])
def runtime(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Runtime]:
    file = Path(request.param.__file__)
    folder = tmp_path_factory.mktemp("vercel")
    env = {
        "VERCEL_IPC_PATH": str(folder / "ipc"),
        "__VC_HANDLER_ENTRYPOINT": file.name,
        "__VC_HANDLER_ENTRYPOINT_ABS": str(file),
        "__VC_HANDLER_MODULE_NAME": file.stem,
        "__VC_HANDLER_VARIABLE_NAME": "app",
    }
    command = module("vercel_runtime.vc_init")
    with (
        Platform(folder / "ipc") as platform,
        Server(command, folder / "log", env=env) as server,
    ):
        yield Runtime(platform, server)


mixed_only = pytest.mark.parametrize("runtime", [mixed_app], ids=["mixed"], indirect=True)


@pytest.mark.parametrize(
    "gateway",
    [unigate.wrap(plain_wsgi.app), unigate.wrap(plain_asgi.app), mixed_app.app],
    ids=["wsgi", "asgi", "mixed"],
)
def test_it_is_taken_for_asgi(gateway: unigate.Gateway) -> None:
    assert detect_app_type(gateway, "module", "app") == ("asgi", gateway.asgi)


@pytest.mark.parametrize(
    ("target", "path"),
    [("/caf%C3%A9", "/café"), ("/a%20b", "/a b"), ("/100%2525", "/100%25"), ("/x/", "/x/")],
)
def test_a_wsgi_applications_path_is_decoded_once(runtime: Runtime, target: str, path: str) -> None:
    answer = ask(runtime.port, f"{target}?a=%20&b").json()

    assert answer["interface"] == "wsgi"
    assert (answer["root"], answer["path"], answer["query"]) == ("", path, "a=%20&b")


def test_repeated_fields_are_kept_both_ways(runtime: Runtime) -> None:
    fields = [("X-A", "1"), ("X-A", "2"), ("Cookie", "a=1"), ("Cookie", "b=2")]

    headers = dict(ask(runtime.port, "/x", fields=fields).json()["headers"])
    answer = ask(runtime.port, "/cookies")

    assert headers["x-a"] == "1,2"
    assert headers["cookie"] == "a=1; b=2"
    assert answer.values("set-cookie") == ["a=1; Path=/", "b=2; Path=/; HttpOnly"]


def test_a_chunked_body_arrives_whole(runtime: Runtime) -> None:
    answer = ask(runtime.port, "/x", "POST", body=[b"some ", b"more " * 20_000]).json()

    assert answer["length"] == 100_005


def test_a_failure_is_a_500_and_a_traceback_in_the_platforms_log(runtime: Runtime) -> None:
    fields = [("x-vercel-internal-invocation-id", "failing")]

    answer = ask(runtime.port, "/fail?of=wsgi", fields=fields)

    assert (answer.status, answer.body) == (500, b"Internal Server Error")
    context = {"invocationId": "failing", "requestId": 0}
    runtime.platform.wait_for("end", context=context)
    runtime.platform.wait_for("log", context=context, level="error")
    assert "RuntimeError: a detail for the log: of=wsgi" in runtime.platform.log()


def test_the_platform_hears_of_each_request_and_its_end(runtime: Runtime) -> None:
    fields = [
        ("x-vercel-internal-invocation-id", "seventh"),
        ("x-vercel-internal-request-id", "7"),
    ]

    headers = dict(ask(runtime.port, "/x", fields=fields).json()["headers"])

    context = {"invocationId": "seventh", "requestId": 7}
    runtime.platform.wait_for("handler-started", context=context)
    runtime.platform.wait_for("end", context=context)
    assert not any(name.startswith("x-vercel-internal") for name in headers)


@mixed_only
def test_an_asgi_mount_has_its_path_whole_and_its_lifespan(runtime: Runtime) -> None:
    for _ in range(3):
        answer = ask(runtime.port, "/v2/caf%C3%A9").json()
        assert answer["interface"] == "asgi"
        assert (answer["root"], answer["path"]) == ("/v2", "/v2/café")
        assert answer["state"] == "at startup"

    runtime.platform.wait_for("log", stream="stdout")
    assert runtime.platform.log().count("lifespan.startup") == 1


@mixed_only
def test_an_asgi_mounts_failure_is_a_500_too(runtime: Runtime) -> None:
    answer = ask(runtime.port, "/v2/fail?of=asgi")

    assert (answer.status, answer.body) == (500, b"Internal Server Error")


@mixed_only
def test_messages_go_both_ways_on_a_websocket(runtime: Runtime) -> None:
    with closing(WebSocket(runtime.port, "/v2/talk")) as websocket:
        assert websocket.status == 101
        assert json.loads(websocket.receive())["root"] == "/v2"
        websocket.send("text, été")
        assert websocket.receive() == "text, été"
