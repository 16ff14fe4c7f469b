from __future__ import annotations

import main
import pytest

from tests.samples import load
from unigate.testing import Client


def test_views_answer() -> None:
    client = Client(main.app, source="rest_api")
    assert client.get("/users/1").json() == {"name": "ada", "agent": "unigate"}
    assert client.get("/users/2").status_code == 404


def test_events_reach_the_functions(capsys: pytest.CaptureFixture[str]) -> None:
    queue = {"eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:eu-west-1:1:orders"}
    main.app.lambda_handler({"Records": [{**queue, "messageId": "1", "body": "7"}]}, None)
    schedule = load("not_http/schedule")
    schedule["resources"] = ["arn:aws:events:eu-west-1:210987654321:rule/tidy"]
    main.app.lambda_handler(schedule, None)
    assert capsys.readouterr().out == "order 7\ntidied\n"
