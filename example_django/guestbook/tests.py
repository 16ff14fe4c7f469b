"""Tests of the guestbook through a host's events. pytest.ini names the application.

`pytest -o unigate_source=alb` sends the events of a load balancer, `-o unigate_source=asgi` the
requests of an ASGI server.
"""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache

from unigate.testing import Client, Response

from .models import Entry

# The application may run in another thread, which sees only committed data.
pytestmark = pytest.mark.django_db(transaction=True)


def send(client: Client, url: str, fields: dict[str, str], *, follow: bool = True) -> Response:
    """Fetch the form of a page and submit it, as a browser does."""
    [token] = re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', client.get(url).text)
    return client.post(
        url,
        data={"csrfmiddlewaretoken": token, **fields},
        headers={"origin": "https://localhost"},
        follow_redirects=follow,
    )


def test_an_entry_is_shown_with_thanks(unigate_client: Client) -> None:
    page = send(unigate_client, "/", {"name": "Zoë", "message": "Tea, please: 茶"})

    assert page.status_code == 200
    assert "Thank you, Zoë." in page.text
    assert "<p>Tea, please: 茶</p>" in page.text
    assert "1 entry." in page.text


def test_entries_are_counted_after_the_response(unigate_client: Client) -> None:
    for number in (1, 2):
        send(unigate_client, "/", {"name": "Zoë", "message": "Tea"}, follow=False)
        assert cache.get("count") == number


def test_an_entry_without_a_name_is_refused(unigate_client: Client) -> None:
    page = send(unigate_client, "/", {"name": "", "message": "Boo"})

    assert page.status_code == 422
    assert "This field is required." in page.text
    assert not Entry.objects.exists()


def test_a_form_of_another_site_is_refused(unigate_client: Client) -> None:
    elsewhere = {"origin": "https://elsewhere.example"}

    response = unigate_client.post("/", data={"name": "Mallory"}, headers=elsewhere)

    assert response.status_code == 403


def test_the_admin_shows_entries_after_a_login(unigate_client: Client, admin_user: User) -> None:
    Entry.objects.create(name="Zoë", message="Tea")
    url = "/admin/guestbook/entry/"
    assert unigate_client.get(url).status_code == 302

    login = {"username": "admin", "password": "password"}
    page = send(unigate_client, f"/admin/login/?next={url}", login)

    assert page.status_code == 200
    assert "Select entry to change" in page.text
    assert "Zoë" in page.text
