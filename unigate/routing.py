"""Which application answers which path."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

Interface = Literal["asgi", "wsgi"]


class Mount:
    """An application and the path prefix under which it answers; "" is the root."""

    __slots__ = ("app", "interface", "prefix")

    def __init__(self, prefix: str, app: Any, interface: Interface) -> None:
        self.prefix = prefix
        self.app = app
        self.interface = interface


def check_prefixes(prefixes: Iterable[str]) -> None:
    """Raise ValueError for a prefix that could never match."""
    for prefix in prefixes:
        if not prefix.startswith("/") or prefix.endswith("/"):
            raise ValueError(f'A mount is a path like "/v2", with no "/" at its end: {prefix!r}.')


class Router:
    """Find the mount with the longest prefix that ends at a "/" boundary of the path.

    The cost depends on how deep the deepest prefix is, not on how many there are.
    """

    def __init__(self, root: Mount | None, mounts: Mapping[str, Mount]) -> None:
        self.root = root
        self._mounts = dict(mounts)
        self._depth = max((prefix.count("/") for prefix in mounts), default=0)

    def __iter__(self) -> Iterator[Mount]:
        if self.root is not None:
            yield self.root
        yield from self._mounts.values()

    def match(self, path: str) -> Mount | None:
        """Return the mount of a path, the root where no prefix fits, or None without a root."""
        ends: list[int] = []
        end = 0
        for _ in range(self._depth):
            end = path.find("/", end + 1)
            if end < 0:
                ends.append(len(path))
                break
            ends.append(end)
        for end in reversed(ends):
            mount = self._mounts.get(path[:end])
            if mount is not None:
                return mount
        return self.root
