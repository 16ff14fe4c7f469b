"""Who seems to be asking: `--ip` and `--geo`, said as the platform in front says it.

The address is the peer of the request, which each event carries in its own field. A location stands
in the header fields of the platform that is believed, as does the address where that one tells it.
"""

from __future__ import annotations

import ipaddress
import json
from binascii import b2a_base64
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import quote

import click

from unigate import Request
from unigate.client.addresses import parse
from unigate.client.providers import Provider
from unigate.deployment import Deployment
from unigate.emulator import EVENT_SOURCES, Context, sent

# Who tells where a client is, for events whose platform does; for others, a CDN in front of it.
_TELLS = {"vercel": "vercel", "netlify": "netlify"}
_IN_FRONT = "cloudfront"


class Place(NamedTuple):
    """A city and the code of a country; "" for a city that is not given."""

    city: str
    country: str


def address(context: click.Context, option: click.Parameter, value: str | None) -> str | None:
    """Take an IP address in its normal form."""
    try:
        return parse(str(ipaddress.ip_address(value))) if value is not None else None
    except ValueError as error:
        raise click.BadParameter(f"{value!r} is no IP address.", context, option) from error


def place(context: click.Context, option: click.Parameter, value: str | None) -> Place | None:
    """Take a city and a country, or a country alone."""
    if value is None:
        return None
    city, _, country = value.rpartition(",")
    country = country.strip()
    if not (len(country) == 2 and country.isascii() and country.isalpha()):
        problem = f"{value!r} does not end with the two letters of a country."
        raise click.BadParameter(problem, context, option)
    return Place(city.strip(), country.upper())


class Visitor(NamedTuple):
    """Who is asking, None for what the connection says."""

    address: str | None = None
    place: Place | None = None

    def platform(self, source: str) -> str:
        """Return the name of the platform that tells where requests of a source come from."""
        return _TELLS.get(source, _IN_FRONT)

    def enter(self, request: Request, deployment: Deployment) -> None:
        """Write into a request who is asking."""
        origin = deployment._origin()
        front, provider = origin._front, origin._front or origin._host
        if self.address:
            request.client = (self.address, 0)
        if self.place and provider:
            for name, value in _fields(provider, self.place):
                request.headers.set(name, value)
        if (self.address or self.place) and front and request.client:
            if front.client:
                port = ":443" if front.name == "cloudfront" else ""
                request.headers.set(front.client, request.client[0] + port)
            if isinstance(origin._trusted, tuple):  # the only ones that it can come from
                request.client = (str(origin._trusted[0][0]), 0)

    def check(self, source: str, deployment: Deployment) -> None:
        """Raise UsageError where an event of a source would not say all that."""
        written = Request("GET", client=("127.0.0.1", 0), source=source)
        self.enter(written, deployment)
        module = EVENT_SOURCES[source]
        read = module.to_request(sent(module.make_event(written)), Context())
        read.deployment = deployment
        seen = read.geolocation
        if self.place and self.place != (seen["city"] or "", seen["country"]):
            raise click.UsageError("--geo: the platform that is believed tells no such place.")
        if self.address and self.address != read.ip_address:
            raise click.UsageError(f"--ip: {source} events do not tell that.")


def _fields(provider: Provider, place: Place) -> list[tuple[str, str]]:
    city = quote(place.city) if provider.percent else place.city.encode().decode("latin-1")
    fields = [(provider.country, place.country), (provider.city, city)]
    if provider.packed:
        fields.append((provider.packed, _PACK[provider.name](place)))
    return [(name, value) for name, value in fields if name and value]


def _netlify(place: Place) -> str:
    packed = json.dumps({"city": place.city, "country": {"code": place.country}})
    return b2a_base64(packed.encode(), newline=False).decode("ascii")


def _akamai(place: Place) -> str:
    return f"country_code={place.country},city={place.city}"


_PACK: dict[str, Callable[[Place], str]] = {"akamai": _akamai, "netlify": _netlify}
