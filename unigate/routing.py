"""Route paths to applications by prefix."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

Interface = Literal["asgi", "wsgi"]


class Mount:
    """An application with its interface and its path prefix; the prefix of the root is ""."""

    __slots__ = ("app", "interface", "prefix")

    def __init__(self, prefix: str, app: Any, interface: Interface) -> None:
        self.prefix = prefix
        self.app = app
        self.interface = interface

    def __repr__(self) -> str:
        return f"<Mount {self.prefix or '/'} {self.interface} {self.app!r}>"


def check_prefixes(prefixes: Iterable[str]) -> None:
    """Check the prefixes of mounts.

    Raises:
        TypeError: A prefix is not a str.
        ValueError: A prefix does not start with "/", ends with it, or has an empty segment or a
            parameter, so it could never match.
    """
    for prefix in prefixes:
        if not isinstance(prefix, str):
            raise TypeError(
                f"The prefix of a mount must be a str, got {prefix!r}. It comes before the "
                'application: mounts={"/v2": app}.'
            )
        if any(mark in prefix for mark in "{}<>*"):
            raise ValueError(
                f"A mount must be a path as clients send it, without parameters, got {prefix!r}: "
                "those are for the routes of the application that is mounted."
            )
        if not prefix.startswith("/") or prefix.endswith("/") or "//" in prefix:
            path = prefix.partition("://")[2].partition("/")[2] or prefix  # of a URL
            meant = "/" + "/".join(filter(None, path.split("/")))
            advice = f"Did you mean {meant!r}?"
            if meant == "/":
                advice = "The application at the root is the first argument of wrap()."
            raise ValueError(
                f'A mount must be a path like "/v2", without "/" at its end, got {prefix!r}. '
                f"{advice}"
            )


def read_base_path(base_path: str | None) -> str:
    """Return a base path with a "/" at its start and none at its end, or "".

    Raises:
        TypeError: It is not a str.
        ValueError: It is a URL, or has an empty segment, so it could never match.
    """
    if not isinstance(base_path, str | None):
        raise TypeError(f"base_path must be a str, got {base_path!r}.")
    path = (base_path or "").strip("/")
    if "//" in path:
        raise ValueError(
            f'base_path must be a path like "/api", got {base_path!r}. A whole URL is passed as '
            "public_url."
        )
    return f"/{path}" if path else ""


class Router:
    """Finds the mount with the longest prefix that ends at a "/" boundary of the path.

    The cost depends on the depth of the deepest prefix, not on the number of mounts.
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
        """Return the mount for a path: the root (or None) if no prefix matches."""
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
