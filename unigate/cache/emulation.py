"""The operations of `AtomicBackend` on a backend that has none: read, then write, under a lock.

No two threads of this process lose each other's change. Other processes can.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

from unigate.forking import after_in_child

from .backend import Backend
from .values import increased

_lock = threading.RLock()


class Emulation:
    """The optional operations of a backend.

    Args:
        backend: The store, which can neither tell nor keep the ttl and the tags of an entry.
        tags: The tags of entries that `increment` and `touch` store anew.
    """

    def __init__(self, backend: Backend, tags: Sequence[str]) -> None:
        self._backend = backend
        self._tags = tags

    def add(
        self, key: str, value: bytes, *, ttl: float | None, tags: Sequence[str], name: str | None
    ) -> bool:
        with _lock:
            return self._backend.get(key) is None and self._set(key, value, ttl, tags, name)

    def replace(
        self,
        key: str,
        old: bytes,
        new: bytes,
        *,
        ttl: float | None,
        tags: Sequence[str],
        name: str | None,
    ) -> bool:
        with _lock:
            return self._backend.get(key) == old and self._set(key, new, ttl, tags, name)

    def remove(self, key: str, old: bytes) -> bool:
        with _lock:
            found = self._backend.get(key) == old
            if found:
                self._backend.delete([key])
            return found

    def increment(self, key: str, delta: float) -> float | bytes | None:
        with _lock:
            value = self._backend.get(key)
            changed = None if value is None else increased(value, delta)
            if changed is None:
                return value
            self._set(key, changed[1], None, self._tags, None)
            return changed[0]

    def touch(self, key: str, ttl: float | None) -> bool:
        with _lock:
            value = self._backend.get(key)
            return value is not None and self._set(key, value, ttl, self._tags, None)

    def pop(self, key: str) -> bytes | None:
        with _lock:
            value = self._backend.get(key)
            if value is not None:
                self._backend.delete([key])
            return value

    def _set(
        self, key: str, value: bytes, ttl: float | None, tags: Sequence[str], name: str | None
    ) -> bool:
        return self._backend.set(key, value, ttl=ttl, tags=tags, name=name) is not False


@after_in_child
def _after_fork() -> None:
    global _lock
    _lock = threading.RLock()
