"""What a backend of the runtime cache has to know."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol


class Backend(Protocol):
    """A store of bytes under text keys; a module of this package each.

    Keys, values and tags arrive checked and namespaced. Methods are called from many threads at
    once. One that cannot do its work raises any exception; the cache in front makes a miss of it.
    One that knows what it holds has a method `size` too, for the `entries` and `bytes` of `stats`.
    """

    waits: bool
    """Whether calls wait for a network, so that event loops call them in a thread."""

    def get(self, key: str) -> bytes | None:
        """Return a value, None where there is none, or it or one of its tags has expired."""

    def get_many(self, keys: Sequence[str]) -> dict[str, bytes]:
        """Return the values that there are."""

    def set(
        self, key: str, value: bytes, *, ttl: float | None, tags: Sequence[str], name: str | None
    ) -> None:
        """Store a value for `ttl` seconds, above 0, None for as long as there is room.

        `name` is a label for people.
        """

    def set_many(
        self, values: Mapping[str, bytes], *, ttl: float | None, tags: Sequence[str]
    ) -> None:
        """Store values with the same life and tags."""

    def delete(self, keys: Iterable[str]) -> None:
        """Remove values, those that are not there without a word."""

    def expire_tags(self, tags: Sequence[str]) -> None:
        """Expire every value stored with one of the tags, at a cost not depending on how many."""

    def clear(self) -> None:
        """Remove every value of this backend's namespace."""

    def close(self) -> None:
        """Give connections back."""
