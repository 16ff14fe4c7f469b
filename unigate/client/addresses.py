"""The address of the client: who can be believed about it, and how it is written.

Nothing here raises for what a client sends. An entry that is no address ends the search, because
whoever wrote it vouches for nothing further to the left.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from unigate.http import Headers

from .providers import Provider

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Trusted = int | tuple[Network, ...] | None
"""Our own proxies: how many, or which addresses they have."""


def parse(text: object) -> str | None:
    """Return an address in its normal form, without port, brackets or zone; None for no address."""
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
    """Return the address of "address:port", where an IPv6 address has no brackets either."""
    return parse((text or "").rpartition(":")[0])


def read_trusted(value: int | str | Sequence[str] | None) -> Trusted:
    """Check what the deployer says of its proxies; ValueError where it makes no sense."""
    if value is None:
        return None
    if isinstance(value, int):
        if isinstance(value, bool) or value < 0:
            raise ValueError(f"trusted_proxies is a number of hops from 0 up, not {value!r}.")
        return value
    ranges: list[Network] = []
    for one in [value] if isinstance(value, str) else value:
        try:
            ranges.append(ipaddress.ip_network(one, strict=False))
        except ValueError:
            raise ValueError(
                "trusted_proxies is a number of hops or a list of addresses and ranges such as "
                f'"10.0.0.0/8", not {one!r}.'
            ) from None
    return tuple(ranges)


def is_ours(address: str | None, trusted: Trusted) -> bool:
    """Tell whether a peer may be one of our proxies: in a range, or with nothing to check.

    A Unix socket has no peer: only what runs beside us can connect to it.
    """
    if address is None or not isinstance(trusted, tuple):
        return True
    parsed = ipaddress.ip_address(address)
    return any(parsed in network for network in trusted)


def peer_of(
    headers: Headers, client: str | None, *, event: bool, host: Provider | None
) -> tuple[str | None, bool]:
    """Return who has connected to the platform, and whether that is the platform's own word.

    An event names it in a field; a server names its socket, which on a platform is a proxy's.
    """
    known = parse(client)
    if event and known:
        return known, True
    told = host and vouched(host, headers)
    return (told, True) if told else (known, False)


def vouched(provider: Provider, headers: Headers, peer: str | None = None) -> str | None:
    """Return the client as a provider has seen it.

    `peer` is the provider's own address, where the platform behind it has appended that.
    """
    if provider.client:
        value = headers.get(provider.client)
        # CloudFront's is the one with a port behind an IPv6 address without brackets.
        read = _with_port if provider.name == "cloudfront" else parse
        address = read(value)
        if address:
            return address
    if not provider.appends:
        return None
    entries = _entries(headers)
    behind = provider.own
    if peer and entries and parse(entries[-1]) == peer:
        behind = 1  # the provider's own address, whoever has written it
    return parse(entries[-1 - behind]) if len(entries) > behind else None


def behind_proxies(
    headers: Headers, peer: str | None, trusted: Trusted, *, told: bool, host: Provider | None
) -> str | None:
    """Return the client before our own proxies, which stand in front of the platform.

    `told`: the platform has named the peer, and has appended it to X-Forwarded-For if it does so.
    The socket's peer is no reason to skip an entry: servers put the client there (uvicorn does).
    """
    if not trusted:
        return peer
    entries = _entries(headers)
    if told and host and host.own:
        del entries[-host.own :]
    if told and entries and parse(entries[-1]) == peer:
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
