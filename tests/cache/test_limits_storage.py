"""The runtime cache as a storage of the package limits."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext

import pytest
from flask import Flask
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from limits import RateLimitItem, parse
from limits.errors import StorageError
from limits.storage import storage_from_string
from limits.strategies import (
    FixedWindowRateLimiter,
    MovingWindowRateLimiter,
    SlidingWindowCounterRateLimiter,
)

from tests.cache import redis_server, vercel_stub
from tests.cache.clock import Clock
from tests.cache.concurrency import in_threads
from tests.cache.redis_server import free_port
from unigate import CacheError
from unigate.cache import Backend, RuntimeCache
from unigate.cache.limits_storage import RuntimeCacheStorage
from unigate.cache.memory import MemoryBackend

pytestmark = pytest.mark.usefixtures("bounded")

BACKENDS: dict[str, Callable[[], AbstractContextManager[Backend]]] = {
    "memory": lambda: nullcontext(MemoryBackend()),
    "redis": redis_server.backend,
}
LIMIT = parse("5/hour")


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    with BACKENDS[request.param]() as backend:
        yield backend


@pytest.fixture
def limiter(backend: Backend) -> FixedWindowRateLimiter:
    return FixedWindowRateLimiter(RuntimeCacheStorage(backend=backend))


def hits(limiter: FixedWindowRateLimiter, number: int, limit: RateLimitItem = LIMIT) -> list[bool]:
    return [limiter.hit(limit, "client") for _ in range(number)]


def test_a_limit_lets_its_number_of_requests_through(limiter: FixedWindowRateLimiter) -> None:
    assert limiter.test(LIMIT, "client")
    assert hits(limiter, 7) == [True] * 5 + [False] * 2
    assert not limiter.test(LIMIT, "client")
    assert limiter.hit(LIMIT, "another client")


def test_a_request_can_cost_more(limiter: FixedWindowRateLimiter) -> None:
    assert limiter.hit(LIMIT, "client", cost=4)
    assert not limiter.hit(LIMIT, "client", cost=2)


def test_the_statistics_have_the_end_of_the_window(limiter: FixedWindowRateLimiter) -> None:
    before = time.time()
    assert limiter.get_window_stats(LIMIT, "client").remaining == 5
    assert limiter.get_window_stats(LIMIT, "client").reset_time >= before
    hits(limiter, 2)
    after = time.time()
    hits(limiter, 1)  # does not move it
    stats = limiter.get_window_stats(LIMIT, "client")
    assert stats.remaining == 2
    assert before + 3600 <= stats.reset_time <= after + 3600


def test_a_window_ends_however_many_requests_there_are() -> None:
    clock = Clock()
    backend = MemoryBackend(clock=clock)
    limiter = FixedWindowRateLimiter(RuntimeCacheStorage(backend=backend))
    hits(limiter, 5)
    clock.now += 3599
    assert hits(limiter, 1) == [False]
    clock.now += 1
    assert hits(limiter, 6) == [True] * 5 + [False]


def test_threads_that_begin_a_window_together_lose_no_request(
    limiter: FixedWindowRateLimiter,
) -> None:
    assert sum(in_threads(lambda _: limiter.hit(LIMIT, "client"), 12)) == 5


class LateBackend(MemoryBackend):
    """A backend that lets another process begin the window after it was found missing."""

    def __init__(self) -> None:
        super().__init__()
        self.others: list[Callable[[], object]] = []

    def increment(self, key: str, delta: float) -> float | bytes | None:
        found = super().increment(key, delta)
        if self.others:
            self.others.pop()()
        return found


def test_a_window_keeps_the_end_of_the_process_that_began_it() -> None:
    backend = LateBackend()
    storage = RuntimeCacheStorage(backend=backend)
    backend.others.append(lambda: storage.incr("key", 60))
    assert storage.incr("key", 3600) == 2
    assert storage.get_expiry("key") <= time.time() + 60


def test_clear_and_reset_begin_anew(limiter: FixedWindowRateLimiter, backend: Backend) -> None:
    RuntimeCache(backend=backend).set("value", 1)
    other = FixedWindowRateLimiter(RuntimeCacheStorage(backend=backend, namespace="other"))
    for begin_anew in (lambda: limiter.clear(LIMIT, "client"), limiter.storage.reset):
        hits(limiter, 5)
        assert other.hit(LIMIT, "client")
        before = time.time()
        begin_anew()
        assert limiter.hit(LIMIT, "client")
        assert limiter.get_window_stats(LIMIT, "client").reset_time >= before + 3600
    assert other.get_window_stats(LIMIT, "client").remaining == 3
    assert RuntimeCache(backend=backend).get("value") == 1


def test_a_uri_names_the_backend_or_leaves_it_to_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("UNIGATE_CACHE_URL", "memory://limits of the environment")
    for uri in ("unigate://", "unigate+memory://limits of the environment"):
        storage = storage_from_string(uri)
        assert isinstance(storage, RuntimeCacheStorage)
        storage.incr("shared", 60)
    assert storage.get("shared") == 2
    assert storage_from_string("unigate+memory://other").get("shared") == 0
    assert storage_from_string("unigate://", namespace="other").get("shared") == 0


def test_a_store_that_is_down_counts_nothing() -> None:
    url = f"unigate+redis://127.0.0.1:{free_port()}"
    storage = storage_from_string(url)
    assert not storage.check()
    with pytest.raises(CacheError):
        storage.incr("key", 60)
    with pytest.raises(StorageError):
        storage_from_string(url, wrap_exceptions=True).incr("key", 60)


@pytest.mark.parametrize(
    ("options", "passed"),
    [({"in_memory_fallback_enabled": True}, 5), ({"swallow_errors": True}, 7)],
)
def test_flask_limiter_handles_a_store_that_is_down(options: dict[str, bool], passed: int) -> None:
    site = Flask("limited")
    url = f"unigate+redis://127.0.0.1:{free_port()}"
    limiter = Limiter(get_remote_address, app=site, storage_uri=url, **options)
    site.get("/")(limiter.limit("5/hour")(lambda: "through"))
    client = site.test_client()
    assert [client.get("/").status_code for _ in range(7)] == [200] * passed + [429] * (7 - passed)


def test_a_store_that_answers_is_checked(limiter: FixedWindowRateLimiter) -> None:
    assert limiter.storage.check()


def test_a_backend_that_cannot_count_says_what_to_use() -> None:
    with vercel_stub.backend() as backend, pytest.raises(CacheError, match="Use Redis or Valkey"):
        RuntimeCacheStorage(backend=backend).incr("key", 60)


@pytest.mark.parametrize("strategy", [MovingWindowRateLimiter, SlidingWindowCounterRateLimiter])
def test_other_strategies_are_refused_before_the_first_request(strategy: type) -> None:
    with pytest.raises(NotImplementedError, match=r"for storage of type .*RuntimeCacheStorage"):
        strategy(RuntimeCacheStorage("unigate+memory://"))
