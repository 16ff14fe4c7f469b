from __future__ import annotations

import main

from unigate.testing import Client


def test_the_request_has_attributes() -> None:
    answer = Client(main.app).get("/whoami").json()
    assert answer == {"client": ["127.0.0.1", 50000], "source": "http_api"}
    assert Client(main.site, source="wsgi").get("/whoami").json()["source"] == "wsgi"
