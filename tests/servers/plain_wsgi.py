"""A WSGI application without any framework, for servers to run bare or behind the gateway."""

from __future__ import annotations

import hashlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import unigate

Environ = dict[str, Any]
Start = Callable[..., Any]

CONTENT_KEYS = ("CONTENT_TYPE", "CONTENT_LENGTH")


def app(environ: Environ, start_response: Start) -> Iterable[bytes]:
    """Answer a path below any prefix; what is no view tells what arrived."""
    name = environ["PATH_INFO"].rpartition("/")[2]
    return VIEWS.get(name, echo)(environ, start_response)


def echo(environ: Environ, start_response: Start) -> Iterable[bytes]:
    body = read(environ)
    root = text(environ.get("SCRIPT_NAME", ""))
    target = environ.get("REQUEST_URI") or environ.get("RAW_URI") or ""
    answer = {
        "interface": "wsgi",
        "method": environ["REQUEST_METHOD"],
        "root": root,
        "path": root + text(environ["PATH_INFO"]),
        "raw_path": target.partition("?")[0],
        "query": environ["QUERY_STRING"],
        "headers": [
            [key.removeprefix("HTTP_").replace("_", "-").lower(), value]
            for key, value in environ.items()
            if key in CONTENT_KEYS or key.startswith("HTTP_")
        ],
        "scheme": environ["wsgi.url_scheme"],
        "protocol": environ["SERVER_PROTOCOL"],
        "client": environ["REMOTE_ADDR"],
        "port": int(environ["SERVER_PORT"]),
        "length": len(body),
        "sha256": hashlib.sha256(body).hexdigest(),
        "common": common(environ.get("unigate.request")),
    }
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(answer).encode()]


def cookies(environ: Environ, start_response: Start) -> Iterable[bytes]:
    fields = [
        ("Content-Type", "text/plain"),
        ("Set-Cookie", "a=1; Path=/"),
        ("Set-Cookie", "b=2; Path=/; HttpOnly"),
        ("Content-Length", "7"),
    ]
    start_response("201 Created", fields)
    return [b"cookies"]


def empty(environ: Environ, start_response: Start) -> Iterable[bytes]:
    start_response("204 No Content", [("X-Left", "nothing")])
    return []


def write(environ: Environ, start_response: Start) -> Iterable[bytes]:
    send = start_response("200 OK", [("Content-Type", "text/plain")])
    send(b"one ")
    send(b"two ")
    return [b"three"]


def write_and_yield(environ: Environ, start_response: Start) -> Iterator[bytes]:
    send = start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "13")])
    send(b"one ")
    yield b"two"
    send(b" three and more")


def endless(environ: Environ, start_response: Start) -> Iterator[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    try:
        while True:
            yield b"and so on\n" * 1000
            time.sleep(0.001)  # leaves the server's own thread a chance
    finally:
        print("endless: closed", flush=True)


def flood(environ: Environ, start_response: Start) -> Iterator[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    try:
        while True:
            yield bytes(65536)
    finally:
        print("flood: closed", flush=True)


def later(environ: Environ, start_response: Start) -> Iterable[bytes]:
    unigate.wait_until(wait_for, Path(parse_qs(environ["QUERY_STRING"])["file"][0]))
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5")])
    return [b"later"]


def wait_for(file: Path) -> None:
    """Say in a file when there is something in it, which the client writes when it is answered."""
    for _ in range(1000):
        if file.exists():
            file.with_suffix(".seen").touch()
            return
        time.sleep(0.01)


def fail(environ: Environ, start_response: Start) -> Iterable[bytes]:
    raise RuntimeError(f"a detail for the log: {environ['QUERY_STRING']}")


def fail_late(environ: Environ, start_response: Start) -> Iterator[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"a part"
    raise RuntimeError("too late for a 500")


def lines(environ: Environ, start_response: Start) -> Iterable[bytes]:
    stream = environ["wsgi.input"]
    found = [stream.readline(3), stream.readline(), *stream.readlines()]
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps([line.decode() for line in found]).encode()]


def stream(environ: Environ, start_response: Start) -> Iterator[bytes]:
    """Send one part, and the other when whoever listens at the given port says so."""
    port = int(parse_qs(environ["QUERY_STRING"])["port"][0])
    start_response("200 OK", [("Content-Type", "text/event-stream")])
    yield b"data: one\n\n"
    with socket.create_connection(("127.0.0.1", port), timeout=8) as test:
        test.recv(1)
    yield b"data: two\n\n"


def threads(environ: Environ, start_response: Start) -> Iterable[bytes]:
    """Tell how many threads of the gateway there are, the idle ones included."""
    number = sum(thread.name == "unigate-wsgi" for thread in threading.enumerate())
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(number).encode()]


def upload(environ: Environ, start_response: Start) -> Iterable[bytes]:
    print("upload: begun", flush=True)
    environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"whole"]


def hang(environ: Environ, start_response: Start) -> Iterable[bytes]:
    print("hang: begun", flush=True)
    time.sleep(60)
    raise AssertionError("The process was to end before.")


def common(request: Any) -> dict[str, Any] | None:
    """Tell what the gateway's common request says; there is none without a gateway."""
    if request is None:
        return None
    raw_path = request.raw_path.decode()
    names = ("source", "method", "path", "root_path", "server", "client")
    return {"raw_path": raw_path, **{name: getattr(request, name) for name in names}}


def read(environ: Environ) -> bytes:
    """Read the whole body, as PEP 3333 and its `wsgi.input_terminated` extension allow."""
    body: bytes
    if environ.get("wsgi.input_terminated"):
        body = environ["wsgi.input"].read()
    else:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    return body


def text(native: str) -> str:
    """Return a path of an environ, which shows its bytes as Latin-1, as the text it is."""
    return native.encode("latin-1").decode()


VIEWS = {
    "cookies": cookies,
    "empty": empty,
    "endless": endless,
    "fail": fail,
    "flood": flood,
    "hang": hang,
    "later": later,
    "fail-late": fail_late,
    "lines": lines,
    "stream": stream,
    "threads": threads,
    "upload": upload,
    "write": write,
    "write-and-yield": write_and_yield,
}
