"""The charts of the documentation: drawn from the results, and readable without seeing them."""

from __future__ import annotations

import importlib
import json
import re
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.benchmarks.folder import BENCHMARKS, check

# Named by the version of Python; conformance.json has answers, and no figures.
RESULTS = sorted((BENCHMARKS / "results").glob("*-3.*.json"))
CHARTS = sorted((BENCHMARKS.parent / "docs" / "benchmarks").glob("*.svg"))
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def plots(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module("plots")


def test_the_charts_are_those_of_the_results(plots: Any) -> None:
    drawn = dict(plots.charts(BENCHMARKS / "results"))
    assert drawn.keys() == {path.name for path in CHARTS}
    for path in CHARTS:
        assert path.read_text() == drawn[path.name], f"{path.name}: run benchmarks/plots.py"


def test_the_page_shows_all_charts() -> None:
    page = (BENCHMARKS.parent / "docs" / "benchmarks.md").read_text()
    shown = re.findall(r"^!\[.+\]\(benchmarks/(.+)\)$", page, re.MULTILINE)
    assert sorted(shown) == [path.name for path in CHARTS]


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.stem)
def test_results_have_the_shape_and_a_date(path: Any) -> None:
    check(path.read_text())
    assert json.loads(path.read_text())["date"]


@pytest.mark.parametrize("path", CHARTS, ids=lambda path: path.stem)
def test_chart_says_what_it_shows(path: Any) -> None:
    chart = ElementTree.fromstring(path.read_text())
    title, description = chart.find(f"{SVG}title"), chart.find(f"{SVG}desc")
    assert chart.get("role") == "img"
    assert title is not None
    assert description is not None
    assert chart.get("aria-labelledby") == f"{title.get('id')} {description.get('id')}"
    texts = [text.text or "" for text in chart.iter(f"{SVG}text")]
    assert title.text in texts
    assert any(text.startswith(("unigate", "added")) for text in texts)
    for text in texts[2:]:
        assert text.partition(", ratio")[0].rpartition(" ")[0] in (description.text or "")


def test_names_are_escaped(plots: Any) -> None:
    charts = importlib.import_module("charts")
    group = charts.Group("<a> & b", [charts.Bar('"c" < d', 0.0, (0.0, 0.0), None)])
    chart = ElementTree.fromstring(charts.draw("<t>", "&", "<u>", [group]))
    texts = [text.text for text in chart.iter(f"{SVG}text")]
    assert texts == ["<t>", "&", "<a> & b", '"c" < d', "0.00 <u>"]
