"""Backend selection: by URL, or by the gateway, the environment and the platform."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from unigate.context import current_request_var
from unigate.forking import after_in_child
from unigate.platforms import proven

from .backend import Backend

if TYPE_CHECKING:
    from unigate.http import Headers

    from .vercel import VercelBackend

_log = logging.getLogger("unigate")

_METHODS = ("get_many", "set_many", "expire_tags")  # of every backend, and of no client of a store


def open_backend(url: str) -> Backend:
    """Return the backend of a URL; each process opens a URL once.

    Args:
        url: `memory://` (a separate store for each name after it; `?max_bytes=` limits its size),
            `redis://`, `rediss://` for TLS, `unix://`, `redis+sentinel://`, `redis+cluster://`
            and others of `RedisBackend`.

    Raises:
        ValueError: The scheme or an option is unknown.
        ImportError: The client library of the backend is not installed.
    """
    return open_backends.get(url) or _open_once(url, lambda: _open(url))


def default_backend() -> Backend:
    """Return the backend of a cache that names none.

    In this order: the gateway's of the current request, that of `UNIGATE_CACHE_URL`, Vercel's
    Runtime Cache (from the environment or, on Vercel, from the request's headers), memory.
    """
    request = current_request_var.get(None)
    chosen = request.deployment.cache if request and request.deployment else None
    chosen = chosen or os.environ.get("UNIGATE_CACHE_URL")
    if chosen:
        return open_backend(chosen) if isinstance(chosen, str) else chosen
    if endpoint := os.environ.get("RUNTIME_CACHE_ENDPOINT"):
        name = ("vercel", endpoint, os.environ.get("RUNTIME_CACHE_HEADERS"))
        return open_backends.get(name) or _open_once(name, _vercel_or_memory)
    return (request and _from_headers(request.headers)) or open_backend("memory://")


def _from_headers(headers: Headers) -> VercelBackend | None:
    """Return the cache named in headers that Vercel's proxy adds; None on other platforms."""
    if proven() != "vercel":
        return None
    from .vercel import VercelBackend

    return VercelBackend.from_request_headers(headers)


def check_url(url: str) -> None:
    """Raise ValueError unless a URL begins with the scheme of a backend and "//"."""
    scheme, colon, rest = url.partition(":")
    has_authority = rest.startswith("//")
    if scheme.lower() not in SCHEMES or not has_authority:
        # Only the scheme: the rest may contain a password.
        got = f"{scheme}://" if has_authority else "no scheme"
        raise ValueError(
            "A cache's URL must begin with memory://, redis://, rediss:// (TLS), valkey://, "
            "valkeys://, one of these four with +sentinel or +cluster, or unix://, got "
            f"{got}.{_advice(scheme, is_address=bool(colon) or '.' in scheme)}"
        )


def _advice(scheme: str, *, is_address: bool) -> str:
    """Return what to write in place of what stands before the first colon."""
    from unigate.nearest import nearest

    if scheme in ("http", "https"):
        return " An address for HTTP requests will not do: take the server's redis:// address."
    if scheme == "vercel":
        return " Vercel's own cache has no URL: without one it is taken on Vercel."
    meant = nearest(scheme, SCHEMES) or ("redis" if is_address or scheme == "localhost" else "")
    return f" Did you mean {meant}://...?" if meant else ""


def check_backend(backend: object) -> None:
    """Check what an application gives as a cache's backend.

    Raises:
        ValueError: It is a URL whose scheme names no backend.
        TypeError: It is neither a URL nor a backend.
    """
    if isinstance(backend, str):
        check_url(backend)
    elif not all(callable(getattr(backend, name, None)) for name in _METHODS):
        kind = type(backend)
        raise TypeError(
            f"A cache must be given as a URL or a unigate.cache.Backend, got {kind.__module__}."
            f"{kind.__qualname__}. A RuntimeCache has one, and is none: pass what it was made "
            "with. Pass a client of redis-py as unigate.cache.redis.RedisBackend(client=...)."
        )


def _open(url: str) -> Backend:
    check_url(url)
    return SCHEMES[_scheme(url)](url)


def _scheme(url: str) -> str:
    # urlsplit() refuses a list of hosts with an IPv6 address in it.
    scheme, colon, _ = url.partition(":")
    return scheme.lower() if colon else ""


def _memory(url: str) -> Backend:
    from .memory import MemoryBackend

    options = parse_qs(urlsplit(url).query, strict_parsing=True) if "?" in url else {}
    if options.keys() - {"max_bytes"}:
        raise ValueError(f"The only option of memory:// is max_bytes; got {url!r}.")
    return MemoryBackend(int(options["max_bytes"][-1])) if options else MemoryBackend()


def _redis(url: str) -> Backend:
    from .redis import RedisBackend

    return RedisBackend(url)


def _vercel_or_memory() -> Backend:
    from .vercel import VercelBackend

    try:
        backend = VercelBackend.from_environ()
    except (ImportError, ValueError) as error:
        _log.warning("Vercel's Runtime Cache cannot be used, caching in memory instead: %s", error)
        backend = None
    return backend or open_backend("memory://")


SCHEMES: dict[str, Callable[[str], Backend]] = {
    "memory": _memory,
    **{
        name + kind: _redis
        for kind in ("", "+sentinel", "+cluster")
        for name in ("redis", "rediss", "valkey", "valkeys")
    },
    "unix": _redis,
}
"""The schemes of cache URLs, each with the function that opens its backend."""

open_backends: dict[Hashable, Backend] = {}
"""The backends that this process has opened, by URL or by Vercel's variables."""

_lock = threading.RLock()
_backends_of_parents: list[dict[Hashable, Backend]] = []


def _open_once(name: Hashable, opener: Callable[[], Backend]) -> Backend:
    with _lock:
        if name not in open_backends:
            open_backends[name] = opener()
        return open_backends[name]


@after_in_child
def _after_fork() -> None:
    global open_backends, _lock
    # Kept alive, because closing their connections would end the parent's.
    _backends_of_parents.append(open_backends)
    open_backends = {}
    _lock = threading.RLock()
