"""The contract of all caches, sync and async, on every backend."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from tests.cache.backends import TIMED
from tests.cache.concurrency import in_threads
from tests.waiting import SECONDS, until
from unigate import CacheError
from unigate.cache import AsyncRuntimeCache, Backend, RuntimeCache
from unigate.cache.backend import is_atomic
from unigate.cache.keys import namespace_tag, stored_tag
from unigate.cache.options import MAX_BYTES, MAX_TAG_BYTES, MAX_TAGS

pytestmark = pytest.mark.usefixtures("bounded")
OpenCache = Callable[..., Any]

# The first are pairs with equal 32-bit hashes of Vercel's; the others break paths or headers.
KEYS = [
    *["a6", "gp", "a7", "gq", "a0", "gv", "session:1", "session:2"],
    *["", " ", ".", "..", "/", "a/b", "a%2Fb", "a%2fb", "a?b", "a#b", "a+b", "a b", "revalidate"],
    *["A6", "ä", "a\u0308", "日本", "\U0001f600", "\ud800", "\x00", "\n", "{a}b", "{a}c", "*"],
    *[
        "k" * 200,
        "k" * 201,
        "k" * 5000,
        "k" * 4999 + "l",
        "0.0:a6",
        "0.0:0.0:a6",
        "a$b",
        "$b",
        ":b",
    ],
]
VALUES = [
    *[None, False, True, 0, "", [], {}, 1, -1.5, 10**30, "text", "ä日\U0001f600", "\ud800", "\x00"],
    *[[1, [2, [3]]], {"a": {"b": [None, True]}}, {"": 1, "a b": 2, "ä": 3}, ["x" * 100_000]],
]


def test_value_comes_back(cache: Any) -> None:
    for value in VALUES:
        cache.set("key", value)
        assert cache.get("key") == value
        assert type(cache.get("key")) is type(value)


def test_what_comes_out_is_a_copy(cache: Any) -> None:
    value = {"list": [1]}
    cache.set("key", value)
    value["list"].append(2)
    cache.get("key")["list"].append(3)
    assert cache.get("key") == {"list": [1]}


def test_miss_is_the_default(cache: Any) -> None:
    assert cache.get("key") is None
    assert cache.get("key", 7) == 7
    assert "key" not in cache


def test_none_is_a_value(cache: Any) -> None:
    cache.set("key", None)
    assert cache.get("key", 7) is None
    assert "key" in cache
    assert cache.get_many(["key"]) == {"key": None}
    assert cache.get_or_set("key", lambda: 7) is None


def test_last_value_wins(cache: Any) -> None:
    cache.set("key", 1)
    cache.set("key", 2)
    assert cache.get("key") == 2


def test_keys_never_share_an_entry(cache: Any) -> None:
    for number, key in enumerate(KEYS):
        cache.set(key, number)
    assert [cache.get(key) for key in KEYS] == list(range(len(KEYS)))
    assert cache.get_many(KEYS) == {key: number for number, key in enumerate(KEYS)}
    for key in KEYS[::2]:
        cache.delete(key)
    assert [key in cache for key in KEYS] == [number % 2 == 1 for number in range(len(KEYS))]


def test_namespaces_never_share_an_entry(open_cache: OpenCache) -> None:
    names = [
        *[(None, None, "b"), ("", ":", "c"), ("a", None, "b"), ("a", ":", "b"), ("a:", ":", "b")],
        *[("a", None, "$b"), ("a$", None, "b"), ("a", "$$", "b"), (None, None, "a$b")],
        *[("3.4", ":", "b"), ("a", "$b$", "c"), ("a", None, "b$c"), ("a$b", None, "c")],
        *[("\x00", None, "b"), ("a", "\x00", "b"), ("a\x00", "\x00", "b"), ("a", None, "\x00b")],
        *[("\u00e9", None, "b"), ("e\u0301", None, "b"), ("a", None, "\u00e9"), ("A", None, "b")],
        *[("a", None, "e\u0301"), ("n" * 5000, None, "b"), ("n" * 4999, None, "nb")],
        *[("\ud800", None, "b"), ("\ud801", None, "b"), ("1.2:a", None, "b"), (" a", None, "b")],
    ]
    caches = [
        (open_cache(namespace=name, namespace_separator=separator), key)
        for name, separator, key in names
    ]
    for number, (cache, key) in enumerate(caches):
        cache.set(key, number)
    assert [cache.get(key) for cache, key in caches] == list(range(len(names)))
    for number, (cache, key) in enumerate(caches):
        if names[number][0]:
            cache.clear()
            assert key not in cache
    assert [cache.get(key) for cache, key in caches if key in cache] == [
        number for number, (name, _, _) in enumerate(names) if not name
    ]


def test_a_namespace_that_is_no_text_is_refused(open_cache: OpenCache) -> None:
    with pytest.raises(TypeError, match=r"namespace must be a str, got 3\."):
        open_cache(namespace=3)


def test_delete(cache: Any) -> None:
    cache.set("key", 1)
    cache.set("other", 2)
    cache.delete("key")
    cache.delete("key")
    cache.delete("never there")
    assert "key" not in cache
    assert cache.get("other") == 2


def test_ttl_of_0_has_expired(cache: Any) -> None:
    for ttl in (0, 0.0, timedelta(0)):
        cache.set("key", 1)
        cache.set("key", 2, ttl=ttl)
        assert cache.get("key", "nothing") == "nothing"
    cache.set("key", 1, {"ttl": 0})
    assert "key" not in cache
    cache.set_many({"key": 1, "other": 2}, ttl=0)
    assert cache.get_many(["key", "other"]) == {}
    assert cache.get_or_set("key", lambda: 3, ttl=0) == 3
    assert "key" not in cache


@pytest.mark.parametrize("backend", TIMED, indirect=True)
@pytest.mark.parametrize("ttl", [1, timedelta(seconds=1)])
def test_value_lives_for_its_ttl(cache: Any, ttl: Any) -> None:
    cache.set("long", 1, ttl=1000)
    cache.set("endless", 2)
    cache.set("renewed", 3, ttl=ttl)
    cache.set("renewed", 4)
    cache.set("key", 5, ttl=ttl)
    cache.set_many({"many": 6}, {"ttl": ttl})
    cache.get_or_set("made", lambda: 7, ttl=ttl)
    until(lambda: not cache.get_many(["key", "many", "made"]))
    assert "key" not in cache
    assert cache.get_many(["long", "endless", "renewed"]) == {
        "long": 1,
        "endless": 2,
        "renewed": 4,
    }


def test_life_too_long_to_count_is_long(cache: Any) -> None:
    for ttl in (2**63, 10**400, 1e300, float("inf"), timedelta.max):
        cache.set("key", 1, ttl=ttl)
        assert cache.get("key") == 1
        cache.delete("key")


def test_expire_tag(cache: Any) -> None:
    cache.set("one", 1, tags=["a"])
    cache.set("both", 2, {"tags": ["a", "b"], "ttl": 1000, "name": "Both"})
    cache.set("other", 3, tags="b")
    cache.set("none", 4)
    cache.expire_tag("a")
    assert cache.get_many(["one", "both", "other", "none"]) == {"other": 3, "none": 4}
    assert "one" not in cache
    assert cache.get("both") is None


def test_expire_many_tags(cache: Any) -> None:
    for tag in "abc":
        cache.set(tag, 1, tags=[tag])
    cache.expire_tag(["a", "b", "a", "never seen"])
    cache.expire_tag([])
    assert cache.get_many("abc") == {"c": 1}


def test_expired_tag_can_be_used_again(cache: Any) -> None:
    for number in range(3):
        cache.set("key", number, tags=["a"])
        cache.set("other", number, tags=["a"])
        assert cache.get("key") == number
        cache.expire_tag("a")
        assert "key" not in cache
        cache.set("key", number, tags=["a"])
        assert cache.get("key") == number
        assert "other" not in cache


def test_value_has_the_tags_it_was_last_stored_with(cache: Any) -> None:
    cache.set("key", 1, tags=["a"])
    cache.set("key", 2, tags=["b"])
    cache.expire_tag("a")
    assert cache.get("key") == 2
    cache.set("key", 3)
    cache.expire_tag("b")
    assert cache.get("key") == 3


def test_tags_of_many_values(cache: Any) -> None:
    cache.set_many({"a": 1, "b": 2}, tags=["x", "y"])
    cache.get_or_set("c", lambda: 3, tags=["y"])
    cache.set("d", 4)
    assert cache.get_many("abcd") == {"a": 1, "b": 2, "c": 3, "d": 4}
    cache.expire_tag("y")
    assert cache.get_many("abcd") == {"d": 4}


@pytest.mark.parametrize(
    ("tag", "others"),
    [
        ("a,b", ["a", "b", "a%2Cb", ",", "b,a"]),
        ("a b", ["a", "b", " a b"]),
        ("ä", ["a", "Ã¤", "%C3%A4"]),
        ("A", ["a"]),
        ("\u00e9", ["e\u0301", "e", "\u00c9"]),
        ("t" * MAX_TAG_BYTES, ["t" * (MAX_TAG_BYTES - 1), "t"]),
        ("ä" * (MAX_TAG_BYTES // 2), ["ä"]),
        ("{a}\n:*", ["{a}", "a"]),
    ],
)
def test_tag_is_only_itself(cache: Any, tag: str, others: list[str]) -> None:
    cache.set("key", 1, tags=[tag])
    cache.expire_tag(others)
    assert cache.get("key") == 1
    cache.expire_tag(tag)
    assert "key" not in cache


def test_as_many_tags_as_are_allowed(cache: Any) -> None:
    tags = [f"{number:0{MAX_TAG_BYTES}}" for number in range(MAX_TAGS)]
    cache.set("key", 1, tags=tags)
    assert cache.get("key") == 1
    cache.expire_tag(tags[-1])
    assert "key" not in cache
    cache.set("key", 1, tags=tags[:1])
    cache.expire_tag([*tags, "and more than an entry may have"])
    assert "key" not in cache


def test_tags_belong_to_all_namespaces(open_cache: OpenCache) -> None:
    one, other = open_cache(namespace="one"), open_cache(namespace="other")
    one.set("key", 1, tags=["a"])
    other.set("key", 2, tags=["a"])
    open_cache().expire_tag("a")
    assert "key" not in one
    assert "key" not in other


# Tags that a client could send to reach the entries of a namespace, of everything, or of a tag.
NAMESPACE = "session"
INTERNAL_TAGS = [
    *[namespace_tag(NAMESPACE), stored_tag(namespace_tag(NAMESPACE)), stored_tag("unigate-tag-")],
    *[
        "unigate-",
        "unigate-namespace-",
        "unigate:all",
        "{unigate}:all",
        "all",
        "tag:all",
        NAMESPACE,
    ],
    *["\x00", "\x00session", "session\x00", "session$", "$"],
]


@pytest.mark.parametrize("tag", INTERNAL_TAGS)
def test_no_tag_of_a_client_names_a_namespace(open_cache: OpenCache, tag: str) -> None:
    session, other = open_cache(namespace=NAMESPACE), open_cache()
    session.set("key", 1)
    session.set_many({"many": 2}, tags=["a"])
    other.set("key", 3)
    for cache in (session, other):
        cache.expire_tag(tag)
        cache.expire_tag(["b", tag])
    assert session.get_many(["key", "many"]) == {"key": 1, "many": 2}
    assert other.get("key") == 3


@pytest.mark.parametrize("tag", INTERNAL_TAGS)
def test_a_tag_that_looks_internal_is_an_ordinary_tag(open_cache: OpenCache, tag: str) -> None:
    session, other = open_cache(namespace=NAMESPACE), open_cache()
    other.set("key", 1, tags=[tag])
    other.get_or_set("made", lambda: 2, tags=[tag])
    session.clear()  # does not reach an entry that has the tag, but not the namespace
    others = [name for name in INTERNAL_TAGS if name != tag]
    other.expire_tag(others)
    assert other.get_many(["key", "made"]) == {"key": 1, "made": 2}
    other.expire_tag(tag)
    assert other.get_many(["key", "made"]) == {}


def test_no_tag_of_a_client_keeps_a_value_in_the_making_from_being_stored(
    backend: Backend,
) -> None:
    session = RuntimeCache(backend=backend, namespace=NAMESPACE, strict=True)

    def make() -> int:
        RuntimeCache(backend=backend).expire_tag(namespace_tag(NAMESPACE))
        return 1

    session.get_or_set("key", make)
    assert session.get("key") == 1


def test_many(cache: Any) -> None:
    assert cache.get_many([]) == {}
    cache.set_many({})
    values = {f"key {number}": [number] for number in range(100)}
    cache.set_many(values)
    assert cache.get_many([*values, *values, "missing"]) == values
    assert cache.get("key 99") == [99]


def test_clear_empties_a_namespace(open_cache: OpenCache) -> None:
    one, other, none = open_cache(namespace="one"), open_cache(namespace="other"), open_cache()
    for cache in (one, other, none):
        cache.set("key", 1, tags=["a"])
        cache.set_many({"many": 2})
        cache.get_or_set("made", lambda: 3)
    one.clear()
    assert one.get_many(["key", "many", "made"]) == {}
    assert [cache.get("key") for cache in (other, none)] == [1, 1]
    one.set("key", 4)
    assert one.get("key") == 4
    none.clear()
    assert not [cache for cache in (one, other, none) if "key" in cache]
    none.set("key", 5)
    assert none.get("key") == 5


def test_get_or_set(cache: Any) -> None:
    made = iter("ab")
    assert [cache.get_or_set("key", lambda: next(made)) for _ in range(3)] == ["a"] * 3
    cache.delete("key")
    assert cache.get_or_set("key", lambda: next(made)) == "b"
    assert cache.get("key") == "b"


def test_made_value_is_a_copy_as_a_cached_one_is(cache: Any) -> None:
    value = {"pair": (1, 2)}
    made = cache.get_or_set("key", lambda: value)
    assert made == {"pair": [1, 2]} == cache.get_or_set("key", dict)
    made["pair"].append(3)
    assert cache.get("key") == {"pair": [1, 2]}


def test_failing_factory_caches_nothing(cache: Any) -> None:
    def out_of_values() -> Any:
        return next(iter(()))

    with pytest.raises(ZeroDivisionError):
        cache.get_or_set("key", lambda: 1 / 0)
    with pytest.raises(RuntimeError, match="StopIteration"):
        cache.get_or_set("key", out_of_values)
    assert "key" not in cache
    assert cache.get_or_set("key", lambda: 1) == 1


def test_two_megabytes_are_cached_and_no_more(
    open_cache: OpenCache, caplog: pytest.LogCaptureFixture
) -> None:
    cache = open_cache(strict=False)
    largest = "x" * (MAX_BYTES - 2)  # and two quotes
    cache.set("key", largest)
    assert cache.get("key") == largest
    assert not caplog.records
    cache.set("key", largest + "x")
    assert "key" not in cache  # nor the old value
    cache.set_many({"key": largest + "x", "small": 1})
    assert cache.get_many(["key", "small"]) == {"small": 1}
    assert cache.get_or_set("key", lambda: largest + "x") == largest + "x"
    assert "key" not in cache
    [line] = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert "2097153 bytes" in line.getMessage()
    assert "key" not in line.getMessage()  # that of a session is a secret


TOO_LARGE = "x" * MAX_BYTES  # and two quotes
STORING: dict[str, Callable[[Any], object]] = {
    "set": lambda cache: cache.set("key", TOO_LARGE),
    "set_many": lambda cache: cache.set_many({"other": 1, "key": TOO_LARGE}),
    "add": lambda cache: cache.add("new", TOO_LARGE),
    "replace": lambda cache: cache.replace("key", "old", TOO_LARGE),
    "get_or_set": lambda cache: cache.get_or_set("new", lambda: TOO_LARGE),
}


@pytest.mark.parametrize("operation", STORING)
def test_a_strict_cache_refuses_what_is_too_large(
    cache: Any, operation: str, caplog: pytest.LogCaptureFixture
) -> None:
    cache.set("key", "old")
    with pytest.raises(CacheError, match=r"at most 2097152 bytes .* got 2097154; .* Split it"):
        STORING[operation](cache)
    assert cache.get_many(["key", "new", "other"]) == {"key": "old"}
    assert cache.stats()["errors"] == 1
    assert not caplog.records
    assert cache.get_or_set("new", lambda: "small") == "small"


def test_all_callers_of_a_strict_cache_get_the_error_of_a_large_value(cache: Any) -> None:
    begun, over = threading.Event(), threading.Event()

    def make() -> str:
        begun.set()
        assert over.wait(SECONDS)
        return TOO_LARGE

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(cache.get_or_set, "key", make)
        assert begun.wait(SECONDS)
        second = pool.submit(cache.get_or_set, "key", lambda: TOO_LARGE)
        over.set()
        for caller in (first, second):
            assert isinstance(caller.exception(SECONDS), CacheError)


def test_stats_count_what_happened(cache: Any, backend: Backend) -> None:
    cache.set("key", 1)
    cache.set_many({"a": 1, "b": 2})
    cache.get("key")
    cache.get("missing")
    cache.get_many(["a", "b", "c"])
    cache.get_or_set("key", dict)
    cache.get_or_set("made", dict)
    stats = cache.stats()
    counted = {name: stats.pop(name) for name in ("hits", "misses", "sets", "errors")}
    assert counted == {"hits": 4, "misses": 3, "sets": 4, "errors": 0}
    assert stats.pop("unconfirmed") == 0
    assert set(stats) <= {"entries", "bytes"}
    if hasattr(backend, "size"):
        assert stats["entries"] == 4


# Changes that depend on what is there


def test_add_stores_only_what_is_missing(cache: Any) -> None:
    assert cache.add("key", None) is True
    assert cache.add("key", 2) is False
    assert cache.get("key", "missing") is None
    cache.delete("key")
    assert cache.add("key", 3, ttl=1000, tags=["a"], name="Three") is True
    assert cache.add("key", 4, tags=["b"]) is False
    assert cache.get("key") == 3
    assert cache.add("other", 1, ttl=0) is True
    assert cache.add("key", 1, ttl=0) is False
    assert cache.get_many(["key", "other"]) == {"key": 3}


@pytest.mark.parametrize(("old", "new"), [((), ()), (("a",), ("a",)), (("a",), ()), (("a",), "b")])
def test_an_expired_entry_is_missing_to_every_change(cache: Any, old: Any, new: Any) -> None:
    def expire() -> None:
        cache.set("key", 1, tags=old)
        if old:
            cache.expire_tag("a")
        else:
            cache.clear()

    expire()
    assert cache.replace("key", 1, 2, tags=new) is False
    expire()
    assert cache.remove("key", 1) is False
    expire()
    assert cache.incr("key") is None
    expire()
    assert cache.touch("key", 1000) is False
    expire()
    assert cache.pop("key", "missing") == "missing"
    expire()
    assert cache.add("key", 3, tags=new) is True
    assert cache.get("key") == 3


def test_replace_stores_only_in_place_of_the_old_value(cache: Any) -> None:
    assert cache.replace("key", None, 1) is False
    cache.set("key", {"a": [1.5, "ä"]}, tags=["a"])
    assert cache.replace("key", {"a": [1.5, "a"]}, 1) is False
    assert cache.replace("key", {"a": [1.5, "ä"]}, 2, ttl=1000, tags=["a"]) is True
    assert cache.replace("key", 2, 3, tags=["b", "c"], name="Three") is True
    cache.expire_tag("a")
    assert cache.get("key") == 3
    cache.expire_tag("c")
    assert "key" not in cache
    cache.set("key", 1)
    assert cache.replace("key", 1, 2, ttl=0) is True
    until(lambda: "key" not in cache)


def test_remove_takes_only_the_old_value_away(cache: Any) -> None:
    assert cache.remove("key", None) is False
    cache.set("key", [1], tags=["a"])
    cache.set("other", 2)
    assert cache.remove("key", [2]) is False
    assert cache.get("key") == [1]
    assert cache.remove("key", [1]) is True
    assert cache.remove("key", [1]) is False
    assert cache.get_many(["key", "other"]) == {"other": 2}


def test_incr_and_decr(cache: Any) -> None:
    assert cache.incr("key") is None
    assert cache.decr("key", 5) is None
    assert "key" not in cache
    cache.set("key", 3)
    assert [cache.incr("key"), cache.incr("key", 40), cache.decr("key", 50)] == [4, 44, -6]
    assert [cache.incr("key", 6), cache.incr("key", 0), cache.decr("key")] == [0, 0, -1]
    assert cache.get("key") == -1


@pytest.mark.parametrize("power", [52, 53, 54, 63, 64, 200])
def test_integers_of_any_size_are_counted_exactly(cache: Any, power: int) -> None:
    for start in (2**power - 1, -(2**power) - 1):
        cache.set("key", start)
        assert [cache.incr("key"), cache.incr("key"), cache.get("key")] == [
            start + 1,
            start + 2,
            start + 2,
        ]
        assert cache.incr("key", 3 - start) == 5
        assert cache.incr("key", start) == start + 5
        assert cache.get("key") == start + 5


def test_fractions_are_added_as_python_does(cache: Any) -> None:
    cache.set("key", 0.1)
    assert cache.incr("key", 0.2) == 0.1 + 0.2 == cache.get("key")
    cache.set("key", 1)
    assert cache.incr("key", 0.5) == 1.5
    cache.set("key", 1e16)
    assert cache.decr("key") == 1e16 - 1


@pytest.mark.parametrize("value", [None, True, "1", "", [1], {"a": 1}, "x" * 100_000, 1e308])
def test_only_numbers_are_counted(cache: Any, value: Any) -> None:
    cache.set("key", value)
    with pytest.raises(TypeError, match="'key' must be a number"):
        cache.incr("key", 1e308)
    assert cache.get("key") == value


@pytest.mark.parametrize("delta", [True, "1", None])
def test_only_numbers_are_added(cache: Any, delta: Any) -> None:
    cache.set("key", 1)
    with pytest.raises(TypeError, match="delta must be a number"):
        cache.incr("key", delta)


@pytest.mark.parametrize("backend", TIMED, indirect=True)
@pytest.mark.parametrize("start", [1, 2**60, 1.5])
def test_a_counter_keeps_its_ttl_and_tags(cache: Any, backend: Backend, start: float) -> None:
    cache.set("short", start, ttl=1)
    cache.set("tagged", start, ttl=1000, tags=["a"])
    assert [cache.incr("short"), cache.incr("tagged")] == [start + 1, start + 1]
    cache.expire_tag("a")
    if not is_atomic(backend):  # as documented: it cannot keep them
        assert cache.get("tagged") == start + 1
        return
    assert "tagged" not in cache
    until(lambda: "short" not in cache)


@pytest.mark.parametrize("backend", TIMED, indirect=True)
def test_touch_gives_a_new_ttl_and_keeps_the_tags(cache: Any, backend: Backend) -> None:
    assert cache.touch("key", 1000) is False
    cache.set("short", 1, ttl=1000)
    cache.set("long", 2, ttl=1, tags=["a"])
    assert cache.touch("short", 0.5) is True
    assert cache.touch("long") is True
    until(lambda: "short" not in cache)
    time.sleep(1)
    assert cache.get("long") == 2
    if is_atomic(backend):
        cache.expire_tag("a")
        assert "long" not in cache
    cache.set("key", 1)
    assert cache.touch("key", 0) is True
    assert cache.touch("key", 0) is False
    assert "key" not in cache


def test_pop_removes_and_returns(cache: Any) -> None:
    cache.set("key", [1], tags=["a"])
    assert cache.pop("key") == [1]
    assert cache.pop("key") is None
    assert cache.pop("key", 7) == 7
    assert "key" not in cache


def test_changes_stay_in_their_namespace(open_cache: OpenCache) -> None:
    one, other = open_cache(namespace="one"), open_cache(namespace="other")
    assert one.add("key", 1)
    assert other.add("key", 10)
    assert [one.incr("key"), other.incr("key")] == [2, 11]
    assert one.replace("key", 2, 3)
    assert one.touch("key", 1000)
    one.clear()
    assert one.add("key", 4)
    assert other.pop("key") == 11
    assert one.get("key") == 4


def test_set_says_what_was_stored(open_cache: OpenCache) -> None:
    cache = open_cache(strict=False)
    large = "x" * MAX_BYTES
    assert cache.set("key", 1) is True
    assert cache.set_many({"a": 1, "b": 2}) == []
    assert cache.set("key", large) is False
    assert cache.set_many({"a": 1, "key": large, "b": 2}) == ["key"]
    assert cache.set_many({"a": 1, "b": 2}, ttl=0) == []
    assert cache.add("key", large) is False
    cache.set("key", 1)
    assert cache.replace("key", 1, large) is None
    assert cache.get_many(["a", "b", "key"]) == {"key": 1}


# 32 threads and 200 tasks on one cache.

THREADS, TASKS = 32, 200


def whole(number: int) -> dict[str, Any]:
    """Return a value that is recognisable as torn when mixed with another."""
    return {"number": number, "text": str(number) * 500, "list": [number] * 50}


def is_whole(value: Any) -> bool:
    return value is None or bool(value == whole(value["number"]))


async def in_tasks(work: Callable[[int], Any], count: int = TASKS) -> list[Any]:
    return list(await asyncio.gather(*map(work, range(count))))


def test_threads_lose_no_update_and_tear_no_value(backend: Backend) -> None:
    cache = RuntimeCache(backend=backend, strict=True)

    def work(thread: int) -> None:
        mine, next_one = f"of {thread}", f"of {(thread + 1) % THREADS}"
        for number in range(8):
            cache.delete(mine)
            # Another thread misses this key now, and stores what it has made.
            assert is_whole(cache.get_or_set(next_one, lambda: whole(-1)))
            cache.set(mine, whole(number))
            assert cache.get(mine) == whole(number)
            cache.set("shared", whole(thread), tags=["t"])
            assert is_whole(cache.get("shared"))
            if number == 4:
                cache.expire_tag("t")

    in_threads(work, THREADS)
    assert cache.stats()["errors"] == 0
    assert cache.get_many([f"of {thread}" for thread in range(THREADS)]) == {
        f"of {thread}": whole(7) for thread in range(THREADS)
    }


def test_tasks_lose_no_update_and_tear_no_value(backend: Backend) -> None:
    cache = AsyncRuntimeCache(backend=backend, strict=True)

    async def stale() -> Any:
        await asyncio.sleep(0)
        return whole(-1)

    async def work(task: int) -> None:
        mine, next_one = f"of {task}", f"of {(task + 1) % TASKS}"
        for number in range(2):
            await cache.delete(mine)
            assert is_whole(await cache.get_or_set(next_one, stale))
            await cache.set(mine, whole(number))
            assert await cache.get(mine) == whole(number)
            await cache.set("shared", whole(task), tags=["t"])
            assert is_whole(await cache.get("shared"))
            if task == number:
                await cache.expire_tag("t")

    async def everything() -> None:
        await in_tasks(work)
        assert (await cache.stats())["errors"] == 0
        assert await cache.get_many([f"of {task}" for task in range(TASKS)]) == {
            f"of {task}": whole(1) for task in range(TASKS)
        }

    asyncio.run(everything())


def test_factory_is_called_once_for_all_threads(backend: Backend) -> None:
    cache = RuntimeCache(backend=backend, strict=True)
    calls: list[str] = []

    def factory(key: str) -> Any:
        calls.append(key)
        time.sleep(0.05)
        return whole(1)

    for key in ("a", "b", "c"):
        ask = partial(cache.get_or_set, key, partial(factory, key))
        assert in_threads(lambda _, ask=ask: ask(), THREADS) == [whole(1)] * THREADS
    assert calls == ["a", "b", "c"]


def test_factory_is_called_once_for_all_tasks(backend: Backend) -> None:
    cache = AsyncRuntimeCache(backend=backend, strict=True)
    calls: list[str] = []

    async def factory(key: str) -> Any:
        calls.append(key)
        await asyncio.sleep(0.05)
        return whole(1)

    for key in ("a", "b", "c"):
        ask = partial(cache.get_or_set, key, partial(factory, key))
        assert asyncio.run(in_tasks(lambda _, ask=ask: ask())) == [whole(1)] * TASKS
    assert calls == ["a", "b", "c"]


def test_factory_is_called_once_for_threads_and_loops_together(backend: Backend) -> None:
    """Eight event loops with tasks, and eight threads, get the same keys in different orders."""
    threaded, awaited = RuntimeCache(backend=backend), AsyncRuntimeCache(backend=backend)
    keys = [f"key {number}" for number in range(20)]
    calls: list[str] = []

    def make(key: str) -> str:
        calls.append(key)
        return key

    async def make_slowly(key: str) -> str:
        await asyncio.sleep(0.001)
        return make(key)

    async def ask(turn: int) -> None:
        for key in keys[turn:] + keys[:turn]:
            factory = make if turn % 3 else make_slowly
            assert await awaited.get_or_set(key, lambda key=key, f=factory: f(key)) == key

    def work(turn: int) -> None:
        if turn % 2:
            asyncio.run(in_tasks(ask, 20))
        else:
            for key in keys[turn:] + keys[:turn]:
                assert threaded.get_or_set(key, lambda key=key: make(key)) == key

    in_threads(work, 16)
    assert sorted(calls) == sorted(keys)


def test_failing_factory_raises_to_all_waiters(backend: Backend) -> None:
    cache = RuntimeCache(backend=backend, strict=True)
    calls: list[int] = []

    def factory() -> Any:
        calls.append(1)
        until(lambda: cache.stats()["misses"] == THREADS)
        time.sleep(0.2)  # until the other callers that missed the key wait, too
        raise LookupError("nothing to cache")

    def work(_: int) -> str:
        with pytest.raises(LookupError) as error:
            cache.get_or_set("key", factory)
        return str(error.value)

    assert in_threads(work, THREADS) == ["nothing to cache"] * THREADS
    assert len(calls) == 1
    assert "key" not in cache


def test_one_of_many_threads_adds(backend: Backend) -> None:
    cache = RuntimeCache(backend=backend, strict=True)
    for number in range(20):
        added = in_threads(lambda thread, n=number: cache.add(f"lock {n}", thread), 8)
        assert sorted(added) == [False] * 7 + [True]
        assert added[cache.get(f"lock {number}")]


def test_one_of_many_threads_pops(backend: Backend) -> None:
    cache = RuntimeCache(backend=backend, strict=True)
    for number in range(20):
        cache.set("key", number)
        popped = in_threads(lambda _: cache.pop("key"), 8)
        assert [value for value in popped if value is not None] == [number]


@pytest.mark.parametrize("start", [0, 2**60, 0.5])
def test_no_increment_of_threads_is_lost(backend: Backend, start: Any) -> None:
    cache = RuntimeCache(backend=backend, strict=True)
    cache.set("key", start, tags=["a"])
    sums = in_threads(lambda _: [cache.incr("key") for _ in range(10)], 8)
    assert sorted(each for sums_of_one in sums for each in sums_of_one) == [
        start + number for number in range(1, 81)
    ]
    assert cache.get("key") == start + 80


def test_no_replacement_of_threads_is_lost(backend: Backend) -> None:
    cache = RuntimeCache(backend=backend, strict=True)
    cache.set("key", [])

    def append(thread: int) -> None:
        for number in range(5):
            while True:
                values = cache.get("key")
                if cache.replace("key", values, [*values, [thread, number]], tags=[str(thread)]):
                    break

    in_threads(append, 8)
    assert sorted(cache.get("key")) == [[thread, n] for thread in range(8) for n in range(5)]
