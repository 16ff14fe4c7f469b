"""`unigate dev`: a running server, its reloads and its end, and how it refuses to start."""

from __future__ import annotations

import http.client
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

import pytest

from tests.cli.dev.dev_server import SECONDS, Server, command, dev, environ, until
from unigate.cli.dev.reloader import Reloader
from unigate.cli.dev.server import Server as LocalServer
from unigate.cli.dev.server import listen, url_of
from unigate.cli.main import main
from unigate.types import Environ, StartResponse

BINARY = bytes(range(256)) * 5

APPLICATION = """
import json
import sys

import unigate


def app(environ, start_response):
    request = environ["unigate.request"]
    path = environ["PATH_INFO"]
    status, headers, body = "200 OK", [("Content-Type", "application/json")], b""
    if path == "/echo":
        headers = [("Content-Type", "application/octet-stream")]
        headers += [("Set-Cookie", "a=1; Path=/"), ("Set-Cookie", "b=2; Path=/")]
        body = environ["wsgi.input"].read()
    elif path == "/cached":
        status = "304 Not Modified"
    elif path == "/length":
        headers.append(("Content-Length", "42"))
    elif path == "/boom":
        raise ValueError("the kettle is empty")
    elif path == "/exit":
        sys.exit("done for today")
    else:
        context = request.context
        body = json.dumps({
            "source": request.source,
            "path": path.encode("latin-1").decode("utf-8", "replace"),
            "raw": request.raw_path.decode("latin-1"),
            "query": environ["QUERY_STRING"],
            "headers": {key: environ[key] for key in environ if key.startswith("HTTP_")},
            "multi": request.event.get("multiValueHeaders"),
            "body": environ["wsgi.input"].read().decode(),
            "context": [context.aws_request_id, context.get_remaining_time_in_millis()],
        }).encode()
    start_response(status, headers)
    return [body]


class Frank(unigate.Gateway):
    def lambda_handler(self, event, context=None):
        if event["rawPath"] == "/bytes":
            return {"statusCode": 200, "body": b"bytes are no JSON"}
        return super().lambda_handler(event, context)


frank = Frank(app, on_error="raise")
"""

LIVING = """
import asyncio

import words


def note(word):
    with open("life.txt", "a") as file:
        print(word, file=file)


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        for phase in ("startup", "shutdown"):
            await receive()
            note(phase)
            await send({"type": f"lifespan.{phase}.complete"})
    else:
        if scope["path"] == "/slow":
            note("asked")
            await asyncio.sleep(0.3)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": words.GREETING.encode()})
"""


@pytest.fixture
def signals() -> Iterator[None]:
    """Give Ctrl-C its default handler, and restore the handlers that a server installs."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    (folder / "teapot.py").write_text(APPLICATION)
    with dev(folder, "teapot:app", "--as", "rest_api", "--no-reload") as running:
        yield running


# Requests and responses.


@pytest.mark.parametrize(
    "source", ["http_api", "function_url", "rest_api", "alb", "generic", "vercel"]
)
def test_a_page_is_served_through_each_source(source: str, tmp_path: Path) -> None:
    (tmp_path / "teapot.py").write_text(APPLICATION)
    with dev(tmp_path, "teapot:app", "--as", source, "--no-reload") as server:
        page = server.ask("/caf%C3%A9/?a=1&a=%20&b=", user_agent="kettle")
        echo = server.ask("/echo", BINARY, content_type="image/png")
    facts = json.loads(page.body)
    assert page.status == 200
    assert facts["source"] == source
    assert facts["path"] == "/café/"
    assert facts["query"].replace("+", "%20") == "a=1&a=%20&b="
    assert facts["headers"]["HTTP_USER_AGENT"] == "kettle"
    assert echo.body == BINARY
    assert echo.all("set-cookie") == ["a=1; Path=/", "b=2; Path=/"]
    start, page_at, *lines = server.out.read_text().splitlines()
    url = start.rpartition(" ")[2]
    assert re.fullmatch(rf"{url}/_unigate/\?token=[\w-]{{32}} shows every request\.", page_at)
    assert start.startswith(f"teapot:app answers as {source} on http://127.0.0.1:")
    assert [line.rsplit(" ", 2)[0] for line in lines] == [
        "GET /caf%C3%A9/?a=1&a=%20&b= 200",
        "POST /echo 200",
    ]
    assert all(line.endswith(" ms") for line in lines)
    assert server.err.read_text() == ""


def test_the_request_arrives_as_it_was_sent(server: Server) -> None:
    answer = server.ask_raw(
        b"GET //caf\xc3\xa9%2F%25?q=\xc3\xa9 HTTP/1.0\r\nX-Twice: 1\r\nX-Twice: 2\r\n"
        b"Connection: close\r\nX-Folded: a\r\n b\r\n\r\n"
    )
    facts = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert facts["raw"] == "//caf%C3%A9%2F%25"
    assert facts["path"] == "//café/%"
    assert facts["query"] == "q=%C3%A9"
    assert facts["multi"]["x-twice"] == ["1", "2"]
    assert facts["multi"]["x-folded"] == ["a b"]
    assert facts["multi"]["x-forwarded-for"] == ["127.0.0.1"]
    assert "connection" not in facts["multi"]


def test_a_target_with_a_host_means_its_path(server: Server) -> None:
    answer = server.ask("http://teapot.example/tea?milk=no")
    facts = json.loads(answer.body)
    assert (facts["path"], facts["query"]) == ("/tea", "milk=no")


def test_a_chunked_body_arrives_whole(server: Server) -> None:
    answer = server.ask("/", iter([b"one lump ", b"or two"]), "PUT", content_type="text/plain")
    facts = json.loads(answer.body)
    assert facts["body"] == "one lump or two"
    assert "transfer-encoding" not in facts["multi"]


@pytest.mark.parametrize(
    "request_", [
        b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nshort",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nno length\r\n",
    ], ids=["short", "chunks"],
)  # fmt: skip
def test_a_request_that_is_broken_is_refused(request_: bytes, server: Server) -> None:
    with socket.create_connection(server.address, timeout=SECONDS) as connection:
        connection.sendall(request_)
        connection.shutdown(socket.SHUT_WR)
        with connection.makefile("rb") as file:
            assert file.readline().split()[1] == b"400"
    assert "Traceback" not in server.err.read_text()


def test_bytes_that_are_not_http_are_not_printed(server: Server) -> None:
    before = server.out.read_text(), server.err.read_text()
    assert b"400" in server.ask_raw(b"Good morning to you\r\n\r\n")
    assert (server.out.read_text(), server.err.read_text()) == before


def test_the_context_is_new_for_each_request(server: Server) -> None:
    first, second = (json.loads(server.ask("/").body)["context"] for _ in range(2))
    assert first[0] != second[0]
    assert 0 < first[1] <= 30_000


def test_only_the_fields_of_the_application_are_sent(server: Server) -> None:
    answer = server.ask("/echo", b"tea")
    assert [name.lower() for name, _ in answer.headers] == [
        "content-type",
        "set-cookie",
        "set-cookie",
        "content-length",
        "connection",
    ]
    assert answer.all("content-length") == ["3"]


def test_a_head_response_keeps_its_length_and_has_no_body(server: Server) -> None:
    assert server.ask_raw(b"HEAD /length HTTP/1.0\r\n\r\n").endswith(b"\r\n\r\n")
    assert server.ask("/length", method="HEAD").all("content-length") == ["42"]
    failed = server.ask_raw(b"HEAD /exit HTTP/1.0\r\n\r\n")
    assert failed.startswith(b"HTTP/1.1 500 ")
    assert failed.endswith(b"\r\n\r\n")


def test_a_304_has_neither_body_nor_length(server: Server) -> None:
    answer = server.ask("/cached")
    assert answer.status == 304
    assert not answer.all("content-length")
    assert not answer.all("transfer-encoding")


def test_an_error_is_logged_with_its_traceback(server: Server) -> None:
    answer = server.ask("/boom")
    assert (answer.status, answer.body) == (500, b"Internal Server Error")
    logged = server.err.read_text()
    assert "<Request GET '/boom' from rest_api> failed." in logged
    assert logged.rstrip().endswith("ValueError: the kettle is empty")


def test_a_crash_is_shown_and_survived(server: Server) -> None:
    answer = server.ask("/exit")
    assert answer.status == 500
    assert answer.all("content-type") == ["text/plain; charset=utf-8"]
    assert answer.body.decode().rstrip().endswith("SystemExit: done for today")
    assert server.ask("/").status == 200


def test_what_a_gateway_lets_through_is_shown(tmp_path: Path) -> None:
    (tmp_path / "teapot.py").write_text(APPLICATION)
    with dev(tmp_path, "teapot:frank", "--no-reload") as server:
        for path, problem in (
            ("/boom", "ValueError: the kettle is empty"),
            ("/bytes", "TypeError: Object of type bytes is not JSON serializable"),
        ):
            answer = server.ask(path)
            assert answer.status == 500
            assert answer.body.decode().rstrip().endswith(problem)
            assert server.err.read_text().rstrip().endswith(problem)


@pytest.mark.parametrize(
    "method",
    [
        b"G'ET\"",
        b"GET\x1b[31m",
        b"(GET)",
        b"G\xc3\xa9T",
        b"a:b",
        b"__import__('os')",
        b"GE\x00T",
        b"@",
    ],
)
def test_a_method_that_is_not_a_token_is_refused(server: Server, method: bytes) -> None:
    answer = server.ask_raw(method + b" / HTTP/1.0\r\nConnection: close\r\n\r\n")
    assert answer.split(b" ", 2)[1] == b"400"
    assert b"The method must be an HTTP token." in answer
    out = server.out.read_text()
    assert " 400 " in out.splitlines()[-1]
    assert out.replace("\n", "").isprintable()
    page = server.ask("/_unigate/").body
    assert b" 400 " not in page
    assert method not in page


def test_any_token_is_a_method(server: Server) -> None:
    answer = server.ask_raw(b"A!#$%&'*+-.^_`|~9 / HTTP/1.0\r\nConnection: close\r\n\r\n")
    assert answer.split(b" ", 2)[1] == b"200"


def test_a_request_line_cannot_act_on_the_terminal(server: Server) -> None:
    server.ask_raw(b"GET /\x1b[2J\x9b31m\xe2\x80\xae?\x07=\x7f HTTP/1.0\r\n\r\n")
    line = server.out.read_text().splitlines()[-1]
    assert line.startswith("GET /%1B[2J%9B31m%E2%80%AE?%07=%7F ")


def test_a_line_of_the_terminal_is_limited(server: Server) -> None:
    server.ask(f"/{'x' * 50_000}")
    assert len(server.out.read_text().splitlines()[-1]) < 2100


def test_a_terminal_shows_colours(tmp_path: Path) -> None:
    (tmp_path / "teapot.py").write_text(APPLICATION)
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        command("dev", "teapot:app", "--port", "0", "--no-reload"),
        cwd=tmp_path, env=environ(), stdout=theirs,
    )  # fmt: skip
    try:
        with open(ours, "rb", buffering=0, closefd=False) as terminal:
            start = read(terminal).decode().partition("\r\n")[0]
            port = start.rpartition(":")[2]
            with socket.create_connection(("127.0.0.1", int(port)), SECONDS) as connection:
                connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
                assert connection.recv(1)
            assert b"GET / \x1b[32m200\x1b[0m " in read(terminal)
    finally:
        process.terminate()
        process.wait(SECONDS)
        os.close(ours)
        os.close(theirs)


def read(terminal: IO[bytes]) -> bytes:
    assert select.select([terminal], [], [], SECONDS)[0]
    return terminal.read(4096)


# Reloads and the end.


def test_a_change_is_served_and_a_broken_one_is_shown_until_it_is_mended(tmp_path: Path) -> None:
    (tmp_path / "living.py").write_text(LIVING)
    words = tmp_path / "words.py"
    words.write_text("GREETING = 'Good morning'")
    life = tmp_path / "life.txt"
    with dev(tmp_path, "living:app") as server:
        assert server.ask("/").body == b"Good morning"

        words.write_text("GREETING = 'Good evening'")
        until(lambda: server.ask("/").body == b"Good evening")
        assert life.read_text().split() == ["startup", "shutdown", "startup"]

        words.write_text("GREETING = 'Good night'[99]")
        until(lambda: server.ask("/").status == 500)
        page = server.ask("/")
        assert page.all("content-type") == ["text/plain; charset=utf-8"]
        assert f'File "{words}", line 1' in page.body.decode()
        assert "IndexError: string index out of range" in page.body.decode()
        assert "IndexError: string index out of range" in server.err.read_text()
        assert "unigate/cli" not in page.body.decode()

        words.write_text("GREETING = 'Good ni")
        until(lambda: b"SyntaxError" in server.ask("/").body)

        words.write_text("GREETING = 'Sleep well'")
        until(lambda: server.ask("/").body == b"Sleep well")
        assert server.end(signal.SIGTERM) == 0
    assert life.read_text().split() == ["startup", "shutdown"] * 3
    lines = server.out.read_text().splitlines()
    assert lines[0].startswith("living:app answers as http_api on http://127.0.0.1:")
    assert all(line.startswith("GET / ") for line in lines[2:])
    assert "\x1b" not in server.out.read_text()


def test_a_change_during_the_import_is_not_missed(tmp_path: Path) -> None:
    (tmp_path / "words.py").write_text("GREETING = 'Good morning'")
    change = """
with open("words.py") as file:
    if "morning" in file.read():
        with open("words.py", "w") as file:
            file.write("GREETING = 'Good afternoon'")
"""
    (tmp_path / "living.py").write_text(LIVING + change)
    with dev(tmp_path, "living:app") as server:
        until(lambda: server.ask("/").body == b"Good afternoon")


FUNCTIONS = ["api/date.py", "api/[id]/index.py", "api/_words.py", "vercel.json"]


@pytest.fixture
def functions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a project with a folder of functions, and watch no more of the path than that."""
    installed = (sys.prefix, sys.base_prefix)
    monkeypatch.setattr(sys, "path", [one for one in sys.path if one.startswith(installed)])
    monkeypatch.chdir(tmp_path)
    for name in FUNCTIONS:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("app = 1\n")
    return tmp_path


# The reloader's thread ends with SystemExit, which Python itself ignores.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.usefixtures("bounded", "signals")
@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "api/new.py").write_text("app = 1\n"),
        lambda folder: (folder / "api/date.py").rename(folder / "api/time.py"),
        lambda folder: (folder / "api/[id]").rename(folder / "api/[name]"),
        lambda folder: (folder / "api/date.py").unlink(),
        lambda folder: os.utime(folder / "api/date.py", (0, 0)),
        lambda folder: (folder / "vercel.json").write_text("{}"),
        lambda folder: (folder / "vercel.json").unlink(),
    ],
    ids=["added", "renamed", "folder", "removed", "older", "configuration", "no configuration"],
)
def test_a_folder_of_functions_is_watched(
    functions: Path, change: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    reloader = Reloader(Path("api"))
    monkeypatch.chdir(functions.parent)  # as an application may
    with listen("127.0.0.1", 0) as listener, ThreadPoolExecutor() as pool:
        server = LocalServer(lambda environ, start_response: [], listener, at_end=lambda: None)
        try:
            reloader.start(server)
            change(functions)
            pool.submit(server.run).result(SECONDS)
        finally:
            server.shutdown()
            server.server_close()
    assert reloader.changed


def test_a_function_that_is_added_or_leads_elsewhere_is_served(tmp_path: Path) -> None:
    echo = (
        "def app(environ, start_response):\n    start_response('200 OK', [])\n    return [b'{}']\n"
    )
    (tmp_path / "api").mkdir()
    (tmp_path / "api/date.py").write_text(echo.format("date"))
    with dev(tmp_path, "--functions", "api") as server:
        assert server.ask("/api/time").status == 404
        (tmp_path / "api/time.py").write_text(echo.format("time"))
        until(lambda: server.ask("/api/time").body == b"time")
        (tmp_path / "api/time.py").unlink()
        until(lambda: server.ask("/api/time").status == 404)
        rewrites = [{"source": "/now", "destination": "/api/date"}]
        (tmp_path / "vercel.json").write_text(json.dumps({"rewrites": rewrites}))
        until(lambda: server.ask("/now").body == b"date")
        (tmp_path / "api/date.py").unlink()
        until(lambda: b"must be a folder with at least one function" in server.ask("/now").body)
        (tmp_path / "api/date.py").write_text(echo.format("today"))
        until(lambda: server.ask("/now").body == b"today")
        assert server.end(signal.SIGTERM) == 0


def test_files_that_are_not_functions_do_not_cause_a_reload(functions: Path) -> None:
    reloader = Reloader(Path("api"))
    for name in ("_helper.py", ".date.py", "page.html", "date.py~", "node_modules/x.py"):
        (functions / "api" / name).parent.mkdir(exist_ok=True)
        (functions / "api" / name).write_text("app = 1\n")
    (functions / "api/_words.py").unlink()
    reloader.run_step()
    (functions / "api").rename(functions / "elsewhere")  # in the middle of a checkout
    reloader.run_step()
    (functions / "elsewhere").rename(functions / "api")
    reloader.run_step()
    assert not reloader.changed


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("reload", ["--reload", "--no-reload"])
def test_a_signal_stops_the_server_after_open_requests(
    reload: str, signum: int, tmp_path: Path
) -> None:
    (tmp_path / "living.py").write_text(LIVING)
    (tmp_path / "words.py").write_text("GREETING = 'Good morning'")
    life = tmp_path / "life.txt"
    with dev(tmp_path, "living:app", reload) as server, ThreadPoolExecutor() as pool:
        answer = pool.submit(server.ask, "/slow")
        until(lambda: life.exists() and "asked" in life.read_text())
        assert server.end(signum, group=True) == 0
        assert answer.result(SECONDS).body == b"Good morning"
        with pytest.raises(ConnectionRefusedError):
            server.ask("/")
    assert life.read_text().split() == ["startup", "asked", "shutdown"]
    assert server.err.read_text() == ""


@pytest.mark.usefixtures("bounded", "signals")
@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_a_connection_is_accepted_does_not_cut_it_off(
    signum: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopping = threading.Event()

    def app(environ: Environ, start_response: StartResponse) -> list[bytes]:
        assert stopping.wait(SECONDS)
        start_response("200 OK", [("Content-Length", "12")])
        return [b"Good morning"]

    def ask(address: tuple[str, int]) -> bytes:
        connection = http.client.HTTPConnection(*address, timeout=SECONDS)
        connection.request("GET", "/")
        return connection.getresponse().read()

    def accept(self: LocalServer, *args: Any) -> None:
        original(self, *args)
        os.kill(os.getpid(), signum)

    original = LocalServer.process_request
    monkeypatch.setattr(LocalServer, "process_request", accept)
    with listen("127.0.0.1", 0) as listener, ThreadPoolExecutor() as pool:
        server = LocalServer(app, listener, at_end=stopping.set)
        try:
            answer = pool.submit(ask, listener.getsockname())
            server.run()
            assert answer.result(SECONDS) == b"Good morning"
        finally:
            stopping.set()


def test_only_the_process_that_watches_listens_to_ctrl_c(tmp_path: Path) -> None:
    (tmp_path / "living.py").write_text(LIVING)
    (tmp_path / "words.py").write_text("import os; GREETING = str(os.getpid())")
    with dev(tmp_path, "living:app") as server:
        serving = server.ask("/").body
        assert int(serving) != server.process.pid
        os.kill(int(serving), signal.SIGINT)
        assert server.ask("/").body == serving


def test_the_same_signal_again_does_not_cut_a_response_off(tmp_path: Path) -> None:
    (tmp_path / "living.py").write_text(LIVING)
    (tmp_path / "words.py").write_text("GREETING = 'Good morning'")
    life = tmp_path / "life.txt"
    with dev(tmp_path, "living:app", "--no-reload") as server, ThreadPoolExecutor() as pool:
        answer = pool.submit(server.ask, "/slow")
        until(lambda: life.exists() and "asked" in life.read_text())
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.1)
        assert server.end(signal.SIGTERM) == 0
        assert answer.result(SECONDS).body == b"Good morning"


def test_a_second_signal_kills_a_stubborn_server(tmp_path: Path) -> None:
    wait = "if phase == 'shutdown': __import__('time').sleep(60)"
    stubborn = LIVING.replace("note(phase)\n", f"note(phase)\n            {wait}\n")
    (tmp_path / "living.py").write_text(stubborn)
    (tmp_path / "words.py").write_text("GREETING = 'Good morning'")
    with dev(tmp_path, "living:app") as server:
        assert server.ask("/").status == 200
        server.process.send_signal(signal.SIGINT)
        until(lambda: "shutdown" in (tmp_path / "life.txt").read_text())
        # A signal that arrives while the first is being passed on does not count.
        until(lambda: server.process.send_signal(signal.SIGINT) or server.process.poll() == 0)


# Errors.

FILES = {
    "notapp.py": "app = 3\n",
    "raises.py": "def start():\n    raise ValueError('no\\nwater')\n\nstart()\n",
    "quits.py": "raise SystemExit(4)\n",
    "misses.py": "import sugar_bowl\n",
    "nopython.py": "def (:\n",
    "factory.py": "def app():\n    raise KeyError('spoon')\n",
    "package/__init__.py": "",
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield tmp_path
    for name in FILES:
        sys.modules.pop(name.partition("/")[0].removesuffix(".py"), None)


@pytest.mark.parametrize(
    ("target", "problem"),
    [
        ("nowhere:app", "No module named 'nowhere'"),
        ("package.nowhere:app", "No module named 'package.nowhere'"),
        ("notapp.py:app", "No module named 'notapp.py'"),
        ("notapp:tea", "Module 'notapp' has no attribute 'tea'."),
        ("notapp", "is not of the form"),
        (":app", "is not of the form"),
        ("./notapp:app", "is not of the form"),
        ("notapp:app", "int object cannot be called"),
    ],
)
def test_a_target_that_is_none_is_refused_in_one_line(
    target: str, problem: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["dev", target, "--port", "0", "--no-reload"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith(f"unigate: {target!r} cannot be loaded: ")
    assert problem in err


@pytest.mark.parametrize(
    ("target", "place", "last"),
    [
        ("raises:app", '/raises.py", line 2, in start', "ValueError: no water"),
        (
            "quits:app",
            '/quits.py", line 1, in <module>',
            "importing it ends the process (SystemExit: 4).",
        ),
        (
            "misses:app",
            '/misses.py", line 1, in <module>',
            "it imports 'sugar_bowl', which is not installed and not in the project.",
        ),
        ("nopython:app", '/nopython.py", line 1', "invalid syntax (nopython.py, line 1)"),
        ("factory:app", '/factory.py", line 2, in app', "KeyError: 'spoon'"),
    ],
)
def test_code_that_fails_is_shown_before_the_line(
    target: str, place: str, last: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["dev", target, "--port", "0", "--no-reload"]) == 2
    err = capsys.readouterr().err
    assert err.count("  File ") == err.count(str(project)) == err.count(f'File "{project}')
    assert place in err
    assert err.splitlines()[-1] == f"unigate: {target!r} cannot be loaded: {last}"


def test_the_process_that_watches_passes_a_refusal_on(project: Path) -> None:
    ended = subprocess.run(
        command("dev", "notapp:app", "--port", "0"),
        cwd=project, env=environ(), capture_output=True, text=True, timeout=SECONDS,
    )  # fmt: skip
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert ended.stderr.count("\n") == 1
    assert ended.stderr.startswith("unigate: 'notapp:app' cannot be loaded: ")


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--port", "65536"], "Invalid value for '--port': 65536 is not in the range"),
        (["--port", "-1"], "Invalid value for '--port': -1 is not in the range"),
        (["--port", "tea"], "Invalid value for '--port': 'tea' is not a valid integer"),
        (["--as", "teapot"], "Invalid value for '--as': 'teapot' is not one of"),
        (["--as", "httpapi"], " Did you mean 'http_api'?"),
        (["--teapot"], "No such option"),
        (["--host", "not a host"], "Cannot listen on not a host:8000: "),
        (["--host", "ü" * 64], "Cannot listen on üü"),
    ],
)
def test_a_bad_option_is_refused_in_one_line(
    options: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["dev", "teapot:app", *options]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("unigate")
    assert problem in err


@pytest.mark.parametrize(
    ("host", "printed"),
    [
        *[("127.0.0.1", "127.0.0.1"), ("localhost", "127.0.0.1"), ("0.0.0.0", "127.0.0.1")],
        *[("::1", "[::1]"), ("::", "[::1]"), ("0:0:0:0:0:0:0:0", "[::1]"), ("0", "127.0.0.1")],
    ],
)
def test_the_url_that_is_printed_leads_to_the_server(host: str, printed: str) -> None:
    with listen(host, 0) as listener:
        url = urlsplit(url_of(listener))
        assert url.netloc == f"{printed}:{listener.getsockname()[1]}"
        with socket.create_connection((url.hostname, url.port), timeout=SECONDS):
            pass


@pytest.mark.parametrize("reload", ["--reload", "--no-reload"])
def test_a_port_that_is_taken_is_refused_in_one_line(
    reload: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert main(["dev", "teapot:app", "--port", port, reload]) == 2
    err = capsys.readouterr().err
    assert err == f"unigate: Cannot listen on 127.0.0.1:{port}: Address already in use.\n"


def test_ctrl_c_while_loading_ends_it(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "slow.py").write_text("raise KeyboardInterrupt\n")
    assert main(["dev", "slow:app", "--port", "0", "--no-reload"]) == 130
    assert capsys.readouterr().err.strip() == ""


@pytest.mark.parametrize("command", ["build", "check", "dev", "invoke", "routes"])
def test_help_shows_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    *_, examples = capsys.readouterr().out.partition("Examples:\n")
    assert f"unigate {command} main:app" in examples
    assert main(["--help"]) == 0
    assert "unigate dev main:app" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("args", "line"),
    [
        (
            ["teapot"],
            "unigate: There is no command 'teapot': use one of build, check, dev, invoke, routes. "
            "(see 'unigate --help')\n",
        ),
        (["dev"], "unigate dev: Missing argument 'MODULE:APP'. (see 'unigate dev --help')\n"),
    ],
)
def test_a_missing_or_unknown_word_is_refused_in_one_line(
    args: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(args) == 2
    assert capsys.readouterr().err == line


@pytest.mark.parametrize(
    ("name", "command"),
    [("click", "dev"), ("jinja2", "dev"), ("werkzeug", "dev"), ("yaml", "build")],
)
def test_without_its_extra_the_command_explains_how_to_install_it(
    name: str, command: str, tmp_path: Path
) -> None:
    code = f"import sys; sys.modules[{name!r}] = None; import unigate.__main__"
    code += f"; sys.exit(unigate.__main__.main([{command!r}, '--help']))"
    ended = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path, env=environ(), capture_output=True, text=True, timeout=SECONDS,
    )  # fmt: skip
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert ended.stderr.count("\n") == 1
    assert "unigate[cli]" in ended.stderr


def test_another_missing_module_is_not_taken_for_the_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "unigate.cli.project.target")
    monkeypatch.setitem(sys.modules, "unigate.import_strings", None)
    with pytest.raises(ModuleNotFoundError, match=r"unigate\.import_strings"):
        main(["--help"])
