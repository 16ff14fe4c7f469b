"""The tables of SECURITY.md are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from unigate import platforms
from unigate.client import request_ids
from unigate.client.providers import PROVIDERS
from unigate.events.forwarded import BELIEVED

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "SECURITY.md").read_text()
LOCATION = (
    *("country", "country_region", "city", "latitude", "longitude", "position", "postal_code"),
    *("region", "packed"),
)


def table(heading: str) -> dict[str, list[str]]:
    """Return the cells of the table below a heading, by the first cell of each row."""
    section = TEXT.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]
    assert len({row[0] for row in rows}) == len(rows) > 0
    return {name: cells for name, *cells in rows}


def code(cell: str) -> list[str]:
    return re.findall("`([^`]+)`", cell)


def test_every_platform_has_its_proofs() -> None:
    rows = table("Proof of a platform")
    assert list(rows) == [row.platform.name for row in platforms.ROWS]
    for row in platforms.ROWS:
        proofs, local, document = rows[row.platform.name or ""]
        groups = tuple(tuple(code(group)) for group in proofs.split(" or ") if code(group))
        assert groups == row.proofs
        assert tuple(code(local)) == row.local
        assert document


def test_every_provider_has_its_headers() -> None:
    rows = table("Headers of a provider")
    assert list(rows) == list(PROVIDERS)
    for provider in PROVIDERS.values():
        address, own, host, location, document = rows[provider.name]
        appended = ["x-forwarded-for"] if provider.appends else []
        assert code(address) == [name for name in [provider.client] if name] + appended
        assert int(own) == provider.own
        assert code(host) == [name for name in [provider.host] if name]
        fields = [getattr(provider, field) for field in LOCATION]
        assert code(location) == [name for name in fields if name]
        assert document


def test_the_columns_of_the_location_are_all_there_are() -> None:
    others = {"name", "client", "appends", "own", "host", "percent", "request_id"}
    assert {*LOCATION, *others} == set(next(iter(PROVIDERS.values()))._fields)


def test_every_source_has_its_forwarded_fields() -> None:
    rows = table("Events")
    assert list(rows) == list(BELIEVED)
    for source, (scheme, port) in BELIEVED.items():
        address, fields, document = rows[source]
        expected = ["x-forwarded-proto"] * scheme + ["x-forwarded-port"] * port
        assert code(fields) == expected
        assert address
        assert document


def test_every_request_identifier_has_its_place() -> None:
    places: dict[str, set[str]] = {}
    for names, (place, document) in table("Request identifiers").items():
        assert document
        for name in names.split(", "):
            places[name] = set(code(place)) & {*request_ids.HEADERS.values(), *_places()}
    expected: dict[str, set[str]] = {}
    for name, member in request_ids.MEMBERS.items():
        expected.setdefault(name, set()).add(".".join(member))
    for name, field in request_ids.HEADERS.items():
        expected.setdefault(name, set()).add(field)
    for provider in PROVIDERS.values():
        if provider.request_id:
            expected.setdefault(provider.name, set()).add(provider.request_id)
    assert places == expected


def _places() -> set[str]:
    members = {".".join(member) for member in request_ids.MEMBERS.values()}
    return members | {provider.request_id for provider in PROVIDERS.values()}


@pytest.mark.parametrize("topic", ["Report a vulnerability", "The development server", "Limits"])
def test_topics(topic: str) -> None:
    assert f"\n## {topic}\n" in TEXT


def test_the_readme_links_it() -> None:
    assert "](SECURITY.md)" in (ROOT / "README.md").read_text()
