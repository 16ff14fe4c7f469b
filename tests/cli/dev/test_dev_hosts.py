"""`unigate dev --stream` and `--functions`: an application in the Lambda runtime, and many."""

from __future__ import annotations

import http.client
import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.dev.dev_server import SECONDS, Server, command, dev, environ, until
from unigate.cli.main import main

STREAMING = """
import asyncio
import os
from pathlib import Path

import words

Path("pid.txt").write_text(str(os.getpid()))


async def app(scope, receive, send):
    assert scope["type"] == "http"
    await receive()
    headers = [(b"content-type", b"text/plain"), (b"set-cookie", b"id=hush; Path=/")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    first = b"" if scope["path"] == "/silent" else words.FIRST.encode()
    await send({"type": "http.response.body", "body": first, "more_body": True})
    while scope["path"] in ("/waiting", "/silent") and not os.path.exists("go.txt"):
        await asyncio.sleep(0.02)
    try:
        while scope["path"] == "/ever":
            await send({"type": "http.response.body", "body": b"more", "more_body": True})
            await asyncio.sleep(0.02)
    finally:
        Path("ended.txt").touch()
    if scope["path"] == "/broken":
        raise ValueError("the tea is spilt")
    await send({"type": "http.response.body", "body": b"second"})
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "live.py").write_text(STREAMING)
    (tmp_path / "words.py").write_text("FIRST = 'first '")
    return tmp_path


@contextmanager
def opened(server: Server, target: str) -> Iterator[http.client.HTTPResponse]:
    connection = http.client.HTTPConnection(*server.address, timeout=SECONDS)
    connection.request("GET", target)
    response = connection.getresponse()
    try:
        yield response
    finally:
        response.close()
        connection.close()


def shown(server: Server, number: int) -> str:
    return server.ask(f"/_unigate/{number}").body.decode()


# The Lambda runtime.


def test_a_response_arrives_as_it_is_made(project: Path) -> None:
    with dev(project, "live:app", "--stream", "--no-reload") as server:
        with opened(server, "/waiting") as response:
            assert response.status == 200
            assert response.getheader("transfer-encoding") == "chunked"
            assert response.read(6) == b"first "
            assert "first byte" in shown(server, 1)
            assert "streaming" in server.ask("/_unigate/").body.decode()
            assert server.ask("/").body == b"first second"  # meanwhile
            (project / "go.txt").touch()
            assert response.read() == b"second"
        until(lambda: "streamed" in server.ask("/_unigate/").body.decode())
        text = shown(server, 1)
        assert "first second</pre>" in text
        assert "set-cookie: id=(masked); Path=/" in text
        assert "&#34;domainName&#34;: &#34;local.lambda-url." in text
        assert "<dd>cold</dd>" in text
        assert "<dd>warm</dd>" in shown(server, 2)
        for lap in ("parse", "app", "reply", "first byte", "total"):
            assert f"<dt>{lap}</dt>" in text
    start, _, *lines = server.out.read_text().splitlines()
    assert start.startswith("live:app answers as function_url on http://")
    assert [line.rsplit(" ", 2)[0] for line in lines] == ["GET /waiting 200", "GET / 200"]
    assert server.err.read_text() == ""


def test_the_header_fields_do_not_wait_for_a_body(project: Path) -> None:
    with (
        dev(project, "live:app", "--stream", "--no-reload") as server,
        opened(server, "/silent") as response,
    ):
        assert response.getheader("content-type") == "text/plain"
        (project / "go.txt").touch()
        assert response.read() == b"second"


def test_a_stream_that_breaks_off_does_not_look_whole(project: Path) -> None:
    with dev(project, "live:app", "--stream", "--no-reload", "--as", "rest_api") as server:
        with opened(server, "/broken") as response, pytest.raises(http.client.IncompleteRead):
            response.read()
        assert "ValueError: the tea is spilt" in server.err.read_text()
        until(lambda: "the tea is spilt" in shown(server, 1))
        assert server.ask("/").body == b"first second"


def test_a_head_request_has_no_stream(project: Path) -> None:
    with dev(project, "live:app", "--stream", "--no-reload") as server:
        answer = server.ask("/", method="HEAD")
        assert (answer.status, answer.body) == (200, b"")
        assert answer.all("content-type") == ["text/plain"]
        assert "total" in shown(server, 1)


def test_a_replay_reads_its_stream_by_itself(project: Path) -> None:
    with dev(project, "live:app", "--stream", "--no-reload") as server:
        server.ask("/")
        origin = "http://{}:{}".format(*server.address)
        for number, source in ((2, "function_url"), (3, "alb")):
            given = json.dumps({"source": source}).encode()
            answer = server.ask(
                "/_unigate/1/replay", given, Origin=origin, Content_Type="application/json"
            )
            assert json.loads(answer.body) == {"number": number}
            until(lambda number=number: "first second</pre>" in shown(server, number))
        assert "streamed" not in shown(server, 3)  # a load balancer does not stream


def test_a_client_that_disconnects_ends_its_stream(project: Path) -> None:
    with dev(project, "live:app", "--stream", "--no-reload") as server:
        with opened(server, "/ever") as response:
            assert response.read(6) == b"first "
        until((project / "ended.txt").exists)
        until(lambda: "streamed" in server.ask("/_unigate/").body.decode())
        assert server.ask("/").body == b"first second"
        assert server.err.read_text() == ""


def test_the_runtime_ends_with_the_server(project: Path) -> None:
    with dev(project, "live:app", "--stream") as server:
        first = int((project / "pid.txt").read_text())
        (project / "words.py").write_text("FIRST = 'other '")
        until(lambda: server.ask("/").body == b"other second")
        second = int((project / "pid.txt").read_text())
        assert first != second
        assert not alive(first)
        (project / "words.py").write_text("FIRST = 1 / 0")
        until(lambda: server.ask("/").status == 500)
        assert "ZeroDivisionError" in server.ask("/").body.decode()
        assert not alive(second)


def test_the_runtime_does_not_outlive_a_signal(project: Path) -> None:
    with dev(project, "live:app", "--stream", "--no-reload") as server:
        pid = int((project / "pid.txt").read_text())
        assert alive(pid)
        assert server.end(signal.SIGTERM) == 0
        assert not alive(pid)
        assert server.err.read_text() == ""


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("target", ["live:tea", "nowhere:app"])
def test_an_unloadable_target_is_refused(
    target: str, project: Path, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(project)
    for name, value in environ().items():
        monkeypatch.setenv(name, value)
    assert main(["dev", target, "--stream", "--no-reload", "--port", "0"]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.splitlines()[-1].startswith(f"unigate: {target!r} cannot be loaded: ")
    assert err.count("\n") == 1


# A folder of functions.

FUNCTION = """
import json

import unigate


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/json")])
    request = unigate.current_request()
    seen = [NAME, request.source, environ["PATH_INFO"], environ["QUERY_STRING"]]
    return [json.dumps(seen).encode()]


app = unigate.wrap(application)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for path in ("index.py", "users/[name].py", "orders/index.py"):
        file = tmp_path / "site" / "api" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(FUNCTION.replace("NAME", repr(path)))
    (tmp_path / "site" / "api" / "broken.py").write_text(
        "import kettle_that_is_not_there\napp = 3\n"
    )
    (tmp_path / "elsewhere").mkdir()
    return tmp_path


def test_each_path_is_answered_by_its_own_file(folder: Path) -> None:
    with dev(folder, "--functions", "site/api", "--no-reload") as server:
        for path, expected in (
            ("/api", ["index.py", "vercel", "/api", ""]),
            ("/api/users/ada", ["users/[name].py", "vercel", "/api/users/ada", "name=ada"]),
            ("/api/orders", ["orders/index.py", "vercel", "/api/orders", ""]),
        ):  # fmt: skip
            assert json.loads(server.ask(path).body) == expected
        missing = server.ask("/api/teapot")
        assert (missing.status, missing.body) == (404, b"No function is at this path.")
        broken = server.ask("/api/broken")
        assert broken.status == 500
        assert "kettle_that_is_not_there" in broken.body.decode()
        assert json.loads(server.ask("/api").body)[0] == "index.py"
        first, second = shown(server, 1), shown(server, 2)
        assert "<dd>cold</dd>" in first
        assert "<dd>cold</dd>" in second  # another function
        assert "<dd>warm</dd>" in shown(server, 6)
        assert "pytest test" not in first
        assert server.ask("/_unigate/1/test").status == 404
        assert "kettle_that_is_not_there" in shown(server, 5)
    assert server.out.read_text().startswith("site/api answers as vercel on http://")


def test_a_changed_file_is_loaded_again(folder: Path) -> None:
    # Python would not look for modules in this folder.
    with dev(folder / "elsewhere", "--functions", "../site/api", "--as", "alb") as server:
        assert json.loads(server.ask("/api").body)[:2] == ["index.py", "alb"]
        file = folder / "site" / "api" / "index.py"
        file.write_text(FUNCTION.replace("NAME", "'changed'"))
        until(lambda: json.loads(server.ask("/api").body)[0] == "changed")


def test_a_folder_without_functions_is_refused(folder: Path) -> None:
    import subprocess

    ended = subprocess.run(
        command("dev", "--functions", "elsewhere", "--port", "0"),
        cwd=folder, env=environ(), capture_output=True, text=True, timeout=SECONDS,
    )  # fmt: skip
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert ended.stderr == "unigate: 'elsewhere' must be a folder with at least one function.\n"
