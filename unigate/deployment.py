"""What the deployer says about a deployment, and what follows for a request's origin.

Headers of a provider are believed where we run on it (`platforms.proven`) or the deployer names it
(`platform`, UNIGATE_PLATFORM). Everywhere else they are what a client claims: no geolocation, and
the address is the one that the platform's event or the server's socket names.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cache, cached_property
from typing import Any, NamedTuple

from unigate import addresses, geo, platforms
from unigate.cache import AsyncRuntimeCache, Backend, RuntimeCache, check_url
from unigate.geo import Geolocation
from unigate.http import Headers, Request, current, latin1
from unigate.platforms import Provider

# Requests of these come through a server, which names the peer of its socket.
_SERVERS = ("", "asgi", "wsgi", "google")


class _Seen(NamedTuple):
    """What there is to judge by."""

    headers: Headers
    client: str | None = None
    source: str = ""
    request: Request | None = None


class Deployment:
    """Where an application runs and what stands in front of it, as the deployer says.

    platform: the name of a platform that requests come through (`platforms.PROVIDERS`), or what
        `platforms.provider` makes of one; by default UNIGATE_PLATFORM, else the one we run on.
    trusted_proxies: our own proxies in front of the platform or the server: how many, or their
        addresses and ranges. With ranges, a platform that does not run us is believed only where
        one of them has connected.
    cache: where the runtime cache is kept: a URL, or a backend.
    geoip: the path of a MaxMind database for what no header tells; by default
        UNIGATE_GEOIP_DATABASE.

    Raises ValueError for a platform that is not known and for what is no address or range.
    """

    def __init__(
        self,
        platform: str | Provider | None = None,
        trusted_proxies: int | str | Sequence[str] | None = None,
        cache: str | Backend | None = None,
        *,
        geoip: str | os.PathLike[str] | None = None,
    ) -> None:
        named = platform or os.environ.get("UNIGATE_PLATFORM")
        front = platforms.provider(named) if isinstance(named, str) and named else named or None
        host = platforms.proven()
        if front and host and front.name == host.name:
            front, host = None, front
        self._front: Provider | None = front
        self._host = host
        self._trusted = addresses.read_trusted(trusted_proxies)
        self._geoip = os.fspath(geoip or os.environ.get("UNIGATE_GEOIP_DATABASE") or "")
        if isinstance(cache, str):
            check_url(cache)
        self.cache = cache

    def ip_address(self, request_or_headers: Any) -> str | None:
        """Return the address of the client in its normal form, None where nothing tells it."""
        return self._address(_look(request_or_headers))

    def geolocation(self, request_or_headers: Any) -> Geolocation:
        """Return where the client is; every member is None where nobody can be believed."""
        seen = _look(request_or_headers)
        peer, _ = self._peer(seen)
        provider = self._front if self._in_front(peer) else self._host
        place = geo.read(provider, seen.headers) if provider else geo.located({})
        if self._geoip and not (place["country"] or place["city"] or place["latitude"]):
            address = self._address(seen)
            found = geo.look_up(address, self._geoip) if address else None
            if found:
                return {**found, "region": place["region"]}
        return place

    @cached_property
    def runtime_cache(self) -> RuntimeCache:
        """The cache of this deployment."""
        return RuntimeCache(backend=self.cache)

    @cached_property
    def async_runtime_cache(self) -> AsyncRuntimeCache:
        """The same cache, awaitable."""
        return AsyncRuntimeCache(backend=self.cache)

    def _address(self, seen: _Seen) -> str | None:
        peer, told = self._peer(seen)
        front = self._front
        if front and self._in_front(peer) and seen.source != front.name:
            address = addresses.vouched(front, seen.headers, peer if told else None)
            if address:
                return address
        return addresses.behind_proxies(
            seen.headers, peer, self._trusted, told=told, host=self._host
        )

    def _peer(self, seen: _Seen) -> tuple[str | None, bool]:
        event = seen.source not in _SERVERS
        return addresses.peer_of(seen.headers, seen.client, event=event, host=self._host)

    def _in_front(self, peer: str | None) -> bool:
        """Tell whether the platform that the deployer has named can have sent this."""
        return self._front is not None and addresses.is_ours(peer, self._trusted)


@cache
def default() -> Deployment:
    """Return the deployment of a process that says nothing but what its environment does."""
    return Deployment()


def deployment_of(request: Request | None) -> Deployment:
    """Return the deployment of the gateway that has brought a request."""
    return (request and request.deployment) or default()


Request.default_deployment = staticmethod(default)


def geolocation(request_or_headers: Any) -> Geolocation:
    """Return where the client is; None for what is not known.

    Takes the common request, one of Flask, Django or Starlette, anything with `headers`, a mapping
    of headers, an ASGI scope or a WSGI environ. Headers alone are judged by the current request.
    """
    seen = _look(request_or_headers)
    return deployment_of(seen.request).geolocation(seen)


def ip_address(request_or_headers: Any) -> str | None:
    """Return the address of the client in its normal form, None where nothing tells it.

    Takes what `geolocation` takes. Where headers alone are those of the current request, what the
    platform says of that one counts too.
    """
    seen = _look(request_or_headers)
    return deployment_of(seen.request).ip_address(seen)


def _look(carrier: Any) -> _Seen:
    """Find out what a request of any framework, or its headers, says; TypeError for other things.

    Frameworks are told by the attribute that holds what the server gave them. What clients choose
    never decides: a header's value is text, these are not.
    """
    if isinstance(carrier, _Seen):
        return carrier
    if isinstance(carrier, Request):
        return _Seen(carrier.headers, _host(carrier.client), carrier.source, carrier)
    scope: Any = getattr(carrier, "scope", None)
    environ: Any = getattr(carrier, "environ", getattr(carrier, "META", None))
    if isinstance(carrier, Mapping):
        if isinstance(carrier.get("wsgi.version"), tuple):
            environ = carrier
        elif isinstance(carrier.get("type"), str) and (
            isinstance(carrier.get("query_string"), bytes)
            or isinstance(carrier.get("headers"), (list, tuple))
        ):
            scope = carrier
    given = scope if isinstance(scope, Mapping) else environ
    if not isinstance(given, Mapping):
        return _alone(getattr(carrier, "headers", carrier))
    common = given.get("unigate.request")
    if isinstance(common, Request):
        return _look(common)
    if given is scope:
        pairs = ((name.decode("latin-1"), value) for name, value in given.get("headers", ()))
        headers = Headers((name, value.decode("latin-1")) for name, value in pairs)
        return _Seen(headers, _host(given.get("client")), "asgi")
    headers = Headers(
        (key[5:].replace("_", "-"), latin1(value))
        for key, value in given.items()
        if key.startswith("HTTP_")
    )
    return _Seen(headers, given.get("REMOTE_ADDR"), "wsgi")


def _alone(given: Any) -> _Seen:
    """Judge headers by the current request, if they can be its own."""
    if isinstance(given, Headers):
        headers = given
    elif isinstance(given, dict):
        headers = Headers.from_map(given)
    elif hasattr(given, "items"):
        headers = Headers((str(name), latin1(value)) for name, value in given.items())
    else:
        raise TypeError(
            "Takes a request, its headers, an ASGI scope or a WSGI environ, "
            f"not {type(given).__name__}."
        )
    request = current.get(None)
    if request is None:
        return _Seen(headers)
    asked = request.headers.joined()
    if all(asked.get(name) == value for name, value in headers.joined().items() if value):
        return _Seen(headers, _host(request.client), request.source, request)
    return _Seen(headers, request=request)


def _host(client: Any) -> str | None:
    return client[0] if client else None
