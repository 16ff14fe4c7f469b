from __future__ import annotations

import main

from tests.samples import load
from unigate.testing import Client


def test_the_request_says_how_it_arrived() -> None:
    answer = Client(main.app, source="alb").get("/whoami").json()
    assert answer == {"via": "alb", "client": "127.0.0.1", "user": None}


def test_the_identity_is_the_callers() -> None:
    event = load("http_api/get") | {"rawPath": "/whoami"}
    claims = {"jwt": {"claims": {"sub": "ada"}, "scopes": None}}
    event["requestContext"]["authorizer"] = claims
    assert '"user":"ada"' in main.app.lambda_handler(event, None)["body"]
