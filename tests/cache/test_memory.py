"""The backend in memory: expiry, eviction and the count of its bytes."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cache.clock import Clock
from tests.cache.concurrency import in_threads
from unigate import CacheError
from unigate.cache import RuntimeCache
from unigate.cache.memory import ENTRY_BYTES, REMOVED_AT_ONCE, MemoryBackend


def put(
    backend: MemoryBackend, key: str, *tags: str, size: int = 0, ttl: float | None = None
) -> None:
    backend.set(key, b"x" * size, ttl=ttl, tags=tags, name=None)


def has(backend: MemoryBackend, *keys: str) -> list[str]:
    return list(backend.get_many(keys))


def test_value_expires_when_its_time_is_over() -> None:
    clock = Clock()
    backend = MemoryBackend(clock=clock)
    put(backend, "short", ttl=0.5)
    put(backend, "long", ttl=10)
    put(backend, "endless")
    clock.now += 0.499
    assert has(backend, "short", "long", "endless") == ["short", "long", "endless"]
    clock.now += 0.001
    assert has(backend, "short", "long", "endless") == ["long", "endless"]
    assert backend.size()["entries"] == 2
    clock.now += 1e9
    assert has(backend, "short", "long", "endless") == ["endless"]


def test_least_recently_used_goes_first() -> None:
    backend = MemoryBackend(5 * (ENTRY_BYTES + 1200))
    for key in "abcde":
        put(backend, key, size=1000)
    assert backend.size()["entries"] == 5
    backend.get("a")
    backend.get_many(["b"])
    put(backend, "c", size=1000)
    put(backend, "f", size=1000)
    put(backend, "g", size=1000)
    assert has(backend, *"abcdefg") == list("abcfg")


def test_one_large_value_takes_the_room_of_many_small_ones() -> None:
    backend = MemoryBackend(100_000)
    for number in range(100):
        put(backend, f"{number}", size=100)
    assert backend.size()["entries"] == 100
    put(backend, "large", size=90_000)
    assert backend.get("large") is not None
    assert backend.size()["entries"] < 30
    assert backend.get("99") is not None
    assert backend.size()["bytes"] <= 100_000


def test_value_larger_than_the_limit_is_not_stored_and_evicts_nothing() -> None:
    backend = MemoryBackend(10_000)
    put(backend, "key", size=10)
    put(backend, "other", "tag", size=10)
    before = backend.size()["bytes"]
    put(backend, "key", "new tag", size=10_000)
    assert has(backend, "key", "other") == ["other"]
    put(backend, "key", size=10)
    assert backend.size() == {"entries": 2, "bytes": before}


def test_entries_of_an_expired_tag_go_before_others() -> None:
    backend = MemoryBackend(100 * 1500)
    put(backend, "oldest", size=1000)
    for number in range(90):
        put(backend, f"{number}", "tag", size=1000)
    backend.expire_tags(["tag"])
    put(backend, "large", size=100_000)
    assert has(backend, "oldest", "large") == ["oldest", "large"]


def test_entries_of_an_expired_tag_do_not_stay() -> None:
    backend = MemoryBackend()
    for number in range(1000):
        put(backend, f"{number}", "tag", "other", size=100)
    backend.expire_tags(["tag"])
    assert backend.get("1") is None
    for _ in range(1000 // (REMOVED_AT_ONCE - 1) + 2):
        put(backend, "new")
    assert backend.size()["entries"] == 1
    backend.delete(["new"])
    assert backend.size() == {"entries": 0, "bytes": 0}


def test_expiring_a_tag_touches_none_of_its_entries() -> None:
    backend = MemoryBackend()
    for number in range(1000):
        put(backend, f"{number}", "tag")
    before = backend.size()
    backend.expire_tags(["tag"])
    assert backend.size() == before


def test_tag_of_removed_entries_does_not_stay() -> None:
    backend = MemoryBackend()
    for number in range(100):
        put(backend, "key", f"tag {number}", size=10)
    put(backend, "key")
    plain = backend.size()["bytes"]
    put(backend, "key", "tag")
    assert backend.size()["bytes"] > plain
    backend.delete(["key", "missing"])
    assert backend.size() == {"entries": 0, "bytes": 0}


@pytest.mark.parametrize("size", [0, -1])
def test_limit_must_be_above_0(size: int) -> None:
    with pytest.raises(ValueError):
        MemoryBackend(size)


@pytest.mark.parametrize(
    "tags",
    [lambda n: [], lambda n: ["one"], lambda n: [f"own {n}"], lambda n: [f"{n % 9}", f"x{n % 7}"]],
)
def test_bytes_are_those_that_it_holds(tags: Callable[[int], list[str]]) -> None:
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        backend = MemoryBackend()
        for number in range(20_000):
            put(backend, f"key {number}", *tags(number), size=100, ttl=number)
        gc.collect()
        held = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert 0.9 * held < backend.size()["bytes"] < 1.3 * held


NAMES = st.sampled_from("abcd")
STEPS = st.one_of(
    st.tuples(st.just("set"), NAMES, st.sets(NAMES), st.integers(0, 900), st.integers(1, 5)),
    st.tuples(st.just("get"), NAMES),
    st.tuples(st.just("delete"), NAMES),
    st.tuples(st.just("expire"), st.sets(NAMES)),
    st.tuples(st.just("wait"), st.integers(1, 3)),
    st.tuples(st.just("clear")),
)


@settings(deadline=None)
@given(st.lists(STEPS, max_size=60), st.booleans())
def test_it_is_a_dictionary_that_forgets(steps: list[tuple], tight: bool) -> None:
    clock = Clock()
    backend = MemoryBackend(3000 if tight else 1_000_000, clock=clock)
    model: dict[str, tuple[int, set[str], float]] = {}
    for name, *what in steps:
        if name == "set":
            key, tags, size, ttl = what
            put(backend, key, *sorted(tags), size=size, ttl=ttl)
            model[key] = (size, tags, clock.now + ttl)
        elif name == "get":
            value = backend.get(what[0])
            expected = model.get(what[0])
            if expected is None or expected[2] <= clock.now:
                assert value is None
            elif value is None:
                assert tight
            else:
                assert len(value) == expected[0]
        elif name == "delete":
            backend.delete(what)
            model.pop(what[0], None)
        elif name == "expire":
            backend.expire_tags(sorted(what[0]))
            model = {key: entry for key, entry in model.items() if not entry[1] & what[0]}
        elif name == "wait":
            clock.now += what[0]
        else:
            backend.clear()
            model.clear()
        assert backend.size()["bytes"] <= 3000 or not tight
    backend.expire_tags(list("abcd"))
    for _ in range(20):
        put(backend, "last")
    backend.delete("abcd")
    backend.delete(["last"])
    assert backend.size() == {"entries": 0, "bytes": 0}


@pytest.mark.usefixtures("bounded")
def test_bytes_add_up_after_many_threads() -> None:
    backend = MemoryBackend(200_000)

    def work(thread: int) -> None:
        for number in range(2000):
            key = f"{number * (thread + 1) % 300}"
            put(backend, key, f"{number % 7}", f"own {thread}", size=number % 1000)
            value = backend.get(key)
            assert value is None or not value.strip(b"x")
            if number % 50 == 0:
                backend.expire_tags([f"{number % 7}"])
            if number % 31 == 0:
                backend.delete([key])

    in_threads(work, 8)
    assert 0 < backend.size()["bytes"] <= 200_000
    backend.delete([f"{number}" for number in range(300)])
    for _ in range(200):
        put(backend, "last")
    backend.delete(["last"])
    assert backend.size() == {"entries": 0, "bytes": 0}


def test_what_is_too_large_is_not_said_to_be_stored() -> None:
    backend = MemoryBackend(1000)
    options: Any = {"ttl": None, "tags": []}
    large = b"x" * 1000
    assert backend.set("k", b"1", name=None, **options) is True
    assert backend.set("k", large, name=None, **options) is False
    assert backend.get("k") is None
    assert backend.set_many({"a": b"1", "b": large}, **options) == ["b"]
    assert backend.add("k", large, name=None, **options) is False
    with pytest.raises(ValueError, match="must fit in the memory of the cache"):
        backend.replace("a", b"1", large, name=None, **options)
    assert backend.get("a") == b"1"
    backend.delete(["a"])
    assert backend.size() == {"entries": 0, "bytes": 0}
    # A tag that takes more than there is room for.
    assert backend.set("k", b"1", ttl=None, tags=["t" * 900], name=None) is False
    assert backend.size() == {"entries": 0, "bytes": 0}


def test_a_change_that_does_not_fit_leaves_the_old_value() -> None:
    backend = MemoryBackend(1000)
    cache = RuntimeCache(backend=backend)
    strict = RuntimeCache(backend=backend, strict=True)
    cache.set("k", "old")
    assert cache.replace("k", "old", "x" * 1000) is None
    with pytest.raises(CacheError, match="must fit in the memory of the cache, max_bytes=1000"):
        strict.replace("k", "old", "x" * 1000)
    assert cache.replace("k", "other", "x" * 1000) is False
    assert cache.get("k") == "old"


def test_a_number_that_does_not_fit_leaves_the_old_one() -> None:
    sample = MemoryBackend()
    RuntimeCache(backend=sample).set("n", 999)
    backend = MemoryBackend(sample.size()["bytes"])
    cache = RuntimeCache(backend=backend)
    assert cache.set("n", 999)
    assert cache.incr("n") is None
    with pytest.raises(CacheError, match="must fit in the memory of the cache"):
        RuntimeCache(backend=backend, strict=True).incr("n")
    assert cache.get("n") == 999
    assert cache.decr("n") == 998


def test_what_does_not_fit_is_not_stored() -> None:
    for strict in (False, True):
        cache = RuntimeCache(backend=MemoryBackend(1000), strict=strict)
        assert cache.add("k", "x" * 1000) is False
        assert cache.set("k", 1)
        assert cache.set("k", "x" * 1000) is False
        assert "k" not in cache
        assert cache.set_many({"a": 1, "k": "x" * 1000}) == ["k"]
        assert cache.get_or_set("k", lambda: "x" * 1000) == "x" * 1000
        assert cache.get("a") == 1
