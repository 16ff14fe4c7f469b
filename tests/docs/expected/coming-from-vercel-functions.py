from __future__ import annotations

import main
import pytest
import vercel.functions

import unigate
import unigate.functions
from unigate.testing import Client


@pytest.mark.parametrize("source", ["vercel", "asgi"])
def test_the_functions_answer(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNIGATE_PLATFORM", "vercel")
    headers = {"x-vercel-ip-country": "NL", "x-real-ip": "203.0.113.8"}
    app = unigate.wrap(main.site)  # which reads the variable
    answer = Client(app, source=source).get("/where", headers=headers).json()
    # The emulated Vercel writes X-Real-IP itself, as the real one does.
    assert answer == {"country": "NL", "last": "127.0.0.1" if source == "vercel" else "203.0.113.8"}


def test_the_fields_of_vercels_proxy_are_not_believed_elsewhere() -> None:
    headers = {"x-vercel-ip-country": "NL", "x-real-ip": "203.0.113.8"}
    answer = Client(main.app, source="asgi").get("/where", headers=headers).json()
    assert answer == {"country": None, "last": "127.0.0.1"}


def test_every_name_is_there() -> None:
    assert set(vercel.functions.__all__) <= {*unigate.functions.__all__, "get_env"}
