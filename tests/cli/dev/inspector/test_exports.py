"""Exports of the inspector page work: curl commands, pytest tests, event files."""

from __future__ import annotations

import ast
import json
import os
import re
import string
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.cli.dev.dev_server import SECONDS, Server, dev, environ
from unigate import Headers, Request, Response
from unigate.cli.dev.inspector.exchanges import Exchange
from unigate.cli.dev.inspector.exports import Recorder, as_curl, as_test
from unigate.cli.main import main

APPLICATION = """
import json


def app(environ, start_response):
    request = environ["unigate.request"]
    if request.path == "/plain":
        start_response("200 OK", [("Content-Type", "text/plain"), ("Set-Cookie", "a=1")])
        return [b"plain \\xff text"]
    if request.path == "/missing":
        start_response("404 Not Found", [("Content-Type", "text/html")])
        return ["<p>Not \\"here\\" \\u00e9".encode()]
    seen = {
        "method": request.method,
        "path": request.raw_path.decode(),
        "query": request.query_string.decode(),
        "headers": sorted(pair for pair in request.headers if pair[0] != "accept-encoding"),
        "body": request.body.decode("latin-1"),
    }
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(seen).encode()]
"""

AGENT = {"user-agent": "browser", "accept": "*/*"}
REQUESTS: list[tuple[str, str, bytes, dict[str, str]]] = [
    ("GET", "/", b"", {}),
    ("GET", "/a/../b/./c%2Fd/[x]/{y}?q='$HOME'&r=%22`id`&s=[1]", b"", {"accept": "text/html"}),
    ("POST", "/form", b"a=1&b=%20", {"content-type": "application/x-www-form-urlencoded"}),
    ("POST", "/untyped", b"@/etc/hostname", {"user-agent": 'It\'s "me" $(id)'}),
    ("PUT", "/json", '{"é": "☕\\n"}\r\n'.encode(), {"content-type": "application/json"}),
    ("PATCH", "/binary", bytes(range(256)), {"content-type": "image/png"}),
    ("PUT", "/nul", b"a\0b", {}),
    ("GET", "/body", b"a GET with a body", {"cookie": "a=1; b=2", "authorization": "Basic abc"}),
    ("DELETE", "/x", b"", {"x-empty": "", "x-utf8": "é".encode().decode("latin-1")}),
    ("PURGE", "/x", b"", {"accept-encoding": "gzip"}),
    ("POST", "/nothing", b"", {}),
    ("GET", "/plain", b"", {}),
    ("GET", "/missing", b"", {}),
]
REQUESTS = [(method, target, body, AGENT | headers) for method, target, body, headers in REQUESTS]
BARE = [("GET", "/bare", b"", {}), ("PUT", "/bare", b"x", {})]  # without the fields of a browser


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    (folder / "echoing.py").write_text(APPLICATION)
    return folder


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    """Serve, after all requests have been sent once; the first is number 1."""
    options = ("--no-reload", "--show-secrets", "--as", "rest_api")
    with dev(folder, "echoing:app", *options, "--record", "events") as running:
        for method, target, body, headers in REQUESTS + BARE:
            running.ask(target, body or None, method, **headers)
        yield running


def copied(server: Server, number: int, kind: str) -> str:
    answer = server.ask(f"/_unigate/{number}/{kind}")
    assert answer.status == 200
    return answer.body.decode()


def test_curl_sends_the_same_request(server: Server) -> None:
    def run(number: int) -> tuple[str, bytes]:
        command = copied(server, number, "curl")
        ended = subprocess.run(["sh", "-c", command], capture_output=True, timeout=SECONDS)
        assert ended.returncode == 0, ended.stderr
        return command, ended.stdout.partition(b"\r\n\r\n")[2]

    with ThreadPoolExecutor(2) as pool:
        ran = list(pool.map(run, range(1, len(REQUESTS + BARE) + 1), timeout=2 * SECONDS))
    for (command, again), request in zip(ran, REQUESTS + BARE, strict=True):
        method, target, body, headers = request
        first = server.ask(target, body or None, method, **headers).body
        assert again == first, command


def test_a_head_request_is_one_for_curl_too(server: Server, folder: Path) -> None:
    exchange = Exchange(Request("HEAD", b"/x"), "http_api")
    assert as_curl(exchange).startswith("curl --include --head ")


def test_a_copied_test_passes_and_fails_when_the_answer_changes(
    server: Server, folder: Path, tmp_path: Path
) -> None:
    for number in range(1, len(REQUESTS) + 1):
        (tmp_path / f"test_{number}.py").write_text(copied(server, number, "test"), "utf-8")
    assert "def test_get_a_b_c_d_x_y() -> None:" in (tmp_path / "test_2.py").read_text()

    def run(application: str) -> str:
        (tmp_path / "echoing.py").write_text(application)
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
        environment = environ() | {"PYTHONPATH": f"{environ()['PYTHONPATH']}:{tmp_path}"}
        ended = subprocess.run(
            [*command, "-p", "no:xdist", "--rootdir", str(tmp_path)],
            cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=3 * SECONDS,
        )  # fmt: skip
        return ended.stdout

    assert f"{len(REQUESTS)} passed" in run(APPLICATION)
    changed = APPLICATION.replace('"method": request.method', '"method": "other"')
    changed = changed.replace("plain \\xff", "another").replace("404 Not", "410 Not")
    assert f"{len(REQUESTS)} failed" in run(changed)


def test_a_test_calls_methods_that_have_no_function_of_their_own() -> None:
    exchange = Exchange(Request("PURGE", b"/x"), "http_api")
    exchange.response = Response(204)
    code = as_test(exchange, "main:app")
    assert 'client.request(\n        "PURGE",\n        "/x",\n    )' in code
    assert code.endswith("    assert response.status_code == 204\n")


@pytest.mark.parametrize("number", [2, 5, 6])
def test_a_copied_event_can_be_invoked(
    server: Server, folder: Path, number: int, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    answer = server.ask(f"/_unigate/{number}/event")
    (disposition,) = answer.all("content-disposition")
    assert disposition == f"attachment; filename=rest_api-{number}.json"
    (tmp_path / "event.json").write_bytes(answer.body)
    assert main(["invoke", "echoing:app", "--event", str(tmp_path / "event.json")]) == 0
    sys.modules.pop("echoing")
    seen = json.loads(json.loads(capsys.readouterr().out)["body"])
    method, target, body, _ = REQUESTS[number - 1]
    assert (seen["method"], seen["body"].encode("latin-1")) == (method, body)
    assert seen["path"] == target.partition("?")[0]


def test_a_recorded_event_can_be_invoked(
    server: Server, folder: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    files = sorted((folder / "events").iterdir())
    assert [file.name for file in files[: len(REQUESTS)]][:4] == [
        "0001-GET-root.json",
        "0002-GET-a-b-c-d-x-y.json",
        "0003-POST-form.json",
        "0004-POST-untyped.json",
    ]
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    file = folder / "events" / "0008-GET-body.json"
    assert main(["invoke", "echoing:app", "--event", str(file)]) == 0
    sys.modules.pop("echoing")
    seen = json.loads(json.loads(capsys.readouterr().out)["body"])
    assert ["authorization", "Basic abc"] in seen["headers"]
    assert ["cookie", "a=1; b=2"] in seen["headers"]
    assert file.stat().st_mode & 0o077 == 0


# Texts that would become code, or act on a terminal, in a copy that is not careful.
HOSTILE = [
    "'; touch owned #",
    '"; touch owned #',
    "$(touch owned)",
    "`touch owned`",
    "\\'; touch owned #",
    "\n touch owned\n",
    "a\x03\ntouch owned\n",  # Ctrl-C ends what was pasted before it
    "\x1b[2J\x1b]0;title\x07\x9b31m",
    "\x1b[201~touch owned\r",
    "'''\n__import__('os').system('touch owned')\n'''",
    '"""\nopen("owned", "w")\n"""',
    "\\",
    "\\N{BELL}\\x41\\u0041\\101%s{0}",
    "\u2028open('owned', 'w')\u2029\x85",
    "\u202eowned hcuot",
    "\x00",
    "@/etc/hostname",
    "!!",
    "-o owned",
    "\t\x7f\x08",
    "{a,b}[1-9]",
]


def copies_of(text: str) -> tuple[str, str, Exchange]:
    """Return the curl command and the test of a request that has a text wherever it can be."""
    latin = text.encode().decode("latin-1")
    path = quote(latin, safe=string.punctuation, encoding="latin-1").replace("?", "%3F")
    fields = [("host", "127.0.0.1:1"), ("x-note", latin), (latin, "name"), ("x-empty", "")]
    exchange = Exchange(
        Request(
            "GET", b"/" + path.encode(), query_string=b"q=" + path.encode(),
            headers=Headers(fields), body=text.encode("utf-8", "surrogateescape"),
        ),
        "http_api",
    )  # fmt: skip
    exchange.response = Response(200, Headers([("x-note", latin)]), json.dumps([text]).encode())
    return as_curl(exchange), as_test(exchange, "main:app"), exchange


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_of_a_request_becomes_code_in_a_shell(text: str, tmp_path: Path) -> None:
    command, _, exchange = copies_of(text)
    assert command.replace("\n", "").isprintable()
    # A curl that writes its arguments and its input, each behind its length.
    (tmp_path / "curl").write_text(
        f"#!{sys.executable}\nimport sys\nsys.stdout.buffer.write(repr((sys.argv[1:], "
        "[] if '@-' not in sys.argv else [sys.stdin.buffer.read()])).encode())\n"
    )
    (tmp_path / "curl").chmod(0o755)
    for shell in ("sh", "bash"):
        ended = subprocess.run(
            [shell, "-c", command], cwd=tmp_path, capture_output=True, timeout=SECONDS,
            env={"PATH": f"{tmp_path}:{os.environ['PATH']}", "LC_ALL": "C.UTF-8"},
        )  # fmt: skip
        assert ended.returncode == 0, (command, ended.stderr)
        arguments, content = ast.literal_eval(ended.stdout.decode())
        assert arguments[-1].encode() == b"https://127.0.0.1:1" + exchange.sent.target.encode()
        at = arguments.index("--data-raw" if not content else "--data-binary")
        assert (content or [arguments[at + 1].encode()]) == [exchange.sent.body]
        fields = [argument.rstrip("\n") for argument in arguments]
        assert f"x-note: {text}".replace("\0", "").rstrip("\n") in fields
        assert "@/etc/hostname: name" not in arguments
    assert [file.name for file in tmp_path.iterdir()] == ["curl"]


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_of_a_request_becomes_code_in_a_test(text: str) -> None:
    _, code, exchange = copies_of(text)
    assert code.replace("\n", "").isprintable()
    (imported, function) = ast.parse(code).body
    assert isinstance(imported, ast.ImportFrom)
    assert isinstance(function, ast.FunctionDef)
    made, asked, status, content = function.body
    assert isinstance(made, ast.Assign)
    assert isinstance(asked, ast.Assign)
    assert isinstance(asked.value, ast.Call)
    values = {word.arg: ast.literal_eval(word.value) for word in asked.value.keywords}
    assert values["data"] == exchange.sent.body
    assert ("x-note", exchange.sent.headers["x-note"]) in values["headers"]
    assert ast.literal_eval(asked.value.args[0]) == exchange.sent.target
    assert isinstance(status, ast.Assert)
    assert isinstance(content, ast.Assert)
    assert isinstance(content.test, ast.Compare)
    assert ast.literal_eval(content.test.comparators[0]) == [text]


@pytest.mark.parametrize("method", ["M-SEARCH", "$HOME", "`id`", "x|y", "'", "A.B", "~", "def"])
def test_any_method_makes_a_test_and_a_file(method: str, tmp_path: Path) -> None:
    exchange = Exchange(Request(method, b"/x"), "http_api")
    exchange.response = Response(204)
    (_, function) = ast.parse(as_test(exchange, "main:app")).body
    assert isinstance(function, ast.FunctionDef)
    assert function.name.isascii()
    Recorder(tmp_path).save(exchange.sent, {})
    [file] = tmp_path.iterdir()
    assert re.fullmatch(r"0001-[A-Za-z0-9-]*-x\.json", file.name)


@pytest.mark.parametrize(
    "body",
    [b"[NaN]", b'{"a": Infinity}', b"[" * 1500, b"[" * 300 + b"]" * 300, b'{"a": 1e999}',
     b'"\\ud800"', b"1" * 1999],
)  # fmt: skip
def test_the_code_of_a_test_compiles_for_any_response(body: bytes) -> None:
    exchange = Exchange(Request("GET", b"/x"), "http_api")
    exchange.response = Response(200, Headers(), body)
    ast.literal_eval(as_test(exchange, "main:app").rpartition(" == ")[2])


def test_a_deep_event_is_saved(tmp_path: Path) -> None:
    event: list[object] = []
    for _ in range(sys.getrecursionlimit() // 2):
        event = [event]
    Recorder(tmp_path).save(Request("GET"), event)
    [file] = tmp_path.iterdir()
    assert json.loads(file.read_text()) == event


def test_no_recorded_file_is_written_over(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "events"
    first, second = Recorder(folder), Recorder(folder)
    for recorder in (first, second, first, Recorder(folder)):
        recorder.save(Request("GET", b"/../../etc/" + b"x" * 300), {})
    names = sorted(file.name for file in folder.iterdir())
    assert [name[:4] for name in names] == ["0001", "0002", "0003", "0004"]
    assert all(name.startswith("etc-xxx", 9) and len(name) < 80 for name in names)
