from __future__ import annotations

import json
import logging

import main
import pytest
import traced
import watched

from unigate.testing import Client


def test_records_have_the_identifier_of_the_request() -> None:
    record = logging.makeLogRecord({"msg": "late", "levelname": "INFO"})
    assert main.handler.filter(record)
    assert main.handler.format(record) == "INFO - late"


def test_a_request_is_one_span() -> None:
    Client(traced.app).get("/")
    Client(traced.app, source="asgi").get("/")
    assert len(traced.exporter.get_finished_spans()) == 2


def test_records_and_metrics_of_powertools(capsys: pytest.CaptureFixture[str]) -> None:
    import powertools  # here, because its logger keeps the stdout of now

    response = Client(powertools.app).get("/")
    assert response.text == "hello"
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    metrics = [line for line in lines if "_aws" in line]
    assert [line["Visits"] for line in metrics] == [[1.0]]
    [record] = [line for line in lines if line.get("message") == "a visit"]
    assert record["function_name"] == "local"
    assert record["request_id"]


def test_sentry_is_around_events() -> None:
    assert Client(watched.app).get("/").text == "hello"
