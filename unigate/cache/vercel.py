"""Backend in Vercel's Runtime Cache, over HTTP.

    GET    {endpoint}{key}                  200 and the value, or 404
    POST   {endpoint}{key}                  stores; ttl, tags and name are headers
    DELETE {endpoint}{key}
    POST   {endpoint}revalidate?tags=a%2Cb  expires every value with one of the tags

Source: `vercel-cache` 0.7, `vercel/cache/cache_build.py`; `@vercel/functions`,
`src/cache/build-client.ts`; `vercel-runtime` 0.24, `cache.py`.

Keys and tags are sent as those clients send them. Those that the wire cannot carry are sent as
their SHA-256 and not shared with the other clients: tags with a comma, which would be two, tags
that are not ASCII, keys that are not one path segment, and all that begin with `unigate:`. No
request empties the cache, so `clear` expires a tag that every value written here has in addition
to the caller's; values written by other clients stay.
"""

from __future__ import annotations

import functools
import json
import os
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from typing import TYPE_CHECKING, Protocol, TypeVar
from urllib.parse import quote, urlencode

from unigate.forking import after_in_child

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse, PoolManager

A = TypeVar("A")
R = TypeVar("R")

_RESERVED = "unigate:"
_ALL_TAG = f"{_RESERVED}all"
_KEY = re.compile(r"(?!(?:\.\.?|revalidate)\Z)[^\x00-\x1f\x7f/?#%\ud800-\udfff]{1,256}")
_TAG = re.compile(r"(?! )[ -+\--~]{1,256}(?<! )")
_KEY_SAFE = "!$&'()*+,;=:@~"
_NAME_SAFE = "".join(map(chr, range(0x20, 0x7F)))

_AT_ONCE = 8
# Enough for 32 threads with `get_many`. More threads work too, on connections that are not kept.
_CONNECTIONS = 32 * _AT_ONCE
# Keeps the request line below the usual limit of servers, 8 kB.
_TAGS_AT_ONCE = 16


class HeaderFields(Protocol):
    """Headers of a request, by lower-case name."""

    def get(self, name: str, /) -> str | None: ...


def vercel_key_hash(key: str) -> str:
    """Return the 32-bit hash of a key that Vercel's Python client uses; different keys can collide.

    The JavaScript client's hash differs for characters above U+FFFF.
    """
    value = 5381
    for character in key:
        value = (value * 33 ^ ord(character)) & 0xFFFFFFFF
    return f"{value:x}"


class VercelBackend:
    """Store values in Vercel's Runtime Cache.

    Args:
        endpoint: The URL below which keys are.
        headers: Sent with every request, for authorization.
        timeout: Seconds for a whole request.

    Raises:
        ImportError: urllib3 is not installed.
    """

    waits = True

    def __init__(self, endpoint: str, headers: Mapping[str, str], *, timeout: float = 0.5) -> None:
        _connections()  # raises ImportError now rather than at the first call
        self._endpoint = endpoint.rstrip("/") + "/"
        self._headers = dict(headers)
        self._timeout = timeout

    @classmethod
    def from_environ(cls) -> VercelBackend | None:
        """Return the cache in the variables that Vercel sets for a build or a function, or None.

        Raises:
            ValueError: `RUNTIME_CACHE_HEADERS` is not a JSON object.
        """
        if os.environ.get("RUNTIME_CACHE_DISABLE_BUILD_CACHE") == "true":
            return None
        endpoint = os.environ.get("RUNTIME_CACHE_ENDPOINT")
        headers = os.environ.get("RUNTIME_CACHE_HEADERS")
        if not endpoint or not headers:
            return None
        fields = _fields(headers)
        if fields is None:
            # Without the value, which may hold a token.
            raise ValueError("RUNTIME_CACHE_HEADERS must be a JSON object of header fields.")
        return cls(endpoint, fields)

    @classmethod
    def from_request_headers(cls, headers: HeaderFields) -> VercelBackend | None:
        """Return the cache in the headers that Vercel's proxy adds to a request, or None.

        Only for requests that came through Vercel; elsewhere the client controls these headers.
        """
        host = headers.get("x-vercel-sc-host")
        fields = headers.get("x-vercel-sc-headers")
        if not host or not fields:
            return None
        scheme = headers.get("x-vercel-sc-protocol") or "https"
        base = headers.get("x-vercel-sc-basepath") or ""
        return _from_proxy(f"{scheme}://{host}{base}/v1/suspense-cache/", fields)

    def get(self, key: str) -> bytes | None:
        response, body = self._request("GET", _path(key), allow=(200, 404))
        state = response.headers.get("x-vercel-cache-state", "fresh")
        return body if response.status == 200 and state.lower() == "fresh" else None

    def get_many(self, keys: Sequence[str]) -> dict[str, bytes]:
        values = zip(keys, _each(self.get, keys), strict=True)
        return {key: value for key, value in values if value is not None}

    def set(
        self, key: str, value: bytes, *, ttl: float | None, tags: Sequence[str], name: str | None
    ) -> None:
        fields = {"x-vercel-cache-tags": ",".join([*map(wire_tag, tags), _ALL_TAG])}
        if ttl is not None:
            fields["x-vercel-revalidate"] = str(int(ttl) if ttl == int(ttl) else ttl)
        if name:
            fields["x-vercel-cache-item-name"] = quote(name, safe=_NAME_SAFE, errors="replace")
        self._request("POST", _path(key), body=value, headers=fields)

    def set_many(
        self, values: Mapping[str, bytes], *, ttl: float | None, tags: Sequence[str]
    ) -> None:
        _each(lambda kv: self.set(*kv, ttl=ttl, tags=tags, name=None), list(values.items()))

    def delete(self, keys: Iterable[str]) -> None:
        _each(lambda key: self._request("DELETE", _path(key), allow=(200, 404)), list(keys))

    def expire_tags(self, tags: Sequence[str]) -> None:
        wire_tags = [wire_tag(tag) for tag in tags]
        starts = range(0, len(wire_tags), _TAGS_AT_ONCE)
        _each(self._expire, [wire_tags[start : start + _TAGS_AT_ONCE] for start in starts])

    def clear(self) -> None:
        self._expire([_ALL_TAG])

    def close(self) -> None:
        """Close the idle connections of the process; a later call opens new ones."""
        _connections().clear()

    def _expire(self, tags: list[str]) -> None:
        self._request("POST", "revalidate?" + urlencode({"tags": ",".join(tags)}))

    def _request(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        allow: tuple[int, ...] = (200,),
    ) -> tuple[BaseHTTPResponse, bytes]:
        """Send a request and return its response and body; any failure is an exception."""
        from urllib3.exceptions import ProtocolError

        deadline = time.monotonic() + self._timeout
        send = functools.partial(
            self._send, method, path, body, {**self._headers, **(headers or {})}
        )
        try:
            response = send(deadline)
        except ProtocolError as error:
            # The server may close a kept connection at any time. All requests are idempotent.
            if not isinstance(error.args[-1], ConnectionError):
                raise
            response = send(deadline)
        parts = []
        with response:  # a response that is not read to its end closes its connection
            while part := response.read1(65536):
                parts.append(part)
                if time.monotonic() > deadline:
                    raise TimeoutError(
                        f"The runtime cache took more than {self._timeout:g} s to respond."
                    )
        if response.status not in allow:
            raise ConnectionError(f"The runtime cache responded {response.status} to {method}.")
        return response, b"".join(parts)

    def _send(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str], deadline: float
    ) -> BaseHTTPResponse:
        from urllib3 import Timeout

        return _connections().request(
            method,
            self._endpoint + path,
            body=body,
            headers=headers,
            timeout=Timeout(total=deadline - time.monotonic()),
            retries=False,  # redirects are not followed either
            preload_content=False,
        )


# One object per endpoint and headers, so that its guard counts failures over all requests. Vercel's
# proxy writes both, so their length needs no limit.
@functools.lru_cache(maxsize=16)
def _from_proxy(endpoint: str, headers: str) -> VercelBackend | None:
    fields = _fields(headers)
    if fields is None:
        return None
    # They select the cache in the service; vercel-runtime sends them, too.
    fields["x-vercel-internal-sc-client-origin"] = "RUNTIME_CACHE"
    fields["x-vercel-internal-sc-client-name"] = "RUNTIME_CACHE"
    return VercelBackend(endpoint, fields)


@functools.cache
def _connections() -> PoolManager:
    """Return the connection pools of the process, by host; headers belong to each request."""
    try:
        from urllib3 import PoolManager
    except ImportError:
        message = "Vercel's Runtime Cache needs urllib3: " + 'pip install "unigate[vercel]"'
        raise ImportError(message) from None
    return PoolManager(maxsize=_CONNECTIONS)


# Two processes that read from one connection would get each other's values.
after_in_child(_connections.cache_clear)


def _each(function: Callable[[A], R], arguments: Sequence[A]) -> list[R]:
    """Call a function for each argument, `_AT_ONCE` in parallel to hide the network's latency."""
    if len(arguments) < 2:
        return [function(argument) for argument in arguments]
    with ThreadPoolExecutor(min(_AT_ONCE, len(arguments))) as threads:
        return list(threads.map(function, arguments))


def wire_tag(tag: str) -> str:
    """Return a tag as it is sent."""
    return _wire_text(tag, _TAG)


def _wire_text(text: str, pattern: re.Pattern[str]) -> str:
    if pattern.fullmatch(text) and not text.startswith(_RESERVED):
        return text
    return _RESERVED + sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _path(key: str) -> str:
    return quote(_wire_text(key, _KEY), safe=_KEY_SAFE)


def _fields(text: str) -> dict[str, str] | None:
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return {str(k): str(v) for k, v in fields.items()} if isinstance(fields, dict) else None
