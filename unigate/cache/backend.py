"""The protocol of backends."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeGuard

from unigate.errors import CacheError


class Backend(Protocol):
    """A store of bytes under text keys, shared by all caches that use it.

    Keys, values and tags are checked and namespaced already. Methods must be safe to call from many
    threads at once. A failure may be any exception; the cache turns it into a miss. A few in a row
    stop all calls for some seconds, except for ValueError, TypeError, LookupError and the classes
    in a tuple `entry_errors` of the backend, which concern one entry, and those in a tuple
    `busy_errors`, which say that the store was not asked. Those in a tuple `transient_errors` say
    that the store has not made a call and soon will; a lock then tries again.

    A backend that can count what it holds also has a method `size`, which returns the `entries` and
    `bytes` of `RuntimeCache.stats`. One that can change an entry in one step is an `AtomicBackend`,
    and one that lets a single process make a value is a `LeasingBackend`.
    """

    waits: bool
    """Whether calls wait for a network; asynchronous callers then use a thread."""

    def get(self, key: str) -> bytes | None:
        """Return a value, or None if it is missing or it or one of its tags has expired."""

    def get_many(self, keys: Sequence[str]) -> dict[str, bytes]:
        """Return the values of keys, without those that are missing or expired."""

    def set(
        self, key: str, value: bytes, *, ttl: float | None, tags: Sequence[str], name: str | None
    ) -> bool | None:
        """Store a value; return False if it is too large, in which case the key has none then.

        Args:
            key: The key.
            value: The value.
            ttl: Seconds to live, above 0; None for as long as there is room.
            tags: What `expire_tags` finds the value by.
            name: A label for people.
        """

    def set_many(
        self, values: Mapping[str, bytes], *, ttl: float | None, tags: Sequence[str]
    ) -> Collection[str] | None:
        """Store values with the same ttl and tags; return the keys of those that are too large."""

    def delete(self, keys: Iterable[str]) -> None:
        """Remove values; missing keys are ignored."""

    def expire_tags(self, tags: Sequence[str]) -> None:
        """Expire every value with one of the tags, in time independent of their number."""

    def clear(self) -> None:
        """Remove every value of this backend's namespace."""

    def close(self) -> None:
        """Close the connections; a later call opens new ones."""


class AtomicBackend(Backend, Protocol):
    """A backend that can change an entry in one step, for all that use the store.

    These operations are optional. On a backend without them the cache reads and then writes, which
    is atomic in one process only. An entry that has expired is a missing one to all of them.
    """

    def add(
        self, key: str, value: bytes, *, ttl: float | None, tags: Sequence[str], name: str | None
    ) -> bool:
        """Store a value unless the key has one; return whether it was stored."""

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
        """Store a value if the key has exactly the old one; return whether it was stored."""

    def remove(self, key: str, old: bytes) -> bool:
        """Remove a value if it is exactly the old one; return whether it was removed."""

    def increment(self, key: str, delta: float) -> float | bytes | None:
        """Add to a JSON number, whose ttl and tags stay, and return the sum.

        Integers are exact. None is returned for a missing key, and the value itself where it is not
        a number.
        """

    def touch(self, key: str, ttl: float | None) -> bool:
        """Give a value, whose tags stay, a new ttl; return whether the key has a value."""

    def pop(self, key: str) -> bytes | None:
        """Remove and return a value; return None for a missing key. Only one caller gets it."""


def is_atomic(backend: Backend) -> TypeGuard[AtomicBackend]:
    """Return True if a backend has the operations of `AtomicBackend`."""
    return hasattr(backend, "increment")


def require_atomic(backend: Backend, purpose: str) -> None:
    """Raise CacheError unless a backend has the operations of `AtomicBackend`.

    Args:
        backend: The backend.
        purpose: What needs them, such as "A lock".
    """
    if not is_atomic(backend):
        raise CacheError(
            f"{purpose} needs a backend that changes an entry in one step, and "
            f"{type(backend).__name__} cannot. Use Redis or Valkey: UNIGATE_CACHE_URL=redis://..., "
            "or cache= of unigate.wrap()."
        )


class Lease(Protocol):
    """The right to make the value of a missing key, which one caller has at a time.

    It lasts while its process lives and is not frozen, until one of these methods is called, or the
    key is set or deleted.
    """

    def store(self, value: bytes) -> bool:
        """Store the value and end the lease; return whether the value was stored.

        It is not if the key was set or deleted, or one of its tags expired, since the lease began.
        """

    def release(self) -> None:
        """End the lease, so that another caller can have one."""

    def abandon(self) -> None:
        """Let the lease end by itself, in seconds; this does not call the store."""


class LeasingBackend(Backend, Protocol):
    """A backend that lets one caller make a missing value, of all that use the store.

    The operation is optional. Without it, each process makes a missing value once.
    """

    def lease(self, key: str, *, ttl: float | None, tags: Sequence[str]) -> Lease | bytes | None:
        """Return a lease, the value if the key has one, or None while another caller has the lease.

        Args:
            key: The key.
            ttl: Seconds that the value is going to live, above 0, or None.
            tags: The tags of the value.
        """


def is_leasing(backend: Backend) -> TypeGuard[LeasingBackend]:
    """Return True if a backend has the operation of `LeasingBackend`."""
    return hasattr(backend, "lease")


class LoadingBackend(Backend, Protocol):
    """A backend in this process that makes copies of its values faster than by decoding their JSON.

    The operation is optional.
    """

    def load(self, key: str) -> tuple[Any] | None:
        """Return the value that the JSON at a key has, in a tuple, or None for a missing key.

        Callers may change what they get.

        Raises:
            ValueError: The bytes are not JSON; nothing else may be raised but RecursionError.
        """


def is_loading(backend: Backend) -> TypeGuard[LoadingBackend]:
    """Return True if a backend has the operation of `LoadingBackend`, and calls do not wait.

    A backend that inherits the operation but has its own `get` is not such a backend, because that
    `get` would not be called.
    """
    for place in (backend, *type(backend).__mro__):
        names = getattr(place, "__dict__", {})
        if "load" in names or "get" in names:
            return "load" in names and not backend.waits
    return False
