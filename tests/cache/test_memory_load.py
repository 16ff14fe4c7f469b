"""Values that the backend in memory makes itself: the same as by JSON, at every read."""

from __future__ import annotations

import gc
import json
import sys
import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings

from tests.cache.concurrency import in_threads
from tests.cache.test_values import JSON
from unigate import CacheError
from unigate.cache import RuntimeCache, memory
from unigate.cache.backend import is_loading
from unigate.cache.memory import ENTRY_BYTES, MemoryBackend
from unigate.cache.values import encode

VALUE = {"id": 7, "tags": ["garden", "tools"], "links": {"self": "/products/7", "next": None}}


def put(backend: MemoryBackend, key: str, value: Any, ttl: float | None = None) -> None:
    backend.set(key, encode(value), ttl=ttl, tags=(), name=None)


def types(value: Any) -> Any:
    """Return a value with the types of its parts, which `==` does not compare."""
    if isinstance(value, dict):
        return {key: types(child) for key, child in value.items()}, list(value)
    if isinstance(value, list):
        return [types(child) for child in value]
    return type(value), repr(value)


@settings(deadline=None)
@given(JSON)
def test_every_read_returns_what_json_returns(value: Any) -> None:
    backend = MemoryBackend()
    put(backend, "key", value)
    expected = types(json.loads(encode(value)))
    for _ in range(3):
        assert types(backend.load("key")) == types((json.loads(encode(value)),))
        loaded = backend.load("key")
        assert loaded is not None
        assert types(loaded[0]) == expected
    assert backend.get("key") == encode(value)
    assert backend.get_many(["key"]) == {"key": encode(value)}


def test_every_read_returns_a_new_copy() -> None:
    cache = RuntimeCache(backend=MemoryBackend())
    cache.set("key", VALUE)
    for _ in range(4):
        copy = cache.get("key")
        assert copy == VALUE
        copy["tags"].append("sold")
        copy["links"].clear()


def test_value_that_was_read_can_be_changed_in_one_step() -> None:
    cache = RuntimeCache(backend=MemoryBackend(), strict=True)
    cache.set("key", VALUE)
    assert cache.get("key") == cache.get("key") == VALUE
    assert cache.replace("key", [], 1) is False
    assert cache.replace("key", VALUE, {"id": 8}) is True
    assert cache.get("key") == cache.get("key") == {"id": 8}
    assert cache.remove("key", {"id": 8}) is True
    cache.set("key", VALUE)
    assert cache.get("key") == VALUE
    assert cache.get_many(["key", "missing"]) == {"key": VALUE}
    assert cache.pop("key") == VALUE
    cache.set("number", 10**60)
    assert cache.get("number") == 10**60
    assert cache.incr("number") == 10**60 + 1


@pytest.mark.parametrize("value", [VALUE, [0] * 1000, [None] * 1000, [1.5] * 100, "ä" * 1000])
def test_reads_take_no_more_memory_than_is_counted(value: Any) -> None:
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        backend = MemoryBackend()
        for number in range(1000):
            put(backend, f"key {number}", value)
        counted = backend.size()
        for number in range(1000):
            backend.load(f"key {number}")
        gc.collect()
        held = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert backend.size() == counted
    assert held < 1.1 * counted["bytes"]


def test_deeply_nested_value_is_read() -> None:
    # marshal's limit is 2,000; before Python 3.13 that of json is lower.
    depth = 2500 if sys.version_info >= (3, 13) else 900
    data = b"[" * depth + b"]" * depth
    backend = MemoryBackend()
    backend.set("key", data, ttl=None, tags=(), name=None)
    for _ in range(3):
        assert backend.load("key") == (json.loads(data),)
    assert backend.get("key") == data


def test_a_read_keeps_an_entry_from_eviction() -> None:
    backend = MemoryBackend(5 * (ENTRY_BYTES + 1200))
    for key in "abcde":
        put(backend, key, "x" * 1000)
    for _ in range(2):
        backend.load("a")
        put(backend, "new", "x" * 1000)
        backend.load("c")
        put(backend, "newer", "x" * 1000)
    assert list(backend.get_many("abcde")) == ["a", "c", "e"]


@pytest.mark.parametrize("read", [1, 2])
def test_expired_entries_are_not_read(read: int) -> None:
    now = [0.0]
    backend = MemoryBackend(clock=lambda: now[0])
    put(backend, "key", VALUE, ttl=5)
    backend.set("tagged", encode(VALUE), ttl=None, tags=["tag"], name=None)
    for _ in range(read):
        assert backend.load("key") == backend.load("tagged") == (VALUE,)
    now[0] = 4.9
    assert backend.load("key") == (VALUE,)
    now[0] = 5
    backend.expire_tags(["tag"])
    assert backend.load("key") is backend.load("tagged") is backend.load("missing") is None
    assert backend.size()["entries"] == 0


def test_changes_during_the_first_read_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    backend = MemoryBackend(clock=lambda: now[0])
    change: Any = None

    def decode_late(data: bytes) -> Any:
        change()
        return json.loads(data)

    monkeypatch.setattr(memory, "decode", decode_late)
    put(backend, "touched", VALUE, ttl=5)
    change = lambda: backend.touch("touched", 50)  # noqa: E731
    assert backend.load("touched") == (VALUE,)
    put(backend, "set", VALUE)
    change = lambda: put(backend, "set", [1])  # noqa: E731
    assert backend.load("set") == (VALUE,)
    put(backend, "deleted", VALUE)
    change = lambda: backend.delete(["deleted"])  # noqa: E731
    assert backend.load("deleted") == (VALUE,)
    change = lambda: None  # noqa: E731
    now[0] = 49
    assert backend.load("touched") == (VALUE,)
    assert backend.load("set") == ([1],)
    assert backend.load("deleted") is None


@pytest.mark.usefixtures("bounded")
def test_reads_and_evictions_of_many_threads() -> None:
    backend = MemoryBackend(30_000)

    def work(thread: int) -> None:
        for number in range(3000):
            key = f"{number * (thread + 1) % 100}"
            if thread % 2:
                put(backend, key, [key] * 20, ttl=0.01 if number % 5 else None)
            else:
                assert backend.load(key) in (None, ([key] * 20,))

    in_threads(work, 8)
    assert backend.size()["bytes"] <= 30_000
    backend.delete([f"{number}" for number in range(100)])
    assert backend.size() == {"entries": 0, "bytes": 0}


@pytest.mark.usefixtures("bounded")
def test_all_threads_are_counted() -> None:
    cache = RuntimeCache(backend=MemoryBackend())
    cache.set("key", VALUE)

    def work(thread: int) -> None:
        for _ in range(500):
            cache.get("key")
            cache.get_many(["key", "missing"])
            cache.stats()

    in_threads(work, 8)
    assert (cache.stats()["hits"], cache.stats()["misses"]) == (8 * 1000, 8 * 500)


def test_entry_that_is_not_json_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    backend = MemoryBackend()
    cache = RuntimeCache(backend=backend)
    cache.set("key", 1)
    (key,) = backend._entries
    backend.set(key, b"{", ttl=None, tags=(), name=None)
    assert cache.get("key", "none") == "none"
    assert cache.get_many(["key"]) == {}
    assert cache.stats()["errors"] == 2
    assert len(caplog.records) == 1
    with pytest.raises(CacheError, match="not JSON"):
        RuntimeCache(backend=backend, strict=True).get("key")


class OwnGet(MemoryBackend):
    def get(self, key: str) -> bytes | None:
        return b'"mine"'


class Remote(MemoryBackend):
    waits = True


def test_get_of_a_subclass_is_called() -> None:
    assert RuntimeCache(backend=OwnGet()).get("key") == "mine"
    backend = MemoryBackend()
    assert is_loading(backend)
    assert not is_loading(Remote())
    backend.get = lambda key: b'"replaced"'  # type: ignore[method-assign]
    assert RuntimeCache(backend=backend).get("key") == "replaced"
    assert not is_loading(object())  # type: ignore[arg-type]


class OwnLoad(OwnGet):
    def load(self, key: str) -> tuple[Any] | None:
        return ("loaded",)


def test_load_beside_get_is_called() -> None:
    assert RuntimeCache(backend=OwnLoad()).get("key") == "loaded"
