"""The client's location: read from the headers of a provider, or looked up by its address."""

from __future__ import annotations

import json
import logging
import threading
from binascii import a2b_base64
from collections.abc import Mapping
from typing import Any, TypedDict
from urllib.parse import unquote

from unigate.http import Headers, json_object

from .providers import Provider

_log = logging.getLogger("unigate")

# The values for an unknown country: XX and T1 (Tor) of Cloudflare, ZZ and "?" of App Engine, and
# "reserved", Akamai's for unassigned addresses.
_UNKNOWN = frozenset({"", "?", "XX", "ZZ", "T1", "RESERVED"})
_FLAG = ord("\N{REGIONAL INDICATOR SYMBOL LETTER A}") - ord("A")


class Geolocation(TypedDict):
    """The location of a client, under the names of Vercel's SDK; None for what is unknown."""

    city: str | None
    country: str | None
    """The country code of two letters (ISO 3166-1)."""
    flag: str | None
    """The flag of the country, an emoji."""
    countryRegion: str | None
    """The subdivision code (ISO 3166-2) without the country code."""
    region: str | None
    """The platform's region that received the request, not the client's region."""
    latitude: str | None
    longitude: str | None
    postalCode: str | None


def located(values: Mapping[str, str | None]) -> Geolocation:
    """Return a geolocation with the given values, under the names of `Provider`."""
    country = values.get("country") or ""
    if country.upper() in _UNKNOWN:
        country = ""
    subdivision = values.get("country_region")
    if subdivision and country and len(subdivision) > 3:  # "USCA", "US-CA"
        subdivision = subdivision.removeprefix(country).lstrip("-") or subdivision
    return {
        "city": values.get("city"),
        "country": country or None,
        "flag": _flag(country),
        "countryRegion": subdivision,
        "region": values.get("region"),
        "latitude": values.get("latitude"),
        "longitude": values.get("longitude"),
        "postalCode": values.get("postal_code"),
    }


def _flag(country: str) -> str | None:
    if len(country) != 2 or not (country.isascii() and country.isalpha()):
        return None
    return "".join(chr(_FLAG + ord(letter)) for letter in country.upper())


def read(provider: Provider, headers: Headers) -> Geolocation:
    """Read a location from the headers of a trusted provider."""
    values: dict[str, str | None] = {}
    for field in ("country", "country_region", "latitude", "longitude", "postal_code", "region"):
        values[field] = _value(headers, getattr(provider, field))
    city = _value(headers, provider.city)
    values["city"] = unquote(city) if city and provider.percent else city and _utf8(city)
    position = _value(headers, provider.position)
    if position and position.strip("0.,- "):  # "0.000000,0.000000" of App Engine is unknown
        latitude, _, longitude = position.partition(",")
        values.update(latitude=latitude.strip() or None, longitude=longitude.strip() or None)
    packed = _value(headers, provider.packed)
    if packed:
        values.update(_UNPACK[provider.name](packed))
    if provider.region:
        values["region"] = (values["region"] or "").partition(":")[0] or None
    if provider.name == "vercel" and not values["region"]:
        values["region"] = "dev1"  # without an edge, as in Vercel's SDK
    return located(values)


def _value(headers: Headers, name: str) -> str | None:
    value = headers.get(name) if name else None
    return None if value in (None, "", "?") else value


def _utf8(value: str) -> str:
    """Decode UTF-8 that a server passes as Latin-1; other text stays as it is."""
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return value


def _netlify(packed: str) -> dict[str, str | None]:
    try:
        place = json_object(json.loads(a2b_base64(packed)))
    except (ValueError, RecursionError):
        return {}
    return {
        "city": _text(place.get("city")),
        "country": _text(json_object(place.get("country")).get("code")),
        "country_region": _text(json_object(place.get("subdivision")).get("code")),
        "latitude": _text(place.get("latitude")),
        "longitude": _text(place.get("longitude")),
        "postal_code": _text(place.get("postalCode")),
    }


def _akamai(packed: str) -> dict[str, str | None]:
    """Read "georegion=...,country_code=US,...,zip=02138-02142+02238": a range of codes is None."""
    pairs = (pair.partition("=") for pair in packed.split(","))
    place = {name.strip(): value.strip() or None for name, _, value in pairs}
    code = place.get("zip")
    return {
        "city": place.get("city"),
        "country": place.get("country_code"),
        "country_region": place.get("region_code"),
        "latitude": place.get("lat"),
        "longitude": place.get("long"),
        "postal_code": code if code and "+" not in code and "-" not in code else None,
    }


_UNPACK = {"akamai": _akamai, "netlify": _netlify}


def _text(value: Any) -> str | None:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    return str(value) or None


# --- by address ----------------------------------------------------------------------------------

_opening = threading.Lock()
_databases: dict[str, Any] = {}


def look_up(address: str, path: str) -> Geolocation | None:
    """Return the location of an address in a MaxMind database (City or Country), or None.

    A database is opened once per process. One that cannot be opened is logged once.
    """
    database = _databases.get(path) or _open(path)
    try:
        place = json_object(database.get(address)) if database else None
    except ValueError:  # an IPv6 address in a database of IPv4 addresses
        return None
    if not place:
        return None
    divisions = place.get("subdivisions")
    position = json_object(place.get("location"))
    return located(
        {
            "city": _text(json_object(json_object(place.get("city")).get("names")).get("en")),
            "country": _text(json_object(place.get("country")).get("iso_code")),
            "country_region": _text(json_object(divisions[0]).get("iso_code"))
            if divisions
            else None,
            "latitude": _text(position.get("latitude")),
            "longitude": _text(position.get("longitude")),
            "postal_code": _text(json_object(place.get("postal")).get("code")),
        }
    )


def _open(path: str) -> Any:
    with _opening:
        if path not in _databases:
            try:
                import maxminddb

                _databases[path] = maxminddb.open_database(path)
            except ImportError:
                _log.error('Reading %s requires maxminddb: pip install "unigate[geoip]".', path)
                _databases[path] = None
            except Exception as error:  # of any kind: the file may be damaged
                _log.error("The geolocation database %s cannot be opened: %s", path, error)
                _databases[path] = None
        return _databases[path]
