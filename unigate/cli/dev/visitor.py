"""The visitor that `--ip` and `--geo` simulate, in the form of the platform in front.

The address is the peer of the request, which each event carries in its own field. A location stands
in the header fields of the trusted platform, and so does the address if that platform sends it.
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
from unigate.emulator import EVENT_SOURCES, LocalContext, through_json

# The platforms that send a location with their events; for others a CDN in front does.
_SENDERS = {"vercel": "vercel", "netlify": "netlify"}
_IN_FRONT = "cloudfront"


class Place(NamedTuple):
    """A city and the code of a country; "" for a city that is not given."""

    city: str
    country: str


def address(context: click.Context, option: click.Parameter, value: str | None) -> str | None:
    """Parse --ip: return the address in its normal form."""
    try:
        return parse(str(ipaddress.ip_address(value))) if value is not None else None
    except ValueError as error:
        raise click.BadParameter(
            f"must be an IP address, got {value!r}.", context, option
        ) from error


def place(context: click.Context, option: click.Parameter, value: str | None) -> Place | None:
    """Parse --geo: a city and a country code, or a country code alone."""
    if value is None:
        return None
    city, _, country = value.rpartition(",")
    country = country.strip()
    if not (len(country) == 2 and country.isascii() and country.isalpha()):
        problem = f"must end with a country code of two letters, got {value!r}."
        raise click.BadParameter(problem, context, option)
    return Place(city.strip(), country.upper())


class Visitor(NamedTuple):
    """The simulated visitor; None stands for what the connection provides."""

    address: str | None = None
    place: Place | None = None

    def platform(self, source: str) -> str:
        """Return the name of the platform that sends the location for a source."""
        return _SENDERS.get(source, _IN_FRONT)

    def enter(self, request: Request, deployment: Deployment) -> None:
        """Add the visitor to a request."""
        trust = deployment.trust
        front, provider = trust.front, trust.front or trust.host
        if self.address:
            request.client = (self.address, 0)
        if self.place and provider:
            for name, value in _fields(provider, self.place):
                request.headers.set(name, value)
        if (self.address or self.place) and front and request.client:
            if front.client:
                port = ":443" if front.name == "cloudfront" else ""
                request.headers.set(front.client, request.client[0] + port)
            if isinstance(trust.proxies, tuple):  # only their connections are trusted
                request.client = (str(trust.proxies[0][0]), 0)

    def check(self, source: str, deployment: Deployment) -> None:
        """Raise UsageError if an event of a source cannot carry the visitor."""
        written = Request("GET", client=("127.0.0.1", 0), source=source)
        self.enter(written, deployment)
        module = EVENT_SOURCES[source]
        read = module.to_request(through_json(module.make_event(written)), LocalContext())
        read.deployment = deployment
        found = read.geolocation
        if self.place and self.place != (found["city"] or "", found["country"]):
            raise click.UsageError("--geo: the trusted platform does not send such a location.")
        if self.address and self.address != read.ip_address:
            raise click.UsageError(f"--ip: {source} events do not carry the address of the client.")


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
