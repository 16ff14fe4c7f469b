"""The cache in front of its backend: keys, options, and shared calls of factories."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError as FutureCancelled
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.waiting import SECONDS, until
from unigate import CacheError, Request
from unigate.cache import AsyncRuntimeCache, RuntimeCache, flights
from unigate.cache.keys import LONGEST, key_maker
from unigate.cache.memory import MemoryBackend
from unigate.context import current_request_var
from unigate.deployment import Deployment

pytestmark = pytest.mark.usefixtures("bounded")


class Remote(MemoryBackend):
    """A backend in memory that behaves like a remote one and records its calls."""

    waits = True

    def __init__(self) -> None:
        super().__init__()
        self.stored: list[tuple[Any, ...]] = []
        self.threads: set[str] = set()
        self.before_set: Callable[[], object] = lambda: None

    def get(self, key: str) -> bytes | None:
        self.threads.add(threading.current_thread().name)
        return super().get(key)

    def set(self, key: str, value: bytes, **options: Any) -> None:
        self.stored.append((key, value, *options.values()))
        self.before_set()
        super().set(key, value, **options)


@pytest.fixture
def backend() -> Remote:
    return Remote()


@pytest.fixture
def cache(backend: Remote) -> RuntimeCache:
    return RuntimeCache(backend=backend, strict=True)


@pytest.fixture
def awaited(backend: Remote) -> AsyncRuntimeCache:
    return AsyncRuntimeCache(backend=backend, strict=True)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as pool:
        yield pool


@pytest.fixture(autouse=True)
def _no_flight_is_left() -> Iterator[None]:
    yield
    assert not flights.in_flight
    assert not flights.writing


# Keys


NAMES = st.one_of(st.none(), st.text(max_size=5), st.text("a$:.1#", max_size=6))
KEYS = st.one_of(st.text(), st.text("a$:.1#", max_size=6), st.text("ab", min_size=190))


@settings(deadline=None)
@given(NAMES, NAMES, KEYS, NAMES, NAMES, KEYS)
def test_different_keys_are_different_to_the_backend(
    one: str | None, by: str | None, key: str, other: str | None, via: str | None, other_key: str
) -> None:
    # The separator matters only with a namespace; None and "" stand for "$".
    first = (one or "", (one and (by or "$")) or "", key)
    second = (other or "", (other and (via or "$")) or "", other_key)
    same = key_maker(None, one, by)(key) == key_maker(None, other, via)(other_key)
    assert same == (first == second)


@settings(deadline=None)
@given(NAMES, NAMES, KEYS)
@example(None, None, "\n")
@example("\x00", "\x7f", "")
def test_backends_get_short_keys_of_plain_characters(
    namespace: str | None, separator: str | None, key: str
) -> None:
    full = key_maker(None, namespace, separator)(key)
    assert 0 < len(full) <= LONGEST
    assert full.isascii()
    assert full.isprintable()


def test_short_keys_can_be_read() -> None:
    assert key_maker(None, "users", None)("42").endswith("users$42")
    assert key_maker(None, "users", "/")("42").endswith("users/42")
    assert key_maker(None, None, None)("user 42").endswith("user 42")


def test_long_keys_differ_in_more_than_128_bits() -> None:
    full = key_maker(None, None, None)("k" * 5000)
    assert len(full) > 128 / 4
    assert "k" not in full


@pytest.mark.parametrize(
    ("options", "stored"),
    [
        ({}, "<key>"),
        ({"namespace": "ns"}, "ns$<key>"),
        ({"namespace": "ns", "namespace_separator": ":"}, "ns:<key>"),
        ({"namespace": "ns", "namespace_separator": ""}, "ns$<key>"),
        ({"namespace": "", "namespace_separator": ":"}, "<key>"),
    ],
)
def test_hash_function_makes_keys_in_vercels_format(
    options: dict[str, str], stored: str, backend: Remote
) -> None:
    cache = RuntimeCache(key_hash_function=lambda key: f"<{key}>", backend=backend, **options)
    cache.set("key", 1)
    cache.get_or_set("key", dict)
    assert [key for key, *_ in backend.stored] == [stored]
    assert cache.get_many(["key"]) == {"key": 1}


def test_keys_with_one_hash_share_an_entry(backend: Remote) -> None:
    cache = RuntimeCache(key_hash_function=lambda key: "same", backend=backend)
    cache.set("one", 1)
    assert cache.get_many(["one", "other"]) == {"one": 1, "other": 1}


def test_text_is_the_only_key(cache: RuntimeCache) -> None:
    wrong: Any
    for wrong in (1, None, b"key", ("a", "b")):
        for call in (
            lambda wrong=wrong: cache.get(wrong),
            lambda wrong=wrong: cache.set(wrong, 1),
            lambda wrong=wrong: cache.delete(wrong),
            lambda wrong=wrong: wrong in cache,
            lambda wrong=wrong: cache.get_or_set(wrong, dict),
            lambda wrong=wrong: cache.get_many([wrong]),
            lambda wrong=wrong: cache.set_many({wrong: 1}),
        ):
            with pytest.raises(TypeError, match="A cache key must be a str"):
                call()
    with pytest.raises(TypeError, match="A cache key must be a str"):
        RuntimeCache(key_hash_function=lambda key: 7).get("key")


# The mapping


def test_subscripts(cache: RuntimeCache) -> None:
    cache["key"] = {"a": 1}
    assert cache["key"] == {"a": 1}
    assert "key" in cache
    del cache["key"]
    del cache["key"]
    assert "key" not in cache
    with pytest.raises(KeyError, match="key"):
        cache["key"]
    cache["key"] = None
    assert cache["key"] is None


def test_keys_cannot_be_listed(cache: RuntimeCache, awaited: AsyncRuntimeCache) -> None:
    with pytest.raises(TypeError):
        iter(cache)
    with pytest.raises(TypeError):
        _ = "key" in awaited


def test_in_counts_no_hit_or_miss(cache: RuntimeCache) -> None:
    assert "key" not in cache
    cache.set("key", 1)
    assert "key" in cache
    assert cache.stats() | {"bytes": 0} == {
        "hits": 0, "misses": 0, "sets": 1, "errors": 0, "unconfirmed": 0, "entries": 1, "bytes": 0
    }  # fmt: skip


def test_stats_of_a_backend_without_a_size() -> None:
    class Silent(MemoryBackend):
        size = property()

    counted = {"hits", "misses", "sets", "errors", "unconfirmed"}
    assert RuntimeCache(backend=Silent()).stats().keys() == counted


# Options


def test_options_reach_the_backend(cache: RuntimeCache, backend: Remote) -> None:
    cache.set("key", 1)
    cache.set("key", 1, {})
    cache.set("key", 1, {"ttl": 5, "tags": ["a"], "name": "One"})
    cache.set("key", 1, {"ttl": 5, "tags": ["a"], "name": "One"}, ttl=6, tags="b", name="Two")
    cache.set("key", 1, ttl=timedelta(minutes=1), tags=("a", "b", "a"))
    cache.set("key", 1, {"ttl": None, "tags": None, "name": None}, ttl=0.5, tags=iter("ab"))
    cache.set("key", 1, ttl=0)  # stores nothing, so there is no call
    assert [stored[2:] for stored in backend.stored] == [
        (None, (), None),
        (None, (), None),
        (5, ("a",), "One"),
        (6, ("b",), "Two"),
        (60.0, ("a", "b"), None),
        (0.5, ("a", "b"), None),
    ]


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"ttl": float("nan")}, ValueError),
        ({"ttl": "60"}, TypeError),
        ({"ttl": True}, TypeError),
        ({"ttl": Decimal(1)}, TypeError),
        ({"tags": ["a", 1]}, TypeError),
        ({"tags": [b"a"]}, TypeError),
        ({"tags": 1}, TypeError),
        ({"tags": [""]}, ValueError),
        ({"tags": ["t" * 257]}, ValueError),
        ({"tags": "ä" * 129}, ValueError),
        ({"tags": ["\ud800"]}, ValueError),
        ({"tags": [f"{number}" for number in range(129)]}, ValueError),
        ({"name": 1}, TypeError),
    ],
)
def test_options_are_checked(options: dict[str, Any], error: type[Exception]) -> None:
    cache = RuntimeCache(backend=MemoryBackend())
    for call in (
        lambda: cache.set("key", 1, options),
        lambda: cache.set("key", 1, **options),
        lambda: cache.get_or_set("key", dict, **options),
        lambda: cache.set_many({"key": 1}, options),
    ):
        with pytest.raises(error):
            call()
    assert "key" not in cache


@pytest.mark.parametrize("ttl", [-1, -0.001, float("-inf"), timedelta(seconds=-1)])
def test_a_negative_ttl_has_expired(ttl: Any, cache: RuntimeCache) -> None:
    cache.set("key", 1)
    cache.set("key", 2, {"ttl": ttl})
    assert cache.get("key") is None
    assert cache.get_or_set("key", lambda: 3, ttl=ttl) == 3
    assert "key" not in cache


def test_unknown_options_are_ignored_with_one_warning(
    cache: RuntimeCache, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        cache.set("key", 1, {"stale": 5, "tags": ["a"]})
    assert cache.get("key") == 1
    assert [record.getMessage() for record in caplog.records] == [
        "The option 'stale' of a cache entry is ignored: the options are ttl, tags, name."
    ]
    with pytest.raises(TypeError):
        cache.set("key", 1, stale=5)  # type: ignore[call-arg]


def test_128_tags_are_counted_once_each(cache: RuntimeCache) -> None:
    cache.set("key", 1, tags=[f"{number % 128}" for number in range(1000)])
    assert "key" in cache


def test_tags_to_expire_are_checked(cache: RuntimeCache) -> None:
    with pytest.raises(ValueError):
        cache.expire_tag("t" * 257)
    with pytest.raises(TypeError):
        cache.expire_tag([1])


def test_value_that_is_not_json_is_an_error_that_names_the_place(
    cache: RuntimeCache, awaited: AsyncRuntimeCache
) -> None:
    value = {"items": [{"price": Decimal(1)}]}
    cache.set("key", 1)
    for call in (
        lambda: cache.set("key", value),
        lambda: cache.set_many({"other": 1, "key": value}),
        lambda: cache.get_or_set("made", lambda: value),
        lambda: asyncio.run(awaited.set("key", value)),
    ):
        with pytest.raises(TypeError, match=r"^\$\.items\[0\]\.price is a Decimal"):
            call()
    assert cache.get_many(["key", "other", "made"]) == {"key": 1}


# Sync and async


def test_a_backend_that_waits_is_called_in_the_caches_own_threads(
    awaited: AsyncRuntimeCache, backend: Remote
) -> None:
    asyncio.run(awaited.get("key"))
    assert all(name.startswith("unigate-cache") for name in backend.threads)


def test_memory_is_called_in_the_thread_of_the_event_loop() -> None:
    backend = Remote()
    backend.waits = False
    asyncio.run(AsyncRuntimeCache(backend=backend).get("key"))
    assert backend.threads == {threading.current_thread().name}


def test_threads_use_the_backend_of_the_request() -> None:
    async def request() -> Any:
        current = Request("GET")
        current.deployment = Deployment(cache=Remote())
        current_request_var.set(current)
        cache = AsyncRuntimeCache()
        await cache.set("key", 1)
        return await cache.get("key")

    assert asyncio.run(request()) == 1
    assert RuntimeCache().get("key") is None


def test_factory_of_either_kind(awaited: AsyncRuntimeCache) -> None:
    async def make() -> int:
        await asyncio.sleep(0)
        return 2

    async def ask() -> list[Any]:
        return [await awaited.get_or_set("a", lambda: 1), await awaited.get_or_set("b", make)]

    assert asyncio.run(ask()) == [1, 2]


def test_asynchronous_factory_needs_the_asynchronous_cache(cache: RuntimeCache) -> None:
    async def make() -> int:
        return 1

    with pytest.raises(TypeError, match="AsyncRuntimeCache"):
        cache.get_or_set("key", make)
    gc.collect()  # emits the warning about a coroutine that was never awaited


def test_factory_runs_on_the_event_loop_of_its_caller(awaited: AsyncRuntimeCache) -> None:
    async def ask() -> bool:
        async def make() -> bool:
            return asyncio.get_running_loop() is loop

        loop = asyncio.get_running_loop()
        return bool(await awaited.get_or_set("key", make))

    assert asyncio.run(ask())


# Single flight: interrupted factories, circular waits, overtaking


class Slow:
    """A factory that sets `begun` when it is called, and returns when `over` is set."""

    def __init__(self, value: Any = "made") -> None:
        self.begun, self.over = threading.Event(), threading.Event()
        self.value = value
        self.calls = 0

    def __call__(self) -> Any:
        self.calls += 1
        self.begun.set()
        assert self.over.wait(SECONDS)
        return self.value

    def start(self, pool: ThreadPoolExecutor, cache: RuntimeCache, **options: Any) -> Future[Any]:
        future = pool.submit(cache.get_or_set, "key", self, **options)
        assert self.begun.wait(SECONDS)
        return future


async def joined(cache: AsyncRuntimeCache, misses: int) -> None:
    """Wait until so many callers have missed the key and joined a flight."""
    async with asyncio.timeout(SECONDS):
        while (await cache.stats())["misses"] < misses:
            await asyncio.sleep(0.001)
    await asyncio.sleep(0.05)


def test_waiters_try_again_when_the_leading_task_is_cancelled(awaited: AsyncRuntimeCache) -> None:
    calls = []

    async def forever() -> None:
        calls.append("cancelled")
        await asyncio.sleep(SECONDS)

    async def make() -> str:
        calls.append("made")
        return "made"

    async def main() -> list[Any]:
        leader = asyncio.create_task(awaited.get_or_set("key", forever))
        await joined(awaited, 1)
        others = [asyncio.create_task(awaited.get_or_set("key", make)) for _ in range(20)]
        await joined(awaited, 21)
        leader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leader
        return list(await asyncio.gather(*others))

    assert asyncio.run(main()) == ["made"] * 20
    assert calls == ["cancelled", "made"]


def test_thread_tries_again_when_the_event_loop_ends(
    awaited: AsyncRuntimeCache, cache: RuntimeCache, pool: ThreadPoolExecutor
) -> None:
    begun = threading.Event()

    async def forever() -> None:
        begun.set()
        await asyncio.sleep(SECONDS)

    async def main() -> Future[Any]:
        task = asyncio.create_task(awaited.get_or_set("key", forever))
        assert await asyncio.to_thread(begun.wait, SECONDS)
        waiting = pool.submit(cache.get_or_set, "key", lambda: "made")
        await asyncio.to_thread(until, lambda: cache.stats()["misses"])
        assert not task.done()
        return waiting  # asyncio.run cancels the task

    assert asyncio.run(main()).result(SECONDS) == "made"


def test_cancelled_waiter_does_not_affect_the_others(
    awaited: AsyncRuntimeCache, cache: RuntimeCache, pool: ThreadPoolExecutor
) -> None:
    slow = Slow()
    leader = slow.start(pool, cache)

    async def main() -> Any:
        impatient = asyncio.create_task(awaited.get_or_set("key", dict))
        patient = asyncio.create_task(awaited.get_or_set("key", dict))
        await joined(awaited, 2)
        impatient.cancel()
        with pytest.raises(asyncio.CancelledError):
            await impatient
        slow.over.set()
        return await patient

    assert asyncio.run(main()) == "made"
    assert leader.result(SECONDS) == "made"


def test_interrupt_in_a_factory_is_not_raised_to_others(
    cache: RuntimeCache, pool: ThreadPoolExecutor
) -> None:
    class Interrupted(Slow):
        def __call__(self) -> None:
            super().__call__()
            raise SystemExit(3)

    slow = Interrupted()
    leader = slow.start(pool, cache)
    other = pool.submit(cache.get_or_set, "key", lambda: "made")
    until(lambda: cache.stats()["misses"] >= 2)
    slow.over.set()
    assert other.result(SECONDS) == "made"
    with pytest.raises(SystemExit):
        leader.result(SECONDS)


def test_error_of_the_cache_is_not_raised_to_waiters(
    cache: RuntimeCache, pool: ThreadPoolExecutor
) -> None:
    class Strict(Slow):
        def __call__(self) -> None:
            super().__call__()
            raise CacheError("no backend")

    slow = Strict()
    leader = slow.start(pool, cache)
    other = pool.submit(cache.get_or_set, "key", lambda: "made")
    until(lambda: cache.stats()["misses"] >= 2)
    time.sleep(0.05)
    slow.over.set()
    assert other.result(SECONDS) == "made"
    with pytest.raises(CacheError):
        leader.result(SECONDS)


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (StopIteration(), RuntimeError),
        (FutureCancelled(), FutureCancelled),  # not a cancellation of the waiting task
        (TimeoutError(), TimeoutError),
        (LookupError(), LookupError),
    ],
)
def test_every_error_reaches_waiting_tasks_and_threads(
    error: Exception,
    raised: type[Exception],
    awaited: AsyncRuntimeCache,
    cache: RuntimeCache,
    pool: ThreadPoolExecutor,
) -> None:
    class Failing(Slow):
        def __call__(self) -> Any:
            super().__call__()
            raise error

    slow = Failing()
    leader = slow.start(pool, cache)
    thread = pool.submit(cache.get_or_set, "key", dict)
    until(lambda: cache.stats()["misses"] >= 2)

    async def main() -> None:
        waiting = asyncio.create_task(awaited.get_or_set("key", dict))
        await joined(awaited, 1)
        slow.over.set()
        with pytest.raises(raised):
            await waiting

    asyncio.run(main())
    for caller in (leader, thread):
        with pytest.raises(raised):
            caller.result(SECONDS)


def test_every_caller_gets_a_copy(cache: RuntimeCache, pool: ThreadPoolExecutor) -> None:
    slow = Slow([1])
    leader = slow.start(pool, cache)
    others = [pool.submit(cache.get_or_set, "key", dict) for _ in range(3)]
    until(lambda: cache.stats()["misses"] >= 4)
    slow.over.set()
    for future in (leader, *others):
        future.result(SECONDS).append(2)
    assert [future.result(SECONDS) for future in (leader, *others)] == [[1, 2]] * 4
    assert cache.get("key") == [1]


def test_factory_that_gets_its_own_value_is_an_error(
    cache: RuntimeCache, awaited: AsyncRuntimeCache
) -> None:
    with pytest.raises(RuntimeError, match="must not get that value itself"):
        cache.get_or_set("key", lambda: cache.get_or_set("key", dict))
    with pytest.raises(RuntimeError, match="must not get that value itself"):
        cache.get_or_set(
            "key", lambda: cache.get_or_set("other", lambda: cache.get_or_set("key", dict))
        )

    async def again() -> Any:
        return await awaited.get_or_set("key", dict)

    with pytest.raises(RuntimeError, match="must not get that value itself"):
        asyncio.run(awaited.get_or_set("key", again))
    assert cache.get_or_set("key", lambda: cache.get_or_set("other", lambda: 1)) == 1


RINGS = [["sync"] * 2, ["sync"] * 3, ["sync"] * 7, ["async"] * 2, ["async"] * 3, ["sync", "async"]]


@pytest.mark.parametrize("kinds", [*RINGS, ["async", "sync", "async"]], ids="-".join)
def test_factories_in_threads_that_need_each_others_keys_succeed(
    kinds: list[str], cache: RuntimeCache, awaited: AsyncRuntimeCache, pool: ThreadPoolExecutor
) -> None:
    all_lead = threading.Barrier(len(kinds), timeout=SECONDS)

    def ask(number: int) -> Any:
        following = f"{(number + 1) % len(kinds)}"

        def make() -> Any:
            all_lead.wait()
            return [cache.get_or_set(following, lambda: "spare")]

        async def make_async() -> Any:
            all_lead.wait()
            return [await awaited.get_or_set(following, lambda: "spare")]

        if kinds[number] == "sync":
            return cache.get_or_set(f"{number}", make)
        return asyncio.run(awaited.get_or_set(f"{number}", make_async))

    values = [pool.submit(ask, number) for number in range(len(kinds))]
    made = [str(value.result(SECONDS)) for value in values]
    # One would have waited for itself and made a value of its own; the others have waited.
    assert len(set(made)) == len(kinds)
    assert made.count("['spare']") == 1
    assert [str(cache.get(f"{number}")) for number in range(len(kinds))] == made
    assert flights.leading.get() is None


@pytest.mark.parametrize("count", [2, 3, 7])
def test_factories_in_tasks_that_need_each_others_keys_succeed(
    count: int, awaited: AsyncRuntimeCache
) -> None:
    async def main() -> list[Any]:
        all_lead = asyncio.Barrier(count)

        async def make(number: int) -> Any:
            await all_lead.wait()
            return [await awaited.get_or_set(f"{(number + 1) % count}", lambda: "spare")]

        tasks = (awaited.get_or_set(f"{n}", partial(make, n)) for n in range(count))
        async with asyncio.timeout(SECONDS):
            return await asyncio.gather(*tasks)

    assert list(map(str, asyncio.run(main()))).count("['spare']") == 1


def test_factories_of_one_factory_that_need_each_others_keys_succeed(
    awaited: AsyncRuntimeCache,
) -> None:
    async def page() -> list[Any]:
        both = asyncio.Barrier(2)

        async def make(other: str) -> Any:
            await both.wait()
            return [await awaited.get_or_set(other, lambda: "spare")]

        async with asyncio.timeout(SECONDS):
            return await asyncio.gather(
                awaited.get_or_set("a", partial(make, "b")),
                awaited.get_or_set("b", partial(make, "a")),
            )

    assert sorted(map(str, asyncio.run(awaited.get_or_set("page", page)))) == [
        "['spare']",
        "[['spare']]",
    ]


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("kind", ["sync", "async"])
def test_factories_that_need_their_own_value_fail_in_every_thread(
    count: int,
    kind: str,
    cache: RuntimeCache,
    awaited: AsyncRuntimeCache,
    pool: ThreadPoolExecutor,
) -> None:
    start = threading.Barrier(count, timeout=SECONDS)

    def make(number: int) -> Any:
        following = (number + 1) % count
        return cache.get_or_set(f"{following}", lambda: make(following))

    async def make_async(number: int) -> Any:
        following = (number + 1) % count
        return await awaited.get_or_set(f"{following}", lambda: make_async(following))

    def ask(number: int) -> Any:
        start.wait()
        return asyncio.run(make_async(number)) if kind == "async" else make(number)

    for answer in [pool.submit(ask, number) for number in range(count)]:
        with pytest.raises(RuntimeError, match="must not get that value itself"):
            answer.result(SECONDS)


@pytest.mark.parametrize("through", [[], ["other"]], ids=["directly", "through another"])
def test_factory_on_an_event_loop_that_needs_its_own_value_fails(
    through: list[str], cache: RuntimeCache, pool: ThreadPoolExecutor
) -> None:
    """On an event loop a caller never waits, so it would make the value again and again."""
    slow = Slow("slow")
    slow.start(pool, cache)

    async def main() -> Any:
        def make() -> Any:
            for other in through:
                return cache.get_or_set(other, lambda: cache.get_or_set("key", make))
            return cache.get_or_set("key", make)

        return make()

    try:
        with pytest.raises(RuntimeError, match="must not get that value itself"):
            asyncio.run(main())
    finally:
        slow.over.set()


def test_flight_is_forgotten_after_its_end(cache: RuntimeCache, pool: ThreadPoolExecutor) -> None:
    """Otherwise a factory could not get the same key twice."""

    def outer() -> Any:
        mine = flights.leading.get()
        assert mine is not None
        values = [cache.get_or_set(name, lambda: 1) for name in "abc"]
        assert not mine.needs
        assert flights.leading.get() is mine
        return values

    assert cache.get_or_set("key", outer) == [1, 1, 1]
    with pytest.raises(ZeroDivisionError):
        cache.get_or_set("failing", lambda: 1 / 0)
    assert flights.leading.get() is None


def test_expired_tag_overtakes_nothing_of_another_backend(pool: ThreadPoolExecutor) -> None:
    here, there = RuntimeCache(backend=Remote()), RuntimeCache(backend=Remote())
    untagged, tagged = Slow("here"), Slow("there")
    leaders = untagged.start(pool, here), tagged.start(pool, there, tags=["tag"])
    here.expire_tag("tag")
    for slow in (untagged, tagged):
        slow.over.set()
    assert [leader.result(SECONDS) for leader in leaders] == ["here", "there"]
    assert [here.get("key"), there.get("key")] == ["here", "there"]


def test_factories_share_what_they_need(cache: RuntimeCache, pool: ThreadPoolExecutor) -> None:
    calls = []

    def page(number: int) -> Any:
        part = cache.get_or_set("part", lambda: calls.append(1) or time.sleep(0.05) or "part")
        return [number, part]

    pages = pool.map(
        lambda number: cache.get_or_set(f"{number}", lambda: page(number)),
        range(8),
        timeout=SECONDS,
    )
    assert list(pages) == [[number, "part"] for number in range(8)]
    assert calls == [1]


def test_call_on_an_event_loop_does_not_wait_for_a_task_of_it(
    cache: RuntimeCache, awaited: AsyncRuntimeCache
) -> None:
    async def main() -> tuple[Any, Any]:
        over = asyncio.Event()

        async def make() -> str:
            await asyncio.wait_for(over.wait(), SECONDS)
            return "awaited"

        task = asyncio.create_task(awaited.get_or_set("key", make))
        await joined(awaited, 1)
        own = cache.get_or_set("key", lambda: ("at", "once"))
        over.set()
        return own, await task

    assert asyncio.run(main()) == (["at", "once"], "awaited")


def test_threads_of_the_event_loop_may_all_wait(
    cache: RuntimeCache, awaited: AsyncRuntimeCache
) -> None:
    """The task needs a thread other than those that wait for it."""

    async def main() -> list[Any]:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(2))
        over = asyncio.Event()

        async def make() -> Any:
            await asyncio.wait_for(over.wait(), SECONDS)
            return [await awaited.get("other"), "made"]

        task = asyncio.create_task(awaited.get_or_set("key", make))
        await joined(awaited, 1)
        threads = [
            asyncio.create_task(asyncio.to_thread(cache.get_or_set, "key", dict)) for _ in range(4)
        ]
        async with asyncio.timeout(SECONDS):
            while cache.stats()["misses"] < 2:
                await asyncio.sleep(0.001)
        over.set()
        return [await task, *[await thread for thread in threads]]

    assert asyncio.run(main()) == [[None, "made"]] * 5


OVERTAKING: list[tuple[Callable[[RuntimeCache], object], Any]] = [
    (lambda cache: cache.set("key", "newer"), "newer"),
    (lambda cache: cache.set_many({"key": "newer", "other": 1}), "newer"),
    (lambda cache: cache.set("key", "newer", ttl=0), None),
    (lambda cache: cache.delete("key"), None),
    (lambda cache: cache.expire_tag(["other", "tag"]), None),
    (lambda cache: cache.clear(), None),
    (lambda cache: RuntimeCache(backend=cache.backend).clear(), None),
    (lambda cache: asyncio.run(AsyncRuntimeCache(backend=cache.backend).expire_tag("tag")), None),
]


@pytest.mark.parametrize("namespace", [None, "ns"])
@pytest.mark.parametrize(("overtake", "left"), OVERTAKING)
def test_value_made_before_a_change_does_not_outlive_it(
    overtake: Callable[[RuntimeCache], object],
    left: Any,
    namespace: str | None,
    backend: Remote,
    pool: ThreadPoolExecutor,
) -> None:
    cache = RuntimeCache(backend=backend, namespace=namespace)
    slow = Slow("older")
    leader = slow.start(pool, cache, tags=["tag"])
    overtake(cache)
    # A new caller does not wait for the value made before the change.
    assert cache.get_or_set("key", lambda: "later") == (left or "later")
    if left is None:
        cache.delete("key")
    slow.over.set()
    assert leader.result(SECONDS) == "older"
    assert cache.get("key") == left


@pytest.mark.parametrize(
    "change",
    [
        lambda cache: cache.set("other", 1),
        lambda cache: cache.delete("other"),
        lambda cache: cache.expire_tag("other"),
        lambda cache: RuntimeCache(backend=cache.backend, namespace="other").clear(),
        lambda cache: RuntimeCache(backend=MemoryBackend()).clear(),
        lambda cache: RuntimeCache(backend=MemoryBackend()).set("key", 1),
    ],
)
def test_change_of_something_else_overtakes_nothing(
    change: Callable[[RuntimeCache], object], cache: RuntimeCache, pool: ThreadPoolExecutor
) -> None:
    slow = Slow()
    leader = slow.start(pool, cache, tags=["tag"])
    change(cache)
    slow.over.set()
    assert leader.result(SECONDS) == cache.get("key") == "made"


def test_factory_may_store_its_value_itself(cache: RuntimeCache) -> None:
    assert cache.get_or_set("key", lambda: cache.set("key", "own") and "made") == "made"
    assert cache.get("key") == "own"


def test_a_value_that_was_added_meanwhile_stays(cache: RuntimeCache) -> None:
    assert cache.get_or_set("key", lambda: cache.add("key", "own") and "made") == "made"
    assert cache.get("key") == "own"
    cache.delete("key")

    def make() -> str:
        cache.add("key", 1)
        return f"made after {cache.incr('key')}, {cache.replace('key', 2, 3)}, {cache.pop('key')}"

    assert cache.get_or_set("key", make) == "made after 2, True, 3"
    assert "key" not in cache


def test_a_change_that_found_nothing_lets_the_made_value_be_stored(cache: RuntimeCache) -> None:
    def make() -> list[Any]:
        return [
            cache.remove("key", 1),
            cache.replace("key", 1, 2),
            cache.incr("key"),
            cache.touch("key", 9),
        ]

    assert cache.get_or_set("key", make) == [False, False, None, False] == cache.get("key")


@pytest.mark.parametrize(
    "change",
    [
        lambda cache: cache.remove("key", 1),
        lambda cache: cache.replace("key", 1, 2),
        lambda cache: cache.incr("key", -1) == 0,
        lambda cache: cache.touch("key", 9),
        lambda cache: cache.pop("key"),
    ],
)
def test_a_change_of_what_another_process_stored_overtakes_a_flight(
    backend: Remote, change: Callable[[RuntimeCache], Any]
) -> None:
    cache = RuntimeCache(backend=backend, key_hash_function=str)

    def make() -> str:
        backend.set("key", b"1", ttl=None, tags=[], name=None)
        assert change(cache)
        return "made"

    assert cache.get_or_set("key", make) == "made"
    assert cache.get("key") != "made"


def test_write_waits_for_the_value_that_is_being_stored(
    cache: RuntimeCache, backend: Remote, pool: ThreadPoolExecutor
) -> None:
    storing, over = threading.Event(), threading.Event()

    def hold() -> None:
        backend.before_set = lambda: None
        storing.set()
        assert over.wait(SECONDS)

    backend.before_set = hold
    leader = pool.submit(cache.get_or_set, "key", lambda: "older")
    assert storing.wait(SECONDS)
    writer = pool.submit(cache.set, "key", "newer")
    time.sleep(0.05)
    assert not writer.done()
    over.set()
    writer.result(SECONDS)
    assert leader.result(SECONDS) == "older"
    assert cache.get("key") == "newer"


def test_value_made_during_a_write_is_not_stored_over_it(
    cache: RuntimeCache, backend: Remote, pool: ThreadPoolExecutor
) -> None:
    writing, over = threading.Event(), threading.Event()

    def hold() -> None:
        backend.before_set = lambda: None
        writing.set()
        assert over.wait(SECONDS)

    backend.before_set = hold
    writer = pool.submit(cache.set, "key", "newer")
    assert writing.wait(SECONDS)
    slow = Slow("older")
    leader = slow.start(pool, cache)  # has missed the key
    over.set()
    writer.result(SECONDS)
    slow.over.set()
    assert leader.result(SECONDS) == "older"
    assert cache.get("key") == "newer"


def test_value_that_came_after_the_look_is_found(backend: Remote) -> None:
    """A caller that missed the key looks again if a write ended before it could join."""
    cache = RuntimeCache(backend=backend)

    class Late(Remote):
        def get(self, key: str) -> bytes | None:
            value = super().get(key)
            if not self.stored:
                RuntimeCache(backend=self).set("key", "stored")
            return value

    cache = RuntimeCache(backend=Late())
    assert cache.get_or_set("key", lambda: "made") == "stored"


def test_cancelled_while_it_is_stored(awaited: AsyncRuntimeCache, backend: Remote) -> None:
    storing, over = threading.Event(), threading.Event()

    def hold() -> None:
        backend.before_set = lambda: None
        storing.set()
        assert over.wait(SECONDS)

    backend.before_set = hold

    async def main() -> None:
        task = asyncio.create_task(awaited.get_or_set("key", lambda: "older"))
        assert await asyncio.to_thread(storing.wait, SECONDS)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        writer = asyncio.create_task(awaited.set("key", "newer"))
        await asyncio.sleep(0.05)
        over.set()
        await writer
        assert await awaited.get("key") == "newer"

    asyncio.run(main())


def test_cancelled_before_it_is_stored(awaited: AsyncRuntimeCache, backend: Remote) -> None:
    async def main() -> None:
        async def make() -> str:
            # Takes effect at the next await, that of the thread that stores the value.
            current = asyncio.current_task()
            assert current is not None
            current.cancel()
            return "made"

        with pytest.raises(asyncio.CancelledError):
            await awaited.get_or_set("key", make)

    asyncio.run(main())
    for _ in range(3):
        assert asyncio.run(awaited.get_or_set("other", lambda: 1)) == 1


def test_dropped_coroutine_does_not_block_others(
    awaited: AsyncRuntimeCache, cache: RuntimeCache
) -> None:
    backend = cache.backend
    backend.waits = False

    class Never:
        def __await__(self) -> Iterator[None]:
            yield

    coroutine = awaited.get_or_set("key", Never)
    coroutine.send(None)
    assert len(flights.in_flight) == 1
    del coroutine
    gc.collect()
    assert cache.get_or_set("key", lambda: "made") == "made"


@pytest.mark.parametrize(
    ("tags", "error", "message"),
    [
        (5, TypeError, "tags must be a str or several of them, got 5."),
        (b"x", TypeError, "tags must be a str or several of them, got b'x'."),
        ([5], TypeError, "A tag must be a str, got int."),
        (["\ud800"], ValueError, r"A tag must be text for UTF-8, got '\ud800'."),
        ("", ValueError, "A tag must have 1 to 256 bytes, got ''."),
    ],
)
def test_tags_of_a_wrong_type_are_named(tags: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as raised:
        RuntimeCache(backend="memory://").set("key", 1, tags=tags)
    assert str(raised.value) == message
