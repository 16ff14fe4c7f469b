"""What clients can forge in an event of each source: scheme, port and address."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.samples import load
from unigate.deployment import Deployment
from unigate.events import azure, detection
from unigate.events.forwarded import BELIEVED
from unigate.http import Headers
from unigate.http.hosts import NOTHING, SCHEME, SCHEME_AND_PORT, Forwarded
from unigate.request import Request

FORGED = "6.6.6.6"
SOURCES = {**detection.all_sources(), "azure": azure}


def test_every_source_has_a_rule() -> None:
    assert BELIEVED.keys() == SOURCES.keys()


def arrived(name: str, sent: dict[str, str]) -> Request:
    """Read an event of a platform that passes on what the client has sent, and adds nothing."""
    # A proxy of ours would replace the fields, so they travel under other names.
    fields = {field.replace("forwarded", "placeholder"): value for field, value in sent.items()}
    headers = Headers([("host", "example.org"), *fields.items()])
    event = SOURCES[name].make_event(Request("GET", headers=headers, source=name))
    if name == "azure":
        original = {k: v for k, v in event.headers.items() if not k.startswith("x-forwarded-")}
        renamed = {k.replace("placeholder", "forwarded"): v for k, v in original.items()}
        event = type(event)("GET", event.url, headers=renamed, body=b"")
    else:
        text = re.sub("x-forwarded-(proto|port)", r"x-removed-\1", json.dumps(event), flags=re.I)
        event = json.loads(re.sub("placeholder", "forwarded", text, flags=re.I))
    request = SOURCES[name].to_request(event, None)
    assert request.source == name
    return request


@pytest.mark.parametrize("name", SOURCES)
def test_scheme_and_port_come_from_fields_that_the_platform_writes(name: str) -> None:
    request = arrived(name, {"x-forwarded-proto": "http", "x-forwarded-port": "8080"})
    plain = arrived(name, {})
    scheme, port = BELIEVED[name]
    assert request.scheme == ("http" if scheme else plain.scheme)
    assert request.server[1] == (8080 if port else 80 if scheme else plain.server[1])


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize(
    ("sent", "scheme"), [("HTTP", "http"), ("Https", "https"), ("HTTPS", "https"), ("WS", None)]
)
def test_a_scheme_is_read_in_any_case(name: str, sent: str, scheme: str | None) -> None:
    plain = arrived(name, {}).scheme
    expected = scheme if scheme and BELIEVED[name][0] else plain
    assert arrived(name, {"x-forwarded-proto": sent}).scheme == expected


@pytest.mark.parametrize("name", SOURCES)
def test_host_and_prefix_come_from_no_forwarded_field(name: str) -> None:
    sent = {"x-forwarded-host": "evil.example", "x-forwarded-prefix": "/evil"}
    request = arrived(name, {**sent, "forwarded": "host=evil.example;proto=http"})
    plain = arrived(name, {})
    assert (request.server, request.scheme) == (plain.server, plain.scheme)
    assert (request.root_path, request.path) == ("", "/")


@pytest.mark.parametrize(
    ("name", "believed"),
    [
        *((name, SCHEME_AND_PORT) for name in ("http_api", "function_url", "rest_api")),
        *((name, SCHEME_AND_PORT) for name in ("alb", "huawei")),
        *((name, SCHEME) for name in ("vercel", "scaleway", "digitalocean", "azure")),
        *((name, NOTHING) for name in ("yandex", "netlify", "lattice", "lattice_v1", "cloudfront")),
        *((name, NOTHING) for name in ("openwhisk", "alibaba", "tencent", "generic")),
    ],
)
def test_rules_are_these(name: str, believed: Forwarded) -> None:
    assert BELIEVED[name] == believed


# --- addresses -----------------------------------------------------------------------------------

# The parsed event names no peer, or one that is not an address.
NOBODY: list[tuple[str, Any]] = [
    (
        "generic",
        {"path": "/", "httpMethod": "GET", "headers": {}, "queryStringParameters": ""},
    ),
    ("tencent", load("tencent/function_url")),
    ("alibaba", load("alibaba/gateway")),
    (
        "rest_api",
        {
            "resource": "/",
            "path": "/",
            "httpMethod": "GET",
            "headers": {},
            "requestContext": {"identity": {"sourceIp": "test-invoke-source-ip"}},
        },
    ),
    (
        "http_api",
        {
            "version": "2.0",
            "rawPath": "/",
            "headers": {},
            "requestContext": {"http": {"method": "GET", "sourceIp": "IP"}},
        },
    ),
]


@pytest.mark.parametrize(("name", "event"), NOBODY)
@pytest.mark.parametrize("entries", [FORGED, f"{FORGED}, 10.0.0.1", f"unknown, {FORGED}"])
def test_nothing_vouches_for_a_request_whose_peer_nobody_names(
    name: str, event: Any, entries: str, nowhere: None
) -> None:
    sent = {"x-forwarded-for": entries, "cf-connecting-ip": FORGED, "cf-ipcountry": "BR"}
    event = {**event, "headers": {**(event["headers"] or {}), **sent}, "multiValueHeaders": None}
    request = SOURCES[name].to_request(event, None)
    assert (request.source, request.client) == (name, None)
    assert Deployment().ip_address(request) is None
    for ranges in ("10.0.0.0/8", ["0.0.0.0/0", "::/0"]):
        assert Deployment(trusted_proxies=ranges).ip_address(request) is None
        front = Deployment(platform="cloudflare", trusted_proxies=ranges)
        assert front.ip_address(request) is None
        assert front.geolocation(request)["country"] is None
    # A number of proxies stands for itself where events need not name a peer.
    counted = Deployment(trusted_proxies=1).ip_address(request)
    last = entries.rpartition(", ")[2]
    assert counted == (last if name in ("generic", "tencent", "alibaba") else None)


@pytest.mark.parametrize(
    ("source", "client", "believed"),
    [
        ("asgi", None, True),  # a Unix socket
        ("wsgi", ("", 0), True),
        ("wsgi", ("localhost", 0), True),
        ("asgi", ("unix:/run/app.sock", 0), True),
        ("asgi", ("/run/app.sock", 0), True),
        ("asgi", ("10.0.0.1", 1), True),
        ("asgi", ("192.0.2.1", 1), False),
        ("asgi", ("testclient", 50000), False),
        ("wsgi", ("unknown", 0), False),
        ("", None, False),
        ("telegraph", None, False),
        ("alb", None, False),
    ],
)
def test_ranges_are_believed_on_a_unix_socket_and_for_addresses_in_them(
    source: str, client: tuple[str, int] | None, believed: bool, nowhere: None
) -> None:
    headers = Headers([("x-forwarded-for", FORGED)])
    request = Request("GET", headers=headers, client=client, source=source)
    address = Deployment(trusted_proxies="10.0.0.0/8").ip_address(request)
    assert (address == FORGED) is believed


def test_headers_alone_are_not_through_our_proxies(nowhere: None) -> None:
    deployment = Deployment(platform="cloudflare", trusted_proxies="10.0.0.0/8")
    assert deployment.ip_address({"cf-connecting-ip": FORGED, "x-forwarded-for": FORGED}) is None
    assert Deployment(platform="cloudflare").ip_address({"cf-connecting-ip": FORGED}) == FORGED
