"""The protocol of backends."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol


class Backend(Protocol):
    """A store of bytes under text keys, shared by all caches that use it.

    Keys, values and tags are checked and namespaced already. Methods must be safe to call from many
    threads at once. A failure may be any exception; the cache turns it into a miss. A backend that
    can count what it holds also has a method `size`, which returns the `entries` and `bytes` of
    `RuntimeCache.stats`.
    """

    waits: bool
    """Whether calls wait for a network; asynchronous callers then use a thread."""

    def get(self, key: str) -> bytes | None:
        """Return a value, or None if it is missing or it or one of its tags has expired."""

    def get_many(self, keys: Sequence[str]) -> dict[str, bytes]:
        """Return the values of keys, without those that are missing or expired."""

    def set(
        self, key: str, value: bytes, *, ttl: float | None, tags: Sequence[str], name: str | None
    ) -> None:
        """Store a value.

        Args:
            key: The key.
            value: The value.
            ttl: Seconds to live, above 0; None for as long as there is room.
            tags: What `expire_tags` finds the value by.
            name: A label for people.
        """

    def set_many(
        self, values: Mapping[str, bytes], *, ttl: float | None, tags: Sequence[str]
    ) -> None:
        """Store values with the same ttl and tags."""

    def delete(self, keys: Iterable[str]) -> None:
        """Remove values; missing keys are ignored."""

    def expire_tags(self, tags: Sequence[str]) -> None:
        """Expire every value with one of the tags, in time independent of their number."""

    def clear(self) -> None:
        """Remove every value of this backend's namespace."""

    def close(self) -> None:
        """Close the connections; a later call opens new ones."""
