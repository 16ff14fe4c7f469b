"""Threads for WSGI applications, of which a limited number run at the same time."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from itertools import count
from typing import TypeVar

T = TypeVar("T")

# How many threads may wait for their clients, for each one that may run.
WAITING_PER_SLOT = 10

# How long a thread waits for a job before it ends: as long as anyio's.
IDLE_SECONDS = 10


class Threads:
    """A limited number of threads that share a smaller number of slots: each needs one to run.

    A thread can give its slot to another while it waits for its client, which those of
    `ThreadPoolExecutor` cannot. A job that finds no thread breaks off the one that has waited
    longest, and takes the first that is done. None of the threads keeps the process alive: it ends
    when its server has stopped waiting for them.

    Args:
        slots: How many threads may run at the same time. Ten times as many more may wait for their
            clients.
    """

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._lock = threading.Lock()
        self._free = slots
        self._number = 0  # of the threads
        self._idle = 0
        # Jobs for idle threads, which sleep, each at a lock of its own. One of them is woken at a
        # time, and wakes the next: a busy thread is often done before another one has woken up, and
        # then takes the job itself.
        self._passed_on: deque[Callable[[], object]] = deque()
        self._sleeping: list[threading.Lock] = []
        self._waking = False
        self._waiting: dict[int, Callable[[], object]] = {}  # by thread, the longest first
        self._leaving: set[int] = set()  # the threads that were broken off, until they are done
        # What needs a slot: new jobs and threads that come back, numbered in the order in which
        # they came, and threads that were broken off. Those are first: jobs wait for their end.
        self._numbers = count()
        self._jobs: deque[tuple[int, Callable[[], object]]] = deque()
        self._back: deque[tuple[int, threading.Event]] = deque()
        self._broken_off: deque[threading.Event] = deque()

    def start(self, job: Callable[[], object]) -> None:
        """Run a job in a thread as soon as there is one and a slot is free; it must not raise.

        Raises:
            RuntimeError: If there is no thread yet, and the system lets none start.
        """
        with self._lock:
            self._jobs.append((next(self._numbers), job))
            self._give_slots()

    async def run(self, function: Callable[[], T]) -> T:
        """Run a function in a thread, and return its result."""
        future: Future[T] = Future()

        def job() -> None:
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(function())
                except BaseException as error:
                    future.set_exception(error)

        self.start(job)
        return await asyncio.wrap_future(future)

    @contextmanager
    def slot_given_back(self, break_off: Callable[[], object]) -> Iterator[None]:
        """Give back the slot of this thread within the block, then wait for another one.

        Args:
            break_off: Ends the block, from any thread, and uses no method of this object. It is
                called if a job needs a thread, and this is the one that has waited longest.
        """
        thread = threading.get_ident()
        with self._lock:
            self._waiting[thread] = break_off
            self._free += 1
            self._give_slots()
        turn = threading.Event()
        try:
            yield
        finally:
            with self._lock:
                if self._waiting.pop(thread, None):
                    self._back.append((next(self._numbers), turn))
                else:
                    self._broken_off.append(turn)
                self._give_slots()
            turn.wait()

    # --- with the lock held ----------------------------------------------------------------------

    def _give_slots(self) -> None:
        """Let those proceed whose turn it is, as long as slots are free."""
        no_thread = False
        while self._free:
            if self._broken_off:
                self._broken_off.popleft().set()
            elif self._jobs and not no_thread and not self._back_first():
                numbered = self._jobs.popleft()
                if not self._begin(numbered[1]):
                    self._jobs.appendleft(numbered)
                    self._break_off_longest()
                    no_thread = True  # but those that come back have theirs
                    continue
            elif self._back:
                self._back.popleft()[1].set()
            else:
                return
            self._free -= 1

    def _back_first(self) -> bool:
        return bool(self._back) and self._back[0][0] < self._jobs[0][0]

    def _begin(self, job: Callable[[], object]) -> bool:
        """Pass a job to an idle thread or to a new one; False if there is none."""
        if self._idle:
            self._idle -= 1
            self._passed_on.append(job)
            self._wake()
            return True
        if self._number == self._slots + WAITING_PER_SLOT * self._slots:
            return False
        try:
            threading.Thread(
                target=self._work, args=(job,), name="unigate-wsgi", daemon=True
            ).start()
        except RuntimeError:  # the system lets this process have no more threads
            if not self._number:
                raise
            return False
        self._number += 1
        return True

    def _break_off_longest(self) -> None:
        """Break off the longest wait, unless enough threads are on their way to their end."""
        if self._waiting and len(self._leaving) < min(self._slots, len(self._jobs)):
            thread = next(iter(self._waiting))
            self._leaving.add(thread)
            self._waiting.pop(thread)()

    def _wake(self) -> None:
        """Wake a thread if jobs are waiting for one, and none is on its way to them."""
        if self._passed_on and self._sleeping and not self._waking:
            self._waking = True
            self._sleeping.pop().release()  # the one that has slept for the shortest time

    def _take_passed_on(self) -> Callable[[], object] | None:
        """Return the next job for an idle thread, if there is one."""
        if not self._passed_on:
            return None
        job = self._passed_on.popleft()
        self._wake()
        return job

    # --- in a thread -----------------------------------------------------------------------------

    def _work(self, job: Callable[[], object] | None) -> None:
        wakeup = threading.Lock()
        wakeup.acquire()
        while job is not None:
            job()
            del job  # an idle thread must not keep a request alive
            with self._lock:
                self._leaving.discard(threading.get_ident())
                self._idle += 1
                self._free += 1
                self._give_slots()  # the next job can be for this thread
                job = self._take_passed_on()
                if job is None:
                    self._sleeping.append(wakeup)
            if job is None:
                job = self._sleep(wakeup)

    def _sleep(self, wakeup: threading.Lock) -> Callable[[], object] | None:
        """Wait for a job; return None if there was none for so long that the thread ends."""
        while True:
            woken = wakeup.acquire(timeout=IDLE_SECONDS)
            with self._lock:
                if not woken and wakeup in self._sleeping:
                    self._sleeping.remove(wakeup)
                elif woken or wakeup.acquire():  # it was released just after the time-out
                    woken = True
                    self._waking = False
                job = self._take_passed_on()
                if job is not None:
                    return job
                if not woken:
                    self._idle -= 1
                    self._number -= 1
                    return None
                self._sleeping.append(wakeup)  # a busy thread has taken the job
