"""Threads for WSGI applications, of which a limited number run at the same time."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from queue import Empty, SimpleQueue
from typing import TypeVar

T = TypeVar("T")

# How many threads may wait for their clients, for each one that may run.
WAITING_PER_SLOT = 10

# How long a thread waits for a job before it ends: as long as anyio's.
IDLE_SECONDS = 10


class Threads:
    """Threads that share a number of slots: each needs one to run, and all get them in turn.

    A thread can give its slot to another while it waits for its client, which those of
    `ThreadPoolExecutor` cannot. None of them keeps the process alive: it ends when its server has
    stopped waiting for them.

    Args:
        slots: How many threads may run at the same time.
    """

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._lock = threading.Lock()
        self._free = slots
        self._queue: deque[Callable[[], object]] = deque()  # called, in order, when a slot is free
        self._jobs: SimpleQueue[Callable[[], object]] = SimpleQueue()
        self._threads = 0
        self._idle = 0
        self._waiting: dict[Callable[[], object], None] = {}  # the longest first

    def start(self, job: Callable[[], object]) -> None:
        """Run a job in a thread as soon as a slot is free; it must not raise.

        Raises:
            RuntimeError: If there is no thread yet, and the system lets none start.
        """
        self._take_slot(partial(self._hand_over, job))

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
            break_off: Ends the block, from any thread. It is called if too many threads wait, and
                this is the one that has waited longest.
        """
        with self._lock:
            self._waiting[break_off] = None
            too_many = len(self._waiting) > WAITING_PER_SLOT * self._slots
        if too_many:
            self._break_off_longest()
        self._give_slot()
        try:
            yield
        finally:
            with self._lock:
                self._waiting.pop(break_off, None)
            turn = threading.Event()
            self._take_slot(turn.set)
            turn.wait()

    def _take_slot(self, proceed: Callable[[], object]) -> None:
        with self._lock:
            if not self._free:
                self._queue.append(proceed)
                return
            self._free -= 1
        proceed()

    def _give_slot(self) -> None:
        with self._lock:
            if not self._queue:
                self._free += 1
                return
            proceed = self._queue.popleft()
        proceed()

    def _hand_over(self, job: Callable[[], object]) -> None:
        """Pass a job, which has a slot, to an idle thread or to a new one."""
        with self._lock:
            if self._passed_on(job):
                return
            self._threads += 1
        try:
            threading.Thread(
                target=self._work, args=(job,), name="unigate-wsgi", daemon=True
            ).start()
        except RuntimeError:  # the system lets this process have no more threads
            with self._lock:
                self._threads -= 1
                if self._passed_on(job):
                    return
                self._free += 1  # for a thread that comes back from its client
                if not self._threads:
                    raise
                self._queue.appendleft(partial(self._hand_over, job))
            self._break_off_longest()

    def _passed_on(self, job: Callable[[], object]) -> bool:
        if not self._idle:
            return False
        self._idle -= 1
        self._jobs.put(job)
        return True

    def _work(self, job: Callable[[], object]) -> None:
        while True:
            job()
            del job  # an idle thread must not keep a request alive
            with self._lock:
                self._idle += 1
            self._give_slot()  # after it became idle: the next job can be for this thread
            try:
                job = self._jobs.get(timeout=IDLE_SECONDS)
            except Empty:
                with self._lock:
                    ends = self._idle > 0
                    if ends:
                        self._idle -= 1
                        self._threads -= 1
                if ends:
                    return
                job = self._jobs.get()  # on its way, because no thread is idle any more

    def _break_off_longest(self) -> None:
        with self._lock:
            longest = next(iter(self._waiting), None)
            if longest is not None:
                del self._waiting[longest]
        if longest is not None:
            longest()
