"""Tests of both applications through a host's events. pytest.ini names the gateway.

`pytest -o unigate_source=alb` sends the events of a load balancer, `-o unigate_source=asgi` the
requests of an ASGI server.
"""

from __future__ import annotations

import re

from unigate.testing import Client


def visits_before(client: Client) -> int:
    """Return the counter on the home page."""
    [count] = re.findall(r"Visits before</th><td>(\d+)</td>", client.get("/").text)
    return int(count)


def test_visits_are_counted_until_they_are_reset(unigate_client: Client) -> None:
    first = visits_before(unigate_client)
    assert visits_before(unigate_client) == first + 1

    unigate_client.post("/cookies", data={"action": "forget"})
    assert visits_before(unigate_client) == 0


def test_cookies_are_sent_back(unigate_client: Client) -> None:
    page = unigate_client.post("/cookies", data={"action": "set"}, follow_redirects=True)

    assert dict(unigate_client.cookies) == {"visits": "1", "flavour": "oatmeal"}
    assert "<td>oatmeal</td>" in page.text


def test_a_name_in_the_path(unigate_client: Client) -> None:
    assert "<h1>Hello, Zoë &amp; Söhne!</h1>" in unigate_client.get("/hello/Zoë & Söhne").text
    assert unigate_client.get("/nowhere").status_code == 404


def test_notes_are_kept_by_the_fastapi_application(unigate_client: Client) -> None:
    note = {"text": "Tea: 茶"}

    assert unigate_client.post("/v2/notes", json=note).status_code == 201
    assert note in unigate_client.get("/v2/notes").json()
    assert unigate_client.get("/v2/").json()["startups"] == 1
