"""Changes that fail: they are attempted again, then counted and logged."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from tests.cache.clock import Clock
from unigate import CacheError
from unigate.cache import RuntimeCache
from unigate.cache import changes as changes_module
from unigate.cache.guard import BETWEEN_LINES, FAILURES, Guard
from unigate.cache.memory import MemoryBackend

pytestmark = pytest.mark.usefixtures("bounded")

ATTEMPTS = len(changes_module.PAUSES) + 1


class Faulty(MemoryBackend):
    """A backend whose operations named in `faults` fail as often as they say."""

    def __init__(self) -> None:
        super().__init__()
        self.faults: dict[str, int] = {}
        self.clock: Clock | None = None

    def __getattribute__(self, name: str) -> Any:
        value = super().__getattribute__(name)
        if name in ("set", "set_many", "delete", "expire_tags", "clear", "pop"):

            def call(*args: Any, **options: Any) -> Any:
                if self.faults.get(name, 0) > 0:
                    self.faults[name] -= 1
                    if self.clock:
                        self.clock.now += 0.5
                    raise OSError("out of order")
                return value(*args, **options)

            return call
        return value


@pytest.fixture
def backend() -> Faulty:
    return Faulty()


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of pauses and log lines, which are not waited for."""
    clock = Clock()

    def sleep(seconds: float) -> None:
        clock.now += seconds

    monkeypatch.setattr(changes_module.time, "monotonic", clock)
    monkeypatch.setattr(changes_module.time, "sleep", sleep)
    return clock


CHANGES: dict[str, tuple[str, Callable[[RuntimeCache], Any]]] = {
    "set": ("set", lambda cache: cache.set("key", "new")),
    "set_many": ("set_many", lambda cache: cache.set_many({"key": "new", "other": 2})),
    "delete": ("delete", lambda cache: cache.delete("key")),
    "set of what expires at once": ("delete", lambda cache: cache.set("key", "new", ttl=0)),
    "set of what is too large": ("delete", lambda cache: cache.set("key", "x" * 3_000_000)),
    "expire_tag": ("expire_tags", lambda cache: cache.expire_tag("tag")),
    "clear": ("clear", lambda cache: cache.clear()),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_attempted_three_times(
    backend: Faulty, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    operation, change = CHANGES[name]
    cache = RuntimeCache(backend=backend)
    cache.set("key", "old", tags=["tag"])
    backend.faults[operation] = ATTEMPTS - 1
    change(cache)
    assert cache.get("key") in ("new", None)
    assert cache.stats()["errors"] == cache.stats()["unconfirmed"] == 0
    assert not [record for record in caplog.records if record.levelno == logging.ERROR]


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_that_has_failed_is_counted_and_logged(
    backend: Faulty, name: str, caplog: pytest.LogCaptureFixture, clock: Clock
) -> None:
    operation, change = CHANGES[name]
    cache = RuntimeCache(backend=backend)
    cache.set("key", "old", tags=["tag"])
    backend.faults = {operation: 100, "delete": 100}
    change(cache)
    assert cache.stats()["errors"] == cache.stats()["unconfirmed"] == 1
    assert cache.get("key") == "old"
    [line] = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert "may return old values" in line.message
    assert "out of order" in line.message
    change(cache)
    clock.now += BETWEEN_LINES
    cache.get("key")
    change(cache)
    assert len([record for record in caplog.records if record.levelno == logging.ERROR]) == 2
    assert cache.stats()["unconfirmed"] == 3


@pytest.mark.parametrize("name", [name for name in CHANGES if "too large" not in name])
def test_a_change_that_has_failed_raises_if_strict(backend: Faulty, name: str) -> None:
    operation, change = CHANGES[name]
    cache = RuntimeCache(backend=backend, strict=True)
    backend.faults = {operation: 100, "delete": 100}
    with pytest.raises(CacheError, match="out of order"):
        change(cache)
    assert cache.stats()["unconfirmed"] == 1


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("name", ["set", "set_many"])
def test_what_a_failed_set_would_have_replaced_is_removed(
    backend: Faulty, name: str, strict: bool
) -> None:
    operation, change = CHANGES[name]
    cache = RuntimeCache(backend=backend, strict=strict)
    cache.set("key", "old")
    backend.faults[operation] = 100
    if strict:
        with pytest.raises(CacheError):
            change(cache)
    else:
        assert change(cache) in (False, ["key", "other"])
    assert "key" not in cache
    assert cache.stats()["unconfirmed"] == 0


def test_a_pop_that_has_failed_removes_the_value(backend: Faulty) -> None:
    cache = RuntimeCache(backend=backend)
    cache.set("key", "old")
    backend.faults = {"pop": 1, "delete": ATTEMPTS - 1}
    assert cache.pop("key", 7) == 7
    assert "key" not in cache
    assert (cache.stats()["errors"], cache.stats()["unconfirmed"]) == (1, 0)
    cache.set("key", "old")
    backend.faults = {"pop": 1, "delete": 100}
    assert cache.pop("key", 7) == 7
    assert (cache.stats()["errors"], cache.stats()["unconfirmed"]) == (2, 1)


def test_a_slow_failure_leaves_time_for_one_more_attempt(backend: Faulty, clock: Clock) -> None:
    backend.clock = clock
    backend.faults["delete"] = 100
    RuntimeCache(backend=backend).delete("key")
    assert backend.faults["delete"] == 98


def test_the_attempts_are_one_failure_to_the_guard(backend: Faulty) -> None:
    cache = RuntimeCache(backend=backend)
    cache.set("key", "old")
    for _ in range(FAILURES - 1):
        backend.faults["delete"] = 100
        cache.delete("key")
    assert cache.get("key") == "old"
    guard = Guard()
    assert changes_module.Changes(guard).make(lambda: 7) == 7
