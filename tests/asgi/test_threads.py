"""Threads that take turns."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from functools import partial

import pytest

from tests.waiting import until
from unigate.asgi import threads
from unigate.asgi.threads import WAITING_PER_SLOT, Threads

pytestmark = pytest.mark.usefixtures("bounded")


def test_no_more_threads_run_than_there_are_slots() -> None:
    pool = Threads(3)
    go = threading.Event()
    lock = threading.Lock()
    running: list[int] = [0]
    most: list[int] = []
    done: list[int] = []

    def job() -> None:
        with lock:
            running[0] += 1
            most.append(running[0])
        go.wait(20)
        with lock:
            running[0] -= 1
            done.append(1)

    for _ in range(20):
        pool.start(job)
    until(lambda: len(most) == 3)
    go.set()
    until(lambda: len(done) == 20)
    assert max(most) == 3


def test_jobs_run_in_the_order_in_which_they_came() -> None:
    pool = Threads(1)
    order: list[int] = []
    for number in range(100):
        pool.start(lambda number=number: order.append(number))  # type: ignore[misc]
    until(lambda: len(order) == 100)
    assert order == list(range(100))


def test_slot_given_back_runs_others_and_comes_back_in_turn() -> None:
    pool = Threads(1)
    order: list[str] = []
    inside, over = threading.Event(), threading.Event()

    def waits() -> None:
        with pool.slot_given_back(over.set):
            inside.set()
            over.wait(20)
            order.append("waited")
        order.append("goes on")

    pool.start(waits)
    assert inside.wait(20)
    busy, free = threading.Event(), threading.Event()

    def holds() -> None:
        busy.set()
        free.wait(20)
        order.append("held the slot")

    pool.start(holds)
    assert busy.wait(20)
    over.set()
    until(lambda: order == ["waited"])
    free.set()
    until(lambda: len(order) == 3)
    assert order == ["waited", "held the slot", "goes on"]


def test_new_jobs_do_not_overtake_a_thread_that_comes_back() -> None:
    pool = Threads(1)
    order: list[str] = []
    inside, over, busy, free = (threading.Event() for _ in range(4))

    def waits() -> None:
        with pool.slot_given_back(over.set):
            inside.set()
            over.wait(20)
        order.append("goes on")

    def holds() -> None:
        busy.set()
        free.wait(20)

    pool.start(waits)
    assert inside.wait(20)
    pool.start(holds)
    assert busy.wait(20)
    over.set()
    until(lambda: pool._back)  # it waits for a slot
    pool.start(lambda: order.append("job"))
    free.set()
    until(lambda: len(order) == 2)
    assert order == ["goes on", "job"]


@pytest.mark.parametrize("slots", [1, 2, 5])
def test_burst_of_clients_that_do_not_read_has_no_more_threads_than_the_limit(slots: int) -> None:
    pool = Threads(slots)
    most = slots + WAITING_PER_SLOT * slots
    lock = threading.Lock()
    used: set[threading.Thread] = set()
    alive: list[int] = []
    broken_off: list[int] = []
    done: list[int] = []
    leave = threading.Event()
    clients = 10 * most

    def never_read() -> None:
        with lock:
            used.add(threading.current_thread())
            alive.append(sum(thread.is_alive() for thread in used))
        over = threading.Event()

        def break_off() -> None:
            broken_off.append(1)
            over.set()

        with pool.slot_given_back(break_off):
            until(lambda: over.is_set() or leave.is_set())
        done.append(1)

    for _ in range(clients):
        pool.start(never_read)
    beside = threading.Event()
    pool.start(beside.set)
    assert beside.wait(20)
    until(lambda: len(done) >= clients - most)
    assert len(broken_off) <= clients + 1 - most  # one for each job that found no thread
    leave.set()
    until(lambda: len(done) == clients)
    assert max(alive) <= most


def test_thread_that_was_broken_off_ends_before_jobs_that_wait() -> None:
    pool = Threads(2)
    order: list[str] = []
    broken_off = threading.Event()
    free = {name: threading.Event() for name in ("first", "second", "holds", "waits", "rest")}

    def client(name: str, inside: threading.Event) -> None:
        with pool.slot_given_back(broken_off.set if name == "first" else lambda: None):
            inside.set()
            free.get(name, free["rest"]).wait(20)
        order.append(name)
        if name == "second":
            free["rest"].wait(20)

    for number in range(2 * WAITING_PER_SLOT):
        name = {0: "first", 1: "second"}.get(number, "another")
        inside = threading.Event()
        pool.start(partial(client, name, inside))
        assert inside.wait(20)

    begun = threading.Semaphore(0)

    def holds() -> None:
        begun.release()
        free["holds"].wait(20)

    def waits() -> None:
        begun.release()
        free["waits"].wait(20)
        with pool.slot_given_back(lambda: None):
            free["rest"].wait(20)

    for job in (holds, waits):
        pool.start(job)
        assert begun.acquire(timeout=20)
    for _ in range(3):
        pool.start(lambda: order.append("job"))

    free["waits"].set()  # one too many: the first is broken off
    assert broken_off.wait(20)
    free["second"].set()  # its client reads: it has a thread, which the jobs do not have
    until(lambda: order == ["second"])
    free["first"].set()
    until(lambda: pool._broken_off)  # it waits for a slot
    free["holds"].set()
    until(lambda: len(order) == 5)
    assert order == ["second", "first", "job", "job", "job"]
    free["rest"].set()


def test_functions_return_and_raise_on_the_event_loop() -> None:
    pool = Threads(1)

    async def scenario() -> None:
        assert await pool.run(lambda: 7) == 7
        with pytest.raises(ZeroDivisionError):
            await pool.run(lambda: 1 / 0)
        assert await pool.run(lambda: 8) == 8

    asyncio.run(scenario())


def test_function_that_nobody_waits_for_any_more_is_not_called() -> None:
    pool = Threads(1)
    hold = threading.Event()
    called: list[int] = []

    async def scenario() -> None:
        pool.start(lambda: hold.wait(20))
        task = asyncio.create_task(pool.run(lambda: called.append(1)))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        hold.set()
        assert await pool.run(lambda: 7) == 7

    asyncio.run(scenario())
    assert called == []


def test_idle_threads_all_wake_for_jobs_that_wait_for_each_other() -> None:
    pool = Threads(8)
    for _ in range(20):
        together = threading.Barrier(8)
        done: list[int] = []

        def job(together: threading.Barrier = together, done: list[int] = done) -> None:
            together.wait(20)
            done.append(threading.get_ident())

        for _ in range(8):
            pool.start(job)
        until(lambda done=done: len(done) == 8)  # type: ignore[misc]
        assert len(set(done)) == 8


def test_idle_threads_end_and_others_follow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "IDLE_SECONDS", 0.01)
    pool = Threads(2)
    for _ in range(2):
        used: list[threading.Thread] = []
        pool.start(lambda used=used: used.append(threading.current_thread()))  # type: ignore[misc]
        until(lambda used=used: used and not used[0].is_alive())  # type: ignore[misc]
        assert used[0].daemon


def test_no_job_is_lost_while_threads_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "IDLE_SECONDS", 0.0001)
    pool = Threads(4)

    async def scenario() -> None:
        for number in range(1000):
            assert await pool.run(lambda number=number: number) == number  # type: ignore[misc]
            await asyncio.sleep(0.0001)

    asyncio.run(scenario())


@pytest.fixture
def no_more_threads() -> Iterator[None]:
    """Let the system refuse to start a thread, for which there is no such stack."""
    before = threading.stack_size(2**46)
    yield
    threading.stack_size(before)


@pytest.mark.usefixtures("no_more_threads")
def test_first_thread_that_cannot_start_is_an_error() -> None:
    pool = Threads(1)
    for _ in range(2):  # its slot is free again
        with pytest.raises(RuntimeError, match="start new thread"):
            pool.start(lambda: None)


@pytest.mark.parametrize("slots", [1, 3])
def test_thread_that_cannot_start_is_replaced_by_one_whose_client_is_slow(slots: int) -> None:
    pool = Threads(slots)
    broken_off = threading.Event()
    inside = threading.Event()
    done: list[int] = []

    def waits() -> None:
        with pool.slot_given_back(broken_off.set):
            inside.set()
            broken_off.wait(20)

    pool.start(waits)
    assert inside.wait(20)
    before = threading.stack_size(2**46)
    try:
        for number in range(5):
            pool.start(lambda number=number: done.append(number))  # type: ignore[misc]
        until(lambda: len(done) == 5)
    finally:
        threading.stack_size(before)
    assert broken_off.is_set()

    all_at_once = threading.Barrier(slots)  # each has a thread of its own again
    met: list[int] = []
    for _ in range(slots):
        pool.start(lambda: met.append(all_at_once.wait(20)))
    until(lambda: len(met) == slots)


def test_thread_that_cannot_start_is_replaced_by_one_that_ends() -> None:
    pool = Threads(2)
    begun, hold = threading.Event(), threading.Event()
    done: list[int] = []

    def busy() -> None:
        begun.set()
        hold.wait(20)

    pool.start(busy)
    assert begun.wait(20)
    before = threading.stack_size(2**46)
    try:
        pool.start(lambda: done.append(1))
        assert done == []
        hold.set()
        until(lambda: done)
    finally:
        threading.stack_size(before)
