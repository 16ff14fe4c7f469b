"""The entries of a cache in its backend: values as JSON, failures as misses, both counted."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any

from unigate.errors import CacheError

from .backend import Backend
from .guard import GuardedBackend, guard_of
from .options import MAX_BYTES, Options
from .values import decode

_log = logging.getLogger("unigate")

Entry = tuple[bytes, Any]
"""The bytes in the backend and the value decoded from them."""


class Counters:
    """The `hits`, `misses`, `sets` and `errors` of a cache, over all threads."""

    def __init__(self) -> None:
        self._numbers = {"hits": 0, "misses": 0, "sets": 0, "errors": 0}
        self._lock = threading.Lock()

    def add(self, name: str, number: int = 1) -> None:
        """Add to a counter."""
        with self._lock:
            self._numbers[name] += number

    def read(self) -> dict[str, int]:
        """Return all counters, as of one moment."""
        with self._lock:
            return dict(self._numbers)


class Entries:
    """The entries of one cache in one backend.

    Args:
        backend: The store.
        tags: Tags that every entry has in addition to its options.
        strict: Raise CacheError where the backend fails or an entry is not JSON. Otherwise a read
            is a miss then, and a write does nothing.
        counters: The counters of the cache.
    """

    def __init__(
        self, backend: Backend, *, tags: tuple[str, ...], strict: bool, counters: Counters
    ) -> None:
        self.backend = backend
        self.tags = tags
        self._guarded = GuardedBackend(backend)
        self._failures = _Failures(strict, counters)
        self._counters = counters

    def look(self, key: str) -> Entry | None:
        """Return an entry and count a hit, or return None and count a miss."""
        entry = self.read(key)
        self._counters.add("misses" if entry is None else "hits")
        return entry

    def look_many(self, keys: Sequence[str]) -> list[Entry | None]:
        """Return the entry of each key, None for a miss, and count them; one backend call."""
        data: dict[str, bytes] = {}
        if keys:
            with self._failures:
                data = self._guarded.get_many(keys)
        entries = [self._decoded(data.get(key)) for key in keys]
        misses = entries.count(None)
        self._counters.add("hits", len(entries) - misses)
        self._counters.add("misses", misses)
        return entries

    def read(self, key: str) -> Entry | None:
        """Return an entry or None, without counting a hit or a miss."""
        data = None
        with self._failures:
            data = self._guarded.get(key)
        return self._decoded(data)

    def write(self, values: Mapping[str, bytes], options: Options) -> None:
        """Store JSON values; those over 2 MB, and all with a ttl of 0, are removed instead."""
        kept = {}
        for key, data in values.items():
            if len(data) > MAX_BYTES:
                _log.warning("Not cached: %r has %d bytes, over 2 MB.", key, len(data))
            elif options.ttl != 0:
                kept[key] = data
        if len(kept) < len(values):  # their old values are out of date
            self.delete(values.keys() - kept.keys())
        with self._failures:
            self._write(kept, options)
            self._counters.add("sets", len(kept))

    def _write(self, values: Mapping[str, bytes], options: Options) -> None:
        ttl, tags = options.ttl, options.tags + self.tags
        if len(values) == 1:
            ((key, data),) = values.items()
            self._guarded.set(key, data, ttl=ttl, tags=tags, name=options.name)
        elif values:
            self._guarded.set_many(values, ttl=ttl, tags=tags)

    def delete(self, keys: Iterable[str]) -> None:
        """Remove entries."""
        with self._failures:
            self._guarded.delete(keys)

    def expire_tags(self, tags: Sequence[str]) -> None:
        """Expire every entry of the backend that has one of the tags."""
        with self._failures:
            self._guarded.expire_tags(tags)

    def clear(self) -> None:
        """Remove the entries with the tags of this cache; without tags, all of the backend."""
        if self.tags:
            return self.expire_tags(self.tags)
        with self._failures:
            self._guarded.clear()

    def _decoded(self, data: bytes | None) -> Entry | None:
        if data is None:
            return None
        try:
            return data, decode(data)
        except (ValueError, RecursionError) as error:
            guard_of(self.backend).report(error)
            with self._failures:
                raise CacheError(f"An entry of the cache is not JSON: {error}") from error
        return None


class _Failures:
    """Count each CacheError raised inside, and suppress it unless `strict`."""

    def __init__(self, strict: bool, counters: Counters) -> None:
        self._strict = strict
        self._counters = counters

    def __enter__(self) -> None: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        if error is None or not isinstance(error, CacheError):
            return False
        self._counters.add("errors")
        return not self._strict
