"""`unigate dev --stream`: applications in the Lambda runtime, in a process, and their replies."""

from __future__ import annotations

import gc
import json
import os
import re
import signal
import socket
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from unigate.cli.dev.inspector.exchanges import Report
from unigate.cli.dev.lambda_host import host as runtime_host
from unigate.cli.dev.lambda_host.host import LambdaHost
from unigate.cli.dev.lambda_host.reports import ReportReader
from unigate.cli.dev.lambda_host.streams import InvocationError, StreamedReply
from unigate.cli.project.target import Unloadable
from unigate.emulator import EVENT_SOURCES, make_request

pytestmark = pytest.mark.usefixtures("bounded")

ROOT = Path(__file__).resolve().parents[4]
SECONDS = 20

APPLICATION = """
import asyncio
import json
import os
import sys
import threading
import time
from pathlib import Path
from urllib.parse import parse_qs

import unigate

together = threading.Barrier(8)


def site(environ, start_response):
    query = {name: values[0] for name, values in parse_qs(environ["QUERY_STRING"]).items()}
    path = environ["PATH_INFO"]
    if path == "/exit":
        sys.exit("done for today")
    if path == "/die":
        os._exit(7)
    if path == "/boom":
        raise ValueError("the kettle is empty")
    if path == "/deep":
        deep()
    if path == "/together":
        together.wait(20)
    start_response("200 OK", [
        ("Content-Type", "text/plain"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"),
    ])
    if path == "/parts":
        return parts(query)
    if path == "/much":
        return much(query)
    if path == "/nuls":
        return [bytes(100), b"end"]
    if path == "/facts":
        print("Good morning", flush=True)
        return [json.dumps(facts(environ["unigate.request"].context)).encode()]
    return [environ["wsgi.input"].read()]


def deep(left=900):
    if not left:
        raise ValueError("the well is deep")
    deep(left - 1)


def parts(query):
    for number in range(int(query["count"])):
        yield f"{number}\\n".encode()
        while not Path(query["folder"], str(number)).exists():
            time.sleep(0.005)
    if query.get("end") == "raise":
        raise ValueError("the kettle is empty")
    if query.get("end") == "die":
        os._exit(9)


def much(query):
    try:
        for number in range(4096):
            Path(query["folder"], "count").write_text(str(number))
            yield bytes(1 << 16)
    finally:
        Path(query["folder"], "closed").touch()


def facts(context):
    return {
        "id": context.aws_request_id, "arn": context.invoked_function_arn,
        "trace": context.trace_id, "milliseconds": context.get_remaining_time_in_millis(),
        "name": context.function_name, "memory": context.memory_limit_in_mb,
        "api": os.environ["AWS_LAMBDA_RUNTIME_API"], "session": os.getsid(0), "pid": os.getpid(),
    }


async def api(scope, receive, send):
    if scope["type"] == "lifespan":
        for phase in ("startup", "shutdown"):
            await receive()
            Path(os.environ["FOLDER"], phase).touch()
            await send({"type": f"lifespan.{phase}.complete"})
        return
    query = {name: values[0] for name, values in parse_qs(scope["query_string"].decode()).items()}
    await receive()
    headers = [(b"content-type", b"text/plain"), (b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for number in range(int(query["count"])):
        body = f"{number}\\n".encode()
        await send({"type": "http.response.body", "body": body, "more_body": True})
        while not Path(query["folder"], str(number)).exists():
            await asyncio.sleep(0.005)
    if query.get("end") == "raise":
        raise ValueError("the kettle is empty")
    if query.get("end") == "wait":
        assert (await receive())["type"] == "http.disconnect"
        Path(query["folder"], "gone").touch()
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def ignoring_root_path(scope, receive, send):
    status = 200 if scope["path"] == "/users" else 404
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body"})


app = unigate.wrap(site, mounts={"/v2": api})
mounted = unigate.wrap(mounts={"/v3": ignoring_root_path}, lifespan="off")
raising = unigate.wrap(site, on_error="raise")
app.on_event("sqs")(lambda event, context: b"no JSON")


async def refusing(scope, receive, send):
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "no water"})


async def stubborn(scope, receive, send):
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    time.sleep(60)
"""

BOTH = pytest.mark.parametrize("prefix", ["", "/v2"], ids=["wsgi", "asgi"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a folder whose modules the processes find."""
    folder = tmp_path_factory.mktemp("kitchen")
    (folder / "teapot.py").write_text(APPLICATION)
    (folder / "broken.py").write_text("def start():\n    raise ValueError('no water')\n\nstart()\n")
    (folder / "quits.py").write_text("import os\nos._exit(4)\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{folder}")
        patch.setenv("FOLDER", str(folder))
        # Compiled modules are shared by the processes.
        patch.setenv("PYTHONDONTWRITEBYTECODE", "")
        patch.setenv("PYTHONPYCACHEPREFIX", str(tmp_path_factory.mktemp("pycache")))
        yield folder


@pytest.fixture(scope="module")
def host(folder: Path) -> Iterator[LambdaHost]:
    host = LambdaHost("teapot:app")
    yield host
    host.close()


def event(path: str, source: str = "function_url", body: bytes = b"", **query: object) -> Any:
    text = "&".join(f"{name}={value}" for name, value in query.items())
    request = make_request(
        "POST" if body else "GET", f"http://teapot.example{path}?{text}", (), body
    )
    request.source = source
    return EVENT_SOURCES[source].make_event(request)


def streamed(answer: Any) -> StreamedReply:
    assert isinstance(answer, StreamedReply)
    return answer


def text(answer: Any) -> str:
    """Read a streamed answer."""
    return b"".join(streamed(answer).body).decode()


def facts(host: LambdaHost) -> Any:
    return json.loads(text(host.invoke(event("/facts"))))


def until(question: Callable[[], object]) -> None:
    deadline = time.monotonic() + SECONDS
    while not question():
        assert time.monotonic() < deadline, "It did not happen."
        time.sleep(0.01)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


# Answers


@pytest.mark.parametrize("source", ["http_api", "alb"])
def test_sources_without_streaming_get_a_whole_reply(host: LambdaHost, source: str) -> None:
    reply = host.invoke(event("/", source, body=b"milk"))
    assert isinstance(reply, dict)
    response = EVENT_SOURCES[source].from_reply(reply)
    assert (response.status, response.body) == (200, b"milk")
    assert response.headers.getlist("set-cookie") == ["a=1", "b=2"]


@BOTH
@pytest.mark.parametrize("source", ["function_url", "rest_api"])
def test_parts_come_as_the_application_sends_them(
    host: LambdaHost, tmp_path: Path, source: str, prefix: str
) -> None:
    answer = streamed(host.invoke(event(f"{prefix}/parts", source, count=3, folder=tmp_path)))
    assert answer.response.status == 200
    assert answer.response.headers.pairs == [
        ("content-type", "text/plain"), ("set-cookie", "a=1"), ("set-cookie", "b=2"),
    ]  # fmt: skip
    assert answer.response.body == b""
    for number in range(3):  # each is sent after the last has arrived
        assert next(answer.body) == f"{number}\n".encode()
        (tmp_path / str(number)).touch()
    assert list(answer.body) == []


def test_a_body_may_begin_with_the_delimiter_of_the_prelude(host: LambdaHost) -> None:
    assert text(host.invoke(event("/nuls"))) == "\0" * 100 + "end"


def test_an_answer_may_have_no_body(host: LambdaHost) -> None:
    assert list(streamed(host.invoke(event("/"))).body) == []


@pytest.mark.parametrize("source", ["http_api", "function_url"])
def test_large_bodies_pass_both_ways(host: LambdaHost, source: str) -> None:
    body = os.urandom(3_000_000)
    answer = host.invoke(event("/", source, body))
    if isinstance(answer, dict):
        assert EVENT_SOURCES[source].from_reply(answer).body == body
    else:
        assert b"".join(answer.body) == body


def test_the_function_waits_for_the_reader_of_its_response(
    host: LambdaHost, tmp_path: Path
) -> None:
    answer = streamed(host.invoke(event("/much", folder=tmp_path)))
    first = next(answer.body)
    count = tmp_path / "count"
    before = -1
    while (now := int(count.read_text() or before)) != before:  # until the connection is full
        before = now
        time.sleep(0.2)
    assert before < 1024
    assert len(first) + sum(map(len, answer.body)) == 4096 << 16
    assert int(count.read_text()) == 4095


def test_a_wsgi_application_is_closed_when_the_reader_closes(
    host: LambdaHost, tmp_path: Path
) -> None:
    answer = streamed(host.invoke(event("/much", folder=tmp_path)))
    assert next(answer.body)
    answer.body.close()
    until((tmp_path / "closed").exists)
    assert int((tmp_path / "count").read_text()) < 4095


def test_an_asgi_application_is_disconnected_when_the_reader_closes(
    host: LambdaHost, tmp_path: Path
) -> None:
    (tmp_path / "0").touch()
    answer = streamed(host.invoke(event("/v2/", count=1, folder=tmp_path, end="wait")))
    assert next(answer.body) == b"0\n"
    answer.body.close()
    until((tmp_path / "gone").exists)


def test_a_response_can_be_closed_before_it_is_read(host: LambdaHost, tmp_path: Path) -> None:
    streamed(host.invoke(event("/much", folder=tmp_path))).body.close()
    until((tmp_path / "closed").exists)


# Failures


def test_a_failure_before_the_response_is_a_500(host: LambdaHost) -> None:
    answer = streamed(host.invoke(event("/boom")))
    assert answer.response.status == 500
    assert text(answer) == "Internal Server Error"


@BOTH
def test_a_failure_within_the_response_raises_there(
    host: LambdaHost, tmp_path: Path, prefix: str
) -> None:
    (tmp_path / "0").touch()
    query = {"count": 1, "folder": tmp_path, "end": "raise"}
    answer = streamed(host.invoke(event(f"{prefix}/parts", **query)))
    assert next(answer.body) == b"0\n"
    with pytest.raises(InvocationError, match=r"^ValueError: the kettle is empty$"):
        next(answer.body)
    assert list(answer.body) == []
    assert facts(host)["name"] == "local"


def test_a_failed_invocation_raises_with_the_traceback(folder: Path) -> None:
    host = LambdaHost("teapot:raising")
    try:
        with pytest.raises(InvocationError) as failed:
            host.invoke(event("/boom"))
        first, *_, line, last = str(failed.value).splitlines()
        assert first == "Traceback (most recent call last):"
        assert line.strip() in APPLICATION
        assert last == "ValueError: the kettle is empty"
        with pytest.raises(InvocationError, match=r"\nValueError: the well is deep$"):
            host.invoke(event("/deep"))  # the traceback makes a very long header field
        pid = facts(host)["pid"]
        with pytest.raises(InvocationError, match=r"\nRuntime.ExitError: done for today$"):
            host.invoke(event("/exit"))
        assert facts(host)["pid"] != pid
        assert not is_alive(pid)
    finally:
        host.close()


def test_a_reply_that_is_not_json_raises(host: LambdaHost) -> None:
    for _ in range(2):
        with pytest.raises(ValueError, match="Expecting value"):
            host.invoke({"Records": [{"eventSource": "aws:sqs", "body": "milk"}]})
    assert facts(host)["name"] == "local"


def test_the_end_of_the_process_raises_and_the_next_request_starts_another(
    folder: Path, tmp_path: Path
) -> None:
    host = LambdaHost("teapot:app")
    try:
        before = facts(host)
        first = before["pid"]
        streams = [
            streamed(host.invoke(event(f"{prefix}/", count=1, folder=tmp_path)))
            for prefix in ("/v2", "/v2")
        ]
        assert [next(stream.body) for stream in streams] == [b"0\n", b"0\n"]
        how = "its process ended with 7"
        with pytest.raises(InvocationError, match=rf"^The function did not answer: {how}.$"):
            host.invoke(event("/die"))
        for stream in streams:
            with pytest.raises(InvocationError, match=rf"^The function broke .* answer: {how}.$"):
                next(stream.body)

        second = facts(host)["pid"]
        assert second != first
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(before["api"].split(":"), SECONDS)
        answer = streamed(host.invoke(event("/parts", count=1, folder=tmp_path, end="die")))
        assert next(answer.body) == b"0\n"
        (tmp_path / "0").touch()
        with pytest.raises(InvocationError, match=r"broke off its answer: .* ended with 9.$"):
            next(answer.body)

        with ThreadPoolExecutor() as pool:
            waiting = pool.submit(host.invoke, event("/together"))
            third = facts(host)["pid"]
            os.kill(third, signal.SIGKILL)
            with pytest.raises(InvocationError, match=r"its process ended with SIGKILL.$"):
                waiting.result(SECONDS)
        assert facts(host)["pid"] not in (first, second, third)
    finally:
        host.close()


# Concurrency


def test_applications_answer_many_at_once(host: LambdaHost) -> None:
    with ThreadPoolExecutor(8) as pool:  # they wait for each other
        answers = list(
            pool.map(lambda _: text(host.invoke(event("/together"))), range(8), timeout=SECONDS)
        )
    assert answers == [""] * 8


def test_open_streams_do_not_keep_others_from_being_answered(
    host: LambdaHost, tmp_path: Path
) -> None:
    streams = [
        streamed(host.invoke(event(f"{prefix}/parts", count=1, folder=tmp_path)))
        for prefix in ("", "/v2") * 10
    ]
    assert facts(host)["name"] == "local"
    (tmp_path / "0").touch()
    assert [text(stream) for stream in streams] == ["0\n"] * 20


def test_requests_beyond_the_limit_wait(host: LambdaHost) -> None:
    bodies = [str(number).encode() for number in range(100)]
    with ThreadPoolExecutor(50) as pool:
        answers = list(
            pool.map(lambda body: text(host.invoke(event("/", body=body))), bodies, timeout=SECONDS)
        )
    assert answers == [body.decode() for body in bodies]


# The context


def test_the_context_is_that_of_lambda(host: LambdaHost) -> None:
    first, second = facts(host), facts(host)
    assert first["id"] != second["id"]
    assert first["trace"] != second["trace"]
    assert re.fullmatch(
        r"Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=0", first["trace"]
    )
    assert first["arn"] == "arn:aws:lambda:us-east-1:123456789012:function:local"
    assert (first["name"], first["memory"]) == ("local", "1024")
    assert 14 * 60_000 < first["milliseconds"] <= 15 * 60_000


def test_ctrl_c_in_a_terminal_does_not_reach_the_function(host: LambdaHost) -> None:
    assert facts(host)["session"] != os.getsid(0)


@pytest.mark.parametrize(
    "asked", [
        "GET {} HTTP/1.1\r\nHost: evil.example:80\r\n\r\n",
        "GET {} HTTP/1.1\r\nHost: {host}\r\nSec-Fetch-Site: cross-site\r\n\r\n",
        "GET /favicon.ico HTTP/1.1\r\nHost: {host}\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: {host}",
        "Good morning\r\n\r\n",
    ],
)  # fmt: skip
def test_other_clients_get_no_event(
    host: LambdaHost, asked: str, capfd: pytest.CaptureFixture[str]
) -> None:
    address = facts(host)["api"]
    request = asked.format("/2018-06-01/runtime/invocation/next", host=address).encode()
    with socket.create_connection(address.split(":"), SECONDS) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        with connection.makefile("rb") as file:
            assert file.read() == b""
    assert facts(host)["name"] == "local"
    assert capfd.readouterr().err == ""


# Beginning and end


def test_the_process_prints_to_the_same_streams(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    host = LambdaHost("teapot:app")
    try:
        facts(host)
        text(host.invoke(event("/boom")))
    finally:
        host.close()
    out, err = capfd.readouterr()
    assert out.startswith("Good morning\n[ERROR]\t")
    assert out.endswith("ValueError: the kettle is empty\n")
    assert err == ""


@pytest.mark.parametrize("target", ["teapot:site", "teapot.site", "teapot:app", "teapot.app"])
def test_an_application_or_a_gateway_is_run(folder: Path, target: str) -> None:
    host = LambdaHost(target)
    try:
        assert facts(host)["name"] == "local"
    finally:
        host.close()


@pytest.mark.parametrize(
    ("target", "problem"),
    [
        ("nowhere:app", "No module named 'nowhere'"),
        ("nowhere.app", "No module named 'nowhere'"),
        ("teapot:milk", "Module 'teapot' has no attribute 'milk'."),
        ("teapot", 'it is not of the form "package.module:attribute", such as "main:app".'),
        ("teapot:ROOT", "Module 'teapot' has no attribute 'ROOT'."),
        ("teapot:os", "'os' is a module. Pass the application in it."),
    ],
)
def test_an_invalid_target_is_refused(
    folder: Path, target: str, problem: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(Unloadable) as refused:
        LambdaHost(target)
    name = target.replace(".", ":")
    assert refused.value.message.startswith(f"{name!r} cannot be loaded: {problem}")
    assert refused.value.trace == ""
    assert capfd.readouterr() == ("", "")


def test_code_that_fails_on_import_is_shown_with_its_traceback(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(
        Unloadable, match=r"^'broken:app' cannot be loaded: ValueError: no water$"
    ) as refused:
        LambdaHost("broken:app")
    assert f'File "{folder}/broken.py", line 2, in start' in refused.value.trace
    assert refused.value.trace.endswith("ValueError: no water\n")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("target", "problem"),
    [
        ("quits:app", "The function did not start: its process ended with 4."),
        ("teapot:refusing", "no water"),
    ],
)
def test_a_function_that_does_not_start_is_refused(folder: Path, target: str, problem: str) -> None:
    threads = set(threading.enumerate())
    with pytest.raises(Unloadable, match=rf"^'{target}' cannot be loaded: .*{problem}") as refused:
        LambdaHost(target)
    assert refused.value.trace == ""
    until(lambda: set(threading.enumerate()) <= threads)


def test_closing_stops_the_process_in_order(folder: Path) -> None:
    (folder / "shutdown").unlink(missing_ok=True)
    host = LambdaHost("teapot:app")
    pid = facts(host)["pid"]
    host.close()
    assert not is_alive(pid)
    assert (folder / "shutdown").exists()
    with pytest.raises(InvocationError, match="does not run any more"):
        host.invoke(event("/"))
    host.close()


def test_closing_ends_open_responses(folder: Path, tmp_path: Path) -> None:
    host = LambdaHost("teapot:app")
    answer = streamed(host.invoke(event("/parts", count=1, folder=tmp_path)))
    assert next(answer.body) == b"0\n"
    host.close()
    with pytest.raises(InvocationError, match="broke off its answer"):
        next(answer.body)


def test_a_stubborn_process_is_killed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime_host, "EXIT_SECONDS", 0.5)
    host = LambdaHost("teapot:stubborn")
    host.close()


# Reports


class Reports(list[Report]):
    """The reports on an invocation; a class, so that a weak reference to it is possible."""

    def __call__(self, report: Report) -> None:
        self.append(report)


def until_forgotten(reports: weakref.ref[Reports]) -> None:
    until(lambda: gc.collect() >= 0 and reports() is None)


def test_an_invocation_is_reported_on_until_its_end(host: LambdaHost) -> None:
    def ask() -> weakref.ref[Reports]:
        reports = Reports()
        text(host.invoke(event("/"), reports))
        until(lambda: {} in reports)
        assert [list(report) for report in reports] == [["cold"], ["laps", "request"], ["laps"], []]
        return weakref.ref(reports)

    until_forgotten(ask())


@pytest.mark.parametrize("source", ["function_url", "http_api"])
def test_an_application_that_answers_only_404_below_a_prefix_is_warned_of(
    folder: Path, source: str
) -> None:
    reports = Reports()
    host = LambdaHost("teapot:mounted")
    try:
        for count in range(1, 5):
            reply = host.invoke(event("/v3/users", source), reports)
            assert isinstance(reply, StreamedReply) == (source == "function_url")
            if isinstance(reply, StreamedReply):
                assert text(reply) == ""
            until(lambda count=count: reports.count({}) == count)
    finally:
        host.close()
    [line] = [report["line"] for report in reports if "line" in report]
    assert "All 3 requests below /v3 were a 404" in str(line)


def test_the_end_of_the_process_ends_all_reports() -> None:
    def listen() -> weakref.ref[Reports]:
        reader, reports = ReportReader(), Reports()
        end = os.dup(reader.write_end)
        for name in "ab":
            reader.expect(name, reports)
        reader.start()
        os.write(end, b'{"id": "a", "laps": {}}\n{"id": "c", "laps": {}}\n{"id": "a", "la')
        os.close(end)
        until(lambda: len(reports) == 3)
        assert reports == [{"laps": {}}, {}, {}]
        return weakref.ref(reports)

    until_forgotten(listen())
