"""Vercel's Runtime Cache over HTTP.

    GET    {endpoint}{key}                  200 and the value, 404 where there is none
    POST   {endpoint}{key}                  stores; life, tags and name are headers
    DELETE {endpoint}{key}
    POST   {endpoint}revalidate?tags=a%2Cb  expires everything under one of the tags

Source: `vercel-cache` 0.7, `vercel/cache/cache_build.py`; `@vercel/functions`,
`src/cache/build-client.ts`; `vercel-runtime` 0.24, `cache.py`.

Keys and tags go as those clients send them. What the wire cannot carry goes as its SHA-256: a tag
with a comma, which would be two, a tag that is not ASCII, a key that is not one segment of a path,
and what begins with `unigate:`. Those are not shared with the other clients. No request empties the
cache: `clear` expires a tag that every value from here has (one more than the caller gave), and
leaves what others wrote.
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

_OURS = "unigate:"
_EVERY = f"{_OURS}all"
_KEY = re.compile(r"(?!(?:\.\.?|revalidate)\Z)[^\x00-\x1f\x7f/?#%\ud800-\udfff]{1,256}")
_TAG = re.compile(r"(?! )[ -+\--~]{1,256}(?<! )")
_KEY_SAFE = "!$&'()*+,;=:@~"
_NAME_SAFE = "".join(map(chr, range(0x20, 0x7F)))

_AT_ONCE = 8
# For 32 threads that ask for many values each. More still work, on connections that are not kept.
_KEPT = 32 * _AT_ONCE
# Keeps the request line below the 8 kB that servers commonly take.
_TAGS_AT_ONCE = 16


class _Fields(Protocol):
    def get(self, name: str, /) -> str | None: ...


def vercel_key_hash(key: str) -> str:
    """Return the 32-bit hash that Vercel's clients keep a key under: different keys can share one.

    As the Python client does it; the JavaScript one differs for characters above U+FFFF.
    """
    value = 5381
    for character in key:
        value = (value * 33 ^ ord(character)) & 0xFFFFFFFF
    return f"{value:x}"


class VercelBackend:
    """Keep values in Vercel's Runtime Cache."""

    waits = True

    def __init__(self, endpoint: str, headers: Mapping[str, str], *, timeout: float = 0.5) -> None:
        _connections()  # says now that urllib3 is missing
        self._endpoint = endpoint.rstrip("/") + "/"
        self._headers = dict(headers)
        self._timeout = timeout

    @classmethod
    def from_environ(cls) -> VercelBackend | None:
        """Read what Vercel sets for a build or a function, None where it is not set."""
        if os.environ.get("RUNTIME_CACHE_DISABLE_BUILD_CACHE") == "true":
            return None
        endpoint = os.environ.get("RUNTIME_CACHE_ENDPOINT")
        headers = os.environ.get("RUNTIME_CACHE_HEADERS")
        if not endpoint or not headers:
            return None
        fields = _fields(headers)
        if fields is None:
            raise ValueError("RUNTIME_CACHE_HEADERS is not a JSON object.")
        return cls(endpoint, fields)

    @classmethod
    def from_request_headers(cls, headers: _Fields) -> VercelBackend | None:
        """Read what Vercel's proxy adds to a request, None where it is not all there.

        Only for a request that came through Vercel: elsewhere the client says where values go.
        """
        host = headers.get("x-vercel-sc-host")
        fields = headers.get("x-vercel-sc-headers")
        if not host or not fields:
            return None
        scheme = headers.get("x-vercel-sc-protocol") or "https"
        base = headers.get("x-vercel-sc-basepath") or ""
        return _of_request(f"{scheme}://{host}{base}/v1/suspense-cache/", fields)

    def get(self, key: str) -> bytes | None:
        response, body = self._ask("GET", _path(key), allow=(200, 404))
        state = response.headers.get("x-vercel-cache-state", "fresh")
        return body if response.status == 200 and state.lower() == "fresh" else None

    def get_many(self, keys: Sequence[str]) -> dict[str, bytes]:
        values = zip(keys, _each(self.get, keys), strict=True)
        return {key: value for key, value in values if value is not None}

    def set(
        self, key: str, value: bytes, *, ttl: float | None, tags: Sequence[str], name: str | None
    ) -> None:
        fields = {"x-vercel-cache-tags": ",".join([*(_carried(t, _TAG) for t in tags), _EVERY])}
        if ttl is not None:
            fields["x-vercel-revalidate"] = str(int(ttl) if ttl == int(ttl) else ttl)
        if name:
            fields["x-vercel-cache-item-name"] = quote(name, safe=_NAME_SAFE, errors="replace")
        self._ask("POST", _path(key), body=value, headers=fields)

    def set_many(
        self, values: Mapping[str, bytes], *, ttl: float | None, tags: Sequence[str]
    ) -> None:
        _each(lambda kv: self.set(*kv, ttl=ttl, tags=tags, name=None), list(values.items()))

    def delete(self, keys: Iterable[str]) -> None:
        _each(lambda key: self._ask("DELETE", _path(key), allow=(200, 404)), list(keys))

    def expire_tags(self, tags: Sequence[str]) -> None:
        carried = [_carried(tag, _TAG) for tag in tags]
        parts = range(0, len(carried), _TAGS_AT_ONCE)
        _each(self._expire, [carried[start : start + _TAGS_AT_ONCE] for start in parts])

    def clear(self) -> None:
        self._expire([_EVERY])

    def close(self) -> None:
        """Give the idle connections of the process back; what is asked later opens new ones."""
        _connections().clear()

    def _expire(self, tags: list[str]) -> None:
        self._ask("POST", "revalidate?" + urlencode({"tags": ",".join(tags)}))

    def _ask(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        allow: tuple[int, ...] = (200,),
    ) -> tuple[BaseHTTPResponse, bytes]:
        """Send a request and read its answer; whatever is wrong with it is an exception."""
        from urllib3.exceptions import ProtocolError

        deadline = time.monotonic() + self._timeout
        send = functools.partial(
            self._send, method, path, body, {**self._headers, **(headers or {})}
        )
        try:
            response = send(deadline)
        except ProtocolError as error:
            # A kept connection may be closed while we write to it. All requests can be repeated.
            if not isinstance(error.args[-1], ConnectionError):
                raise
            response = send(deadline)
        parts = []
        with response:  # an answer that is not read to its end costs its connection
            while part := response.read1(65536):
                parts.append(part)
                if time.monotonic() > deadline:
                    raise TimeoutError("The runtime cache takes too long to answer.")
        if response.status not in allow:
            raise ConnectionError(f"The runtime cache answered {response.status} to {method}.")
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


# One object for as long as Vercel says the same: whoever keeps count of its failures can go on.
@functools.lru_cache(maxsize=16)
def _of_request(endpoint: str, headers: str) -> VercelBackend | None:
    fields = _fields(headers)
    if fields is None:
        return None
    # These two tell the service which of its caches is meant, as vercel-runtime does.
    fields["x-vercel-internal-sc-client-origin"] = "RUNTIME_CACHE"
    fields["x-vercel-internal-sc-client-name"] = "RUNTIME_CACHE"
    return VercelBackend(endpoint, fields)


@functools.cache
def _connections() -> PoolManager:
    """Return the connections of this process: requests bring their own headers, hosts stay."""
    try:
        from urllib3 import PoolManager
    except ImportError:
        message = "Vercel's Runtime Cache needs urllib3: pip install 'unigate[vercel]'"
        raise ImportError(message) from None
    return PoolManager(maxsize=_KEPT)


# Two processes that read from one connection would get each other's values.
after_in_child(_connections.cache_clear)


def _each(function: Callable[[A], R], arguments: Sequence[A]) -> list[R]:
    """Call for each argument, a few at once: the time goes into waiting for the network."""
    if len(arguments) < 2:
        return [function(argument) for argument in arguments]
    with ThreadPoolExecutor(min(_AT_ONCE, len(arguments))) as threads:
        return list(threads.map(function, arguments))


def _carried(text: str, pattern: re.Pattern[str]) -> str:
    if pattern.fullmatch(text) and not text.startswith(_OURS):
        return text
    return _OURS + sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _path(key: str) -> str:
    return quote(_carried(key, _KEY), safe=_KEY_SAFE)


def _fields(text: str) -> dict[str, str] | None:
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return {str(k): str(v) for k, v in fields.items()} if isinstance(fields, dict) else None
