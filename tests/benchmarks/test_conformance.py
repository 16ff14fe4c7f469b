"""The conformance table: its vectors, their causes, and the page that is made of them."""

from __future__ import annotations

import importlib
import json
from typing import Any

import pytest

from tests.benchmarks.folder import BENCHMARKS, run

PAGE = BENCHMARKS.parent / "docs" / "conformance.md"


def asked(*options: str) -> list[dict[str, Any]]:
    """Return the rows of a run."""
    document = json.loads(run("conformance.py", "--json", *options))
    assert document["python"].startswith("CPython 3.")
    rows: list[dict[str, Any]] = document["results"]
    assert set(document["versions"]) == {row["tool"] for row in rows}
    return rows


def test_unigate_has_every_right_answer() -> None:
    rows = asked("unigate")
    assert {row["kind"] for row in rows} >= {"wsgi", "asgi", "bridge"}
    assert [row for row in rows if row["cause"]] == []


def test_a_wrong_answer_has_a_cause() -> None:
    rows = asked("mangum", "a2wsgi", "aws-wsgi", "--only", "one startup|readlines|Vary, HTTP API")
    causes = {(row["tool"], row["vector"]): row["cause"] for row in rows}
    assert causes["mangum", "one startup for three requests"] == "3, not 1"
    assert causes["a2wsgi", "`wsgi.input.readlines()`"].startswith("[b'a\\n', b'b\\n'], not")
    assert causes["mangum", "two Vary, HTTP API"] == ""
    assert ("aws-wsgi", "two Vary, HTTP API") not in causes  # it does not take such events


def test_a_tool_that_does_not_answer_has_a_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    conformance: Any = importlib.import_module("conformance")

    def missing() -> Any:
        raise KeyError("httpMethod")

    assert conformance.cause_of(lambda: (1, 1)) == ""
    assert conformance.cause_of(lambda: ("x" * 200, 1)).endswith("…")
    assert conformance.cause_of(missing) == "KeyError: 'httpMethod'"


def test_the_page_is_made_of_the_results(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    conformance: Any = importlib.import_module("conformance")
    document = json.loads(conformance.RESULTS.read_text())
    page = conformance.page(document)
    assert page == PAGE.read_text()
    assert f"Asked on {document['date']}" in page
