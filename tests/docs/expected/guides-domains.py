from __future__ import annotations

import main

from unigate.testing import Client


def test_links_begin_with_the_public_url() -> None:
    client = Client(main.app, source="rest_api")
    response = client.get("/", follow_redirects=False)
    assert response.headers["location"] == "/shop/login"
    assert client.get("/login").text == "https://www.example.com/shop/login"
