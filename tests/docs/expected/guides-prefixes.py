from __future__ import annotations

import block_1

from unigate.testing import Client


def test_only_the_application_without_its_prefix_answers() -> None:
    client = Client(block_1.app)
    assert client.get("/v2/users").status_code == 200
    assert client.get("/v1/users").status_code == 404
