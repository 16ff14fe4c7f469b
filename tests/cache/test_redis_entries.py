"""Entries in Redis: their format, what a client knows of them, and foreign content."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cache.concurrency import in_threads
from tests.cache.fake_redis import REAL, SERVERS, FakeServer
from tests.cache.redis_server import Server, opened
from unigate.cache import RuntimeCache
from unigate.cache.redis import RedisBackend
from unigate.cache.redis_entries import MARK, Layouts
from unigate.cache.redis_leases import RedisLease

pytestmark = pytest.mark.usefixtures("bounded")


class Pair:
    """Two clients of one namespace, such as two processes have."""

    def __init__(
        self, server: Server | FakeServer, one: RedisBackend, other: RedisBackend, namespace: str
    ) -> None:
        self.server, self.one, self.other, self.namespace = server, one, other, namespace

    def put(self, key: str, value: bytes = b"1", *tags: str, ttl: float | None = None) -> None:
        """Store a value with the first client."""
        self.one.set(key, value, ttl=ttl, tags=tags, name=None)

    def raw(self, key: str) -> str:
        """Return the key in Redis."""
        return f"{{{self.namespace}}}:{key}"


numbers = iter(range(10**6))


@pytest.fixture(params=SERVERS)
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    server, namespace = SERVERS[request.param](), f"pair-{next(numbers)}"
    with server.opened(namespace) as one, server.opened(namespace) as other:
        yield Pair(server, one, other, namespace)


def add(cache: RedisBackend, key: str, value: bytes, *tags: str) -> bool:
    return cache.add(key, value, ttl=60, tags=tags, name=None)


def replace(cache: RedisBackend, key: str, old: bytes, new: bytes, *tags: str) -> bool:
    return cache.replace(key, old, new, ttl=60, tags=tags, name=None)


# What a client has not seen yet


@pytest.mark.parametrize("pair", REAL, indirect=True)
def test_an_entry_with_unknown_tags_takes_a_second_command_once(pair: Pair) -> None:
    for number in range(3):
        pair.put(f"k{number}", b"1", f"t{number}", "u")
    with pair.server.commands() as commands:
        assert pair.other.get("k0") == b"1"
        assert pair.other.get("k0") == b"1"
        assert pair.other.get_many(["k0", "k1", "k2", "none"]) == dict.fromkeys(
            ["k0", "k1", "k2"], b"1"
        )
        assert pair.other.get_many(["k2", "k1"]) == {"k1": b"1", "k2": b"1"}
    assert commands == ["MGET"] * 2 + ["MGET"] + ["MGET"] * 2 + ["MGET"]


@pytest.mark.parametrize("pair", REAL, indirect=True)
def test_a_new_key_is_expected_to_have_the_tags_seen_last(pair: Pair) -> None:
    for number in range(3):
        pair.put(f"k{number}", b"1", "a", "b")
    assert pair.other.get("k0") == b"1"
    with pair.server.commands() as commands:
        assert pair.other.get("k1") == b"1"
        assert pair.other.increment("k2", 1) == 2
    assert commands == ["MGET", "EVALSHA"] or commands == ["MGET", "EVALSHA", "EVAL"]


CHANGES: dict[str, Callable[[RedisBackend], object]] = {
    "get": lambda cache: cache.get("k") == b"1",
    "get_many": lambda cache: cache.get_many(["k"]) == {"k": b"1"},
    "add": lambda cache: add(cache, "k", b"2") is False,
    "add with the tags": lambda cache: add(cache, "k", b"2", "t", "u") is False,
    "replace": lambda cache: replace(cache, "k", b"1", b"2"),
    "replace with the tags": lambda cache: replace(cache, "k", b"1", b"2", "t", "u"),
    "replace another": lambda cache: replace(cache, "k", b"2", b"3") is False,
    "remove": lambda cache: cache.remove("k", b"1"),
    "remove another": lambda cache: cache.remove("k", b"2") is False,
    "increment": lambda cache: cache.increment("k", 1) == 2,
    "increment by a fraction": lambda cache: cache.increment("k", 0.5) == 1.5,
    "touch": lambda cache: cache.touch("k", 60),
    "pop": lambda cache: cache.pop("k") == b"1",
}
ABSENT: dict[str, Callable[[RedisBackend], object]] = {
    "get": lambda cache: cache.get("k") is None,
    "get_many": lambda cache: cache.get_many(["k"]) == {},
    "add": lambda cache: add(cache, "k", b"2"),
    "add with the tags": lambda cache: add(cache, "k", b"2", "t", "u"),
    "replace": lambda cache: replace(cache, "k", b"1", b"2") is False,
    "replace with the tags": lambda cache: replace(cache, "k", b"1", b"2", "t", "u") is False,
    "remove": lambda cache: cache.remove("k", b"1") is False,
    "increment": lambda cache: cache.increment("k", 1) is None,
    "increment by a fraction": lambda cache: cache.increment("k", 0.5) is None,
    "touch": lambda cache: cache.touch("k", 60) is False,
    "pop": lambda cache: cache.pop("k") is None,
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_client_that_does_not_know_the_tags_finds_the_entry(pair: Pair, name: str) -> None:
    pair.put("k", b"1", "t", "u")
    assert CHANGES[name](pair.other)
    pair.put("k", b"1", "u", "t")
    assert CHANGES[name](pair.other)


@pytest.mark.parametrize("name", ABSENT)
def test_a_client_that_does_not_know_the_tags_finds_that_they_have_expired(
    pair: Pair, name: str
) -> None:
    pair.put("k", b"1", "t", "u")
    pair.one.expire_tags(["u"])
    assert ABSENT[name](pair.other)
    pair.put("k", b"1", "u", "t")
    pair.one.clear()
    assert ABSENT[name](pair.other)


def test_an_increment_and_a_touch_keep_unknown_tags_and_the_life(pair: Pair) -> None:
    pair.put("k", b"1", "t", ttl=1000)
    assert pair.other.increment("k", 1) == 2
    assert 990 < pair.server.run("TTL", pair.raw("key:k")) <= 1000
    assert pair.other.increment("k", 2**53) == 2**53 + 2
    assert 990 < pair.server.run("TTL", pair.raw("key:k")) <= 1000
    assert pair.other.touch("k", 5000)
    for record in ("key:k", "tag:t", "all"):
        assert 4990 < pair.server.run("TTL", pair.raw(record)) <= 5000
    pair.one.expire_tags(["t"])
    assert pair.other.get("k") is None


def test_a_conditional_store_gives_records_the_life_of_the_entry(pair: Pair) -> None:
    assert add(pair.one, "k", b"1", "t")
    assert replace(pair.one, "k", b"1", b"2", "u")
    for record in ("key:k", "tag:t", "tag:u", "all"):
        assert 50 < pair.server.run("TTL", pair.raw(record)) <= 60
    assert pair.one.replace("k", b"2", b"3", ttl=None, tags=["u"], name=None)
    for record in ("key:k", "tag:u", "all"):
        assert pair.server.run("TTL", pair.raw(record)) > 29 * 24 * 60 * 60


@pytest.mark.parametrize("pair", REAL, indirect=True)
@pytest.mark.parametrize("name", [*CHANGES, "lease"])
def test_scripts_use_no_key_that_they_do_not_declare(pair: Pair, name: str) -> None:
    changes = {**CHANGES, "lease": leased}
    changes[name](pair.one)  # the server gets to know the script
    pair.put("k", b"1", "t", "u")
    with pair.server.monitored() as entries:
        changes[name](pair.other)
    declared: list[str] = []
    for in_script, words in entries:
        if in_script:
            used = [word for word in words if word.startswith(pair.raw(""))]
            assert used
            assert set(used) <= set(declared)
        elif words[0] == "EVALSHA":
            declared = words[3 : 3 + int(words[2])]


def test_a_lease_is_renewed_stored_and_released(pair: Pair) -> None:
    leased(pair.one)


def leased(cache: RedisBackend) -> None:
    cache.delete(["k"])
    for end in ("store", "release"):
        lease = cache.lease("k", ttl=60, tags=["t", "u"])
        assert isinstance(lease, RedisLease)
        lease.renew()
        if end == "store":
            assert lease.store(b"2")
            assert cache.get("k") == b"2"
        else:
            lease.release()
            assert cache.get("k") is None
        cache.delete(["k"])


def test_clients_with_other_tags_lose_no_change(pair: Pair) -> None:
    pair.put("k", b"0")

    def work(number: int) -> int:
        cache, done = (pair.one, pair.other)[number % 2], 0
        while done < 20:
            value = cache.get("k")
            assert value is not None
            done += replace(cache, "k", value, b"%d" % (int(value) + 1), random.choice("abc"))
        return done

    assert sum(in_threads(work, 4)) == 80
    assert pair.one.get("k") == b"80"


# Foreign content

FOREIGN: list[list[Any]] = [
    ["SET", b""],
    ["SET", b"text"],
    ["SET", MARK],
    ["SET", MARK + b"\xff\xff\xff\xff"],
    ["SET", MARK + b"\0\0\0\0"],
    ["SET", MARK + b"\0\0\0\1x"],
    ["SET", MARK + b"\0\0\0\3\0\5x" + bytes(100)],
    ["SET", MARK + b"\0\0\0\0" + bytes(8) + b"1"],
    # The format before: MessagePack of a list of records, one of contents, and the value.
    ["SET", b"\x91\xa3all\x91\xa8" + bytes(8) + b"\xa11"],
    ["LPUSH", b"x"],
    ["HSET", b"x", b"y"],
    ["ZADD", 1, b"x"],
]


@pytest.mark.parametrize("foreign", FOREIGN, ids=map(str, range(len(FOREIGN))))
@pytest.mark.parametrize("name", ABSENT)
def test_foreign_content_is_a_missing_entry(pair: Pair, name: str, foreign: list[Any]) -> None:
    pair.put("other", b"2", "t")
    pair.server.run(foreign[0], pair.raw("key:k"), *foreign[1:])
    for cache in (pair.one, pair.other):
        pair.server.run("DEL", pair.raw("key:k"))
        pair.server.run(foreign[0], pair.raw("key:k"), *foreign[1:])
        assert ABSENT[name](cache)
        assert cache.get_many(["k", "other"])["other"] == b"2"
    pair.put("k", b"1")
    assert pair.one.get("k") == b"1"


@pytest.mark.parametrize("command", [["SET", "short"], ["SET", "x" * 9], ["LPUSH", "x"]])
@pytest.mark.parametrize("record", ["tag:t", "all"])
def test_foreign_content_of_a_record_is_replaced(
    pair: Pair, record: str, command: list[str]
) -> None:
    pair.put("k", b"1", "t")
    pair.server.run("DEL", pair.raw(record))
    pair.server.run(command[0], pair.raw(record), *command[1:])
    assert pair.one.get("k") is None
    assert pair.one.increment("k", 1) is None
    assert add(pair.one, "k", b"2", "t")
    assert pair.other.get("k") == b"2"
    pair.put("l", b"3", "t")
    assert pair.other.get_many(["k", "l"]) == {"k": b"2", "l": b"3"}


def test_one_bad_entry_costs_no_other_one(pair: Pair) -> None:
    cache = RuntimeCache(backend=pair.one, key_hash_function=str, strict=True)
    cache.set("good", 1)
    pair.server.run("LPUSH", pair.raw("key:bad"), "x")
    for _ in range(5):
        assert cache.get("bad") is None
        assert cache.get("good") == 1
    assert cache.stats()["errors"] == 0


# A full server


def test_a_full_server_stores_nothing_and_says_so() -> None:
    with Server() as server, opened(server.url()) as backend:
        cache = RuntimeCache(backend=backend)
        cache.set_many({"old": "old", "number": 1}, tags=["t"])
        cache.set("tagged", 1, tags=["u"])
        server.run("CONFIG", "SET", "maxmemory", 1)
        assert cache.add("new", 1) is False
        assert cache.incr("number") is None
        assert cache.get("number") == 1
        assert cache.replace("old", "old", "new") is None
        assert cache.set_many({"a": 1, "b": 2}) == ["a", "b"]
        assert cache.set("old", "new") is False
        assert cache.get_many(["old", "number"]) == {"number": 1}  # no value that is out of date
        cache.expire_tag("u")
        assert cache.get("tagged") is None
        assert cache.stats()["unconfirmed"] == 0


# Changes that others make all the time


def test_a_change_that_always_comes_too_late_ends(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair.put("k", b"1", "t")
    monkeypatch.setattr("unigate.cache.redis.ATTEMPTS", 1)  # which finds out the tags
    for late in (
        lambda cache: replace(cache, "k", b"1", b"2"),
        lambda cache: cache.remove("k", b"1"),
        lambda cache: cache.touch("k", 60),
    ):
        with pair.server.opened(pair.namespace) as another:
            assert late(another) is False
    assert pair.other.get("k") == b"1"
    monkeypatch.setattr("unigate.cache.redis.ATTEMPTS", 0)
    with pytest.raises(RuntimeError, match="0 attempts"):
        pair.one.increment("k", 1)
    assert pair.other.get("k") == b"1"


# Layouts


tags = st.lists(st.text(max_size=9) | st.just("x" * 60_000), max_size=5, unique=True)


@given(tags, st.binary(max_size=9))
def test_the_tags_of_an_entry_are_read_back(names: list[str], value: bytes) -> None:
    layout = Layouts(b"p:").of_tags(names)
    entry = layout.head + os.urandom(8) * len(layout.records) + value
    read = Layouts(b"p:").of_entry(entry)
    assert read == layout
    assert entry[layout.start :] == value


@given(st.binary(max_size=40))
def test_no_bytes_are_an_error(data: bytes) -> None:
    layouts = Layouts(b"p:")
    assert layouts.of_entry(data) is None
    layout = layouts.of_entry(MARK + data)
    assert layout is None or (MARK + data).startswith(layout.head)


def test_the_memory_of_layouts_is_bounded() -> None:
    layouts = Layouts(b"p:")
    for number in range(3 * Layouts.MOST):
        layouts.learn([f"key {number}"], layouts.of_tags([f"tag {number}"]))
    layouts.learn(["k" * (Layouts.LONGEST + 1)], layouts.of_tags(["t"]))
    last = layouts.of_tags(["t"])
    layouts.learn(["long"], layouts.of_tags(["x" * Layouts.LONGEST]))
    assert layouts.guess("long") == layouts.of_tags(["x" * Layouts.LONGEST])  # the latest
    layouts.learn(["last"], last)
    assert layouts.guess("long") == layouts.guess("k" * (Layouts.LONGEST + 1)) == last
    layouts.learn(["many"], layouts.of_tags([str(number) for number in range(Layouts.GUESSED)]))
    assert layouts.guess("another") == last
    memories = [value for value in vars(layouts).values() if isinstance(value, dict)]
    assert len(memories) == 3
    assert all(0 < len(memory) <= Layouts.MOST for memory in memories)
