from __future__ import annotations

import block_1
import main
import shop

from unigate.testing import Client


def test_each_application_answers_below_its_prefix() -> None:
    client = Client(shop.app)
    assert client.get("/").text == "the shop"
    assert client.get("/legacy/x").text == "/legacy"
    assert client.get("/v2/users/ada").json() == {"name": "ada"}
    assert client.get("/v20").status_code == 404


def test_a_part_that_has_moved_keeps_its_address() -> None:
    client = Client(main.app)
    assert client.get("/").text == "the shop"
    assert client.get("/orders/7").json() == {"order": 7}


def test_a_middleware_drops_a_field() -> None:
    assert "server" not in Client(block_1.app, source="rest_api").get("/").headers
