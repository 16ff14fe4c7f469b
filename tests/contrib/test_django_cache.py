"""The runtime cache as a Django cache backend: Django's contract for backends, and tags."""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

import django
import pytest
from django.contrib.sessions.backends.cache import SessionStore
from django.core.cache import CacheKeyWarning, caches
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

import unigate
from django_unigate.cache import RuntimeCache
from tests.cache.clock import Clock
from tests.cache.concurrency import in_threads
from tests.cache.redis_server import shared
from unigate.cache.memory import MemoryBackend

pytestmark = pytest.mark.usefixtures("bounded")
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.django_settings")
django.setup()

stores = count()


@pytest.fixture
def location() -> str:
    return f"memory://django-{next(stores)}"


@pytest.fixture
def cache(location: str) -> RuntimeCache:
    return RuntimeCache(location, {})


def test_it_can_be_named_in_the_setting_caches(location: str) -> None:
    backend = "django_unigate.cache.RuntimeCache"
    with override_settings(CACHES={"default": {"BACKEND": backend, "LOCATION": location}}):
        caches["default"].set("leaf", "green")
        assert caches["default"].get("leaf") == "green"


@pytest.mark.parametrize(
    ("options", "advice"),
    [
        ({"strcit": True}, "did you mean 'strict'?"),
        ({"db": 3}, "write it in LOCATION"),
        ({"CLIENT_CLASS": "django_redis.client.DefaultClient"}, "leave it out"),
        ({"IGNORE_EXCEPTIONS": True}, "write strict"),
        ({"TIMEOUT": 60}, "write it beside OPTIONS"),
        ({"strict": True, "colour": "green"}, "it has namespace and strict"),
    ],
)
def test_options_of_other_backends_are_refused(
    location: str, options: dict[str, Any], advice: str
) -> None:
    with pytest.raises(ImproperlyConfigured, match=re.escape(advice)):
        RuntimeCache(location, {"OPTIONS": options})


def test_its_options_and_those_of_every_backend_are_taken(location: str) -> None:
    options = {"namespace": "n", "strict": True, "MAX_ENTRIES": 9, "CULL_FREQUENCY": 2}
    RuntimeCache(location, {"OPTIONS": options})


@pytest.mark.parametrize(
    "several", [["redis://one", "redis://two"], "redis://one:6379;redis://two:6379"]
)
def test_locations_of_replicas_are_refused(several: Any) -> None:
    with pytest.raises(ImproperlyConfigured, match="must be one URL"):
        RuntimeCache(several, {})


@pytest.mark.parametrize(
    "value",
    [
        "茶",
        b"\x00\xff",
        3,
        True,
        None,
        (1, [2, {3}]),
        {1: Decimal("1.5"), "when": datetime(2026, 1, 2, tzinfo=UTC)},
        ValueError("steeped too long").args,
    ],
)
def test_values_come_back_as_they_are(cache: RuntimeCache, value: Any) -> None:
    cache.set("key", value)
    value_again = cache.get("key", "nothing")
    assert (value_again, type(value_again)) == (value, type(value))
    assert cache.get_many(["key", "other"]) == {"key": value}


def test_what_comes_out_is_a_copy(cache: RuntimeCache) -> None:
    cache.set("leaves", ["green"])
    cache.get("leaves").append("black")
    assert cache.get("leaves") == ["green"]


def test_a_missing_key_has_the_default(cache: RuntimeCache) -> None:
    assert cache.get("nothing") is None
    assert cache.get("nothing", 7) == 7
    assert "nothing" not in cache
    assert not cache.has_key("nothing")


def test_add_keeps_what_is_there(cache: RuntimeCache) -> None:
    assert cache.add("key", None)
    assert not cache.add("key", 2)
    assert cache.get("key", "nothing") is None


def test_one_of_many_threads_adds(cache: RuntimeCache) -> None:
    added = in_threads(lambda number: cache.add("key", number), 8)
    assert sorted(added) == [False] * 7 + [True]


def test_no_increment_is_lost(cache: RuntimeCache) -> None:
    cache.set("cups", 0)

    def drink(_: int) -> None:
        for _ in range(50):
            cache.incr("cups")

    in_threads(drink, 4)
    assert cache.get("cups") == 200


def test_increments(cache: RuntimeCache) -> None:
    cache.set("cups", 3)
    assert (cache.incr("cups", 4), cache.decr("cups"), cache.get("cups")) == (7, 6, 6)
    with pytest.raises(ValueError, match="'nothing' not found"):
        cache.incr("nothing")


def test_delete_returns_whether_the_key_existed(cache: RuntimeCache) -> None:
    cache.set("key", None)
    assert cache.delete("key")
    assert not cache.delete("key")


def test_many(cache: RuntimeCache) -> None:
    assert cache.set_many({"a": 1, "b": 2, "c": 3}) == []
    cache.delete_many(["a", "b"])
    assert cache.get_many(["a", "b", "c"]) == {"c": 3}


@pytest.mark.parametrize("timeout", [0, -1])
def test_a_timeout_of_0_or_less_expires_at_once(cache: RuntimeCache, timeout: int) -> None:
    cache.set("key", "old")
    cache.set("key", "new", timeout)
    assert "key" not in cache
    assert cache.add("added", 1, timeout)
    assert "added" not in cache
    cache.set("touched", 1)
    assert cache.touch("touched", timeout)
    assert "touched" not in cache


class Recording(MemoryBackend):
    """Keeps the time to live that each entry was last stored with, rounded to tens."""

    def __init__(self) -> None:
        super().__init__()
        self.lives: dict[str, float | None] = {}

    def set(self, key: str, value: bytes, *, ttl: float | None, **options: Any) -> None:
        self.lives[key.rpartition(":")[2]] = ttl and round(ttl, -1)
        super().set(key, value, ttl=ttl, **options)


def test_timeouts() -> None:
    backend = Recording()
    cache = RuntimeCache(backend, {"TIMEOUT": 600})
    cache.set("usual", 1)
    cache.set("short", 1, 60)
    cache.set("always", 1, None)
    cache.set_many({"many": 1}, 60)
    RuntimeCache(backend, {}).set("default", 1)
    lives = {"usual": 600, "short": 60, "always": None, "many": 60, "default": 300}
    assert backend.lives == lives


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Return a function that lets seconds go by."""
    clock = Clock()
    clock.now = time.time()
    monkeypatch.setattr(time, "time", clock)
    monkeypatch.setattr(MemoryBackend.__init__, "__kwdefaults__", {"clock": clock})

    def let_pass(seconds: float) -> None:
        clock.now += seconds

    return let_pass


# With tags, and as a fraction, a number is a pickle.
NUMBERS = pytest.mark.parametrize(("number", "tags"), [(1, ()), (1, ["t"]), (1.5, ()), (2**64, ())])


@NUMBERS
def test_an_incremented_value_still_ends_when_it_would_have(
    later: Callable[[float], None], number: float, tags: list[str]
) -> None:
    cache = RuntimeCache(MemoryBackend(), {})  # type: ignore[arg-type]
    cache.set("cups", number, 60, tags=tags)
    cache.set("always", number, None, tags=tags)
    later(50)
    assert cache.incr("cups") == number + 1
    cache.incr("always")
    later(5)
    assert cache.get("cups") == cache.decr("cups", 0) == number + 1
    later(6)
    assert "cups" not in cache
    later(1e9)
    assert cache.get("always") == number + 1


@NUMBERS
def test_touch_gives_a_value_another_end(
    later: Callable[[float], None], number: float, tags: list[str]
) -> None:
    cache = RuntimeCache(MemoryBackend(), {"TIMEOUT": 600})  # type: ignore[arg-type]
    assert not cache.touch("nothing")
    for key in ("usual", "short", "always", "gone"):
        cache.set(key, number, 60, tags=tags)
    assert cache.touch("usual")
    assert cache.touch("short", 30)
    assert cache.touch("always", None)
    assert cache.touch("gone", 0)
    assert cache.get_many(["usual", "short", "always", "gone"]).keys() == {
        "usual", "short", "always"
    }  # fmt: skip
    later(31)
    assert "short" not in cache
    later(500)
    assert cache.get("usual") == number
    later(70)
    assert "usual" not in cache
    later(1e9)
    assert cache.get("always") == number
    cache.expire_tag("t")
    assert ("always" in cache) is (not tags)


@NUMBERS
def test_a_value_of_another_version_keeps_its_tags(
    location: str, number: float, tags: list[str]
) -> None:
    cache = RuntimeCache(location, {})
    cache.set("key", number, tags=tags)
    assert cache.incr_version("key") == 2
    assert asyncio.run(cache.aincr_version("key", version=2)) == 3
    assert cache.decr_version("key", 2, version=3) == 1
    assert cache.get("key") == number
    cache.expire_tag("t")
    assert ("key" in cache) is (not tags)
    with pytest.raises(ValueError, match="'nothing' not found"):
        cache.incr_version("nothing")


@pytest.mark.parametrize(("newer", "moved"), [("newer", "newer"), (None, "old")])
def test_a_change_during_incr_version_is_not_lost(location: str, newer: Any, moved: Any) -> None:
    class Busy(RuntimeCache):
        """A cache in which another process changes or deletes the old version meanwhile."""

        changes = 0

        def set(self, key: Any, value: Any, *args: Any, **options: Any) -> None:
            super().set(key, value, *args, **options)
            if options.get("version") == 2 and not self.changes:
                self.changes += 1
                if newer:
                    super().set(key, newer)
                else:
                    self.delete(key)

    cache = Busy(location, {})
    cache.set("key", "old")
    assert cache.incr_version("key") == 2
    assert (cache.get("key"), cache.get("key", version=2)) == (None, moved)


def test_what_is_not_stored_is_not_said_to_be() -> None:
    small = RuntimeCache(MemoryBackend(10_000), {})  # type: ignore[arg-type]
    large = b"x" * 10_000
    assert small.add("key", large) is False
    assert small.set_many({"a": 1, "key": large, "b": "2"}) == ["key"]
    assert small.get_many(["a", "key", "b"]) == {"a": 1, "b": "2"}
    small.set("a", large)
    assert "a" not in small  # nor the old value

    down = RuntimeCache("redis://127.0.0.1:1/0", {})
    assert down.add("key", 1) is False
    assert down.set_many({"a": 1, "b": "2"}) == ["a", "b"]
    assert down.touch("key") is False
    assert down.delete("key") is False
    with pytest.raises(ValueError, match="'key' not found"):
        down.incr("key")


def test_no_session_is_created_that_was_not_stored() -> None:
    from django.contrib.sessions.backends.cache import SessionStore

    down = {"BACKEND": "django_unigate.cache.RuntimeCache", "LOCATION": "redis://127.0.0.1:1/0"}
    with override_settings(CACHES={"default": down}):
        session = SessionStore()
        session["user"] = "zoe"
        with pytest.raises(RuntimeError, match="cache is unavailable"):
            session.cycle_key()


def test_versions_and_prefixes_keep_entries_apart(location: str) -> None:
    cache = RuntimeCache(location, {})
    other = RuntimeCache(location, {"KEY_PREFIX": "other"})
    cache.set("key", 1)
    cache.set("key", 2, version=2)
    other.set("key", 3)

    assert (cache.get("key"), cache.get("key", version=2), other.get("key")) == (1, 2, 3)
    assert cache.incr_version("key", version=2) == 3
    assert (cache.get("key", version=2), cache.get("key", version=3)) == (None, 2)


def test_a_key_that_other_backends_refuse_causes_a_warning(cache: RuntimeCache) -> None:
    with pytest.warns(CacheKeyWarning):
        cache.set("two words", 1)


def test_clear_leaves_other_namespaces(location: str) -> None:
    cache = RuntimeCache(location, {})
    mine = unigate.RuntimeCache(backend=location)
    other = RuntimeCache(location, {"OPTIONS": {"namespace": "other"}})
    mine.set("key", 1)
    other.set("key", 2)
    cache.set("key", 3)

    cache.clear()

    assert (mine.get("key"), other.get("key"), cache.get("key")) == (1, 2, None)


def test_get_or_set_calls_the_default_of_a_missing_key(cache: RuntimeCache) -> None:
    assert cache.get_or_set("key", lambda: ["made"], 60) == ["made"]
    assert cache.get_or_set("key", "other") == ["made"]
    assert cache.get_or_set("plain", None) is None
    assert cache.get("plain", "nothing") is None


def test_tags_expire_together(cache: RuntimeCache) -> None:
    cache.set("a", 1, tags="tea")
    cache.add("b", 1, tags=["tea", "green"])
    cache.set_many({"c": 1}, tags=["green"])
    cache.get_or_set("d", 1, tags="tea")
    cache.set("e", 1)
    cache.incr("a")
    cache.touch("d")

    cache.expire_tag("tea")
    assert cache.get_many("abcde") == {"c": 1, "e": 1}
    cache.expire_tag(["green"])
    assert cache.get_many("abcde") == {"e": 1}


def test_the_asynchronous_methods(cache: RuntimeCache) -> None:
    async def use() -> list[Any]:
        await cache.aset("a", 1, tags="tea")
        added = await cache.aadd("b", 2, tags=["tea"])
        made = await cache.aget_or_set("c", lambda: 3, tags="tea")
        await cache.aset_many({"d": 4}, tags="tea")
        before = await cache.aget_many(["a", "b", "c", "d"])
        more = [await cache.aincr("a"), await cache.adecr("b"), await cache.atouch("c")]
        await cache.aexpire_tag("tea")
        after = [await cache.aget("a"), await cache.ahas_key("b"), await cache.adelete("d")]
        return [added, made, before, more, after]

    assert asyncio.run(use()) == [
        True,
        3,
        {"a": 1, "b": 2, "c": 3, "d": 4},
        [2, 1, True],
        [None, False, False],
    ]


def test_a_store_that_is_down_is_a_miss_or_an_error(caplog: pytest.LogCaptureFixture) -> None:
    closed_port = "redis://127.0.0.1:1/0"

    cache = RuntimeCache(closed_port, {})
    cache.set("key", 1)
    assert cache.get("key") is None

    strict = RuntimeCache(closed_port, {"OPTIONS": {"strict": True}})
    with pytest.raises(unigate.CacheError):
        strict.get("key")


@pytest.mark.parametrize("store", ["memory", "redis"])
def test_a_session_that_is_too_large_is_an_error_and_keeps_the_old_one(store: str) -> None:
    location = f"memory://django-{next(stores)}"
    if store == "redis":
        location = shared().url(namespace=f"large session {next(stores)}")
    backend = "django_unigate.cache.RuntimeCache"
    entry = {"BACKEND": backend, "LOCATION": location, "OPTIONS": {"strict": True}}
    with override_settings(CACHES={"default": entry}):
        new = SessionStore()
        new["cart"] = large = "x" * 2_000_000
        with pytest.raises(unigate.CacheError, match="at most 2097152 bytes"):
            new.save()
        session = SessionStore()
        session["user"] = 1
        session.save()
        session["cart"] = large
        with pytest.raises(unigate.CacheError, match="at most 2097152 bytes"):
            session.save()
        with pytest.raises(unigate.CacheError, match="at most 2097152 bytes"):
            asyncio.run(caches["default"].aset("key", large))
        assert dict(SessionStore(session.session_key).load()) == {"user": 1}
        caches["default"].clear()


@pytest.mark.parametrize(
    ("timeout", "error"), [(float("nan"), ValueError), ("5", TypeError), (True, TypeError)]
)
@pytest.mark.parametrize("method", ["set", "add", "touch", "get_or_set", "set_many"])
def test_a_wrong_timeout_is_refused(
    cache: RuntimeCache, method: str, timeout: Any, error: type[Exception]
) -> None:
    arguments = {"touch": ["key"], "set_many": [{"key": 1}]}.get(method, ["key", 1])
    with pytest.raises(error, match="timeout must be a number of seconds"):
        getattr(cache, method)(*arguments, timeout=timeout)
    with pytest.raises(error, match="timeout must be a number of seconds"):
        asyncio.run(getattr(cache, f"a{method}")(*arguments, timeout=timeout))
    assert cache.get("key") is None


def test_a_timeout_can_be_a_timedelta(cache: RuntimeCache) -> None:
    cache.set("key", 1, timedelta(seconds=100))  # type: ignore[arg-type]
    assert cache.get("key") == 1
    cache.set("key", 1, timedelta())  # type: ignore[arg-type]
    assert cache.get("key") is None
