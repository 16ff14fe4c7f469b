from __future__ import annotations

import flask_site
import main
import pytest

from unigate.testing import Client


@pytest.mark.parametrize("app", [main.app, flask_site.app])
@pytest.mark.parametrize("source", ["function_url", "alb", "asgi"])
def test_events_arrive(app: object, source: str) -> None:
    response = Client(app, source=source).get("/events")
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.text == "data: 0\n\ndata: 1\n\ndata: 2\n\n"
