"""One factory call for all that share a Redis server; two backends act as two processes."""

from __future__ import annotations

import asyncio
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest
import redis

from tests.cache.conftest import CACHES
from tests.cache.fake_redis import REAL
from tests.cache.redis_server import Server, opened, shared
from tests.waiting import SECONDS, until
from unigate import CacheError
from unigate.cache import AsyncRuntimeCache, RuntimeCache, flights, get_or_set, redis_leases
from unigate.cache.backend import Lease
from unigate.cache.memory import MemoryBackend
from unigate.cache.redis import RedisBackend

pytestmark = pytest.mark.usefixtures("bounded")

numbers = iter(range(10**6))


class Holder:
    """A process that is making the value "old" of a key, until it is told to return."""

    def __init__(self, pool: ThreadPoolExecutor, cache: Any, key: str = "key") -> None:
        self.begun, self.over = threading.Event(), threading.Event()
        self.error: Exception | None = None
        self._done: Future[Any] = pool.submit(
            cache.get_or_set, key, self._make, ttl=60, tags=["t", "u"]
        )
        assert self.begun.wait(SECONDS)

    def _make(self) -> str:
        self.begun.set()
        assert self.over.wait(SECONDS)
        if self.error:
            raise self.error
        return "old"

    def end(self) -> Any:
        """Let the factory return, and return what the caller gets."""
        self.over.set()
        return self._done.result(SECONDS)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(16) as pool:
        yield pool


@pytest.fixture(params=REAL)
def backends(request: pytest.FixtureRequest) -> Iterator[tuple[RedisBackend, RedisBackend]]:
    server, namespace = REAL[request.param](), f"leases {next(numbers)}"
    with server.opened(namespace) as one, server.opened(namespace) as other:
        yield one, other


@pytest.fixture(params=CACHES)
def one(request: pytest.FixtureRequest, backends: tuple[RedisBackend, RedisBackend]) -> Any:
    return CACHES[request.param](backend=backends[0], strict=True)


@pytest.fixture
def other(backends: tuple[RedisBackend, RedisBackend]) -> RuntimeCache:
    return RuntimeCache(backend=backends[1], strict=True)


@pytest.fixture
def awaited(backends: tuple[RedisBackend, RedisBackend]) -> AsyncRuntimeCache:
    return AsyncRuntimeCache(backend=backends[1], strict=True)


def taken(backend: RedisBackend, *tags: str) -> Lease:
    lease = backend.lease("key", ttl=60, tags=tags)
    assert lease is not None
    assert not isinstance(lease, bytes)
    return lease


def never() -> Any:
    raise AssertionError("The factory must not be called.")


# What others get meanwhile


def test_other_processes_wait_for_the_value(
    pool: ThreadPoolExecutor, one: Any, other: RuntimeCache
) -> None:
    holder = Holder(pool, one)
    waiting = [pool.submit(other.get_or_set, "key", never) for _ in range(3)]
    until(lambda: other.stats()["misses"] == 3)
    assert holder.end() == "old"
    assert [each.result(SECONDS) for each in waiting] == ["old"] * 3
    assert other.get("key") == "old"


def test_a_waiting_task_does_not_block_its_event_loop(
    pool: ThreadPoolExecutor, one: Any, awaited: AsyncRuntimeCache
) -> None:
    holder = Holder(pool, one)

    async def main() -> Any:
        waiting = asyncio.create_task(awaited.get_or_set("key", never))
        while not (await awaited.stats())["misses"]:
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.05)
        holder.over.set()  # only if the loop still runs
        return await waiting

    assert asyncio.run(main()) == "old"


def test_a_call_that_would_block_an_event_loop_makes_the_value_itself(
    pool: ThreadPoolExecutor, one: Any, other: RuntimeCache
) -> None:
    holder = Holder(pool, one)

    async def main() -> Any:
        return other.get_or_set("key", lambda: "mine")

    assert asyncio.run(main()) == "mine"
    assert holder.end() == "old"
    assert other.get("key") == "old"


def test_waiting_has_an_end(
    monkeypatch: pytest.MonkeyPatch, pool: ThreadPoolExecutor, one: Any, other: RuntimeCache
) -> None:
    monkeypatch.setattr(get_or_set, "LONGEST_WAIT", 0.05)
    holder = Holder(pool, one)
    assert other.get_or_set("key", lambda: "mine") == "mine"
    assert "key" not in other
    assert holder.end() == "old"
    assert other.get("key") == "old"


def test_factories_of_two_processes_can_need_each_other(
    monkeypatch: pytest.MonkeyPatch,
    pool: ThreadPoolExecutor,
    backends: tuple[RedisBackend, RedisBackend],
) -> None:
    monkeypatch.setattr(get_or_set, "LONGEST_WAIT", 0.2)
    begun = threading.Barrier(2, timeout=SECONDS)

    def ask(backend: RedisBackend, key: str, needed: str) -> Any:
        cache = RuntimeCache(backend=backend, strict=True)

        def make() -> Any:
            begun.wait()
            return [cache.get_or_set(needed, lambda: "spare")]

        return cache.get_or_set(key, make)

    answers = [pool.submit(ask, backends[0], "a", "b"), pool.submit(ask, backends[1], "b", "a")]
    assert ["spare"] in [each.result(SECONDS) for each in answers]


@pytest.mark.parametrize("error", [ZeroDivisionError("no"), SystemExit(3)])
def test_an_exception_of_the_factory_ends_its_lease(
    monkeypatch: pytest.MonkeyPatch, one: Any, other: RuntimeCache, error: BaseException
) -> None:
    monkeypatch.setattr(redis_leases, "LIFE", 60.0)  # more than the others wait

    def fail() -> None:
        raise error

    with pytest.raises(type(error)):
        one.get_or_set("key", fail)
    assert other.get_or_set("key", lambda: "second") == "second"
    assert one.get("key") == "second"


def test_one_waiter_makes_the_value_after_an_exception(
    monkeypatch: pytest.MonkeyPatch, pool: ThreadPoolExecutor, one: Any, other: RuntimeCache
) -> None:
    monkeypatch.setattr(redis_leases, "LIFE", 60.0)  # more than the others wait
    holder = Holder(pool, one)
    holder.error = ZeroDivisionError("no")
    waiting = pool.submit(other.get_or_set, "key", lambda: "second")
    until(lambda: other.stats()["misses"])
    with pytest.raises(ZeroDivisionError):
        holder.end()
    assert waiting.result(SECONDS) == "second"
    assert one.get("key") == "second"


def test_a_cancelled_task_ends_its_lease(
    monkeypatch: pytest.MonkeyPatch, awaited: AsyncRuntimeCache, one: Any
) -> None:
    monkeypatch.setattr(redis_leases, "LIFE", 60.0)  # more than the others wait

    async def main() -> None:
        begun = asyncio.Event()

        async def forever() -> None:
            begun.set()
            await asyncio.sleep(SECONDS)

        task = asyncio.create_task(awaited.get_or_set("key", forever))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert one.get_or_set("key", lambda: "second") == "second"
    assert one.get("key") == "second"


# What was made before a change is not stored after it

CHANGES: dict[str, tuple[Callable[[RuntimeCache], object], Any]] = {
    "set": (lambda cache: cache.set("key", "new"), "new"),
    "set_many": (lambda cache: cache.set_many({"key": "new", "x": 1}, tags=["t"]), "new"),
    "set that has expired": (lambda cache: cache.set("key", "new", ttl=0), None),
    "set of a large value": (
        lambda cache: RuntimeCache(backend=cache.backend).set("key", "x" * 3_000_000),
        None,
    ),
    "add": (lambda cache: cache.add("key", "new"), "new"),
    "add with tags": (lambda cache: cache.add("key", "new", tags=["t", "u"]), "new"),
    "delete": (lambda cache: cache.delete("key"), None),
    "pop": (lambda cache: cache.pop("key"), None),
    "expire_tag": (lambda cache: cache.expire_tag("t"), None),
    "expire_tag of a new tag": (lambda cache: cache.expire_tag("u"), None),
    "clear": (lambda cache: cache.clear(), None),
    "get_or_set after delete": (
        lambda cache: [cache.delete("key"), cache.get_or_set("key", lambda: "new")],
        "new",
    ),
    "get_or_set after expire_tag": (
        lambda cache: [
            cache.expire_tag("t"),
            cache.get_or_set("key", lambda: "new", tags=["t", "u"]),
        ],
        "new",
    ),
    "expire_tag of none of them": (lambda cache: cache.expire_tag("v"), "old"),
    "failed changes": (
        lambda cache: [
            cache.incr("key"),
            cache.touch("key", 9),
            cache.replace("key", 1, 2),
            cache.remove("key", 1),
        ],
        "old",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_in_another_process_prevails(
    pool: ThreadPoolExecutor, one: Any, other: RuntimeCache, change: str
) -> None:
    make, expected = CHANGES[change]
    other.set("else", 1, tags=["t"])
    holder = Holder(pool, one)
    make(other)
    assert holder.end() == "old"
    assert [one.get("key"), other.get("key")] == [expected] * 2


def test_changes_of_a_key_whose_value_is_being_made(
    pool: ThreadPoolExecutor, one: Any, other: RuntimeCache
) -> None:
    holder = Holder(pool, one)
    assert other.get("key") is None
    assert other.get_many(["key"]) == {}
    assert "key" not in other
    assert other.incr("key") is None
    assert other.touch("key") is False
    assert other.replace("key", 1, 2) is False
    assert other.remove("key", 1) is False
    assert other.pop("key") is None
    assert other.add("key", "new")
    assert holder.end() == "old"
    assert one.get("key") == "new"


def test_a_lease_that_was_lost_stores_nothing(
    monkeypatch: pytest.MonkeyPatch, pool: ThreadPoolExecutor, one: Any, other: RuntimeCache
) -> None:
    monkeypatch.setattr(redis_leases, "LONGEST", -1.0)
    monkeypatch.setattr(redis_leases, "LIFE", 0.1)
    holder = Holder(pool, one)
    assert other.get_or_set("key", lambda: "second") == "second"
    assert holder.end() == "old"
    assert one.get("key") == "second"


# The lease itself


@pytest.mark.parametrize("backends", ["redis"], indirect=True)
def test_a_lease_is_renewed_while_the_factory_runs(
    monkeypatch: pytest.MonkeyPatch, pool: ThreadPoolExecutor, one: Any, other: RuntimeCache
) -> None:
    monkeypatch.setattr(redis_leases, "LIFE", 2.0)
    holder = Holder(pool, one)
    waiting = pool.submit(other.get_or_set, "key", never)
    time.sleep(3)
    assert holder.end() == "old"
    assert waiting.result(SECONDS) == "old"


@pytest.mark.parametrize("backends", ["redis"], indirect=True)
def test_a_server_that_hangs_ends_no_lease_of_another(
    monkeypatch: pytest.MonkeyPatch, backends: tuple[RedisBackend, RedisBackend]
) -> None:
    monkeypatch.setattr(redis_leases, "LIFE", 2.0)
    with Server() as hanging, closing(redis.Redis(port=hanging.port)) as patient:
        kept = taken(RedisBackend(client=patient))  # it has no time limit
        hanging.freeze()
        lease = taken(backends[0])
        time.sleep(3)
        assert lease.store(b"1")
        kept.abandon()


@pytest.mark.parametrize("backends", ["redis"], indirect=True)
def test_a_lease_that_was_dropped_is_not_renewed(
    monkeypatch: pytest.MonkeyPatch, backends: tuple[RedisBackend, RedisBackend]
) -> None:
    monkeypatch.setattr(redis_leases, "RENEWED_EVERY", 0.05)
    lease = taken(backends[0])
    until(lambda: any(each.name == "unigate-leases" for each in threading.enumerate()))
    dropped = weakref.ref(lease)
    del lease
    until(lambda: dropped() is None)


def test_only_one_thread_renews_and_it_ends(
    monkeypatch: pytest.MonkeyPatch, pool: ThreadPoolExecutor, one: Any
) -> None:
    def threads() -> list[str]:
        return [each.name for each in threading.enumerate() if each.name == "unigate-leases"]

    monkeypatch.setattr(redis_leases, "LIFE", 0.2)
    monkeypatch.setattr(redis_leases, "RENEWED_EVERY", 0.05)
    until(lambda: not threads())
    holders = [Holder(pool, one, f"key {number}") for number in range(5)]
    assert len(threads()) == 1
    assert [holder.end() for holder in holders] == ["old"] * 5
    until(lambda: not threads())
    assert Holder(pool, one).end() == "old"


def test_a_factory_may_take_longer_than_its_value_lives(other: RuntimeCache) -> None:
    def make() -> str:
        time.sleep(0.1)
        return "made"

    assert other.get_or_set("key", make, ttl=0.01, tags=["t"]) == "made"
    assert other.stats()["sets"] == 1


@pytest.mark.parametrize("backends", ["redis"], indirect=True)
def test_a_miss_takes_two_commands_more_than_a_hit(other: RuntimeCache) -> None:
    other.get_or_set("key", dict)  # the server gets to know the scripts
    with shared().commands() as commands:
        other.get_or_set("key", dict)
    assert commands == ["MGET"]
    with shared().commands() as commands:
        other.get_or_set("other", dict)
    assert commands == ["MGET", "EVALSHA", "EVALSHA"]


def test_a_lease_is_not_given_for_a_value(backends: tuple[RedisBackend, RedisBackend]) -> None:
    one, other = backends
    one.set("key", b"1", ttl=60, tags=["t"], name=None)
    for tags in (["t"], [], ["u", "v"]):
        assert other.lease("key", ttl=60, tags=tags) == b"1"
    one.expire_tags(["t"])
    for tags in (["t"], [], ["u", "v"]):
        taken(other, *tags).release()
        one.set("key", b"1", ttl=60, tags=["t"], name=None)
        one.expire_tags(["t"])


def test_a_lease_is_given_once(backends: tuple[RedisBackend, RedisBackend]) -> None:
    one, other = backends
    lease = taken(one, "t")
    for tags in (["t"], [], ["u"]):
        assert one.lease("key", ttl=60, tags=tags) is None
        assert other.lease("key", ttl=None, tags=tags) is None
    lease.release()
    second = taken(other)
    lease.release()  # not that of the other
    assert one.lease("key", ttl=60, tags=[]) is None
    assert not lease.store(b"1")
    assert second.store(b"2")
    assert not second.store(b"3")
    assert one.get("key") == other.get("key") == b"2"


def test_what_is_no_entry_is_replaced(backends: tuple[RedisBackend, RedisBackend]) -> None:
    one, other = backends
    one.set("key", b"no JSON", ttl=60, tags=["t"], name=None)
    cache = RuntimeCache(backend=other)
    assert cache.get_or_set("key", lambda: "made", tags=["t"]) == "made"
    assert cache.get("key") == "made"


@pytest.mark.parametrize("strict", [False, True])
def test_a_value_that_is_too_large_ends_the_lease(
    one: Any, other: RuntimeCache, strict: bool
) -> None:
    large = "x" * 3_000_000
    if strict:
        with pytest.raises(CacheError, match="at most 2097152 bytes"):
            one.get_or_set("key", lambda: large)
    else:
        lenient = type(one)(backend=one.backend)
        assert lenient.get_or_set("key", lambda: large) == large
    assert other.get_or_set("key", lambda: "small") == "small"
    assert one.get("key") == "small"


def test_a_store_that_is_down_does_not_delay_the_factory() -> None:
    with Server() as server, opened(server.url()) as backend:
        cache = RuntimeCache(backend=backend)

        def make() -> str:
            server.stop()
            return "made"

        assert cache.get_or_set("key", make) == "made"
        assert cache.get_or_set("key", lambda: "again") == "again"
        server.start()


# Within a process


@pytest.mark.parametrize("kind", CACHES)
def test_a_factory_that_waits_for_its_own_value_in_a_thread_is_an_error(
    monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(flights, "LONGEST_WAIT", 0.05)
    cache = CACHES[kind](backend=MemoryBackend())

    def make() -> Any:
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(cache.get_or_set, "key", dict).result(SECONDS)

    with pytest.raises(TimeoutError, match="has not returned"):
        cache.get_or_set("key", make)
    assert cache.get_or_set("key", lambda: "made") == "made"
