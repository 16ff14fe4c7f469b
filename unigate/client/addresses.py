"""The client's address: its normal form, and the header fields and proxies that name it.

Nothing here raises for what a client sends. An entry that is not an address ends the search: the
proxy that wrote it does not vouch for the entries to its left.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence

from unigate.http import Headers

from .providers import Provider

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Trusted = int | tuple[Network, ...] | None
"""The deployer's own proxies: their number, or their addresses and ranges."""

_WORDS = {
    "loopback": ("127.0.0.0/8", "::1/128"),
    # RFC 1918 and RFC 4193.
    "private": ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"),
}


def parse(text: object) -> str | None:
    """Return an address in its normal form, without port, brackets and zone, or None."""
    if not isinstance(text, str):
        return None
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


def _with_port(text: str | None) -> str | None:
    """Return the address in "address:port", where IPv6 addresses have no brackets."""
    return parse((text or "").rpartition(":")[0])


def read_trusted(value: int | str | Sequence[str] | None) -> Trusted:
    """Return trusted proxies in checked form.

    Addresses, ranges and the words "private" and "loopback" may be separated by commas.

    Raises:
        ValueError: If `value` is neither a number of hops nor addresses or ranges.
    """
    if value is None:
        return None
    if isinstance(value, int):
        if isinstance(value, bool) or value < 0:
            raise ValueError(f"trusted_proxies must be 0 or more hops, got {value!r}.")
        return value
    if not isinstance(value, Iterable):
        raise _untrusted(value)
    ranges: list[Network] = []
    for item in [value] if isinstance(value, str) else value:
        for one in str(item).split(","):  # as text: a number or bytes would count as an address
            name = one.strip()
            try:
                ranges += [ipaddress.ip_network(n, strict=False) for n in _WORDS.get(name, (name,))]
            except ValueError:
                raise _untrusted(item) from None
    return tuple(ranges)


def _untrusted(value: object) -> ValueError:
    number = isinstance(value, str) and value.isdecimal()
    hops = f" Write the number of hops as an int: {value}." if number else ""
    return ValueError(
        "trusted_proxies must be a number of hops, or addresses and ranges such as "
        f'"10.0.0.0/8", "private" or "loopback", got {value!r}.{hops}'
    )


def is_ours(address: str | None, trusted: Trusted) -> bool:
    """Return True if a peer may be one of our proxies: in a range, or there are no ranges.

    None is a Unix socket; a peer that is unknown must not be passed.
    """
    if address is None or not isinstance(trusted, tuple):
        return True
    parsed = ipaddress.ip_address(address)
    return any(parsed in network for network in trusted)


def peer_of(
    headers: Headers, client: str | None, *, event: bool, host: Provider | None
) -> tuple[str | None, bool]:
    """Return the peer of the platform, and whether the platform itself named it.

    An event names its peer in a field. A server names the peer of its socket, which on a platform
    is a proxy.
    """
    address = parse(client)
    if event and address:
        return address, True
    named = host and vouched(host, headers)
    return (named, True) if named else (address, False)


def vouched(provider: Provider, headers: Headers, peer: str | None = None) -> str | None:
    """Return the client that a provider names.

    Args:
        peer: The provider's own address, if the platform behind it has appended that.
    """
    if provider.client:
        value = headers.get(provider.client)
        # CloudFront alone appends a port to IPv6 addresses without brackets.
        read = _with_port if provider.name == "cloudfront" else parse
        address = read(value)
        if address:
            return address
    if not provider.appends:
        return None
    entries = _entries(headers)
    behind = provider.own
    if peer and entries and parse(entries[-1]) == peer:
        behind = 1  # the provider's own address
    return parse(entries[-1 - behind]) if len(entries) > behind else None


def behind_proxies(
    headers: Headers,
    peer: str | None,
    trusted: Trusted,
    *,
    named_by_platform: bool,
    host: Provider | None,
) -> str | None:
    """Return the client in front of our own proxies, which stand in front of the platform.

    Args:
        named_by_platform: Whether the platform named the peer, and so has appended it to
            X-Forwarded-For if it appends. The peer of a socket is no reason to skip an entry:
            some servers (uvicorn) replace it by the client.
    """
    if not trusted:
        return peer
    entries = _entries(headers)
    if named_by_platform and host and host.own:
        del entries[-host.own :]
    if named_by_platform and entries and parse(entries[-1]) == peer:
        entries.pop()
    if isinstance(trusted, int):
        return (parse(entries[-trusted]) if len(entries) >= trusted else None) or peer
    found = peer
    while entries and is_ours(found, trusted):
        address = parse(entries.pop())
        if address is None:
            break
        found = address
    return found


def _entries(headers: Headers) -> list[str]:
    entries = (headers.get("x-forwarded-for") or "").split(",")
    return [entry for entry in entries if entry.strip()]
