from __future__ import annotations

import main
import proxied
import pytest

from unigate.testing import Client


def test_location_cache_and_work(capsys: pytest.CaptureFixture[str]) -> None:
    headers = {"cf-ipcountry": "NL", "cf-connecting-ip": "203.0.113.8"}
    answer = Client(main.app, source="alb").get("/nearest", headers=headers).json()
    assert answer == {"shops in": "NL", "flag": "🇳🇱"}
    assert capsys.readouterr().out == "request from 203.0.113.8\n"


def test_what_a_client_wrote_before_the_proxy_is_ignored() -> None:
    headers = {"x-forwarded-for": "198.51.100.1, 203.0.113.8"}
    assert Client(proxied.app, source="asgi").get("/", headers=headers).text == "203.0.113.8"
