from __future__ import annotations

from api.index import app

from unigate.testing import Client


def test_it_answers() -> None:
    assert Client(app, source="vercel").get("/").text == "received via vercel"
