"""Which headers of a request are trusted, and what they say about its client.

Headers that a platform sets are trusted where we run on that platform (`platforms.proven`) or where
the deployer says that it stands in front (`platform`, UNIGATE_PLATFORM). Anywhere else a client may
have set them: then there is no geolocation, and the address is the one that the platform's event or
the server's socket names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from unigate import platforms
from unigate.context import current_request_var
from unigate.http import Headers, latin1

from . import addresses, geolocation, origins
from .geolocation import Geolocation
from .providers import PROVIDERS, Provider, provider
from .request_ids import checked

# Requests of these sources come through a server, which names the peer of its socket.
_SERVERS = ("asgi", "wsgi", "google")
# What servers name in place of an address for a Unix socket: gunicorn and uvicorn nothing, waitress
# "localhost", hypercorn the path after "unix:".
_UNIX_SOCKETS = ("", "localhost")
_UNIX_SOCKET_PREFIXES = ("/", "unix:")
# Events of these sources need not have a member for the peer, so that its absence means nothing.
# "" is a request made by hand, or headers alone.
_WITHOUT_PEER = ("", "generic", "alibaba", "tencent")


class Evidence:
    """What a request says about its client.

    `request` is the common request where there is one; it knows its deployment.
    """

    __slots__ = ("client", "headers", "request", "source")

    def __init__(
        self, headers: Headers, client: str | None = None, source: str = "", request: Any = None
    ) -> None:
        self.headers = headers
        self.client = client
        self.source = source
        self.request = request


class Trust:
    """The platforms and proxies whose headers are trusted; see `Deployment` for the arguments.

    Attributes:
        front: The platform that the deployer names, unless it is the one we run on.
        host: The platform that we run on.
        proxies: The deployer's own proxies.

    Raises:
        TypeError: The platform is neither a name nor a `Provider`.
        ValueError: For an unknown platform, and for proxies that are not numbers or addresses.
    """

    def __init__(
        self,
        platform: str | Provider | None,
        trusted_proxies: int | str | Sequence[str] | None,
        geoip: str,
    ) -> None:
        front = provider(platform) if isinstance(platform, str) else platform
        if not (front is None or isinstance(front, Provider)):
            raise TypeError(f"platform must be a name or a Provider, got {front!r}.")
        here = platforms.proven()
        host = PROVIDERS[here] if here else None
        if front and host and front.name == host.name:
            front, host = None, front
        self.front = front
        self.host = host
        self.proxies = addresses.read_trusted(trusted_proxies)
        self._geoip = geoip

    def ip_address(self, evidence: Evidence) -> str | None:
        """Return the client's address in its normal form, or None if it is unknown."""
        peer, named_by_platform = self._peer(evidence)
        front = self.front
        if front and self._is_front(peer, evidence) and evidence.source != front.name:
            address = addresses.vouched(
                front, evidence.headers, peer if named_by_platform else None
            )
            if address:
                return address
        return addresses.behind_proxies(
            evidence.headers,
            peer,
            self._proxies_before(peer, evidence),
            named_by_platform=named_by_platform,
            host=self.host,
        )

    def geolocation(self, evidence: Evidence) -> Geolocation:
        """Return the client's location; a field is None unless a trusted source provides it."""
        peer, _ = self._peer(evidence)
        provider = self.front if self._is_front(peer, evidence) else self.host
        headers = evidence.headers
        place = geolocation.read(provider, headers) if provider else geolocation.located({})
        if self._geoip and not (place["country"] or place["city"] or place["latitude"]):
            address = self.ip_address(evidence)
            found = geolocation.look_up(address, self._geoip) if address else None
            if found:
                return {**found, "region": place["region"]}
        return place

    @property
    def names_origin(self) -> bool:
        """Whether any request can have an `origin`."""
        return bool(self.proxies or (self.front and self.front.host))

    def origin(self, evidence: Evidence) -> origins.Origin | None:
        """Return the scheme and host that a trusted proxy names, None if nothing vouches for them.

        A platform that the deployer names comes first, then the deployer's own proxies.
        """
        peer, _ = self._peer(evidence)
        front = self.front
        if front and front.host and self._is_front(peer, evidence):
            found = origins.named_by_field(evidence.headers, front.host)
            if found:
                return found
        trusted = self._proxies_before(peer, evidence)
        if not trusted or not addresses.is_ours(peer, trusted):
            return None
        return origins.named_by_proxies(evidence.headers, trusted)

    def request_id(self, evidence: Evidence) -> str | None:
        """Return the identifier in a header that a trusted platform or proxy sets, or None.

        X-Request-ID counts only from the deployer's own proxies, which must set it themselves.
        """
        peer, _ = self._peer(evidence)
        if self.front and self._is_front(peer, evidence) and self.front.request_id:
            return checked(evidence.headers.get(self.front.request_id))
        if self.host and self.host.request_id:
            return checked(evidence.headers.get(self.host.request_id))
        if self._proxies_before(peer, evidence) and addresses.is_ours(peer, self.proxies):
            return checked(evidence.headers.get("x-request-id"))
        return None

    def _peer(self, evidence: Evidence) -> tuple[str | None, bool]:
        event = evidence.source not in ("", *_SERVERS)
        return addresses.peer_of(evidence.headers, evidence.client, event=event, host=self.host)

    def _is_front(self, peer: str | None, evidence: Evidence) -> bool:
        """Return True if the platform that the deployer names can have sent the request."""
        if self.front is None:
            return False
        if isinstance(self.proxies, tuple) and self._proxies_before(peer, evidence) is None:
            return False
        return addresses.is_ours(peer, self.proxies)

    def _proxies_before(self, peer: str | None, evidence: Evidence) -> addresses.Trusted:
        """Return the deployer's own proxies, or None if nothing shows that they sent the request.

        Without the address of a peer, ranges cannot be checked. A number of proxies stands for
        itself, except where an event lacks the peer that events of its source have: such a request
        did not take the usual way (API Gateway's console sends one, for example).
        """
        if peer is not None or _is_unix_socket(evidence):
            return self.proxies
        if isinstance(self.proxies, tuple):
            return None
        return self.proxies if evidence.source in _SERVERS + _WITHOUT_PEER else None


def _is_unix_socket(evidence: Evidence) -> bool:
    """Return True for a server's Unix socket: only processes of this machine can connect to it."""
    client = evidence.client or ""
    return evidence.source in _SERVERS and (
        client in _UNIX_SOCKETS or client.startswith(_UNIX_SOCKET_PREFIXES)
    )


def evidence_of(carrier: Any) -> Evidence:
    """Return the evidence in a request of any framework, or in its headers.

    Frameworks are told apart by the attribute that holds what the server gave them. Nothing that a
    client chooses decides: the value of a header is text, and these are not.

    Raises:
        TypeError: If `carrier` is neither a request, headers, an ASGI scope nor a WSGI environ.
    """
    if isinstance(carrier, Evidence):
        return carrier
    headers: Any = getattr(carrier, "headers", None)
    # The common request, by its class of headers, which no framework has, and its deployment.
    if isinstance(headers, Headers) and hasattr(carrier, "deployment"):
        return Evidence(headers, _host(carrier.client), carrier.source, carrier)
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
        return _evidence_of_headers(carrier if headers is None else headers)
    common = given.get("unigate.request")
    if common is not None and not isinstance(common, str):
        return evidence_of(common)
    if given is scope:
        pairs = ((name.decode("latin-1"), value) for name, value in given.get("headers", ()))
        fields = Headers((name, value.decode("latin-1")) for name, value in pairs)
        return Evidence(fields, _host(given.get("client")), "asgi")
    fields = Headers(
        (key[5:].replace("_", "-"), latin1(value))
        for key, value in given.items()
        if key.startswith("HTTP_")
    )
    return Evidence(fields, given.get("REMOTE_ADDR"), "wsgi")


def _evidence_of_headers(given: Any) -> Evidence:
    """Return the evidence in headers alone: that of the current request if they can be its own."""
    if isinstance(given, Headers):
        headers = given
    elif isinstance(given, dict):
        headers = Headers.from_map(given)
    elif hasattr(given, "items"):
        headers = Headers((str(name), latin1(value)) for name, value in given.items())
    else:
        raise TypeError(
            "The argument must be a request, its headers, an ASGI scope or a WSGI environ, "
            f"got {type(given).__name__}."
        )
    request = current_request_var.get(None)
    if request is None:
        return Evidence(headers)
    fields = request.headers.joined()
    if all(fields.get(name) == value for name, value in headers.joined().items() if value):
        return Evidence(headers, _host(request.client), request.source, request)
    return Evidence(headers, request=request)


def _host(client: Any) -> str | None:
    return client[0] if client else None
