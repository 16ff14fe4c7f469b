"""Microsoft's own worker for Azure Functions around the gateway. Left out below Python 3.13."""

from __future__ import annotations

import http.client
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from .processes import ROOT, START_SECONDS, STOP_SECONDS

pytestmark = pytest.mark.usefixtures("bounded")

FUNCTION_APP = """
import azure.functions as func
import unigate
from myproject import application

gateway = unigate.wrap(application)
app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.route("{*route}", methods=["GET", "POST", "HEAD"])
def main(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    return gateway.azure(req, context)
"""

STREAMING_APP = """
import azure.functions as func
import unigate
from azurefunctions.extensions.http.fastapi import Request, Response
from myproject import application

gateway = unigate.wrap(application)
app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.route("a/{*route}", methods=["GET", "POST"])
async def asynchronous(req: Request) -> Response:
    return gateway.azure(req)


@app.route("{*route}", methods=["GET", "POST"])
def synchronous(req: Request, context: func.Context) -> Response:
    return gateway.azure(req, context)
"""

FLASK = """
from flask import Flask, Response, request

application = Flask(__name__)


@application.route("/notes/<path:name>", methods=["GET", "POST"])
def notes(name):
    return {
        "name": name,
        "root": request.script_root,
        "query": request.query_string.decode(),
        "client": request.remote_addr,
        "body": request.get_data().decode("latin-1"),
        "function": request.environ["unigate.request"].context.function_name,
    }


@application.route("/cookies")
def cookies():
    response = Response("busy", 503, [("X-A", "1"), ("X-A", "2")])
    del response.headers["Content-Type"]
    for cookie in request.headers["X-Cookies"].split("|"):
        response.headers.add("Set-Cookie", cookie)
    return response
"""

STARLETTE = """
import asyncio

from starlette.applications import Starlette
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route

gone_on = asyncio.Event()


async def parts(request):
    async def body():
        yield b"first;"
        await asyncio.wait_for(gone_on.wait(), 20)
        gone_on.clear()
        yield b"second"

    response = StreamingResponse(body())
    response.raw_headers += [(b"set-cookie", b"a=b=="), (b"set-cookie", b"c=d/e")]
    return response


async def go_on(request):
    gone_on.set()
    scope, body = request.scope, await request.body()
    return JSONResponse(
        [scope["path"], scope["root_path"], request.client, body.decode("latin-1")]
    )


application = Starlette(
    routes=[Route("/parts", parts), Route("/go_on/{name}", go_on, methods=["POST"])]
)
"""


class Host:
    """A function app in Microsoft's worker, and our end of it."""

    def __init__(self, folder: Path, function_app: str, application: str, prefix: str) -> None:
        config = {"version": "2.0", "extensions": {"http": {"routePrefix": prefix}}}
        (folder / "host.json").write_text(json.dumps(config), "utf-8")
        (folder / "function_app.py").write_text(function_app, "utf-8")
        (folder / "myproject.py").write_text(application, "utf-8")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.servers.azure_host", str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env={**os.environ, "TZ": "UTC"},  # the worker reads Expires in local time
            text=True,
        )
        self._lines: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        self.start = self.hear()

    def invoke(self, function: str, number: str = "1", **http: Any) -> None:
        assert self._process.stdin is not None
        print(
            json.dumps({"function": function, "id": number, "http": http}), file=self._process.stdin
        )
        self._process.stdin.flush()

    def hear(self) -> dict[str, Any]:
        """Return the next message; the worker's server logs on the same stream."""
        while (line := self._lines.get(timeout=START_SECONDS)) is not None:
            if line.startswith("{"):
                heard: dict[str, Any] = json.loads(line)
                return heard
        raise AssertionError("The worker has ended.")

    def answer(self, **http: Any) -> dict[str, Any]:
        """Invoke the function and return its answer."""
        self.invoke("main", **http)
        heard = self.hear()
        assert heard["result"]["status"] == "success", heard
        answer: dict[str, Any] = heard["return"]["http"]
        return answer

    def stop(self) -> None:
        self._process.kill()
        self._process.wait(STOP_SECONDS)
        assert self._process.stdin is not None
        self._process.stdin.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                self._lines.put(line)
        self._lines.put(None)


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    host = Host(tmp_path_factory.mktemp("app"), FUNCTION_APP, FLASK, "")
    yield host
    host.stop()


@pytest.fixture(scope="module")
def streaming(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    host = Host(tmp_path_factory.mktemp("app"), STREAMING_APP, STARLETTE, "v1")
    yield host
    host.stop()


def test_the_worker_finds_one_function(host: Host) -> None:
    assert host.start["started"]["result"] == {"status": "success"}
    assert host.start["functions"] == ["main"]


def test_a_request_reaches_the_application_whole(host: Host) -> None:
    answer = host.answer(
        method="POST",
        url="https://app.example.org/notes/caf%C3%A9%25?code=a%2Bb&x",
        headers={
            "host": "app.example.org",
            "x-waws-unencoded-url": "/notes/caf%C3%A9%2525?code=a%2Bb&x",
            "x-forwarded-for": "6.6.6.6, [2001:db8::7]:5000",
        },
        body="\xff\x00",
    )
    assert (answer["status_code"], answer["headers"]["content-type"]) == ("200", "application/json")
    assert json.loads(answer["body"]["bytes"]) == {
        "name": "caf\xe9%25",
        "root": "",
        "query": "code=a%2Bb&x",
        "client": "2001:db8::7",
        "body": "\xff\x00",
        "function": "main",
    }


def asked_for(host: Host, *cookies: str) -> dict[str, Any]:
    headers = {"host": "h", "x-cookies": "|".join(cookies)}
    return host.answer(method="GET", url="https://h/cookies", headers=headers)


def test_an_answer_of_any_status_is_one(host: Host) -> None:
    answer = asked_for(host, "s=a.b==; Path=/; Partitioned")
    fields = {name.lower(): value for name, value in answer["headers"].items()}
    assert answer["status_code"] == "503"
    assert fields == {
        "content-length": "4",
        "content-type": "",  # which the host takes for none
        "x-a": "1, 2",
        "set-cookie": "s=a.b==; Path=/; Partitioned",
    }
    assert answer["body"] == {"bytes": "busy"}
    assert answer["cookies"] == []


def test_further_cookies_are_what_the_host_writes(host: Host) -> None:
    answer = asked_for(
        host,
        "a=1; Expires=Thu, 01-Jan-2026 00:00:00 GMT; Max-Age=60; Path=/x; Domain=h",
        "s=a.b==",
        "__Host-c=2; Secure; Path=/; HttpOnly; SameSite=None",
    )
    plain = {"secure": {"value": False}, "http_only": {"value": False}}
    assert answer["headers"]["Set-Cookie"] == "s=a.b=="
    assert answer["cookies"] == [
        {
            **plain,
            "name": "a",
            "value": "1",
            "domain": {"value": "h"},
            "path": {"value": "/x"},
            "expires": {"value": {"seconds": 1767225600}},
            "same_site": "None",
            "max_age": {"value": 60.0},
        },
        {
            "name": "__Host-c",
            "value": "2",
            "domain": None,
            "path": {"value": "/"},
            "expires": None,
            "secure": {"value": True},
            "http_only": {"value": True},
            "same_site": "ExplicitNone",
            "max_age": None,
        },
    ]


@pytest.mark.parametrize(
    "cookie",
    [
        "b=1; Expires=never",
        "b=1; Expires=Thu, 01 Jan 99999 00:00:00 GMT",
        "b=1; Max-Age=abc",
        "b=1; Max-Age=" + "9" * 400,
        'b="x y"; Partitioned; Priority=High',
        "expires=1; Version=1",
        "b[c]=1",
        "no-value",
        "=",
    ],
)
def test_no_cookie_breaks_an_answer(host: Host, cookie: str) -> None:
    answer = asked_for(host, "s=a.b==", cookie)
    assert answer["headers"]["Set-Cookie"] == "s=a.b=="
    assert len(answer["cookies"]) == (cookie not in ("b[c]=1", "="))


class Asked:
    """A request that the host passes on to the worker's own server."""

    def __init__(self, host: Host, function: str, number: str, method: str, target: str) -> None:
        address = urlsplit(host.start["started"]["capabilities"]["HttpUri"])
        assert address.hostname is not None
        self._connection = http.client.HTTPConnection(address.hostname, address.port, timeout=20)
        host.invoke(function, number)
        fields = {
            "x-ms-invocation-id": number,
            "x-waws-unencoded-url": target,
            "x-forwarded-for": "6.6.6.6, 203.0.113.7:5000",
        }
        self._connection.request(method, target.replace("%25", "%"), b"\xff!", fields)
        self.response = self._connection.getresponse()

    def close(self) -> None:
        self._connection.close()


@pytest.mark.parametrize("function", ["asynchronous", "synchronous"])
def test_a_response_is_streamed(streaming: Host, function: str) -> None:
    assert set(streaming.start["functions"]) == {"asynchronous", "synchronous"}
    slow = Asked(streaming, function, f"{function}-1", "GET", "/v1/parts")
    assert slow.response.headers.get_all("set-cookie") == ["a=b==", "c=d/e"]
    assert slow.response.read(6) == b"first;"
    other = Asked(streaming, function, f"{function}-2", "POST", "/v1/go_on/a%2541")
    assert json.loads(other.response.read()) == [
        "/v1/go_on/a%41",
        "/v1",
        ["203.0.113.7", 5000],
        "\xff!",
    ]
    assert slow.response.read() == b"second"
    slow.close()
    other.close()
    assert [streaming.hear()["result"]["status"] for _ in range(2)] == ["success"] * 2
