"""Who has sent a request, and from where: what can be believed of its headers.

Headers of a provider are believed where we run on it (`platforms.proven`) or the deployer names it
(`platform`, UNIGATE_PLATFORM). Everywhere else they are what a client claims: no geolocation, and
the address is the one that the platform's event or the server's socket names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from unigate import platforms
from unigate.context import current_request_var
from unigate.http import Headers, latin1
from unigate.request import Request

from . import addresses
from . import geolocation as geo
from .geolocation import Geolocation
from .providers import PROVIDERS, Provider, provider

# Requests of these come through a server, which names the peer of its socket.
_SERVERS = ("", "asgi", "wsgi", "google")


class Seen:
    """What there is to judge by."""

    def __init__(
        self,
        headers: Headers,
        client: str | None = None,
        source: str = "",
        request: Request | None = None,
    ) -> None:
        self.headers = headers
        self.client = client
        self.source = source
        self.request = request


class Origin:
    """Judge requests by what the deployer says of what stands in front; see `Deployment`."""

    def __init__(
        self,
        platform: str | Provider | None,
        trusted_proxies: int | str | Sequence[str] | None,
        geoip: str,
    ) -> None:
        front = provider(platform) if isinstance(platform, str) else platform
        here = platforms.proven()
        host = PROVIDERS[here] if here else None
        if front and host and front.name == host.name:
            front, host = None, front
        self._front = front
        self._host = host
        self._trusted = addresses.read_trusted(trusted_proxies)
        self._geoip = geoip

    def ip_address(self, request_or_headers: Any) -> str | None:
        """Return the address of the client in its normal form, None where nothing tells it."""
        seen = look(request_or_headers)
        peer, told = self._peer(seen)
        front = self._front
        if front and self._in_front(peer) and seen.source != front.name:
            address = addresses.vouched(front, seen.headers, peer if told else None)
            if address:
                return address
        return addresses.behind_proxies(
            seen.headers, peer, self._trusted, told=told, host=self._host
        )

    def geolocation(self, request_or_headers: Any) -> Geolocation:
        """Return where the client is; every member is None where nobody can be believed."""
        seen = look(request_or_headers)
        peer, _ = self._peer(seen)
        provider = self._front if self._in_front(peer) else self._host
        place = geo.read(provider, seen.headers) if provider else geo.located({})
        if self._geoip and not (place["country"] or place["city"] or place["latitude"]):
            address = self.ip_address(seen)
            found = geo.look_up(address, self._geoip) if address else None
            if found:
                return {**found, "region": place["region"]}
        return place

    def _peer(self, seen: Seen) -> tuple[str | None, bool]:
        event = seen.source not in _SERVERS
        return addresses.peer_of(seen.headers, seen.client, event=event, host=self._host)

    def _in_front(self, peer: str | None) -> bool:
        """Tell whether the platform that the deployer has named can have sent this."""
        return self._front is not None and addresses.is_ours(peer, self._trusted)


def look(carrier: Any) -> Seen:
    """Find out what a request of any framework, or its headers, says; TypeError for other things.

    Frameworks are told by the attribute that holds what the server gave them. What clients choose
    never decides: a header's value is text, these are not.
    """
    if isinstance(carrier, Seen):
        return carrier
    if isinstance(carrier, Request):
        return Seen(carrier.headers, _host(carrier.client), carrier.source, carrier)
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
        return look(common)
    if given is scope:
        pairs = ((name.decode("latin-1"), value) for name, value in given.get("headers", ()))
        headers = Headers((name, value.decode("latin-1")) for name, value in pairs)
        return Seen(headers, _host(given.get("client")), "asgi")
    headers = Headers(
        (key[5:].replace("_", "-"), latin1(value))
        for key, value in given.items()
        if key.startswith("HTTP_")
    )
    return Seen(headers, given.get("REMOTE_ADDR"), "wsgi")


def _alone(given: Any) -> Seen:
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
    request = current_request_var.get(None)
    if request is None:
        return Seen(headers)
    asked = request.headers.joined()
    if all(asked.get(name) == value for name, value in headers.joined().items() if value):
        return Seen(headers, _host(request.client), request.source, request)
    return Seen(headers, request=request)


def _host(client: Any) -> str | None:
    return client[0] if client else None
