"""Hosts and ports of server and client, parsed from header fields and platform values."""

from __future__ import annotations

from unigate.memo import Memo

from .headers import Headers, latin1

Address = tuple[str, int]

Forwarded = tuple[bool, bool]
"""Whether a platform writes X-Forwarded-Proto, and X-Forwarded-Port: then these are believed."""

NOTHING: Forwarded = (False, False)
SCHEME: Forwarded = (True, False)
SCHEME_AND_PORT: Forwarded = (True, True)

_DEFAULT_PORTS = {"http": 80, "ws": 80}
# The characters of a host in a URL.
_HOST = frozenset("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-._:[]")
# The characters of an IP address; a zone id ("%eth0") means nothing on other machines.
_ADDRESS = "0123456789abcdefABCDEF.:"


def split_host(value: str, scheme: str) -> Address:
    """Split "host", "host:port" or "[v6]:port" into a host without brackets and a port."""
    host, port = _split_port(value)
    return host, port_number(port) or _DEFAULT_PORTS.get(scheme, 443)


def _split_port(value: str) -> tuple[str, str]:
    host, colon, port = value.rpartition(":")
    if not colon or port.endswith("]") or (":" in host and not host.endswith("]")):
        host, port = value, ""  # without a port: a plain name or an IPv6 address
    return host.strip("[]"), port


def is_host(value: str) -> bool:
    """Return True for a host as links can have it: a name or an address, perhaps with a port."""
    host, port = _split_port(value)
    return _HOST.issuperset(value) and bool(host) and (not port or port_number(port) > 0)


def _server(key: tuple[str | None, str, str | None]) -> Address:
    """Return the server's address from a Host header, the scheme and X-Forwarded-Port."""
    host, scheme, forwarded_port = key
    name, port = split_host(latin1(host or "localhost"), scheme)
    return name or "localhost", port_number(forwarded_port or "") or port


SERVERS = Memo(_server)


def port_number(text: str) -> int:
    """Return the port that a text is, 0 for any other text."""
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0
    return number if number < 65536 else 0


def _client(client: str | Address) -> Address | None:
    """Return (host, port) for either form, None if the host is not an IP address.

    API Gateway's console sends "test-invoke-source-ip", some proxies "unknown".
    """
    peer = (client, 0) if isinstance(client, str) else client
    return peer if peer[0] and not peer[0].strip(_ADDRESS) else None


CLIENTS = Memo(_client)


def forwarded_peer(headers: Headers) -> Address | None:
    """Return the right-most entry of X-Forwarded-For: the peer of the proxy in front.

    The client can forge all entries to the left of it. The port is 0 if the entry has none.
    """
    entry = (headers.get("x-forwarded-for") or "").rpartition(",")[2].strip()
    return _peer(entry) if entry else None


def without_ports(forwarded: str) -> str:
    """Return the value of X-Forwarded-For with addresses alone, as frameworks expect them."""
    return ", ".join(_peer(entry.strip())[0] for entry in forwarded.split(","))


def _peer(entry: str) -> Address:
    """Split an entry of X-Forwarded-For: "address", "address:port", "[v6]" or "[v6]:port"."""
    if entry.startswith("[") or entry.count(":") == 1:
        host, port = split_host(entry, "https")
        return host, port if entry.endswith(f":{port}") else 0
    return entry, 0
