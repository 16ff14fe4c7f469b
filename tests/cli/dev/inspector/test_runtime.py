"""The inspector page for an application in the Lambda runtime, a separate process."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.dev.inspecting import Inspected
from unigate.cli.dev.functions import InRuntime
from unigate.cli.dev.inspector import exchanges, logs
from unigate.cli.dev.inspector.exchanges import Exchange
from unigate.cli.dev.lambda_host import runtime_server
from unigate.cli.dev.local_host import Setup

pytestmark = pytest.mark.usefixtures("bounded")

ROOT = Path(__file__).resolve().parents[4]
SECONDS = 20
AT_ONCE = 32

APPLICATION = """
import asyncio
import logging
import os
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import unigate
from unigate.events import http_api

log = logging.getLogger("shop")
together, all_here = threading.Barrier(32), asyncio.Barrier(32)
threads = ThreadPoolExecutor(1)
threads.submit(int).result(20)  # its thread starts outside of any request


def site(environ, start_response):
    path, name = environ["PATH_INFO"], environ["QUERY_STRING"]
    log.warning("asked for %s", path)
    if path == "/together":
        together.wait(20)
    if path == "/boom":
        raise ValueError("the kettle is empty")
    if path == "/die":
        handled()
        os._exit(7)
    if path == "/exit":
        sys.exit("done for today")
    if path == "/large":
        together.wait(20)
        log.warning(name * 100_000)
    if path == "/fork":
        together.wait(20)
        for _ in range(20):
            fork()
    if path == "/aside":
        threads.submit(log.warning, "unrelated").result(20)
    if path == "/without-end":
        for number in range(2000):
            log.warning("pot %d", number)
    if path == "/afterwards":
        unigate.wait_until(lambda: wipe(name))
    if path == "/files":
        log.warning("%s", [number for number in range(3, 99) if is_inherited(number)])
        log.warning("%s", [name for name in os.environ if name.startswith("UNIGATE_DEV")])
    start_response("200 OK", [("Content-Type", "text/plain"), ("Set-Cookie", "a=1")])
    log.warning("brewing %s", name)
    return parts(path, name) if path.startswith("/part") else [b"tea"]


def parts(path, name):
    yield b"first"
    log.warning("%s goes on", name)
    while path == "/parts/wait" and not Path(name).exists():
        time.sleep(0.005)
    if path == "/parts/boom":
        raise ValueError("the kettle is empty")
    if path == "/parts/die":
        handled()
        os._exit(9)
    yield b"second"


def fork():
    child = os.fork()
    if not child:
        log.warning("in the fork")
        os._exit(0)
    deadline = time.monotonic() + 10
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.001)


def wipe(folder):
    for line in ("took a cloth", "wiped the table"):
        log.warning(line)
        while not Path(folder, line).exists():
            time.sleep(0.005)


def is_inherited(number):
    try:
        return os.get_inheritable(number)
    except OSError:
        return False


def handled():
    try:
        1 / 0
    except ZeroDivisionError:
        log.exception("a handled one")


async def api(scope, receive, send):
    assert scope["type"] == "http"
    path, name = scope["path"], scope["query_string"].decode()
    log.warning("asked for %s", path)
    if path == "/v2/together":
        await asyncio.wait_for(all_here.wait(), 20)
    if path == "/v2/boom":
        raise ValueError("the kettle is empty")
    if path == "/v2/late":
        asyncio.get_running_loop().create_task(tick(name))
    if path == "/v2/never":
        await asyncio.sleep(60)
    headers = [(b"content-type", b"text/plain"), (b"set-cookie", b"a=1")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await asyncio.to_thread(log.warning, "brewing %s", name)
    await send({"type": "http.response.body", "body": b"first", "more_body": True})
    if path == "/v2/parts/boom":
        raise ValueError("the kettle is empty")
    await send({"type": "http.response.body", "body": b"second"})


async def tick(name):
    while not Path(name).exists():
        await asyncio.sleep(0.005)
    log.warning("too late")
    Path(name + ".done").touch()


class Mine:
    __name__ = "mine"

    def __getattr__(self, name):
        return getattr(http_api, name)

    def to_request(self, event, context):
        request = http_api.to_request(event, context)
        request.source = "mine"
        return request


app = unigate.wrap(site, mounts={"/v2": api})
raising = unigate.wrap(site, on_error="raise")
named = unigate.wrap(
    site, sources=[Mine()], source="mine", base_path="/shop", platform="cloudflare"
)
"""

# The path prefix of a WSGI or an ASGI application.
BOTH = pytest.mark.parametrize("prefix", ["", "/v2"], ids=["wsgi", "asgi"])
# The runtime streams replies to the second only.
SOURCES = pytest.mark.parametrize("source", ["http_api", "function_url"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a folder whose modules this process finds, and those that it starts."""
    folder = tmp_path_factory.mktemp("kitchen")
    (folder / "samovar.py").write_text(APPLICATION)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{folder}")
        patch.setenv("PYTHONDONTWRITEBYTECODE", "")
        patch.setenv("PYTHONPYCACHEPREFIX", str(tmp_path_factory.mktemp("pycache")))
        patch.syspath_prepend(folder)
        yield folder
        sys.modules.pop("samovar", None)


@contextmanager
def runtime(target: str) -> Iterator[InRuntime]:
    functions = InRuntime(target)
    try:
        yield functions
    finally:
        functions.close()


@pytest.fixture(scope="module")
def running(folder: Path) -> Iterator[InRuntime]:
    with runtime("samovar:app") as functions:
        yield functions


def until(question: Callable[[], object]) -> None:
    deadline = time.monotonic() + SECONDS
    while not question():
        assert time.monotonic() < deadline, "It did not happen."
        time.sleep(0.01)


def messages(exchange: Exchange) -> list[str]:
    return [line.message for line in exchange.lines]


def laps(exchange: Exchange) -> list[str]:
    return list(exchange.laps)


# The same as in this process.


@BOTH
@SOURCES
@pytest.mark.parametrize("path", ["/tea", "/boom"])
def test_a_request_is_shown_as_of_an_application_in_this_process(
    running: InRuntime, prefix: str, source: str, path: str
) -> None:
    here = Inspected(importlib.import_module("samovar").app, Setup(source))
    there = Inspected(running, Setup(source))
    for inspected in (here, there):
        inspected.ask(f"{prefix}{path}?green", b"milk", headers=[("content-type", "text/plain")])
    ours, theirs = here.exchange(1), there.exchange(1)
    until(lambda: len(theirs.lines) == len(ours.lines) and len(theirs.laps) == 3)
    assert [line[1:4] for line in theirs.lines] == [line[1:4] for line in ours.lines]
    assert laps(theirs) == laps(ours)
    assert all(seconds > 0 for seconds in theirs.laps.values())
    assert theirs.request == ours.request
    assert theirs.request["body"] == "milk"
    assert theirs.streamed == (source == "function_url")
    if theirs.streamed:
        for member in ("body", "isBase64Encoded"):
            ours.reply.pop(member)
    assert theirs.reply == ours.reply
    start, end = "Traceback (most recent call last):\n", "ValueError: the kettle is empty\n"
    traces = (theirs.trace, ours.trace)
    if path == "/boom":
        assert all(trace.startswith(start) and trace.endswith(end) for trace in traces)
        assert theirs.trace.splitlines()[-3:] == ours.trace.splitlines()[-3:]
    else:
        assert traces == ("", "")


def test_the_gateway_itself_reads_the_request(folder: Path) -> None:
    fields = [("cf-connecting-ip", "203.0.113.7"), ("cf-ipcountry", "BR")]
    here = Inspected(importlib.import_module("samovar").named)
    with runtime("samovar:named") as functions:
        there = Inspected(functions)
        for inspected in (here, there):
            inspected.ask("/shop/shop/tea", headers=fields)
        until(lambda: len(there.exchange(1).lines) == 2)
        request = there.exchange(1).request
    assert request == here.exchange(1).request
    for inspected in (here, there):
        assert messages(inspected.exchange(1))[0] == "asked for /shop/tea"
    assert request is not None
    assert (request["source"], request["root_path"]) == ("mine", "/shop")
    assert request["geolocation"]["country"] == "BR"


# Concurrency.


@BOTH
@SOURCES
def test_log_records_of_concurrent_requests_stay_apart(
    running: InRuntime, prefix: str, source: str
) -> None:
    inspected = Inspected(running, Setup(source))
    names = [f"pot-{number}" for number in range(AT_ONCE)]
    with ThreadPoolExecutor(AT_ONCE) as pool:  # they wait for each other
        list(
            pool.map(
                lambda name: inspected.ask(f"{prefix}/together?{name}"), names, timeout=SECONDS
            )
        )
    for exchange in inspected.history.all():
        until(lambda exchange=exchange: len(exchange.lines) == 2 and len(exchange.laps) == 3)
        name = exchange.sent.query_string.decode()
        assert messages(exchange) == [f"asked for {prefix}/together", f"brewing {name}"]
        assert exchange.request is not None
        assert exchange.request["query_string"] == name
    asked = [one.sent.query_string.decode() for one in inspected.history.all()]
    assert sorted(asked) == sorted(names)


def cut(letter: str) -> str:
    """Return what is kept of a line of 100,000 letters: more than a pipe takes in one piece."""
    half = letter * (logs.MOST_CHARACTERS // 2)
    return f"{half}\n({100_000 - logs.MOST_CHARACTERS} characters more)\n{half}"


def test_long_concurrent_lines_stay_apart(running: InRuntime) -> None:
    inspected = Inspected(running)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        letters = [chr(ord("A") + number) for number in range(AT_ONCE)]
        list(pool.map(lambda letter: inspected.ask(f"/large?{letter}"), letters, timeout=SECONDS))
    for exchange in inspected.history.all():
        until(lambda exchange=exchange: len(exchange.lines) == 3)
        assert messages(exchange)[1] == cut(exchange.sent.query_string.decode())


def test_a_fork_reports_nothing_and_blocks_nothing(running: InRuntime) -> None:
    inspected = Inspected(running)
    paths = ["/fork", *("/large?A" for _ in range(1, AT_ONCE))]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        assert {answer.status for answer in pool.map(inspected.ask, paths, timeout=SECONDS)} == {
            200
        }
    for exchange in inspected.history.all():
        until(lambda exchange=exchange: len(exchange.laps) == 3)
        first, *large, last = messages(exchange)
        assert (first, last[:7]) == (f"asked for {exchange.sent.path}", "brewing")
        assert large == ([] if exchange.sent.path == "/fork" else [cut("A")])


def test_log_records_outside_of_requests_are_not_shown(running: InRuntime) -> None:
    inspected = Inspected(running)
    assert inspected.ask("/aside").status == 200
    until(lambda: len(inspected.exchange(1).laps) == 3)
    assert messages(inspected.exchange(1)) == ["asked for /aside", "brewing "]


# Cold or warm.


def test_the_first_of_each_process_is_cold(folder: Path) -> None:
    with runtime("samovar:app") as functions:
        inspected = Inspected(functions)
        for path in ("/", "/", "/die", "/", "/", "/exit", "/"):
            inspected.ask(path)
        exchanges = inspected.history.all()
    assert [one.cold for one in exchanges] == [True, False, False, True, False, False, True]


def test_one_of_many_at_once_is_cold(folder: Path) -> None:
    with runtime("samovar:app") as functions:
        inspected = Inspected(functions)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(inspected.ask, ["/together"] * AT_ONCE, timeout=SECONDS))
        assert [one.cold for one in inspected.history.all()].count(True) == 1


# During the response, and after it.


def test_an_open_response_is_shown_with_its_data_so_far(running: InRuntime, tmp_path: Path) -> None:
    inspected = Inspected(running, Setup("function_url"))
    go = tmp_path / "go"
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(inspected.ask, f"/parts/wait?{go}")
        until(lambda: inspected.history.all() and len(inspected.exchange(1).lines) == 3)
        exchange = inspected.exchange(1)
        until(lambda: exchange.response is not None)
        assert messages(exchange)[2] == f"{go} goes on"
        assert laps(exchange) == ["parse", "app", "reply"]
        assert exchange.reply["statusCode"] == 200
        assert exchange.reply["cookies"] == ["a=1"]
        assert "body" not in exchange.reply
        times = re.findall(r"<dt>(.*?)</dt>", inspected.page("1"))
        assert times == ["parse", "app", "reply", "first byte", "process", "source"]
        go.touch()
        assert answer.result(SECONDS).body == b"firstsecond"
    times = re.findall(r"<dt>(.*?)</dt>", inspected.page("1"))
    assert times == ["parse", "app", "reply", "first byte", "total", "process", "source"]
    assert exchange.total_seconds > exchange.seconds > sum(exchange.laps.values())


@SOURCES
def test_work_after_the_response_notifies_at_its_end(
    running: InRuntime, tmp_path: Path, source: str
) -> None:
    inspected = Inspected(running, Setup(source))
    assert inspected.ask(f"/afterwards?{tmp_path}").status == 200
    exchange = inspected.exchange(1)
    until(lambda: "took a cloth" in messages(exchange))  # so all reports before have arrived
    mark = inspected.history.event_id()
    (tmp_path / "took a cloth").touch()
    until(lambda: "wiped the table" in messages(exchange))
    assert inspected.history.event_id() == mark  # a line alone does not notify
    (tmp_path / "wiped the table").touch()
    news = inspected.history.wait_for_changes(mark, SECONDS)
    assert news is not None
    assert news[1] == [exchange]


def test_log_records_after_the_invocation_are_not_added(running: InRuntime, tmp_path: Path) -> None:
    inspected = Inspected(running)
    inspected.ask(f"/v2/late?{tmp_path}/go")
    inspected.ask("/v2/tea")  # after it, the end of the first is certain
    (tmp_path / "go").touch()
    until((tmp_path / "go.done").exists)
    inspected.ask("/tea")  # after it, what was logged since then has arrived
    until(lambda: len(inspected.exchange(3).lines) == 2)
    assert "too late" not in [line for one in inspected.history.all() for line in messages(one)]


def test_log_lines_are_limited(running: InRuntime) -> None:
    inspected = Inspected(running)
    inspected.ask("/without-end")
    until(lambda: len(inspected.exchange(1).laps) == 3)
    assert len(inspected.exchange(1).lines) == logs.MOST
    assert messages(inspected.exchange(1))[-1] == f"pot {logs.MOST - 2}"


def test_reports_on_a_dropped_request_are_dropped(
    running: InRuntime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchanges, "MOST", 1)
    inspected = Inspected(running, Setup("function_url"))
    go = tmp_path / "go"
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(inspected.ask, f"/parts/wait?{go}")
        until(lambda: inspected.history.all() and inspected.exchange(1).response)
        inspected.ask("/tea")
        go.touch()
        assert answer.result(SECONDS).status == 200
    assert [one.number for one in inspected.history.all()] == [2]


# Failures.


def test_a_failed_invocation_is_shown_with_the_traceback_of_the_application(folder: Path) -> None:
    with runtime("samovar:raising") as functions:
        inspected = Inspected(functions)
        answer = inspected.ask("/boom")
        until(lambda: inspected.exchange(1).lines)
    exchange = inspected.exchange(1)
    assert answer.status == 500
    assert answer.body.decode() == exchange.trace
    assert exchange.trace.startswith("Traceback (most recent call last):\n")
    assert exchange.trace.endswith("ValueError: the kettle is empty")
    assert "samovar.py" in exchange.trace
    assert "local_host.py" not in exchange.trace
    assert laps(exchange) == ["parse"]
    first, last = exchange.lines
    assert first.message == "asked for /boom"
    assert last.message.endswith("was not answered.")


@pytest.mark.parametrize(
    ("path", "lines", "failure"),
    [
        ("/die", 3, "The function did not answer: its process ended with 7."),
        ("/parts/die", 4, "The function broke off its answer: its process ended with 9."),
    ],
)
def test_reports_before_a_crash_are_shown(
    folder: Path, path: str, lines: int, failure: str
) -> None:
    with runtime("samovar:app") as functions:
        inspected = Inspected(functions, Setup("function_url"))
        if path == "/die":
            assert inspected.ask(path).status == 500
        else:
            with pytest.raises(ConnectionAbortedError):
                inspected.ask(path)
        exchange = inspected.exchange(1)
        until(lambda: len(exchange.lines) >= lines)
        assert exchange.trace == failure
        assert messages(exchange)[0] == f"asked for {path}"
        assert "a handled one" in messages(exchange)
        assert exchange.request is not None
        assert exchange.request["path"] == path
        assert "parse" in exchange.laps
        assert exchange.ended
        assert inspected.ask("/").status == 200


@BOTH
def test_a_failure_in_the_middle_is_shown_with_the_traceback_of_the_application(
    running: InRuntime, prefix: str
) -> None:
    inspected = Inspected(running, Setup("function_url"))
    with pytest.raises(ConnectionAbortedError):
        inspected.ask(f"{prefix}/parts/boom")
    exchange = inspected.exchange(1)
    until(lambda: exchange.trace)
    assert exchange.trace.endswith("ValueError: the kettle is empty\n")
    assert "samovar.py" in exchange.trace
    assert exchange.reply["statusCode"] == 200


def test_reports_before_a_timeout_are_shown(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime_server, "FUNCTION_SECONDS", 1)
    with runtime("samovar:app") as functions:
        inspected = Inspected(functions)
        assert inspected.ask("/v2/never").status == 500
        exchange = inspected.exchange(1)
        until(lambda: exchange.trace)
    assert messages(exchange)[0] == "asked for /v2/never"
    assert exchange.trace.endswith("TimeoutError: The application did not answer in time.\n")
    assert exchange.request is not None


def test_an_application_that_cannot_start_again_is_shown_with_its_traceback(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{folder}{os.pathsep}{tmp_path}")
    module = tmp_path / "kettle.py"
    module.write_text("from samovar import app")
    with runtime("kettle:app") as functions:
        inspected = Inspected(functions)
        inspected.ask("/die")
        module.write_text("1 / 0")
        for number in (2, 3):
            assert inspected.ask("/").status == 500
            trace = inspected.exchange(number).trace
            assert "kettle.py" in trace
            assert trace.endswith("cannot be loaded: ZeroDivisionError: division by zero")
        module.write_text("from samovar import site as app  # mended")
        assert inspected.ask("/").status == 200


# The process.


def test_the_function_inherits_no_variables_and_no_files(running: InRuntime) -> None:
    inspected = Inspected(running)
    inspected.ask("/files")
    until(lambda: len(inspected.exchange(1).lines) == 4)
    assert messages(inspected.exchange(1))[1:3] == ["[]", "[]"]


def test_a_function_goes_on_without_a_reader_of_its_reports() -> None:
    code = """
import os
from types import SimpleNamespace
from unigate.cli.dev.lambda_host.reports import ReportWriter
from unigate.lambda_runtime.invocation import current_invocation

reads, writes = os.pipe()
writer = ReportWriter(writes)
current_invocation.set(SimpleNamespace(id="1"))
writer.write(cold=True)
print(os.read(reads, 100).decode())
os.close(reads)
writer.write(cold=True)
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=SECONDS
    )
    assert (done.returncode, done.stdout.split("\n")[0]) == (0, '{"id": "1", "cold": true}')
