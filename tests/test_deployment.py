"""Whose word counts: on every platform, behind every provider, for requests of every framework."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest
from django.test import RequestFactory
from flask import Flask
from flask import request as flask_request
from hypothesis import given
from hypothesis import strategies as st
from mmdb_writer import MMDBWriter
from netaddr import IPSet
from starlette.requests import Request as StarletteRequest
from vercel import headers as vercel_headers

from tests.platforms import PROOFS
from unigate import Response
from unigate.client import providers
from unigate.client.geolocation import Geolocation
from unigate.context import current_request_var
from unigate.deployment import Deployment, default_deployment, geolocation, ip_address
from unigate.events import azure, cloudfront, http_api, vercel
from unigate.events.detection import all_sources
from unigate.http import Headers
from unigate.request import Request

SOCKET = "192.0.2.1"
CLIENT = "203.0.113.7"
FORGED = "6.6.6.6"

# What each provider writes; in the hands of a client, what it would forge.
WRITES: dict[str, dict[str, str]] = {
    "vercel": {"x-vercel-ip-country": "BR", "x-real-ip": FORGED, "x-vercel-id": "gru1::a"},
    "cloudfront": {
        "cloudfront-viewer-country": "BR",
        "cloudfront-viewer-address": f"{FORGED}:443",
    },
    "cloudflare": {"cf-ipcountry": "BR", "cf-connecting-ip": FORGED},
    "app-engine": {"x-appengine-country": "BR", "x-appengine-user-ip": FORGED},
    "netlify": {"x-country": "BR", "x-nf-client-connection-ip": FORGED},
    "fly": {"fly-region": "gru", "fly-client-ip": FORGED},
    "azure-front-door": {"x-azure-socketip": FORGED},
    "akamai": {"x-akamai-edgescape": "country_code=BR", "true-client-ip": FORGED},
    "fastly": {"fastly-client-ip": FORGED, "client-geo-country": "BR"},
    "google-load-balancer": {"x-client-region": "BR"},
}
HOSTS = (*PROOFS, "nowhere")


@pytest.fixture(autouse=True)
def somewhere_unknown(nowhere: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run every test on a host that says nothing."""
    for name in ("UNIGATE_PLATFORM", "UNIGATE_GEOIP_DATABASE"):
        monkeypatch.delenv(name, raising=False)
    default_deployment.cache_clear()
    yield
    default_deployment.cache_clear()


def request_with(
    headers: dict[str, str], client: str | None = SOCKET, source: str = "asgi"
) -> Request:
    return Request(
        "GET",
        headers=Headers(headers.items()),
        client=(client, 40000) if client else None,
        source=source,
    )


def known(place: Geolocation) -> set[str]:
    return {name for name, value in place.items() if value is not None}


# --- who is believed -----------------------------------------------------------------------------


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("provider", WRITES)
def test_forged_headers_count_nowhere_else(
    host: str, provider: str, run_on: Callable[[str], None]
) -> None:
    if host != "nowhere":
        run_on(host)
    request = request_with(WRITES[provider])
    place = geolocation(request)
    if host == provider:
        assert ip_address(request) == FORGED  # it is the platform's word here
        assert known(place) >= ({"region"} if host == "fly" else {"country", "flag"})
    else:
        assert ip_address(request) == SOCKET
        assert known(place) == ({"region"} if host == "vercel" else set())


@pytest.mark.parametrize("named", providers.PROVIDERS)
@pytest.mark.parametrize("provider", WRITES)
def test_naming_one_provider_is_not_naming_another(named: str, provider: str) -> None:
    deployment = Deployment(platform=named)
    request = request_with(WRITES[provider])
    own = providers.PROVIDERS[named].client
    believed = named == provider and bool(own)
    assert deployment.ip_address(request) == (FORGED if believed else SOCKET)
    country = deployment.geolocation(request)["country"]
    expected = named == provider and provider not in (
        *("fly", "azure-front-door", "fastly", "google-load-balancer"),
    )
    assert country == ("BR" if expected else None)


@pytest.mark.parametrize("host", HOSTS)
def test_forged_forwarded_for_never_wins(host: str, run_on: Callable[[str], None]) -> None:
    if host != "nowhere":
        run_on(host)
    sent = f"{FORGED}, {CLIENT}"
    appends = host.startswith(("google", "azure"))
    request = request_with({"x-forwarded-for": sent, "forwarded": f"for={FORGED}"})
    assert ip_address(request) == (CLIENT if appends else SOCKET)


@pytest.mark.parametrize("variable", ["FUNCTION_TARGET", "FUNCTIONS_WORKER_RUNTIME"])
def test_variables_of_tools_prove_nothing(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "main")
    assert ip_address(request_with({"x-forwarded-for": FORGED})) == SOCKET


def test_platform_is_named_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNIGATE_PLATFORM", "cloudflare")
    request = request_with({"cf-ipcountry": "BR", "cf-connecting-ip": CLIENT})
    assert ip_address(request) == CLIENT
    assert geolocation(request)["country"] == "BR"
    assert Deployment(platform="fly").ip_address(request) == SOCKET  # the argument wins


def test_wrong_words_of_the_deployer(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=r"must be one of vercel, .*got 'heroku'"):
        Deployment(platform="heroku")
    with pytest.raises(ValueError, match="0 or more hops"):
        Deployment(trusted_proxies=-1)
    monkeypatch.setenv("UNIGATE_PLATFORM", "heroku")
    with pytest.raises(ValueError, match="got 'heroku'"):
        Deployment()


def test_operator_chooses_names() -> None:
    row = providers.provider(
        "fastly", client="Fastly-Client-IP", country="Client-Geo-Country", city="Client-Geo-City"
    )
    request = request_with({**WRITES["fastly"], "client-geo-city": "Santos"})
    deployment = Deployment(platform=row)
    assert deployment.ip_address(request) == FORGED
    place = deployment.geolocation(request)
    assert (place["country"], place["city"]) == ("BR", "Santos")


def test_names_chosen_for_the_platform_that_runs_us(run_on: Callable[[str], None]) -> None:
    run_on("aws")
    deployment = Deployment(platform=providers.provider("aws", country="x-country"))
    request = request_with({"x-country": "BR"}, CLIENT, "http_api")
    assert deployment.geolocation(request)["country"] == "BR"
    assert deployment.ip_address(request) == CLIENT
    proxied = Deployment(
        platform=providers.provider("aws", country="x-country"), trusted_proxies=["10.0.0.0/8"]
    )
    assert proxied.geolocation(request)["country"] == "BR"  # it runs us, no proxy does


# --- one in front of the other -------------------------------------------------------------------


def test_provider_in_front_of_a_platform(run_on: Callable[[str], None]) -> None:
    run_on("vercel")
    edge = {"x-real-ip": "198.51.100.1", "x-vercel-ip-country": "US", "x-vercel-id": "fra1::a"}
    request = request_with({**edge, "cf-connecting-ip": CLIENT, "cf-ipcountry": "BR"}, "127.0.0.1")
    deployment = Deployment(platform="cloudflare")
    assert deployment.ip_address(request) == CLIENT
    assert deployment.geolocation(request)["country"] == "BR"
    assert ip_address(request) == "198.51.100.1"
    assert geolocation(request)["country"] == "US"


def test_provider_is_believed_only_through_its_addresses(run_on: Callable[[str], None]) -> None:
    run_on("vercel")
    deployment = Deployment(platform="cloudflare", trusted_proxies=["198.51.100.0/24"])
    sent = {"cf-connecting-ip": FORGED, "cf-ipcountry": "BR", "x-vercel-ip-country": "US"}
    through = request_with({**sent, "x-real-ip": "198.51.100.1"})
    around = request_with({**sent, "x-real-ip": CLIENT})
    assert deployment.ip_address(through) == FORGED
    assert deployment.geolocation(through)["country"] == "BR"
    assert deployment.ip_address(around) == CLIENT
    assert deployment.geolocation(around)["country"] == "US"


def test_provider_that_says_nothing_leaves_it_to_the_platform(
    run_on: Callable[[str], None],
) -> None:
    run_on("vercel")
    deployment = Deployment(platform="cloudflare")
    for value in ("", "unknown", f"{FORGED}, {FORGED}"):
        request = request_with({"x-real-ip": CLIENT, "cf-connecting-ip": value})
        assert deployment.ip_address(request) == CLIENT


@pytest.mark.parametrize(
    ("forwarded", "source", "expected"),
    [
        (f"{FORGED}, {CLIENT}, 198.51.100.1", "rest_api", CLIENT),  # the gateway has appended
        (f"{FORGED}, {CLIENT}", "rest_api", CLIENT),
        (f"{FORGED}, {CLIENT}", "asgi", CLIENT),
        ("", "rest_api", "198.51.100.1"),
        ("198.51.100.1", "rest_api", "198.51.100.1"),
    ],
)
def test_cloudfront_before_a_gateway(forwarded: str, source: str, expected: str) -> None:
    request = request_with({"x-forwarded-for": forwarded}, "198.51.100.1", source)
    assert Deployment(platform="cloudfront").ip_address(request) == expected


def test_server_that_takes_the_client_for_its_peer_moves_nothing() -> None:
    request = request_with({"x-forwarded-for": f"{FORGED}, {CLIENT}"}, CLIENT)
    assert Deployment(platform="cloudfront").ip_address(request) == CLIENT
    assert Deployment(trusted_proxies=1).ip_address(request) == CLIENT
    assert Deployment(trusted_proxies=["198.51.100.0/24"]).ip_address(request) == CLIENT


def test_google_load_balancer_before_cloud_run(run_on: Callable[[str], None]) -> None:
    run_on("google")
    sent = {"x-forwarded-for": f"{FORGED}, {CLIENT}, 198.51.100.1"}
    request = request_with(sent, "169.254.169.126", "google")
    assert Deployment(platform="google-load-balancer").ip_address(request) == CLIENT
    assert ip_address(request) == "198.51.100.1"


def test_proxy_before_fly(run_on: Callable[[str], None]) -> None:
    run_on("fly")
    sent = {
        "fly-client-ip": "198.51.100.1",
        "x-forwarded-for": f"{FORGED}, {CLIENT}, 198.51.100.1, 2001:db8::f1",
    }
    request = request_with(sent, "172.16.0.1")
    assert ip_address(request) == "198.51.100.1"
    assert Deployment(trusted_proxies=1).ip_address(request) == CLIENT
    assert Deployment(trusted_proxies=["198.51.100.0/24"]).ip_address(request) == CLIENT


def test_request_that_went_around_the_proxy_of_fly(run_on: Callable[[str], None]) -> None:
    run_on("fly")
    request = request_with({"x-forwarded-for": f"{FORGED}, {CLIENT}"}, "fdaa::3")
    assert ip_address(request) == "fdaa::3"
    assert Deployment(trusted_proxies=1).ip_address(request) == CLIENT


# --- events --------------------------------------------------------------------------------------


def asked(headers: dict[str, str]) -> Request:
    return Request("GET", headers=Headers(headers.items()), client=(CLIENT, 0))


@pytest.mark.parametrize("name", [*all_sources(), "azure"])
@pytest.mark.parametrize("host", ["aws", "nowhere"])
def test_what_the_event_names_comes_before_headers(
    host: str, name: str, run_on: Callable[[str], None]
) -> None:
    if host != "nowhere":
        run_on(host)
    everything = {name: value for headers in WRITES.values() for name, value in headers.items()}
    sent = asked({**everything, "x-forwarded-for": FORGED, "x-client-ip": FORGED})
    sent.source = name
    source = all_sources().get(name, azure)
    request = source.to_request(source.make_event(sent), None)
    assert ip_address(request) == (None if name == "generic" else CLIENT)
    assert known(geolocation(request)) == set()


def test_proxy_before_a_gateway() -> None:
    event = http_api.make_event(asked({"x-forwarded-for": f"{FORGED}, 198.51.100.9"}))
    request = http_api.to_request(event, None)
    assert request.headers.get("x-forwarded-for") == f"{FORGED}, 198.51.100.9, {CLIENT}"
    assert ip_address(request) == CLIENT
    assert Deployment(trusted_proxies=1).ip_address(request) == "198.51.100.9"
    assert Deployment(trusted_proxies=[CLIENT]).ip_address(request) == "198.51.100.9"


def test_viewer_request_has_no_headers_of_cloudfront_yet() -> None:
    event = cloudfront.make_event(asked({"cloudfront-viewer-address": f"{FORGED}:1"}))
    request = cloudfront.to_request(event, None)
    assert Deployment(platform="cloudfront").ip_address(request) == CLIENT


def test_event_in_the_form_of_vercel_is_no_proof_of_its_edge() -> None:
    sent = asked({"x-vercel-ip-country": "BR"})
    request = vercel.to_request(vercel.make_event(sent), None)
    assert ip_address(request) == CLIENT
    assert known(geolocation(request)) == set()


def test_event_that_names_nobody(run_on: Callable[[str], None]) -> None:
    request = request_with({"x-forwarded-for": CLIENT}, None, "generic")
    assert ip_address(request) is None
    assert Deployment(trusted_proxies=1).ip_address(request) == CLIENT
    run_on("google")
    assert Deployment().ip_address(request) == CLIENT


# --- whatever carries headers --------------------------------------------------------------------

ON_VERCEL = {"x-real-ip": CLIENT, "x-vercel-ip-country": "BR"}


def environ_of(headers: dict[str, str]) -> dict[str, Any]:
    fields = {"HTTP_" + name.upper().replace("-", "_"): value for name, value in headers.items()}
    return {"REQUEST_METHOD": "GET", "REMOTE_ADDR": SOCKET, "wsgi.version": (1, 0), **fields}


def scope_of(headers: dict[str, str]) -> dict[str, Any]:
    fields = [(name.encode(), value.encode()) for name, value in headers.items()]
    return {
        "type": "http",
        "method": "GET",
        "path": "/",
        "query_string": b"",
        "headers": fields,
        "client": (SOCKET, 1),
    }


def carriers(headers: dict[str, str]) -> list[tuple[str, Any]]:
    """Return the same request in every shape that names the peer of its socket."""
    app = Flask("carriers")
    with app.test_request_context(headers=headers, environ_base={"REMOTE_ADDR": SOCKET}):
        flask = flask_request._get_current_object()  # type: ignore[attr-defined]
    by_hand = HttpRequest()
    by_hand.META = {name: value for name, value in environ_of(headers).items() if "." not in name}
    django = RequestFactory(REMOTE_ADDR=SOCKET).get("/", headers=headers)
    awaited = ASGIRequest(scope_of(headers), BytesIO())
    return [
        ("common", request_with(headers)),
        ("flask", flask),
        ("flask headers", flask.headers),
        ("django", django),
        ("django by hand", by_hand),
        ("django async", awaited),
        ("starlette", StarletteRequest(scope_of(headers))),
        ("scope", scope_of(headers)),
        ("websocket", {**scope_of(headers), "type": "websocket"}),
        ("environ", environ_of(headers)),
        ("holds the common one", {**scope_of({}), "unigate.request": request_with(headers)}),
        ("holds it too", {**environ_of({}), "unigate.request": request_with(headers)}),
    ]


@pytest.mark.parametrize("shape", [name for name, _ in carriers({})])
def test_request_of_any_shape(shape: str, monkeypatch: pytest.MonkeyPatch) -> None:
    request = dict(carriers(ON_VERCEL))[shape]
    assert ip_address(request) == SOCKET
    assert known(geolocation(request)) == set()
    deployment = Deployment(platform="vercel")
    assert deployment.ip_address(request) == CLIENT
    assert deployment.geolocation(request)["country"] == "BR"


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Real-IP": CLIENT, "X-Vercel-IP-Country": "BR"},
        {"x-real-ip": [CLIENT], "x-vercel-ip-country": ["BR"], "x-none": None},
        Headers(ON_VERCEL.items()),
        SimpleNamespace(headers=ON_VERCEL),
        SimpleNamespace(headers=SimpleNamespace(items=ON_VERCEL.items)),
        vercel_headers.headers_from_wsgi_environ(environ_of(ON_VERCEL)),
        StarletteRequest(scope_of(ON_VERCEL)).headers,
        RequestFactory().get("/", headers=ON_VERCEL).headers,
        Response(200, Headers(ON_VERCEL.items())),
    ],
)
def test_headers_alone(headers: Any) -> None:
    assert ip_address(headers) is None
    assert known(geolocation(headers)) == set()
    deployment = Deployment(platform="vercel")
    assert deployment.ip_address(headers) == CLIENT
    assert deployment.geolocation(headers)["country"] == "BR"


@pytest.mark.parametrize(
    "tricky",
    [
        {"type": "http", "headers": "x", "query_string": "a=b"},
        {"type": ["http"], "headers": ["x"]},
        {"wsgi.version": "(1, 0)", "HTTP_X_REAL_IP": FORGED, "REMOTE_ADDR": FORGED},
        {"REQUEST_METHOD": "GET", "HTTP_X_REAL_IP": FORGED, "REMOTE_ADDR": FORGED},
        {"unigate.request": "x", "scope": "x", "environ": "x"},
    ],
)
def test_names_of_headers_make_no_scope_of_a_mapping(tricky: dict[str, Any]) -> None:
    deployment = Deployment(platform="vercel")
    assert deployment.ip_address({"x-real-ip": CLIENT, **tricky}) == CLIENT
    assert deployment.ip_address(tricky) is None


@pytest.mark.parametrize("wrong", [None, 7, "x-real-ip: 203.0.113.7", [("x-real-ip", CLIENT)]])
def test_other_things_are_refused(wrong: object) -> None:
    for ask in (ip_address, geolocation):
        with pytest.raises(TypeError, match="must be a request, its headers"):
            ask(wrong)


def test_a_platform_that_is_no_name_is_refused() -> None:
    with pytest.raises(TypeError, match=r"platform must be a name or a Provider, got 3\."):
        Deployment(platform=3)  # type: ignore[arg-type]


def test_headers_alone_are_judged_by_the_current_request() -> None:
    request = request_with({"host": "example.org", "accept": "*/*"}, CLIENT, "http_api")
    token = current_request_var.set(request)
    try:
        assert ip_address({"Host": "example.org", "Accept": "*/*", "Content-Length": ""}) == CLIENT
        assert ip_address({"Host": "example.org"}) == CLIENT
        assert ip_address({"Host": "other.example.org"}) is None  # of another request
    finally:
        current_request_var.reset(token)


def test_odd_peers_are_nobody() -> None:
    for client in (None, (), ("", 0), ("/run/app.sock", 0), ("testclient", 50000), ["::1", 80]):
        expected = "::1" if isinstance(client, list) else None
        assert ip_address({**scope_of({}), "client": client}) == expected


# --- the official SDK ----------------------------------------------------------------------------

LETTERS = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=2, max_size=2)
CODES = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", min_size=1, max_size=3)
PRINTABLE = st.text(
    st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40
).filter(lambda text: text != "?")
EDGE = st.fixed_dictionaries(
    {},
    optional={
        "x-real-ip": st.ip_addresses().map(str),
        "x-vercel-ip-country": LETTERS.filter(lambda code: code not in ("XX", "ZZ")),
        "x-vercel-ip-country-region": CODES,
        "x-vercel-ip-city": PRINTABLE,
        "x-vercel-ip-latitude": PRINTABLE,
        "x-vercel-ip-longitude": PRINTABLE,
        "x-vercel-ip-postal-code": PRINTABLE,
        "x-vercel-id": PRINTABLE.filter(lambda text: not text.startswith(":")),
    },
)


@given(EDGE)
def test_vercel_says_the_same_through_the_official_sdk(headers: dict[str, str]) -> None:
    request = SimpleNamespace(headers=headers)
    deployment = Deployment(platform="vercel")
    assert deployment.geolocation(request) == vercel_headers.geolocation(request)
    official = vercel_headers.ip_address(request)
    address = deployment.ip_address(request)
    assert (address is None) == (official is None)
    if official is not None and not official.lower().startswith("::ffff:"):
        assert address == official


def test_headers_that_the_official_sdk_makes_of_an_environ_can_be_read() -> None:
    headers = vercel_headers.headers_from_wsgi_environ(environ_of(ON_VERCEL))
    assert vercel_headers.ip_address(headers) is None
    assert Deployment(platform="vercel").ip_address(headers) == CLIENT


# --- by address ----------------------------------------------------------------------------------


@pytest.fixture
def database(tmp_path: Path) -> Path:
    writer = MMDBWriter(4, "GeoLite2-Country")
    writer.insert_network(IPSet([f"{CLIENT}/32"]), {"country": {"iso_code": "DE"}})
    writer.insert_network(IPSet([f"{FORGED}/32"]), {"country": {"iso_code": "BR"}})
    writer.to_db_file(str(tmp_path / "country.mmdb"))
    return tmp_path / "country.mmdb"


def test_address_is_looked_up_where_no_header_tells(database: Path) -> None:
    deployment = Deployment(geoip=database)
    assert isinstance(database, os.PathLike)
    request = request_with({"cf-ipcountry": "BR", "x-forwarded-for": FORGED}, CLIENT)
    assert deployment.geolocation(request)["country"] == "DE"
    assert known(deployment.geolocation(request_with({}, "192.0.2.9"))) == set()
    assert known(deployment.geolocation(request_with({}, None))) == set()


def test_header_comes_before_the_database(
    database: Path, run_on: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNIGATE_GEOIP_DATABASE", str(database))
    run_on("vercel")
    sent = {"x-real-ip": CLIENT, "x-vercel-id": "fra1::a"}
    place = geolocation(request_with(sent))
    assert (place["country"], place["flag"], place["region"]) == ("DE", "🇩🇪", "fra1")
    place = geolocation(request_with({**sent, "x-vercel-ip-country": "BR"}))
    assert (place["country"], place["flag"]) == ("BR", "🇧🇷")


# --- what the gateway attaches -------------------------------------------------------------------


def test_deployment_of_the_request_decides() -> None:
    request = request_with({"cf-connecting-ip": CLIENT, "cf-ipcountry": "BR"})
    assert ip_address(request) == request.ip_address == SOCKET
    assert request.geolocation["country"] is None
    request.deployment = Deployment(platform="cloudflare", cache="memory://")
    assert ip_address(request) == request.ip_address == CLIENT
    assert geolocation(request) == request.geolocation
    assert request.geolocation["country"] == "BR"
    assert Deployment().ip_address(request) == SOCKET
    assert request.deployment.cache == "memory://"
    token = current_request_var.set(request)
    try:
        assert ip_address({"CF-Connecting-IP": CLIENT}) == CLIENT
        assert ip_address({"CF-Connecting-IP": FORGED}) == FORGED  # as much as it says
    finally:
        current_request_var.reset(token)


def test_what_is_no_cache_is_refused() -> None:
    with pytest.raises(TypeError, match=r"a URL or a unigate.cache.Backend, got builtins.int\."):
        Deployment(cache=5)  # type: ignore[arg-type]
