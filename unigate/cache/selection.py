"""Which backend a cache has: one for each URL and process."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from unigate.context import current_request_var
from unigate.platforms import proven
from unigate.request import Request

from .backend import Backend

if TYPE_CHECKING:
    from .vercel import VercelBackend

_log = logging.getLogger("unigate")


def open_backend(url: str) -> Backend:
    """Return the backend of a URL, opened once in each process.

    `memory://` (a store of its own for each name after it, `?max_bytes=` long), `redis://`,
    `rediss://`, `valkey://`, `valkeys://` or `unix://`.
    """
    return _opened.get(url) or _open_once(url, lambda: _open(url))


def default_backend() -> Backend:
    """Return the gateway's, that of `UNIGATE_CACHE_URL`, Vercel's where it is, or memory."""
    request = current_request_var.get(None)
    chosen = request.deployment.cache if request and request.deployment else None
    chosen = chosen or os.environ.get("UNIGATE_CACHE_URL")
    if chosen:
        return open_backend(chosen) if isinstance(chosen, str) else chosen
    if endpoint := os.environ.get("RUNTIME_CACHE_ENDPOINT"):
        name = ("vercel", endpoint, os.environ.get("RUNTIME_CACHE_HEADERS"))
        return _opened.get(name) or _open_once(name, _vercel_or_memory)
    return (request and _vercel_of(request)) or open_backend("memory://")


def _vercel_of(request: Request) -> VercelBackend | None:
    """Return the cache that Vercel's proxy names in a request, where there is such a proxy."""
    if proven() != "vercel":
        return None
    from .vercel import VercelBackend

    return VercelBackend.from_request_headers(request.headers)


def check_url(url: str) -> None:
    """Raise ValueError for a URL of no cache that is known."""
    scheme = urlsplit(url).scheme
    if scheme not in SCHEMES:
        # Only the scheme: the rest may have a password in it.
        raise ValueError(f"No cache is known for {scheme!r}. These are: {', '.join(SCHEMES)}.")


def _open(url: str) -> Backend:
    check_url(url)
    return SCHEMES[urlsplit(url).scheme](url)


def _memory(url: str) -> Backend:
    from .memory import MemoryBackend

    options = parse_qs(urlsplit(url).query, strict_parsing=True) if "?" in url else {}
    if options.keys() - {"max_bytes"}:
        raise ValueError(f"A cache in memory has the option max_bytes, unlike {url!r}.")
    return MemoryBackend(int(options["max_bytes"][-1])) if options else MemoryBackend()


def _redis(url: str) -> Backend:
    from .redis import RedisBackend

    return RedisBackend(url)


def _vercel_or_memory() -> Backend:
    from .vercel import VercelBackend

    try:
        backend = VercelBackend.from_environ()
    except (ImportError, ValueError) as error:
        _log.warning("The cache is in memory, Vercel's cannot be used: %s", error)
        backend = None
    return backend or open_backend("memory://")


SCHEMES: dict[str, Callable[[str], Backend]] = {
    "memory": _memory,
    "redis": _redis,
    "rediss": _redis,
    "unix": _redis,
    "valkey": _redis,
    "valkeys": _redis,
}

_opened: dict[Hashable, Backend] = {}
_lock = threading.RLock()
_abandoned: list[dict[Hashable, Backend]] = []


def _open_once(name: Hashable, opener: Callable[[], Backend]) -> Backend:
    with _lock:
        if name not in _opened:
            _opened[name] = opener()
        return _opened[name]


def _after_fork() -> None:
    global _opened, _lock
    # Kept alive: to close what they have open would end the parent's connections.
    _abandoned.append(_opened)
    _opened = {}
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_after_fork)
