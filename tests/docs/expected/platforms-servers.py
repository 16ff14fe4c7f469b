from __future__ import annotations

import main
import pytest

from unigate.testing import Client


@pytest.mark.parametrize("server", ["asgi", "wsgi"])
def test_both_kinds_of_servers_run_it(server: str) -> None:
    assert Client(main.app, source=server).get("/").text == f"received via {server}"
