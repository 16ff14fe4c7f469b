"""Addresses as proxies write them, and who can be believed about them."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unigate.client import addresses, providers
from unigate.client.providers import PROVIDERS
from unigate.http import Headers


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("203.0.113.7", "203.0.113.7"),
        (" 203.0.113.7\t", "203.0.113.7"),
        ("203.0.113.7:46532", "203.0.113.7"),
        ("2001:DB8:0:0:0:0:0:7", "2001:db8::7"),
        ("[2001:db8::7]", "2001:db8::7"),
        ("[2001:db8::7]:443", "2001:db8::7"),
        ('"[2001:db8::7]:443"', "2001:db8::7"),
        ("fe80::1%eth0", "fe80::1"),
        ("[fe80::1%eth0]:80", "fe80::1"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("::ffff:cb00:7107", "203.0.113.7"),
        ("unknown", None),
        ("_hidden", None),
        ("", None),
        (None, None),
        (7, None),
        (b"203.0.113.7", None),
        ("7", None),
        ("203.0.113", None),
        ("203.0.113.007", None),
        ("203.0.113.7, 198.51.100.1", None),
        ("203.0.113.7/24", None),
        ("testclient", None),
        (":", None),
        ("[", None),
        ("%", None),
        ("٢٠٣.0.113.7", None),
        ("1" * 100_000, None),
    ],
)
def test_address_is_normalized(text: object, expected: str | None) -> None:
    assert addresses.parse(text) == expected


ADDRESSES = st.ip_addresses()


@given(ADDRESSES, st.integers(0, 65535))
def test_every_way_to_write_an_address_is_read(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int
) -> None:
    normal = str(getattr(address, "ipv4_mapped", None) or address)
    bracketed = f"[{address}]" if address.version == 6 else str(address)
    for text in (str(address), address.exploded, bracketed, f"{bracketed}:{port}"):
        assert addresses.parse(text) == normal


@given(st.text())
def test_garbage_is_never_an_error(text: str) -> None:
    address = addresses.parse(text)
    assert address is None or addresses.parse(address) == address
    headers = Headers([("x-forwarded-for", text)])
    for trusted in (1, 3, addresses.read_trusted(["10.0.0.0/8"])):
        for told in (True, False):
            host = PROVIDERS["fly"]
            found = addresses.behind_proxies(
                headers, "10.0.0.1", trusted, named_by_platform=told, host=host
            )
            assert found is not None


def forwarded(*entries: str) -> Headers:
    return Headers([("x-forwarded-for", ", ".join(entries))])


@pytest.mark.parametrize(
    ("trusted", "entries", "peer", "expected"),
    [
        (None, ["203.0.113.7"], "10.0.0.1", "10.0.0.1"),
        (0, ["203.0.113.7"], "10.0.0.1", "10.0.0.1"),
        (1, ["6.6.6.6", "203.0.113.7"], "10.0.0.1", "203.0.113.7"),
        (2, ["6.6.6.6", "203.0.113.7", "10.0.0.2"], "10.0.0.1", "203.0.113.7"),
        (2, ["203.0.113.7"], "10.0.0.1", "10.0.0.1"),  # it has not come through two
        (1, [], "10.0.0.1", "10.0.0.1"),
        (1, ["203.0.113.7", "unknown"], "10.0.0.1", "10.0.0.1"),
        (1, ["203.0.113.7", ""], "10.0.0.1", "203.0.113.7"),
        (1, ["203.0.113.7:1234"], None, "203.0.113.7"),
        (1, [], None, None),
        # a server that has put the client in the place of its peer
        (1, ["6.6.6.6", "203.0.113.7"], "203.0.113.7", "203.0.113.7"),
        ("10.0.0.0/8", ["6.6.6.6", "203.0.113.7"], "10.0.0.1", "203.0.113.7"),
        ("10.0.0.0/8", ["6.6.6.6", "203.0.113.7", "10.9.9.9"], "10.0.0.1", "203.0.113.7"),
        ("10.0.0.0/8", ["6.6.6.6", "10.0.0.2"], "203.0.113.7", "203.0.113.7"),
        ("10.0.0.0/8", ["6.6.6.6", "203.0.113.7"], "203.0.113.7", "203.0.113.7"),
        ("10.0.0.0/8", ["6.6.6.6", "unknown", "10.0.0.2"], "10.0.0.1", "10.0.0.2"),
        ("10.0.0.0/8", ["10.0.0.3", "10.0.0.2"], "10.0.0.1", "10.0.0.3"),
        ("10.0.0.0/8", [], "10.0.0.1", "10.0.0.1"),
        ("10.0.0.0/8", ["203.0.113.7"], None, "203.0.113.7"),  # a Unix socket
        ("10.0.0.0/8", ["203.0.113.7", "::ffff:10.0.0.2"], "10.0.0.1", "203.0.113.7"),
        ("2001:db8::/32", ["203.0.113.7"], "2001:db8::1", "203.0.113.7"),
    ],
)
def test_client_is_before_our_own_proxies(
    trusted: int | str | None, entries: list[str], peer: str | None, expected: str | None
) -> None:
    checked = addresses.read_trusted(trusted)
    headers = forwarded(*entries)
    found = addresses.behind_proxies(headers, peer, checked, named_by_platform=False, host=None)
    assert found == expected


@pytest.mark.parametrize(
    ("host", "entries", "expected"),
    [
        ("aws", ["6.6.6.6", "203.0.113.7", "198.51.100.1"], "203.0.113.7"),
        ("aws", ["6.6.6.6", "203.0.113.7"], "203.0.113.7"),  # a gateway that does not append
        ("fly", ["6.6.6.6", "203.0.113.7", "198.51.100.1", "2001:db8::f1"], "203.0.113.7"),
        ("fly", [], "198.51.100.1"),
    ],
)
def test_what_the_platform_appends_is_no_hop(host: str, entries: list[str], expected: str) -> None:
    row = PROVIDERS[host]
    found = addresses.behind_proxies(
        forwarded(*entries), "198.51.100.1", 1, named_by_platform=True, host=row
    )
    assert found == expected


@pytest.mark.parametrize(
    ("given", "ours", "others"),
    [
        ("loopback", ["127.0.0.1", "127.9.9.9", "::1"], ["10.0.0.1", "::2", "128.0.0.1"]),
        (
            "private",
            ["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.9.9", "fd00::1", "fc00::1"],
            ["127.0.0.1", "172.15.0.1", "172.32.0.1", "192.169.0.1", "169.254.1.1", "fe80::1"],
        ),
        ("private, 203.0.113.0/24 ,::1", ["10.0.0.1", "203.0.113.9", "::1"], ["127.0.0.1"]),
        (["loopback", "private,203.0.113.7"], ["::1", "10.0.0.1", "203.0.113.7"], ["203.0.113.8"]),
        ([ipaddress.ip_network("203.0.113.0/24")], ["203.0.113.7"], ["10.0.0.1"]),
    ],
)
def test_proxies_may_be_words_and_lists(given: Any, ours: list[str], others: list[str]) -> None:
    trusted = addresses.read_trusted(given)
    assert [one for one in ours + others if addresses.is_ours(one, trusted)] == ours


@pytest.mark.parametrize(
    "wrong",
    [
        *(-1, True, "10.0.0.0/99", ["10.0.0.1", "proxy.local"], [""], "", "private,", "Private"),
        *("1", 1.5, object(), [1], [None], [b"\x01\x02\x03\x04"], b"\x01\x02\x03\x04"),
    ],
)
def test_proxies_that_make_no_sense(wrong: Any) -> None:
    with pytest.raises(ValueError, match="trusted_proxies must be"):
        addresses.read_trusted(wrong)


def test_a_number_as_text_is_shown_as_a_number() -> None:
    with pytest.raises(ValueError, match=r"got '2'\. Write the number of hops as an int: 2\."):
        addresses.read_trusted("2")


def test_range_may_be_named_by_any_of_its_addresses() -> None:
    trusted = addresses.read_trusted(["10.1.2.3/8", "2001:db8::1"])
    assert addresses.is_ours("10.200.0.1", trusted)
    assert addresses.is_ours("2001:db8::1", trusted)
    assert not addresses.is_ours("2001:db8::2", trusted)


CLIENT = "203.0.113.7"


@pytest.mark.parametrize(
    ("name", "header", "value", "expected"),
    [
        ("vercel", "x-real-ip", CLIENT, CLIENT),
        ("cloudfront", "cloudfront-viewer-address", f"{CLIENT}:46532", CLIENT),
        ("cloudfront", "cloudfront-viewer-address", "2001:db8::7:46532", "2001:db8::7"),
        ("cloudfront", "cloudfront-viewer-address", "2001:db8::7:8080", "2001:db8::7"),
        ("cloudflare", "cf-connecting-ip", "2001:DB8::7", "2001:db8::7"),
        ("app-engine", "x-appengine-user-ip", CLIENT, CLIENT),
        ("netlify", "x-nf-client-connection-ip", "2001:db8:0:0:0:0:0:7", "2001:db8::7"),
        ("fly", "fly-client-ip", CLIENT, CLIENT),
        ("azure-front-door", "x-azure-socketip", CLIENT, CLIENT),
        ("akamai", "true-client-ip", CLIENT, CLIENT),
        ("google", "x-forwarded-for", f"6.6.6.6, {CLIENT}", CLIENT),
        ("azure", "x-forwarded-for", f"6.6.6.6:1, {CLIENT}:5678", CLIENT),
        ("azure", "x-forwarded-for", "6.6.6.6:1, [2001:db8::7]:5678", "2001:db8::7"),
        ("google-load-balancer", "x-forwarded-for", f"6.6.6.6,{CLIENT},198.51.100.1", CLIENT),
        ("cloudfront", "x-forwarded-for", f"6.6.6.6, {CLIENT}", CLIENT),
        ("cloudflare", "cf-connecting-ip", f"6.6.6.6, {CLIENT}", None),
        ("cloudfront", "cloudfront-viewer-address", "unknown", None),
        ("azure-front-door", "x-azure-clientip", "6.6.6.6", None),
        ("fastly", "fastly-client-ip", "6.6.6.6", None),
        ("fastly", "x-forwarded-for", "6.6.6.6", None),
        ("akamai", "x-forwarded-for", "6.6.6.6", None),
        ("aws", "x-forwarded-for", "6.6.6.6", None),
        ("google-load-balancer", "x-forwarded-for", "6.6.6.6", None),
        ("google", "x-forwarded-for", "", None),
    ],
)
def test_provider_vouches_for_what_it_overwrites(
    name: str, header: str, value: str, expected: str | None
) -> None:
    assert addresses.vouched(PROVIDERS[name], Headers([(header, value)])) == expected


def test_header_that_the_operator_sets_is_vouched_for() -> None:
    row = providers.provider("fastly", client="Fastly-Client-IP")
    assert addresses.vouched(row, Headers([("fastly-client-ip", CLIENT)])) == CLIENT
