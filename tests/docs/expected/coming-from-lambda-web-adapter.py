from __future__ import annotations

import main
import pytest

from tests.samples import load
from unigate.testing import Client


def test_it_answers_on_lambda_and_under_a_server() -> None:
    answer = Client(main.app).get("/users/ada").json()
    assert answer == {"name": "ada", "stage": "$default"}
    assert Client(main.app, source="asgi").get("/ready").json() == "ready"


def test_jobs_are_events(capsys: pytest.CaptureFixture[str]) -> None:
    main.app.lambda_handler(load("not_http/sqs"), None)
    assert capsys.readouterr().out == "1 jobs\n"
