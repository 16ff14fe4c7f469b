"""What each provider writes about where the client is, and databases that know it by address."""

from __future__ import annotations

import json
import logging
import threading
from base64 import b64encode
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mmdb_writer import MMDBWriter
from netaddr import IPSet

from unigate.client import geolocation as geo
from unigate.client import providers
from unigate.client.geolocation import Geolocation
from unigate.http import Headers

NOWHERE: Geolocation = {
    "city": None,
    "country": None,
    "flag": None,
    "countryRegion": None,
    "region": None,
    "latitude": None,
    "longitude": None,
    "postalCode": None,
}
SAO_PAULO: Geolocation = {
    "city": "São Paulo",
    "country": "BR",
    "flag": "🇧🇷",
    "countryRegion": "SP",
    "region": None,
    "latitude": "-23.5475",
    "longitude": "-46.6361",
    "postalCode": "01000-000",
}
NETLIFY = {
    "city": "São Paulo",
    "country": {"code": "BR", "name": "Brazil"},
    "subdivision": {"code": "SP", "name": "São Paulo"},
    "latitude": -23.5475,
    "longitude": -46.6361,
    "postalCode": "01000-000",
    "timezone": "America/Sao_Paulo",
}
SHOWN = "São Paulo".encode().decode("latin-1")  # as servers show UTF-8


def base64_of(value: object) -> str:
    return b64encode(json.dumps(value, ensure_ascii=False).encode()).decode()


PLACES: list[tuple[str, dict[str, str], Geolocation]] = [
    (
        "vercel",
        {
            "X-Vercel-IP-Country": "BR",
            "X-Vercel-IP-Country-Region": "SP",
            "X-Vercel-IP-City": "S%C3%A3o%20Paulo",
            "X-Vercel-IP-Latitude": "-23.5475",
            "X-Vercel-IP-Longitude": "-46.6361",
            "X-Vercel-IP-Postal-Code": "01000-000",
            "X-Vercel-Id": "gru1::iad1::k2x8p-1760000000000-0123456789ab",
        },
        {**SAO_PAULO, "region": "gru1"},
    ),
    (
        "cloudfront",
        {
            "CloudFront-Viewer-Country": "BR",
            "CloudFront-Viewer-Country-Region": "SP",
            "CloudFront-Viewer-City": "S%C3%A3o%20Paulo",
            "CloudFront-Viewer-Latitude": "-23.5475",
            "CloudFront-Viewer-Longitude": "-46.6361",
            "CloudFront-Viewer-Postal-Code": "01000-000",
        },
        SAO_PAULO,
    ),
    (
        "cloudflare",
        {
            "CF-IPCountry": "BR",
            "CF-Region": SHOWN,
            "CF-Region-Code": "SP",
            "CF-IPCity": SHOWN,
            "CF-IPLatitude": "-23.5475",
            "CF-IPLongitude": "-46.6361",
            "CF-Postal-Code": "01000-000",
        },
        SAO_PAULO,
    ),
    (
        "app-engine",
        {
            "X-Appengine-Country": "BR",
            "X-Appengine-Region": "sp",
            "X-Appengine-City": "sao paulo",
            "X-Appengine-CityLatLong": "-23.5475,-46.6361",
        },
        {**SAO_PAULO, "city": "sao paulo", "countryRegion": "sp", "postalCode": None},
    ),
    ("netlify", {"X-Nf-Geo": base64_of(NETLIFY), "X-Country": "US"}, SAO_PAULO),
    ("netlify", {"X-Country": "BR"}, {**NOWHERE, "country": "BR", "flag": "🇧🇷"}),
    ("fly", {"Fly-Region": "gru"}, {**NOWHERE, "region": "gru"}),
    (
        "akamai",
        {
            "X-Akamai-Edgescape": "georegion=246,country_code=US,region_code=CA,city=SANJOSE,"
            "dma=807,lat=37.3353,long=-121.8938,county=SANTACLARA,zip=95101-95103+95106,asnum=1"
        },
        {
            **NOWHERE,
            "country": "US",
            "flag": "🇺🇸",
            "countryRegion": "CA",
            "city": "SANJOSE",
            "latitude": "37.3353",
            "longitude": "-121.8938",
        },
    ),
]


@pytest.mark.parametrize(("name", "headers", "expected"), PLACES)
def test_provider_is_read(name: str, headers: dict[str, str], expected: Geolocation) -> None:
    assert geo.read(providers.PROVIDERS[name], Headers(headers.items())) == expected


@pytest.mark.parametrize("name", ["google-load-balancer", "fastly"])
def test_operator_names_the_headers(name: str) -> None:
    headers = {
        "X-Client-Region": "US",
        "X-Client-Region-Subdivision": "USCA",
        "X-Client-City": "Mountain View",
        "X-Client-City-Lat-Long": "37.386051, -122.083851",
    }
    fields = Headers(headers.items())
    assert geo.read(providers.PROVIDERS[name], fields) == NOWHERE
    chosen = providers.provider(
        name,
        country="X-Client-Region",
        country_region="X-Client-Region-Subdivision",
        city="X-Client-City",
        position="X-Client-City-Lat-Long",
    )
    assert geo.read(chosen, fields) == {
        **NOWHERE,
        "country": "US",
        "flag": "🇺🇸",
        "countryRegion": "CA",
        "city": "Mountain View",
        "latitude": "37.386051",
        "longitude": "-122.083851",
    }


@pytest.mark.parametrize("name", ["aws", "google", "azure", "azure-front-door"])
def test_others_say_nothing_of_the_place(name: str) -> None:
    everything = Headers(pair for _, headers, _ in PLACES for pair in headers.items())
    assert geo.read(providers.PROVIDERS[name], everything) == NOWHERE


@pytest.mark.parametrize(
    ("name", "headers"),
    [
        ("cloudflare", {"CF-IPCountry": "XX"}),
        ("cloudflare", {"CF-IPCountry": "T1"}),
        ("cloudflare", {"CF-IPCountry": "", "CF-IPCity": ""}),
        (
            "app-engine",
            {
                "X-Appengine-Country": "ZZ",
                "X-Appengine-Region": "?",
                "X-Appengine-City": "?",
                "X-Appengine-CityLatLong": "0.000000,0.000000",
            },
        ),
        ("app-engine", {"X-Appengine-Country": "zz"}),
        ("akamai", {"X-Akamai-Edgescape": "georegion=1,country_code=reserved,city="}),
        ("akamai", {"X-Akamai-Edgescape": "=,,;country_code"}),
        ("netlify", {"X-Nf-Geo": base64_of({"country": {"code": "XX"}, "city": None})}),
        ("netlify", {"X-Nf-Geo": base64_of({"country": "BR", "city": {}, "latitude": True})}),
        ("netlify", {"X-Nf-Geo": base64_of([1, 2])}),
        ("netlify", {"X-Nf-Geo": "no base64"}),
        ("netlify", {"X-Nf-Geo": b64encode(b"\xff{").decode()}),
        ("netlify", {"X-Nf-Geo": b64encode(b"[" * 100_000).decode()}),
        ("fly", {"Fly-Region": ""}),
    ],
)
def test_unknown_is_none(name: str, headers: dict[str, str]) -> None:
    assert geo.read(providers.PROVIDERS[name], Headers(headers.items())) == NOWHERE


@pytest.mark.parametrize(
    ("codes", "code"),
    [("02138", "02138"), ("95101-95103", None), ("95101+95106", None), ("", None)],
)
def test_several_postal_codes_are_none(codes: str, code: str | None) -> None:
    headers = Headers([("x-akamai-edgescape", f"country_code=US,zip={codes}")])
    assert geo.read(providers.PROVIDERS["akamai"], headers)["postalCode"] == code


def test_equator_and_null_meridian_are_places() -> None:
    packed = base64_of({"latitude": 0.0, "longitude": 0})
    place = geo.read(providers.PROVIDERS["netlify"], Headers([("x-nf-geo", packed)]))
    assert (place["latitude"], place["longitude"]) == ("0.0", "0")
    headers = Headers([("x-appengine-citylatlong", "0.000000,9.454170")])
    place = geo.read(providers.PROVIDERS["app-engine"], headers)
    assert (place["latitude"], place["longitude"]) == ("0.000000", "9.454170")


def test_vercel_without_an_edge_is_dev1() -> None:
    assert geo.read(providers.PROVIDERS["vercel"], Headers())["region"] == "dev1"


@pytest.mark.parametrize(
    ("name", "header", "sent", "city"),
    [
        ("vercel", "x-vercel-ip-city", "Trois+Rivi%C3%A8res", "Trois+Rivières"),
        ("vercel", "x-vercel-ip-city", "100%", "100%"),
        ("cloudflare", "cf-ipcity", "Trois-Rivi\xe8res", "Trois-Rivières"),  # Latin-1 it is
        ("cloudflare", "cf-ipcity", "\xc5\x81\xc3\xb3d\xc5\xba", "Łódź"),
        ("cloudflare", "cf-ipcity", "Łódź", "Łódź"),  # text that nobody has shown as bytes
        ("cloudflare", "cf-ipcity", "Nowhere%20", "Nowhere%20"),
    ],
)
def test_city_is_decoded_once(name: str, header: str, sent: str, city: str) -> None:
    place = geo.read(providers.PROVIDERS[name], Headers([(header, sent)]))
    assert place["city"] == city


@pytest.mark.parametrize(
    ("country", "flag"),
    [("DE", "🇩🇪"), ("us", "🇺🇸"), ("EU", "🇪🇺"), ("Germany", None), ("4A", None), ("ÄÖ", None)],
)
def test_flag_is_of_two_letters(country: str, flag: str | None) -> None:
    place = geo.located({"country": country})
    assert (place["country"], place["flag"]) == (country, flag)


@pytest.mark.parametrize(
    ("country", "subdivision", "expected"),
    [("US", "USCA", "CA"), ("US", "US-CA", "CA"), ("GB", "GBR", "GBR"), ("FR", "IDF", "IDF")],
)
def test_subdivision_loses_its_country(country: str, subdivision: str, expected: str) -> None:
    place = geo.located({"country": country, "country_region": subdivision})
    assert place["countryRegion"] == expected


NAMES = sorted(
    {
        value
        for row in providers.PROVIDERS.values()
        for value in row
        if isinstance(value, str) and "-" in value
    }
)


@given(st.dictionaries(st.sampled_from(NAMES), st.text(max_size=40)))
def test_no_header_is_an_error(headers: dict[str, str]) -> None:
    for row in providers.PROVIDERS.values():
        place = geo.read(row, Headers(headers.items()))
        assert place.keys() == NOWHERE.keys()
        assert all(value is None or (value and isinstance(value, str)) for value in place.values())


# --- databases -----------------------------------------------------------------------------------


@pytest.fixture
def database(tmp_path: Path) -> str:
    """Write a database of the City kind with addresses for documentation."""
    writer = MMDBWriter(6, "GeoLite2-City", languages=["en"], ipv4_compatible=True)
    writer.insert_network(
        IPSet(["203.0.113.0/24", "2001:db8::/32"]),
        {
            "city": {"names": {"de": "San Paulo", "en": "São Paulo"}},
            "country": {"iso_code": "BR"},
            "subdivisions": [{"iso_code": "SP"}],
            "location": {"latitude": -23.5475, "longitude": -46.6361},
            "postal": {"code": "01000-000"},
        },
    )
    writer.insert_network(IPSet(["198.51.100.0/25"]), {"country": {"iso_code": "DE"}})
    writer.insert_network(IPSet(["198.51.100.128/25"]), {"city": "odd", "subdivisions": []})
    path = tmp_path / "city.mmdb"
    writer.to_db_file(str(path))
    return str(path)


def test_address_is_looked_up(database: str) -> None:
    assert geo.look_up("203.0.113.7", database) == SAO_PAULO
    assert geo.look_up("2001:db8::7", database) == SAO_PAULO
    assert geo.look_up("198.51.100.7", database) == {**NOWHERE, "country": "DE", "flag": "🇩🇪"}
    assert geo.look_up("198.51.100.200", database) == NOWHERE
    assert geo.look_up("192.0.2.7", database) is None


def test_database_without_ipv6(tmp_path: Path) -> None:
    writer = MMDBWriter(4, "GeoLite2-Country")
    writer.insert_network(IPSet(["203.0.113.0/24"]), {"country": {"iso_code": "BR"}})
    writer.to_db_file(str(tmp_path / "four.mmdb"))
    assert geo.look_up("2001:db8::7", str(tmp_path / "four.mmdb")) is None


def test_database_is_opened_once_by_all_threads(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import maxminddb

    opened: list[str] = []
    opening = maxminddb.open_database

    def count(path: str) -> object:
        opened.append(path)
        return opening(path)

    monkeypatch.setattr(maxminddb, "open_database", count)
    together = threading.Barrier(8)
    found: list[Geolocation | None] = []

    def ask() -> None:
        together.wait(30)
        found.extend(geo.look_up("203.0.113.7", database) for _ in range(50))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert found == [SAO_PAULO] * 400
    assert opened == [database]


def test_broken_database_is_logged_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    broken = tmp_path / "broken.mmdb"
    broken.write_bytes(b"not a database")
    with caplog.at_level(logging.ERROR, "unigate"):
        for path in (broken, tmp_path / "missing.mmdb"):
            assert geo.look_up("203.0.113.7", str(path)) is None
            assert geo.look_up("203.0.113.8", str(path)) is None
    assert len(caplog.records) == 2
    assert "broken.mmdb cannot be opened" in caplog.messages[0]
    assert "missing.mmdb" in caplog.messages[1]


def test_missing_package_is_named(
    database: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "maxminddb", None)
    assert geo.look_up("203.0.113.7", database) is None
    assert 'pip install "unigate[geoip]"' in caplog.text
