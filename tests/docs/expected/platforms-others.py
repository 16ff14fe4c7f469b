from __future__ import annotations

import handler
import pytest
import telegraph

from unigate.testing import Client

SOURCES = [
    *("netlify", "openwhisk", "digitalocean", "alibaba", "tencent", "yandex", "huawei"),
    *("scaleway", "generic"),
]


@pytest.mark.parametrize("source", SOURCES)
def test_every_platform_of_the_table_is_answered(source: str) -> None:
    assert Client(handler.app, source=source).get("/").text.startswith("received via ")
    event = Client(handler.app, source=source).get("/").event
    assert handler.handler(event, None)


def test_a_source_of_your_own() -> None:
    assert telegraph.app({"telegram": "/stop"}, None) == {"status": 200, "text": "STOP"}
    assert Client(telegraph.app, source=telegraph.source).get("/stop").text == "STOP"
