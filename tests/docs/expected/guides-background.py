from __future__ import annotations

import main
import pytest

from unigate.testing import Client


@pytest.mark.parametrize("source", ["http_api", "asgi", "wsgi"])
def test_the_work_is_done(source: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert Client(main.app, source=source).post("/orders").status_code == 201
    assert capsys.readouterr().out == "mail to ada@example.org\n"
