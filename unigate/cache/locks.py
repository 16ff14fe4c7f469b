"""Locks: entries that one holder adds and only that holder removes.

An entry holds a random token, so a holder whose time is over cannot release the lock of the next.
Source: redis-py, `redis.lock.Lock` (the names of arguments and methods); Redis, "Distributed Locks
with Redis" (what a lock on one server cannot guarantee).
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any

from unigate.errors import CacheError, LockError

from .backend import require_atomic
from .entries import Entries
from .options import Options, checked_ttl

if TYPE_CHECKING:
    from datetime import timedelta

SHORTEST_PAUSE = 0.01  # seconds between two attempts, which double
LONGEST_PAUSE = 0.2


class Lock:
    """A lock that `RuntimeCache.lock` returns, for one holder at a time.

    It is a context manager and can be used again once it is released. Threads and tasks that
    compete for a lock need an object each.
    """

    def __init__(
        self,
        key: str,
        *,
        ttl: float | timedelta,
        blocking_timeout: float | None,
        entries: Callable[[], Entries],
    ) -> None:
        self._key = key
        self._ttl = _lasting(ttl)
        self._blocking_timeout = self._ttl if blocking_timeout is None else blocking_timeout
        if math.isnan(self._blocking_timeout) or self._blocking_timeout < 0:
            raise ValueError(
                f"blocking_timeout must be 0 or more seconds, got {blocking_timeout!r}."
            )
        self._entries = entries
        self._held: tuple[Entries, bytes] | None = None

    def acquire(self, *, blocking: bool = True) -> bool:
        """Wait for the lock and return True; return False if that takes too long.

        Args:
            blocking: False makes one attempt, without waiting.

        Raises:
            CacheError: The backend has failed or cannot lock. After a failure of the network the
                lock may be taken until its ttl is over.
        """
        for pause in self.pauses(blocking):
            if self.attempt(last=False):
                return True
            time.sleep(pause)
        return self.attempt()

    def release(self) -> None:
        """Give the lock back.

        Raises:
            LockError: It is not held, or no longer, because its ttl is over.
            CacheError: The backend has failed; the lock ends with its ttl.
        """
        entries, token = self._holding()
        self._held = None
        if not entries.remove(self._key, token):
            raise self._lost()

    def extend(self, ttl: float | timedelta | None = None) -> None:
        """Hold the lock for another ttl, by default the one it was made with, from now on.

        Raises:
            LockError: It is not held, or no longer, because its ttl is over.
            CacheError: The backend has failed.
        """
        entries, token = self._holding()
        options = Options(self._ttl if ttl is None else _lasting(ttl))
        if not entries.replace(self._key, token, token, options):
            raise self._lost()

    def __enter__(self) -> Lock:
        if not self.acquire():
            raise self.timed_out()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # The exception of the block must not be hidden by that of the lock.
        with suppress(*(() if error is None else (CacheError,))):
            self.release()

    def attempt(self, *, last: bool = True) -> bool:
        """Make one attempt to take the lock; return whether that succeeded.

        Args:
            last: False if another attempt follows. Then it is no error if the store refuses the
                call for a time.
        """
        if self._held is not None:
            raise LockError(
                "The lock has not been released since this object acquired it. Call lock() once "
                "for each holder."
            )
        entries = self._entries()
        require_atomic(entries.backend, "A lock")
        token = b'"%b"' % os.urandom(16).hex().encode()
        try:
            if not entries.add(self._key, token, Options(self._ttl)):
                return False
        except CacheError as error:
            transient = getattr(entries.backend, "transient_errors", ())
            if last or not isinstance(error.__cause__, transient):
                raise
            return False
        self._held = entries, token
        return True

    def pauses(self, blocking: bool) -> Iterator[float]:
        """Yield the seconds to wait after each attempt but the last."""
        from random import SystemRandom  # takes longer to import than this module

        end = time.monotonic() + (self._blocking_timeout if blocking else 0)
        pause = SHORTEST_PAUSE
        while (left := end - time.monotonic()) > 0:
            yield min(
                left, pause * SystemRandom().uniform(0.5, 1)
            )  # or waiters would ask all at once
            pause = min(2 * pause, LONGEST_PAUSE)

    def timed_out(self) -> LockError:
        """Return the error of a lock that was not acquired."""
        return LockError(
            f"The lock could not be acquired within {self._blocking_timeout:g} seconds, because "
            "another holder has it. Try later, or pass a longer blocking_timeout."
        )

    def _holding(self) -> tuple[Entries, bytes]:
        if self._held is None:
            raise LockError("The lock is not held: acquire() must return True first.")
        return self._held

    def _lost(self) -> LockError:
        return LockError(
            f"The lock is no longer held: it has ended after its ttl of {self._ttl:g} seconds, or "
            "its store has lost it. Others may have held it since; pass a longer ttl, or call "
            "extend() in time."
        )


class AsyncLock:
    """A lock that `AsyncRuntimeCache.lock` returns: a `Lock` with awaitable methods.

    Args:
        lock: The lock.
        run: Calls a function that may wait for a network.
    """

    def __init__(self, lock: Lock, run: Callable[[Callable[[], Any]], Awaitable[Any]]) -> None:
        self._lock = lock
        self._run = run

    async def acquire(self, *, blocking: bool = True) -> bool:
        """Wait for the lock and return True; return False if that takes too long.

        Arguments and errors are those of `Lock.acquire`.
        """
        from asyncio import sleep

        for pause in self._lock.pauses(blocking):
            if await self._attempt(last=False):
                return True
            await sleep(pause)
        return await self._attempt()

    async def release(self) -> None:
        """Give the lock back; see `Lock.release`."""
        await self._run(self._lock.release)

    async def extend(self, ttl: float | timedelta | None = None) -> None:
        """Hold the lock for another ttl; see `Lock.extend`."""
        await self._run(lambda: self._lock.extend(ttl))

    async def __aenter__(self) -> AsyncLock:
        if not await self.acquire():
            raise self._lock.timed_out()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._run(lambda: self._lock.__exit__(kind, error, traceback))

    async def _attempt(self, *, last: bool = True) -> bool:
        from asyncio import CancelledError, ensure_future, shield

        attempt = ensure_future(self._run(lambda: self._lock.attempt(last=last)))
        try:
            return bool(await shield(attempt))
        except CancelledError:
            # The attempt goes on in its thread, where what it acquires would stay acquired.
            if await attempt:
                await self.release()
            raise


def _lasting(ttl: float | timedelta) -> float:
    seconds = checked_ttl(ttl)
    if not seconds:
        raise ValueError(f"The ttl of a lock must be above 0 seconds, got {ttl!r}.")
    return seconds
