"""WSGI applications under an ASGI server whose clients are slow, stand still or go away."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import logging
import os
import resource
import selectors
import sys
import tempfile
import threading
import time
import tracemalloc
from collections.abc import Awaitable, Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

import unigate
from tests.hosts import asgi_scope
from tests.waiting import until
from unigate import Headers, Request
from unigate.asgi.threads import WAITING_PER_SLOT

pytestmark = pytest.mark.usefixtures("bounded")

PART = b"x" * 100_000


class Live:
    """A live request: the messages that a client sends, and those that it takes."""

    def __init__(self, method: str = "GET", *parts: bytes, length: int | None = None) -> None:
        fields = [] if length is None else [("content-length", str(length))]
        self.scope = asgi_scope(Request(method, b"/", headers=Headers(fields)))
        self.arriving: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        for part in parts:
            self.upload(part, more=True)
        self.taken: list[dict[str, Any]] = []
        self.reads = asyncio.Event()  # as long as it is set
        self.reads.set()
        self.has_begun = asyncio.Event()

    def upload(self, part: bytes = b"", *, more: bool = False) -> Live:
        self.arriving.put_nowait({"type": "http.request", "body": part, "more_body": more})
        return self

    def leave(self) -> Live:
        self.arriving.put_nowait({"type": "http.disconnect"})
        return self

    def stop_reading(self) -> Live:
        self.reads.clear()
        return self

    async def send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.body":
            self.has_begun.set()
            await self.reads.wait()
        self.taken.append(message)

    def begin(self, gateway: unigate.Gateway) -> asyncio.Task[None]:
        return asyncio.create_task(gateway.asgi(self.scope, self.arriving.get, self.send))

    async def run(self, gateway: unigate.Gateway) -> Live:
        await self.begin(gateway)
        return self

    @property
    def status(self) -> int:
        return int(self.taken[0]["status"])

    @property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self.taken[0]["headers"])

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.taken[1:])

    @property
    def complete(self) -> bool:
        last = self.taken[-1] if self.taken else {"type": "nothing"}
        return last["type"] == "http.response.body" and not last.get("more_body", False)


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(scenario())  # type: ignore[arg-type]


async def soon(happened: Callable[[], object]) -> None:
    """Wait for what another thread does."""
    await asyncio.to_thread(until, happened)


class Site:
    """A WSGI application that notes its calls; `body` makes the body of its responses."""

    def __init__(self, body: Callable[[bytes], Any] | None = None) -> None:
        self.body = body or (lambda read: [hashlib.sha256(read).hexdigest().encode()])
        self.calls: list[dict[str, Any]] = []
        self.closed = 0
        self.threads: set[int] = set()

    def __call__(self, environ: Any, start_response: Any) -> Any:
        self.threads.add(threading.get_ident())
        self.calls.append(environ)
        read = environ["wsgi.input"].read()
        start_response("200 OK", [("Content-Type", "text/plain")])
        return self.body(read)

    def stream(self, parts: Iterable[bytes]) -> Iterator[bytes]:
        try:
            for part in parts:
                self.threads.add(threading.get_ident())
                yield part
        finally:
            self.threads.add(threading.get_ident())
            self.closed += 1

    def wrapped(self) -> unigate.Gateway:
        return unigate.wrap(self, interface="wsgi")


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.fixture
def setting(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, object], None]:
    return lambda name, value: monkeypatch.setenv(f"UNIGATE_{name}", str(value))


# --- the body of a request ------------------------------------------------------------------------


@pytest.mark.parametrize("memory", [1, 1000, 10_000])
@pytest.mark.parametrize(
    "parts",
    [
        [b""],
        [b"x"],
        [b"", b"x", b""],
        [b"x" * 999, b"y"],
        [b"x" * 1000, b"y"],
        [b"x" * 1001],
        [b"a line\n", b"x" * 3000, b"\n", b"y" * 3000],
        [bytes([number]) * 700 for number in range(20)],
    ],
)
def test_bodies_arrive_whole_from_memory_and_from_disk(
    parts: list[bytes], memory: int, setting: Any
) -> None:
    setting("BODY_MEMORY", memory)
    site = Site()
    known = descriptors()

    async def scenario() -> None:
        live = Live("POST", *parts).upload()
        await live.run(site.wrapped())
        assert live.body == hashlib.sha256(b"".join(parts)).hexdigest().encode()

    run(scenario)
    size = len(b"".join(parts))
    assert site.calls[0].get("CONTENT_LENGTH") == (str(size) if size else None)
    assert site.calls[0]["wsgi.input"].closed
    assert descriptors() <= known


def test_body_that_was_chunked_has_a_length_like_any_other() -> None:
    site = Site()

    async def scenario() -> None:
        live = Live("POST", b"some ").upload(b"more")
        live.scope["headers"] = [(b"transfer-encoding", b"chunked")]
        await live.run(site.wrapped())

    run(scenario)
    assert site.calls[0]["CONTENT_LENGTH"] == "9"
    assert "HTTP_TRANSFER_ENCODING" not in site.calls[0]


@pytest.mark.parametrize("parts", [[], [b"begun"], [PART, PART, PART, PART]])
def test_upload_that_breaks_off_never_reaches_the_application(
    parts: list[bytes], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "unigate")
    site = Site()
    known = descriptors()

    async def scenario() -> None:
        live = Live("POST", *parts, length=1_000_000).leave()
        await live.run(site.wrapped())
        assert live.taken == []

    run(scenario)
    assert site.calls == []
    assert descriptors() <= known
    messages = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert messages == [
        (
            "DEBUG",
            "<Request POST '/' from asgi> ended early: "
            "The client disconnected before the end of its body.",
        )
    ]


def test_server_that_raises_when_the_client_leaves_ends_the_upload(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, "unigate")
    site = Site()

    async def receive() -> Any:
        raise ConnectionResetError("gone")

    async def scenario() -> None:
        live = Live("POST")
        await site.wrapped().asgi(live.scope, receive, live.send)
        assert live.taken == []

    run(scenario)
    assert site.calls == []
    assert [record.levelname for record in caplog.records] == ["DEBUG"]


def test_client_that_stops_sending_is_answered_with_408(
    setting: Any, caplog: pytest.LogCaptureFixture
) -> None:
    setting("CLIENT_TIMEOUT", 1)
    site = Site()
    known = descriptors()

    async def scenario() -> None:
        live = await Live("POST", PART, PART, PART, length=1_000_000).run(site.wrapped())
        assert (live.status, live.complete) == (408, True)
        assert live.headers[b"connection"] == b"close"

    run(scenario)
    assert (site.calls, caplog.records) == ([], [])
    assert descriptors() <= known


class TimersOnly(selectors.DefaultSelector):
    """Waits for no timer, but counts for how long it would have."""

    now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        events = super().select(timeout and 0)
        if timeout and not events:
            self.now += timeout
        return events


class TimersOnlyLoop(asyncio.SelectorEventLoop):
    """An event loop whose time passes while it waits for timers, and at no other time."""

    def __init__(self) -> None:
        self.timers = TimersOnly()
        super().__init__(self.timers)

    def time(self) -> float:
        return self.timers.now


@pytest.mark.parametrize(
    ("seconds", "size", "pause", "status"),
    [
        (2, 1000, 1, 200),
        (2, 1000, 1.5, 200),
        (2, 600, 1, 200),
        (2, 1100, 1.9, 200),
        (1, 2000, 0.05, 200),
        (1, 100, 0.05, 200),
        (1, 1, 0.0005, 200),
        (60, 1000, 50, 200),
        (60, 100_000, 59, 200),
        (2, 400, 1, 408),
        (2, 1, 0.05, 408),
        (1, 1, 0.002, 408),
        (2, 100_000, 2.1, 408),
        (60, 1000, 61, 408),
    ],
)
def test_client_has_the_time_of_the_setting_for_each_kib(
    seconds: int, size: int, pause: float, status: int, setting: Any
) -> None:
    setting("CLIENT_TIMEOUT", seconds)
    gateway = Site().wrapped()

    async def scenario() -> None:
        live = Live("POST")
        task = live.begin(gateway)
        end = asyncio.get_running_loop().time() + 20 * seconds
        while not task.done() and asyncio.get_running_loop().time() < end:
            live.upload(b"x" * size, more=True)
            await asyncio.sleep(pause)
        live.upload()
        await task
        assert live.status == status

    with asyncio.Runner(loop_factory=TimersOnlyLoop) as runner:
        runner.run(scenario())


@pytest.mark.parametrize(
    ("parts", "length", "status"),
    [
        ([b"x" * 1000], 1000, 200),
        ([b"x" * 1000], None, 200),
        ([], 1001, 413),
        ([], 10**18, 413),
        ([b"x" * 1001], None, 413),
        ([b"x" * 600, b"x" * 600], None, 413),
    ],
)
def test_body_beyond_the_limit_is_answered_with_413(
    parts: list[bytes],
    length: int | None,
    status: int,
    setting: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    setting("BODY_LIMIT", 1000)
    setting("BODY_MEMORY", 500)
    site = Site()
    known = descriptors()

    async def scenario() -> None:
        live = Live("POST", *parts, length=length)
        if status == 200:
            live.upload()
        await live.run(site.wrapped())
        assert live.status == status
        assert live.headers.get(b"connection") == (None if status == 200 else b"close")

    run(scenario)
    assert len(site.calls) == (status == 200)
    assert ("UNIGATE_BODY_LIMIT" in caplog.text) == (status == 413)
    assert descriptors() <= known


def test_refusal_over_http_2_has_no_field_that_http_2_forbids(setting: Any) -> None:
    setting("BODY_LIMIT", 1)

    async def scenario() -> None:
        live = Live("POST", length=2)
        live.scope["http_version"] = "2"
        await live.run(Site().wrapped())
        assert live.status == 413
        assert b"connection" not in live.headers

    run(scenario)


@pytest.mark.parametrize("parts", [[PART] * 10, [PART] * 3 + [b"little"]])
def test_full_disk_is_a_503_and_an_error_in_the_log(
    parts: list[bytes], caplog: pytest.LogCaptureFixture
) -> None:
    site = Site()
    known = descriptors()

    async def scenario() -> None:
        live = await Live("POST", *parts).upload().run(site.wrapped())
        assert (live.status, live.headers[b"connection"]) == (503, b"close")

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, before[1]))
    try:
        run(scenario)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert site.calls == []
    assert descriptors() <= known
    assert "its body cannot be stored" in caplog.text
    assert "OSError" in caplog.text


def test_missing_folder_for_temporary_files_is_a_503(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))

    async def scenario() -> None:
        assert (await Live("POST", *[PART] * 10).run(Site().wrapped())).status == 503

    run(scenario)
    assert "FileNotFoundError" in caplog.text


# --- the threads ----------------------------------------------------------------------------------


def test_unfinished_uploads_take_no_thread(setting: Any) -> None:
    setting("WSGI_THREADS", 1)
    gateway = Site().wrapped()

    async def scenario() -> None:
        uploads = [Live("POST", b"x", length=10) for _ in range(200)]
        tasks = [live.begin(gateway) for live in uploads]
        assert (await Live().upload().run(gateway)).status == 200
        for live in uploads:
            live.upload(b"x" * 9)
        await asyncio.gather(*tasks)
        assert {live.status for live in uploads} == {200}

    run(scenario)


def test_whole_answer_is_one_message_and_takes_no_thread_while_it_is_sent(setting: Any) -> None:
    setting("WSGI_THREADS", 1)
    site = Site(lambda read: [PART] * 10 if read else [b"a", b"b"])
    gateway = site.wrapped()

    async def scenario() -> None:
        large = Live("POST").upload(b"large").stop_reading()
        task = large.begin(gateway)
        await large.has_begun.wait()
        await soon(lambda: site.calls[0]["wsgi.input"].closed)  # by the end of the run
        small = await Live().upload().run(gateway)
        assert small.taken[1:] == [
            {"type": "http.response.body", "body": b"ab", "more_body": False}
        ]
        large.reads.set()
        await task
        assert large.body == PART * 10

    run(scenario)


def test_what_was_written_is_sent_before_a_list() -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])(b"written,")
        return [b"x"] * 300_000  # long enough for the event loop to look in between

    async def scenario() -> None:
        live = await Live().upload().run(unigate.wrap(app))
        assert live.body == b"written," + b"x" * 300_000

    run(scenario)


def test_reader_that_pauses_takes_no_slot_and_gets_everything(setting: Any) -> None:
    setting("WSGI_THREADS", 1)
    parts = [bytes([number]) * 70_000 for number in range(20)]
    site = Site(lambda read: site.stream(parts) if read else [b"meanwhile"])
    gateway = site.wrapped()

    async def scenario() -> None:
        slow = Live("POST").upload(b"slow").stop_reading()
        task = slow.begin(gateway)
        await slow.has_begun.wait()
        for _ in range(3):
            assert (await Live().upload().run(gateway)).body == b"meanwhile"
        assert site.closed == 0
        site.threads.clear()
        slow.reads.set()
        await task
        assert slow.body == b"".join(parts)
        assert slow.complete

    run(scenario)
    assert site.closed == 1
    assert len(site.threads) == 1


def test_run_of_an_application_stays_in_one_thread(setting: Any) -> None:
    setting("WSGI_THREADS", 2)

    class Body:
        def __init__(self) -> None:
            self.threads = {threading.get_ident()}
            bodies.append(self)

        def __iter__(self) -> Iterator[bytes]:
            for _ in range(20):
                self.threads.add(threading.get_ident())
                yield PART

        def close(self) -> None:
            self.threads.add(threading.get_ident())

    bodies: list[Body] = []
    gateway = Site(lambda read: Body()).wrapped()

    async def scenario() -> None:
        await asyncio.gather(*(Live().upload().run(gateway) for _ in range(10)))

    run(scenario)
    assert [len(body.threads) for body in bodies] == [1] * 10


def test_reader_that_stands_still_is_broken_off(
    setting: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "unigate")
    setting("CLIENT_TIMEOUT", 1)
    site = Site(lambda read: site.stream(PART for _ in range(1000)))

    async def scenario() -> None:
        live = Live().upload().stop_reading()
        await live.run(site.wrapped())
        assert not live.complete

    run(scenario)
    assert site.closed == 1
    assert [record.levelname for record in caplog.records] == ["DEBUG"]
    assert "took no part of the response in 1 seconds" in caplog.text


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_client_that_leaves_ends_the_response(
    method: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "unigate")
    site = Site(lambda read: site.stream(iter(lambda: b"on and on", b"")))

    async def scenario() -> None:
        live = Live(method).upload()
        task = live.begin(site.wrapped())
        await soon(lambda: live.taken)
        live.leave()
        await task
        assert not live.complete or method == "HEAD"

    run(scenario)
    assert site.closed == 1
    assert [record.levelname for record in caplog.records] == ["DEBUG"]
    assert "disconnected before the end of the response" in caplog.text


def test_server_that_says_so_when_it_sends_ends_the_response(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, "unigate")
    site = Site(lambda read: site.stream(iter(lambda: b"on and on", b"")))
    live_messages: list[Any] = []

    async def send(message: Any) -> None:
        live_messages.append(message)
        if len(live_messages) > 2:
            raise OSError("gone")

    async def scenario() -> None:
        live = Live().upload()
        await site.wrapped().asgi(live.scope, live.arriving.get, send)

    run(scenario)
    assert (site.closed, len(live_messages)) == (1, 3)
    assert [record.levelname for record in caplog.records] == ["DEBUG"]


def test_server_that_fails_to_receive_ends_the_response(
    caplog: pytest.LogCaptureFixture,
) -> None:
    site = Site(lambda read: site.stream(iter(lambda: b"on and on", b"")))

    async def scenario() -> None:
        live = Live().upload()

        async def receive() -> Any:
            if live.arriving.empty():
                raise ValueError("broken server")
            return await live.arriving.get()

        await site.wrapped().asgi(live.scope, receive, live.send)

    run(scenario)
    assert site.closed == 1
    assert "broken server" in caplog.text


def test_client_that_has_waited_longest_makes_room(setting: Any) -> None:
    setting("WSGI_THREADS", 1)
    yielded: list[bytes] = []
    closed: list[bytes] = []

    def stream(name: bytes) -> Iterator[bytes]:
        try:
            while True:
                yielded.append(name)
                yield name * 100_000
        finally:
            closed.append(name)

    gateway = Site(lambda read: stream(read) if read else [b"meanwhile"]).wrapped()

    async def scenario() -> None:
        tasks = []
        for number in range(WAITING_PER_SLOT + 2):
            name = b"%c" % (65 + number)
            tasks.append(Live("POST").upload(name).stop_reading().begin(gateway))
            # The client is sent one part, the second is kept, and the third waits for good.
            await soon(lambda name=name: yielded.count(name) == 3)  # type: ignore[misc]
            # Its thread waits now: there is one slot, and others get it.
            assert (await Live().upload().run(gateway)).body == b"meanwhile"
        await soon(lambda: len(closed) == 2)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert sorted(closed[:2]) == [b"A", b"B"]
        await soon(lambda: len(closed) == len(tasks))

    run(scenario)


def test_burst_of_clients_that_do_not_read_is_bounded_and_stops_nobody_else(setting: Any) -> None:
    slots = 2
    setting("WSGI_THREADS", slots)
    lock = threading.Lock()
    open_streams: list[int] = [0]
    most: list[int] = []

    def stream() -> Iterator[bytes]:
        with lock:
            open_streams[0] += 1
            most.append(open_streams[0])
        try:
            while True:
                yield PART
        finally:
            with lock:
                open_streams[0] -= 1

    gateway = Site(lambda read: stream() if read else [b"beside"]).wrapped()

    async def scenario() -> None:
        clients = [Live("POST").upload(b"stream").stop_reading() for _ in range(400)]
        tasks = [client.begin(gateway) for client in clients]
        assert (await Live().upload().run(gateway)).body == b"beside"
        await soon(lambda: len(most) == 400)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await soon(lambda: open_streams == [0])

    run(scenario)
    assert max(most) <= slots + slots * WAITING_PER_SLOT


@pytest.mark.parametrize("stage", ["upload", "queue", "response"])
def test_server_that_stops_waiting_frees_everything(stage: str, setting: Any) -> None:
    setting("WSGI_THREADS", 1)
    hold = threading.Event()
    site = Site()

    def body(read: bytes) -> Any:
        if read == b"hold":
            hold.wait(20)
        return site.stream(PART for _ in range(1000)) if read == b"stream" else [b"ok"]

    site.body = body
    gateway = site.wrapped()
    known = descriptors()

    async def scenario() -> None:
        if stage == "upload":
            live = Live("POST", *[PART] * 4)
            task = live.begin(gateway)
            await soon(lambda: descriptors() > known)  # its temporary file
        elif stage == "queue":
            holding = Live("POST").upload(b"hold").begin(gateway)
            await soon(lambda: site.calls)
            live = Live("POST", *[PART] * 2).upload()
            task = live.begin(gateway)
            await soon(live.arriving.empty)
        else:
            live = Live("POST").upload(b"stream").stop_reading()
            task = live.begin(gateway)
            await live.has_begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        hold.set()
        if stage == "queue":
            await holding
        after = await Live().upload().run(gateway)
        assert after.body == b"ok"
        await soon(lambda: site.closed == (stage == "response"))

    run(scenario)
    assert len(site.calls) == {"upload": 1, "queue": 2, "response": 2}[stage]


def test_application_that_outlives_the_event_loop_frees_its_slot(setting: Any) -> None:
    setting("WSGI_THREADS", 1)
    hold = threading.Event()
    site = Site(lambda read: [b"ok"] if hold.wait(20) else [])
    gateway = site.wrapped()

    async def stops() -> None:
        task = Live().upload().begin(gateway)
        await soon(lambda: site.calls)
        task.cancel()

    run(stops)
    hold.set()

    async def starts_again() -> None:
        assert (await Live().upload().run(gateway)).body == b"ok"

    run(starts_again)


class Odd(BaseException):
    """An exception that is not an Exception."""


@pytest.mark.parametrize("kind", [Odd, GeneratorExit, asyncio.CancelledError, StopIteration])
def test_whatever_the_application_raises_is_a_500(
    kind: type[BaseException], setting: Any, caplog: pytest.LogCaptureFixture
) -> None:
    setting("WSGI_THREADS", 1)

    def fail(read: bytes) -> Any:
        if read:
            raise kind
        return [b"ok"]

    gateway = Site(fail).wrapped()

    async def scenario() -> None:
        assert (await Live("POST").upload(b"fail").run(gateway)).status == 500
        assert (await Live().upload().run(gateway)).body == b"ok"

    run(scenario)
    assert kind.__name__ in caplog.text


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
def test_wish_to_exit_is_a_500_and_reaches_the_server(
    kind: type[BaseException], setting: Any
) -> None:
    setting("WSGI_THREADS", 1)

    def fail(read: bytes) -> Any:
        if read:
            raise kind
        return [b"ok"]

    gateway = Site(fail).wrapped()
    lives: list[Live] = []

    async def fails() -> None:
        lives.append(Live("POST").upload(b"fail"))
        await gateway.asgi(lives[0].scope, lives[0].arriving.get, lives[0].send)

    with pytest.raises(kind):
        run(fails)
    assert (lives[0].status, lives[0].complete) == (500, True)

    async def answers() -> None:
        assert (await Live().upload().run(gateway)).body == b"ok"

    run(answers)


def test_error_in_a_list_is_a_500_because_nothing_was_sent() -> None:
    body: Any = [b"begun", "text"]

    async def scenario() -> None:
        assert (await Live().upload().run(Site(lambda read: body).wrapped())).status == 500

    run(scenario)


def test_parts_before_a_failure_are_sent() -> None:
    def fails(read: bytes) -> Iterator[bytes]:
        yield b"one,"
        yield b"two"
        raise ValueError("half way")

    async def scenario() -> None:
        live = Live().upload()
        with pytest.raises(ValueError, match="half way"):
            await live.run(Site(fails).wrapped())
        assert (live.body, live.complete) == (b"one,two", False)

    run(scenario)


def test_close_follows_the_end_of_the_response() -> None:
    class Body:
        def __iter__(self) -> Iterator[bytes]:
            yield b"whole"
            until(lambda: live.body == b"whole")

        def close(self) -> None:
            until(lambda: live.complete)
            raise ValueError("in close")

    lives: list[Live] = []

    async def scenario() -> None:
        nonlocal live
        live = Live().upload()
        lives.append(live)
        with pytest.raises(ValueError, match="in close"):
            await live.run(Site(lambda read: Body()).wrapped())

    live: Any = None
    run(scenario)
    assert lives[0].body == b"whole"


def test_body_of_the_announced_length_is_whole_before_the_application_has_ended() -> None:
    class Announced(Site):
        def __call__(self, environ: Any, start_response: Any) -> Any:
            start_response("200 OK", [("Content-Length", "5")])
            return self.stream(self.parts())

        def parts(self) -> Iterator[bytes]:
            yield b"who"
            yield b"le"
            until(lambda: live.complete)
            yield b"more"

    async def scenario() -> None:
        nonlocal live
        live = Live().upload()
        site = Announced()
        await live.run(site.wrapped())
        assert (live.body, live.complete, site.closed) == (b"whole", True, 1)
        assert len([message for message in live.taken if not message.get("more_body")]) == 2

    live: Any = None
    run(scenario)


@pytest.mark.parametrize("length", ["2", "4"])
def test_error_after_the_announced_length_of_a_list_is_a_500(length: str) -> None:
    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [("Content-Length", length)])
        return [b"ab", 5]

    async def scenario() -> None:
        gateway = unigate.wrap(app, interface="wsgi")
        assert (await Live().upload().run(gateway)).status == 500

    run(scenario)


def test_server_that_cleans_up_when_its_time_is_over_is_waited_for(setting: Any) -> None:
    setting("CLIENT_TIMEOUT", 1)
    site = Site()
    cleaned: list[str] = []

    class Careful(Live):
        async def send(self, message: dict[str, Any]) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0)
                cleaned.append(message["type"])

    async def scenario() -> None:
        await Careful().upload().run(site.wrapped())

    with asyncio.Runner(loop_factory=TimersOnlyLoop) as runner:
        runner.run(scenario())
    assert cleaned == ["http.response.start"]


class Steps:
    """An awaitable as granian has them: an iterator without `throw`."""

    def __init__(self, future: asyncio.Future[Any]) -> None:
        self._steps = future.__await__()

    def __await__(self) -> Steps:
        return self

    def __iter__(self) -> Steps:
        return self

    def __next__(self) -> Any:
        return next(self._steps)


def test_client_that_stops_sending_to_a_server_without_generators_is_answered_with_408(
    setting: Any,
) -> None:
    setting("CLIENT_TIMEOUT", 1)

    async def scenario() -> None:
        live = Live()
        future = asyncio.get_running_loop().create_future()
        gateway = Site().wrapped()
        await gateway.asgi(live.scope, lambda: Steps(future), live.send)  # type: ignore[arg-type,return-value]
        assert live.status == 408

    run(scenario)


def test_message_that_arrives_although_its_time_is_over_counts(setting: Any) -> None:
    setting("CLIENT_TIMEOUT", 1)

    class Late(Live):
        async def receive(self) -> dict[str, Any]:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                return {"type": "http.request"}
            raise AssertionError

    async def scenario() -> None:
        live = Late()
        await Site().wrapped().asgi(live.scope, live.receive, live.send)
        assert live.status == 200

    run(scenario)


# --- settings -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["WSGI_THREADS", "BODY_MEMORY", "BODY_LIMIT", "CLIENT_TIMEOUT"])
@pytest.mark.parametrize("value", ["0", "-1", "1.5", "many", "1_000", "²", " 1"])
def test_wrong_setting_is_named(
    name: str, value: str, setting: Any, caplog: pytest.LogCaptureFixture
) -> None:
    setting(name, value)

    async def scenario() -> None:
        assert (await Live().upload().run(Site().wrapped())).status == 500

    run(scenario)
    assert f"UNIGATE_{name} must be a positive integer, got {value!r}." in caplog.text


@pytest.mark.parametrize("lifespan", ["auto", "on", "off"])
@pytest.mark.parametrize("name", ["WSGI_THREADS", "BODY_MEMORY", "BODY_LIMIT", "CLIENT_TIMEOUT"])
def test_wrong_setting_stops_the_start_of_the_server(
    name: str, lifespan: Any, setting: Any
) -> None:
    setting(name, "many")
    gateway = unigate.wrap(Site(), interface="wsgi", lifespan=lifespan)

    async def scenario() -> None:
        live = Live()
        live.arriving.put_nowait({"type": "lifespan.startup"})
        await gateway.asgi({"type": "lifespan"}, live.arriving.get, live.send)
        message = f"UNIGATE_{name} must be a positive integer, got 'many'."
        assert live.taken == [{"type": "lifespan.startup.failed", "message": message}]

    run(scenario)


def test_setting_of_no_wsgi_application_is_not_read(setting: Any) -> None:
    setting("WSGI_THREADS", "many")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "lifespan.startup.complete"})
        await receive()

    async def scenario() -> None:
        live = Live()
        for phase in ("startup", "shutdown"):
            live.arriving.put_nowait({"type": f"lifespan.{phase}"})
        await unigate.wrap(app).asgi({"type": "lifespan"}, live.arriving.get, live.send)
        assert live.taken[0] == {"type": "lifespan.startup.complete"}

    run(scenario)


def test_empty_setting_is_the_default(setting: Any) -> None:
    setting("WSGI_THREADS", "")

    async def scenario() -> None:
        assert (await Live().upload().run(Site().wrapped())).status == 200

    run(scenario)


@pytest.mark.parametrize("first", [[], [b"first"]], ids=["nothing", "a part"])
def test_an_application_that_waits_ends_when_its_client_leaves(first: list[bytes]) -> None:
    """It yields empty strings meanwhile (PEP 3333)."""
    over = threading.Event()

    def wait() -> Iterator[bytes]:
        yield from first
        try:
            while True:
                time.sleep(0.001)
                yield b""
        finally:
            over.set()

    async def scenario() -> None:
        live = Live().upload()
        task = live.begin(unigate.wrap(Site(lambda read: wait()), interface="wsgi"))
        if first:
            await live.has_begun.wait()
        live.leave()
        await task
        assert over.is_set()

    run(scenario)


@pytest.mark.parametrize("leaves", [False, True])
@pytest.mark.parametrize("kind", [list, iter])
def test_nothing_of_a_response_stays(kind: Callable[[list[bytes]], Any], leaves: bool) -> None:
    """The garbage collector may come much later."""
    part = bytes(bytearray(1_000_000))
    before = sys.getrefcount(part)

    async def scenario() -> None:
        live = Live().upload().stop_reading()
        gateway = unigate.wrap(Site(lambda read: kind([part])), interface="wsgi")
        task = live.begin(gateway)
        await live.has_begun.wait()
        if leaves:
            task.cancel()
            await asyncio.wait([task])
        else:
            live.reads.set()
            await task
        live.taken.clear()
        del live, task
        await soon(lambda: sys.getrefcount(part) == before)

    gc.disable()
    try:
        run(scenario)
    finally:
        gc.enable()


def test_a_list_with_the_same_part_often_is_not_collected_for_its_client() -> None:
    async def scenario() -> None:
        client = Live().upload().stop_reading()
        tracemalloc.start()
        try:
            request = client.begin(unigate.wrap(Site(lambda read: [PART] * 400)))
            await client.has_begun.wait()
            await asyncio.sleep(0.1)  # for what would be collected after that
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        client.reads.set()
        await request
        assert client.body == PART * 400
        assert peak < 40 * len(PART)

    run(scenario)


def test_no_part_of_a_list_is_lost_while_its_application_waits() -> None:
    waits = [b""] * 300_000  # long enough for the event loop to look in between

    async def scenario() -> None:
        client = await Live().upload().run(unigate.wrap(Site(lambda read: [b"a", *waits, b"b"])))
        assert client.body == b"ab"

    run(scenario)
