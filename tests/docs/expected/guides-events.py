from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import main
import pytest

from tests.docs.pages import DOCS
from tests.samples import load
from unigate.cli.main import main as unigate
from unigate.events import filters, kinds


def test_records_that_fail_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    event: Any = json.loads(Path("event.json").read_text())
    event["Records"].append({**event["Records"][0], "messageId": "2", "body": ""})
    reply = main.app.lambda_handler(event, None)
    assert reply == {"batchItemFailures": [{"itemIdentifier": "2"}]}
    assert capsys.readouterr().out == "order 7\n"
    assert main.app.lambda_handler(load("not_http/schedule"), None) == "tidied"


def test_the_event_of_the_page_can_be_sent() -> None:
    assert unigate(["invoke", "main:app", "--event", "event.json"]) == 0


def test_every_kind_of_event_is_named_with_its_filters() -> None:
    text = (DOCS / "guides/events.md").read_text()
    assert [kind for kind in kinds.NAMES if f"`{kind}`" not in text] == []
    for kind, names in filters.FILTERS.items():
        row = re.search(rf"`{kind}`[^|]*\| ([^|]*) \|", text)
        assert row is not None
        assert row[1] == ", ".join(f"`{name}`" for name in sorted(names))
