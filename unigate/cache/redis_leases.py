"""Leases in Redis: one process at a time makes the value of a key.

A lease is stored under the key of the entry that it is for, and is no entry:

    mark      2 bytes, C1 03
    token     16 random bytes
    start     the head and the contents of the records, as the entry will begin

So the commands that set or delete the entry end the lease, and cost no more for it. The value is
stored if the key still has the lease, and the records still have the contents that it has; or else
the key was changed or a tag has expired meanwhile. A caller that finds a lease whose records
have other contents takes its place.

It has a TTL of `LIFE` seconds, which a thread renews while the process lives. An entry that is not
valid counts as a missing one.
Source: Nishtala et al., "Scaling Memcache at Facebook", NSDI 2013, section 3.2.1 (leases).
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from weakref import WeakSet

from unigate.forking import after_in_child

from .redis_entries import EXTEND_RECORDS, RECORDS

LIFE = 5.0
"""Seconds that a lease lasts without being renewed."""

RENEWED_EVERY = LIFE / 4
"""Seconds between two renewals."""

LONGEST = 600.0
"""Seconds after which a lease is not renewed, because its factory may never return."""

SHORTEST_RECORD = 60.0
"""The least ttl in seconds of the records of a lease, for a factory that takes longer than the ttl
of its value."""

MARK = b"\xc1\x03"
TOKEN = 16
"""The bytes of a token."""

_START = len(MARK) + TOKEN + 1  # where the start of the entry begins, in Lua

# KEYS: records, then the entry. ARGV 1 to 4: as in `RECORDS`; then the mark and token of the lease;
# its ttl in milliseconds; if there is one, an entry that the client has found to be invalid.
# Returns the lease in a list, an entry that is valid or has another head, or 0 if there is another
# lease.
TAKE = f"""{RECORDS}
local key, token, known = KEYS[count + 1], ARGV[5], ARGV[7]
local found = redis.call('MGET', key)[1]
if found and string.sub(found, 1, #token) == token then  -- the script is repeated
  return {{found}}
elseif found and string.sub(found, 1, {len(MARK)}) == string.sub(token, 1, {len(MARK)}) then
  local expected = string.sub(found, {_START})
  if string.sub(expected, 1, #head) ~= head or expected == start then
    return 0
  end
elseif found and found ~= known then
  if string.sub(found, 1, #head) ~= head or string.sub(found, 1, #start) == start then
    return found
  end
end
redis.call('SET', key, token .. start, 'PX', ARGV[6])
{EXTEND_RECORDS}
return {{token .. start}}"""

# KEYS and ARGV 1 to 4: as above; then the lease, and the value. Returns whether it was stored.
STORE = f"""{RECORDS}
local key, lease = KEYS[count + 1], ARGV[5]
if redis.call('MGET', key)[1] ~= lease then
  return 0
end
if string.sub(lease, {_START}) ~= start then
  redis.call('UNLINK', key)
  return 0
end
redis.call('SET', key, start .. ARGV[6], 'PX', life)
{EXTEND_RECORDS}
return 1"""

# KEYS: the entry. ARGV: the lease, and its new ttl in milliseconds; 0 ends it. Returns whether the
# key still had it.
RENEW = """
if redis.call('MGET', KEYS[1])[1] ~= ARGV[1] then
  return 0
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1"""


def record_ttl(ttl: float | None) -> float | None:
    """Return the ttl in seconds of the records of a lease whose value is going to have a ttl."""
    return None if ttl is None else max(ttl, SHORTEST_RECORD)


def new() -> tuple[bytes, int]:
    """Return the last arguments of `TAKE` for a new lease."""
    return MARK + os.urandom(TOKEN), int(LIFE * 1000)


class RedisLease:
    """A lease that this process has; see `unigate.cache.Lease`.

    Args:
        run: Runs a script with keys and arguments.
        store: Runs `STORE` with the content of a lease and a value.
        key: The key in Redis.
        content: What is stored there.
    """

    def __init__(
        self,
        run: Callable[..., Any],
        store: Callable[[bytes, bytes], bool],
        key: bytes,
        content: bytes,
    ) -> None:
        self._run = run
        self._store = store
        self._key = key
        self._content = content
        self._renewed_until = time.monotonic() + LONGEST
        self._renewal = threading.Lock()  # held by the thread that renews it
        _keep(self)

    def store(self, value: bytes) -> bool:
        self.abandon()
        return self._store(self._content, value)

    def release(self) -> None:
        self.abandon()
        self._set_life(0)

    def abandon(self) -> None:
        with _lock:
            _kept.discard(self)

    def renew(self) -> None:
        """Make the lease last for `LIFE` seconds from now, unless it has ended."""
        if not self._renewal.acquire(blocking=False):
            return  # the attempt before this one waits for the server
        try:
            # If this fails, the lease ends unless the next attempt succeeds.
            with suppress(Exception):
                if time.monotonic() > self._renewed_until or not self._set_life(LIFE):
                    self.abandon()
        finally:
            self._renewal.release()

    def _set_life(self, seconds: float) -> bool:
        return bool(self._run(RENEW, [self._key], self._content, int(seconds * 1000)))


_kept: WeakSet[RedisLease] = WeakSet()  # not that of a task that was cancelled before it got it
_lock = threading.RLock()  # garbage collection can abandon the lease of a dropped task
_renewing = False


def _keep(lease: RedisLease) -> None:
    """Renew a lease until it is abandoned."""
    global _renewing
    with _lock:
        _kept.add(lease)
        if not _renewing:
            with suppress(RuntimeError):  # the interpreter is about to exit
                thread = threading.Thread(target=_renew, name="unigate-leases", daemon=True)
                thread.start()
                _renewing = True


def _renew() -> None:
    """Renew the leases of this process until there are none."""
    global _renewing
    while True:
        time.sleep(RENEWED_EVERY)
        with _lock:
            leases = list(_kept)
            if not leases:
                _renewing = False
                return
        # None is kept while this thread sleeps, so that one that was dropped is not renewed.
        while leases:
            _renew_apart(leases.pop())


def _renew_apart(lease: RedisLease) -> None:
    # In a thread of its own: a server that hangs must not keep the other leases waiting.
    thread = threading.Thread(target=lease.renew, name="unigate-lease", daemon=True)
    with suppress(RuntimeError):  # the interpreter is about to exit
        thread.start()


@after_in_child
def _after_fork() -> None:
    global _lock, _renewing
    _lock = threading.RLock()
    _kept.clear()  # the parent renews its own
    _renewing = False
