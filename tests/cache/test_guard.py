"""Failing backends: what a failure costs, what is logged, and when the backend is called again."""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest

from tests.cache.clock import Clock
from tests.waiting import SECONDS
from unigate import CacheError
from unigate.cache import AsyncRuntimeCache, RuntimeCache
from unigate.cache import guard as guard_module
from unigate.cache.guard import BETWEEN_LINES, FAILURES, REST, Guard, guard_of
from unigate.cache.memory import MemoryBackend

pytestmark = pytest.mark.usefixtures("bounded")


OPERATIONS = {"get", "get_many", "set", "set_many", "delete", "expire_tags", "clear"}
OPERATIONS |= {"add", "replace", "increment", "touch", "pop", "remove"}


class Remote(MemoryBackend):
    """A backend that connects to `address`, if set, for each call."""

    waits = True

    def __init__(self) -> None:
        super().__init__()
        self.address: tuple[str, int] | None = None
        self.calls = 0

    def __getattribute__(self, name: str) -> Any:
        value = super().__getattribute__(name)
        return partial(self.connected, value) if name in OPERATIONS else value

    def connected(self, call: Callable[..., Any], *args: Any, **options: Any) -> Any:
        self.calls += 1
        if self.address:
            socket.create_connection(self.address, timeout=1).close()
        return call(*args, **options)


@pytest.fixture
def closed_port() -> tuple[str, int]:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address: tuple[str, int] = unused.getsockname()
    return address


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of all guards that are created in the test."""
    clock = Clock()
    monkeypatch.setattr(Guard.__init__, "__defaults__", (clock,))
    return clock


def run(guard: Guard, call: Callable[[], Any]) -> Any:
    with guard:
        return call()


EVERYTHING: list[tuple[Callable[[Any], Any], Any]] = [
    (lambda cache: cache.get("key"), None),
    (lambda cache: cache.get("key", 7), 7),
    (lambda cache: cache.get_many(["key", "other"]), {}),
    (lambda cache: cache.set("key", 1), False),
    (lambda cache: cache.set_many({"key": 1, "other": 2}), ["key", "other"]),
    (lambda cache: cache.add("key", 1), False),
    (lambda cache: cache.replace("key", 1, 2), None),
    (lambda cache: cache.remove("key", 1), None),
    (lambda cache: cache.incr("key"), None),
    (lambda cache: cache.decr("key"), None),
    (lambda cache: cache.touch("key", 9), False),
    (lambda cache: cache.touch("key", 0), False),
    (lambda cache: cache.pop("key", 7), 7),
    (lambda cache: cache.delete("key"), None),
    (lambda cache: cache.expire_tag("tag"), None),
    (lambda cache: cache.clear(), None),
    (lambda cache: cache.get_or_set("key", lambda: 7), 7),
]


@pytest.mark.parametrize(("call", "answer"), EVERYTHING)
def test_backend_that_is_down_costs_a_miss(
    call: Callable[[Any], Any], answer: Any, closed_port: tuple[str, int]
) -> None:
    backend = Remote()
    backend.address = closed_port
    cache = RuntimeCache(backend=backend)
    assert call(cache) == answer
    assert cache.stats()["errors"] in (1, 2)
    assert asyncio.run(awaited(call, AsyncRuntimeCache(backend=backend))) == answer


@pytest.mark.parametrize(("call", "_"), EVERYTHING)
def test_strict_cache_raises(
    call: Callable[[Any], Any], _: Any, closed_port: tuple[str, int]
) -> None:
    backend = Remote()
    backend.address = closed_port
    with pytest.raises(CacheError, match="ConnectionRefusedError"):
        call(RuntimeCache(backend=backend, strict=True))
    with pytest.raises(CacheError):
        asyncio.run(awaited(call, AsyncRuntimeCache(backend=backend, strict=True)))


async def awaited(call: Callable[[Any], Any], cache: AsyncRuntimeCache) -> Any:
    return await call(cache)


def test_subscript_and_in_of_a_backend_that_is_down(closed_port: tuple[str, int]) -> None:
    backend = Remote()
    backend.address = closed_port
    cache = RuntimeCache(backend=backend)
    assert "key" not in cache
    with pytest.raises(KeyError):
        cache["key"]
    cache["key"] = 1
    del cache["key"]


def test_backend_that_is_down_is_not_called(clock: Clock, closed_port: tuple[str, int]) -> None:
    backend = Remote()
    cache = RuntimeCache(backend=backend)
    cache.set("key", 1)
    backend.calls = 0
    backend.address = closed_port
    for _ in range(100):
        assert cache.get("key") is None
    assert backend.calls == FAILURES
    clock.now += REST - 0.01
    cache.get("key")
    assert backend.calls == FAILURES
    clock.now += 0.01
    for _ in range(100):
        assert cache.get("key") is None
    assert backend.calls == FAILURES + 1
    backend.address = None
    clock.now += REST
    assert cache.get("key") == 1
    assert cache.get("key") == 1
    assert cache.stats()["errors"] == 201


def test_all_caches_of_a_backend_stop_calling_it(
    clock: Clock, closed_port: tuple[str, int]
) -> None:
    backend = Remote()
    backend.address = closed_port
    for _ in range(20):
        RuntimeCache(backend=backend, namespace="a").get("key")
        asyncio.run(AsyncRuntimeCache(backend=backend).get("key"))
    assert backend.calls == FAILURES


def test_failures_between_successes_are_not_a_row(
    clock: Clock, closed_port: tuple[str, int]
) -> None:
    backend = Remote()
    cache = RuntimeCache(backend=backend)
    for _ in range(FAILURES * 3):
        backend.address = closed_port
        for _ in range(FAILURES - 1):
            cache.get("key")
        backend.address = None
        cache.get("key")
    assert backend.calls == FAILURES * 3 * FAILURES


def test_strict_cache_reports_that_the_backend_is_not_called(clock: Clock) -> None:
    guard = Guard()
    for _ in range(FAILURES):
        with pytest.raises(CacheError, match="ZeroDivisionError"):
            run(guard, lambda: 1 / 0)
    with pytest.raises(
        CacheError, match=r"is not called for 5 seconds, .*: ZeroDivisionError: div"
    ):
        run(guard, lambda: 1)


def test_error_of_the_backend_is_the_cause() -> None:
    with pytest.raises(CacheError) as error:
        run(Guard(), lambda: 1 / 0)
    assert isinstance(error.value.__cause__, ZeroDivisionError)


def test_keyboard_interrupt_passes() -> None:
    def leave() -> None:
        raise KeyboardInterrupt

    guard = Guard()
    for _ in range(FAILURES + 1):
        with pytest.raises(KeyboardInterrupt):
            run(guard, leave)


def test_one_thread_tries_while_the_others_go_on(clock: Clock) -> None:
    guard = Guard()
    for _ in range(FAILURES):
        with pytest.raises(CacheError):
            run(guard, lambda: 1 / 0)
    clock.now += REST
    trying, over = threading.Event(), threading.Event()

    def slow() -> int:
        trying.set()
        assert over.wait(SECONDS)
        return 1

    with ThreadPoolExecutor(1) as pool:
        trial = pool.submit(run, guard, slow)
        assert trying.wait(SECONDS)
        for _ in range(10):
            with pytest.raises(CacheError, match="is not called"):
                run(guard, lambda: 2)
        over.set()
        assert trial.result(SECONDS) == 1
    assert run(guard, lambda: 2) == 2


def test_interrupted_trial_does_not_block_the_next_one(clock: Clock) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    guard = Guard()
    for _ in range(FAILURES):
        with pytest.raises(CacheError):
            run(guard, lambda: 1 / 0)
    clock.now += REST
    with pytest.raises(KeyboardInterrupt):
        run(guard, interrupted)
    clock.now += REST
    assert run(guard, lambda: 2) == 2


def test_one_line_a_minute(
    clock: Clock, caplog: pytest.LogCaptureFixture, closed_port: tuple[str, int]
) -> None:
    backend = Remote()
    backend.address = closed_port
    cache = RuntimeCache(backend=backend)
    for _ in range(int(BETWEEN_LINES / REST)):
        for _ in range(10):
            cache.get("key")
        clock.now += REST
    assert len(caplog.records) == 1
    cache.get("key")
    assert len(caplog.records) == 2
    assert {record.levelno for record in caplog.records} == {logging.WARNING}
    assert {record.name for record in caplog.records} == {"unigate"}
    assert "ConnectionRefusedError" in caplog.text


@pytest.mark.parametrize("data", [b"", b"{", b"<html>", b"\xff\xfe", b"[" * 100_000, b"1 2"])
def test_garbage_is_a_miss_and_leaves_the_backend_in_use(
    data: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    backend = MemoryBackend()
    cache = RuntimeCache(backend=backend, key_hash_function=str)
    for _ in range(FAILURES + 1):
        backend.set("key", data, ttl=None, tags=[], name=None)
        assert cache.get("key", 7) == 7
        assert "key" not in cache
        assert cache.get_many(["key"]) == {}
        with pytest.raises(CacheError, match="not JSON"):
            RuntimeCache(backend=backend, key_hash_function=str, strict=True).get("key")
        assert cache.get_or_set("key", lambda: 8) == 8
        assert cache.get("key") == 8
    assert len(caplog.records) == 1


def test_failing_store_keeps_what_was_made(clock: Clock) -> None:
    class ReadOnly(MemoryBackend):
        def set(self, *args: Any, **options: Any) -> None:
            raise OSError("read-only")

    backend = ReadOnly()
    cache = RuntimeCache(backend=backend)
    assert cache.get_or_set("key", lambda: 1) == 1
    assert cache.stats() | {"entries": 0, "bytes": 0} == {
        "hits": 0, "misses": 1, "sets": 0, "errors": 1, "unconfirmed": 0, "entries": 0, "bytes": 0
    }  # fmt: skip
    with pytest.raises(CacheError, match="read-only"):
        RuntimeCache(backend=backend, strict=True).get_or_set("key", lambda: 1)
    assert cache.get_or_set("key", lambda: 2) == 2


def test_guard_goes_with_its_backend() -> None:
    backend = MemoryBackend()
    assert guard_of(backend) is guard_of(backend)
    assert guard_of(backend) is not guard_of(MemoryBackend())
    gone = weakref.ref(guard_of(backend))
    del backend
    gc.collect()
    assert gone() is None
    assert guard_module._guards is not None


class Refusing(MemoryBackend):
    """A backend that raises a chosen error, and names one kind that concerns a single entry."""

    class EntryError(Exception):
        pass

    entry_errors = (EntryError,)

    def __init__(self) -> None:
        super().__init__()
        self.error: Exception | None = None

    def get(self, key: str) -> bytes | None:
        if self.error:
            raise self.error
        return super().get(key)


def test_a_busy_client_neither_opens_the_breaker_nor_keeps_it_closed() -> None:
    class Busy(Exception):
        pass

    backend = Refusing()
    backend.busy_errors = (Busy,)  # type: ignore[attr-defined]
    cache = RuntimeCache(backend=backend)
    cache.set("k", 1)
    backend.error = Busy()
    assert [cache.get("k") for _ in range(FAILURES)] == [None] * FAILURES
    backend.error = None
    assert cache.get("k") == 1
    for error in [OSError(), Busy()] * FAILURES:
        backend.error = error
        assert cache.get("k") is None
    backend.error = None
    assert cache.get("k") is None  # not called after `FAILURES` failures


class Certificate(OSError, ValueError):
    """Like ssl.SSLCertVerificationError."""


@pytest.mark.parametrize(
    ("error", "opens"),
    [
        (Refusing.EntryError("one"), False),
        (ValueError("one"), False),
        (KeyError("one"), False),
        (TypeError("one"), False),
        (TimeoutError("slow"), True),
        (Certificate("expired"), True),
        (RuntimeError("unknown"), True),
    ],
    ids=lambda value: type(value).__name__,
)
def test_errors_of_one_entry_are_misses_and_no_more(
    clock: Clock, error: Exception, opens: bool
) -> None:
    backend = Refusing()
    cache = RuntimeCache(backend=backend)
    cache.set("key", 1)
    backend.error = error
    for _ in range(FAILURES + 1):
        assert cache.get("key") is None
    backend.error = None
    assert cache.get("key") == (None if opens else 1)
    assert cache.stats()["errors"] == FAILURES + 1 + opens


def test_an_error_of_one_entry_shows_that_the_backend_is_back(clock: Clock) -> None:
    backend = Refusing()
    cache = RuntimeCache(backend=backend)
    cache.set("key", 1)
    backend.error = TimeoutError()
    for _ in range(FAILURES):
        cache.get("key")
    clock.now += REST
    backend.error = Refusing.EntryError()
    assert cache.get("key") is None
    backend.error = None
    assert cache.get("key") == 1


def test_both_kinds_of_errors_have_lines_of_their_own(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    backend = Refusing()
    cache = RuntimeCache(backend=backend)
    for error in [ValueError("odd"), TimeoutError("slow"), KeyError("k"), TimeoutError("again")]:
        backend.error = error
        cache.get("key")
    assert [record.getMessage().rpartition(": ")[2] for record in caplog.records] == ["odd", "slow"]


def test_notes_of_an_error_are_logged(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    backend = Refusing()
    backend.error = TimeoutError("No reply from 192.0.2.1:9")
    backend.error.add_note("192.0.2.1:9")
    backend.error.add_note("attempt 2")
    RuntimeCache(backend=backend).get("key")
    assert "TimeoutError: No reply from 192.0.2.1:9 (attempt 2)" in caplog.text
