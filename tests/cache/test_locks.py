"""Locks of the runtime cache, sync and async, in every backend."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest

from tests.cache import redis_server, vercel_stub
from tests.cache.clock import Clock
from tests.cache.concurrency import in_threads
from tests.cache.redis_server import free_port
from tests.waiting import SECONDS, until
from unigate import CacheError, LockError
from unigate.cache import AsyncRuntimeCache, Backend, RuntimeCache
from unigate.cache.memory import MemoryBackend
from unigate.cache.redis import RedisBackend

pytestmark = pytest.mark.usefixtures("bounded")

BACKENDS: dict[str, Callable[[], AbstractContextManager[Backend]]] = {
    "memory": lambda: nullcontext(MemoryBackend()),
    "redis": redis_server.backend,
    "redis-cluster": redis_server.cluster_backend,
}


class AwaitedLock:
    """A lock of an `AsyncRuntimeCache` used like a `Lock`, each call on a new event loop."""

    def __init__(self, lock: Any) -> None:
        self._lock = lock

    def __enter__(self) -> AwaitedLock:
        asyncio.run(self._lock.__aenter__())
        return self

    def __exit__(self, *error: Any) -> None:
        asyncio.run(self._lock.__aexit__(*error))

    def __getattr__(self, name: str) -> Callable[..., Any]:
        async def call(*arguments: Any, **options: Any) -> Any:
            return await getattr(self._lock, name)(*arguments, **options)

        return lambda *arguments, **options: asyncio.run(call(*arguments, **options))


def sync_lock(backend: Backend, key: str = "k", ttl: Any = 60, **options: Any) -> Any:
    return RuntimeCache(backend=backend).lock(key, ttl=ttl, **options)


def async_lock(backend: Backend, key: str = "k", ttl: Any = 60, **options: Any) -> Any:
    return AwaitedLock(AsyncRuntimeCache(backend=backend).lock(key, ttl=ttl, **options))


@pytest.fixture(params=[sync_lock, async_lock], ids=["sync", "async"])
def open_lock(request: pytest.FixtureRequest) -> Callable[..., Any]:
    return request.param


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    with BACKENDS[request.param]() as backend:
        yield backend


@pytest.fixture
def lock(open_lock: Callable[..., Any], backend: Backend) -> Callable[..., Any]:
    """Open a lock of the backend."""
    return lambda *arguments, **options: open_lock(backend, *arguments, **options)


def test_a_lock_has_one_holder_until_it_is_released(lock: Callable[..., Any]) -> None:
    first, second = lock(), lock()
    assert first.acquire() is True
    assert second.acquire(blocking=False) is False
    assert lock("other").acquire(blocking=False) is True
    first.release()
    assert second.acquire(blocking=False) is True


def test_with_a_lock_the_block_holds_it(lock: Callable[..., Any]) -> None:
    again = lock()
    for _ in range(2):
        with again:
            assert lock().acquire(blocking=False) is False
    assert lock().acquire(blocking=False) is True


def test_with_a_lock_that_is_taken_raises_after_the_time(lock: Callable[..., Any]) -> None:
    assert lock().acquire()
    assert lock(blocking_timeout=0.05).acquire() is False
    with pytest.raises(LockError, match=r"within 0\.05 seconds"), lock(blocking_timeout=0.05):
        raise AssertionError("Two hold the lock.")


def test_without_a_blocking_timeout_a_lock_is_waited_for_as_long_as_its_ttl(
    lock: Callable[..., Any],
) -> None:
    assert lock().acquire()
    with pytest.raises(LockError, match=r"within 0\.05 seconds"), lock(ttl=0.05):
        raise AssertionError("Two hold the lock.")


def test_a_lock_is_released_when_its_block_raises(lock: Callable[..., Any]) -> None:
    with pytest.raises(ZeroDivisionError), lock():
        raise ZeroDivisionError
    assert lock().acquire(blocking=False) is True


def test_a_holder_after_its_ttl_does_not_release_the_lock_of_the_next(
    lock: Callable[..., Any],
) -> None:
    late, after = lock(ttl=0.05), lock()
    assert late.acquire()
    until(lambda: after.acquire(blocking=False))
    with pytest.raises(LockError, match=r"its ttl of 0\.05 seconds"):
        late.release()
    with pytest.raises(LockError, match="acquire"):
        late.release()
    assert lock().acquire(blocking=False) is False
    after.release()


def test_a_block_that_was_late_raises_but_hides_no_other_exception(
    lock: Callable[..., Any],
) -> None:
    with pytest.raises(LockError, match="no longer held"), lock(ttl=0.05):
        until(lambda: lock().acquire(blocking=False))

    def fail_late() -> None:
        with lock("other", ttl=0.05):
            until(lambda: lock("other").acquire(blocking=False))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_late()


def test_extend_gives_a_lock_another_ttl(lock: Callable[..., Any]) -> None:
    held = lock(ttl=1000)
    assert held.acquire()
    held.extend(0.05)
    until(lambda: lock().acquire(blocking=False))
    with pytest.raises(LockError, match="no longer held"):
        held.extend()
    with pytest.raises(LockError, match="not held"):
        lock().extend()


def test_extend_begins_the_ttl_of_the_lock_anew(open_lock: Callable[..., Any]) -> None:
    clock = Clock()
    backend = MemoryBackend(clock=clock)
    held = open_lock(backend, ttl=10)
    assert held.acquire()
    clock.now += 9
    held.extend()
    clock.now += 9
    assert open_lock(backend).acquire(blocking=False) is False
    held.release()


def test_an_object_is_for_one_holder(lock: Callable[..., Any]) -> None:
    held = lock()
    assert held.acquire()
    with pytest.raises(LockError, match="once for each holder"):
        held.acquire(blocking=False)
    held.release()
    with pytest.raises(LockError, match="not held"):
        held.release()


def test_a_lock_is_independent_of_values_and_of_clear(backend: Backend) -> None:
    cache = RuntimeCache(backend=backend, namespace="n")
    cache.set("k", "value")
    held = cache.lock("k", ttl=60)
    assert held.acquire()
    assert cache.get("k") == "value"
    cache.clear()
    assert cache.lock("k", ttl=60).acquire(blocking=False) is False
    assert RuntimeCache(backend=backend, namespace="m").lock("k", ttl=60).acquire(blocking=False)
    held.release()


def test_no_two_threads_hold_a_lock_and_all_get_it(lock: Callable[..., Any]) -> None:
    number = 0

    def add(_: int) -> None:
        nonlocal number
        for _ in range(3):
            with lock(blocking_timeout=SECONDS):
                seen = number
                time.sleep(0)
                number = seen + 1

    in_threads(add, 6)
    assert number == 18


def test_tasks_that_wait_for_a_lock_do_not_stop_the_event_loop(backend: Backend) -> None:
    async def run() -> int:
        cache, number = AsyncRuntimeCache(backend=backend), 0

        async def add() -> None:
            nonlocal number
            async with cache.lock("k", ttl=SECONDS):
                seen = number
                await asyncio.sleep(0)
                number = seen + 1

        await asyncio.gather(*(add() for _ in range(10)))
        return number

    assert asyncio.run(run()) == 10


@pytest.mark.parametrize("ttl", [0, -1, None])
def test_a_lock_must_end(backend: Backend, ttl: Any) -> None:
    with pytest.raises(ValueError, match="The ttl of a lock must be above 0 seconds, got"):
        RuntimeCache(backend=backend).lock("k", ttl=ttl)


@pytest.mark.parametrize("seconds", [-1, float("nan")])
def test_a_wrong_blocking_timeout_is_refused(backend: Backend, seconds: float) -> None:
    with pytest.raises(ValueError, match="blocking_timeout must be 0 or more seconds"):
        RuntimeCache(backend=backend).lock("k", ttl=1, blocking_timeout=seconds)


def test_a_backend_that_cannot_lock_says_what_to_use(open_lock: Callable[..., Any]) -> None:
    with (
        vercel_stub.backend() as backend,
        pytest.raises(CacheError, match=r"VercelBackend cannot\. Use Redis or Valkey"),
        open_lock(backend),
    ):
        raise AssertionError("It is locked.")


def test_a_store_that_is_down_locks_nothing(open_lock: Callable[..., Any]) -> None:
    backend = RedisBackend(f"redis://127.0.0.1:{free_port()}")
    with pytest.raises(CacheError, match="has failed"), open_lock(backend):
        raise AssertionError("It is locked.")


class SlowBackend(MemoryBackend):
    """A backend whose `add` waits for a signal."""

    waits = True

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.may_answer = threading.Event(), threading.Event()

    def add(self, *arguments: Any, **options: Any) -> bool:
        self.asked.set()
        assert self.may_answer.wait(SECONDS)
        return super().add(*arguments, **options)


def test_a_cancelled_task_keeps_no_lock() -> None:
    backend = SlowBackend()

    async def run() -> None:
        task = asyncio.create_task(AsyncRuntimeCache(backend=backend).lock("k", ttl=60).acquire())
        assert await asyncio.to_thread(backend.asked.wait, SECONDS)
        task.cancel()
        await asyncio.sleep(0)
        backend.may_answer.set()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
    assert RuntimeCache(backend=backend).lock("k", ttl=60).acquire(blocking=False) is True
