"""What the benchmarks share: rounds, ratios and their output."""

from __future__ import annotations

import importlib
import json
from collections import Counter
from typing import Any

import pytest

from tests.benchmarks.folder import BENCHMARKS


@pytest.fixture
def rounds(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module("rounds")


def test_every_contender_takes_its_turn_in_every_round(rounds: Any) -> None:
    called: list[str] = []

    def contender(name: str) -> Any:
        return lambda: called.append(name) or len(called)

    groups = {"first": {"a": contender("a"), "b": contender("b")}, "second": {"c": contender("c")}}
    taken = rounds.in_rounds(groups, 20)

    assert Counter(called) == {"a": 20, "b": 20, "c": 20}
    assert {tuple(called[i : i + 3]) for i in range(0, 60, 3)} == {("a", "b", "c"), ("b", "a", "c")}
    assert sorted(taken["first"]["a"] + taken["first"]["b"] + taken["second"]["c"]) == [
        *range(1, 61)
    ]


def test_ratios_are_taken_within_rounds(rounds: Any) -> None:
    samples = {"unigate": [1.0, 20.0, 3.0], "peer": [2.0, 40.0, 3.0]}
    ours, peer = rounds.compare("work", "s", samples, targets={"peer": 0.5})

    assert (ours.value, ours.quartiles, ours.ratio, ours.met) == (3, (2, 11.5), None, None)
    assert (peer.value, peer.ratio, peer.target, peer.met) == (3, 0.5, 0.5, True)
    (_, peer) = rounds.compare("work", "s", samples, targets={"peer": 0.49})
    assert peer.met is False
    (_, peer) = rounds.compare("work", "s", samples, targets={"peer": 0.49}, more_is_better=True)
    assert peer.met is True


def test_another_contender_of_ours_can_be_compared(rounds: Any) -> None:
    samples = {"unigate": [1.0], "unigate, b": [6.0], "peer, b": [2.0]}
    results = rounds.compare("work", "s", samples, ours=lambda name: "unigate, b")
    assert [row.ratio for row in results] == [None, None, 3]


def test_what_is_added_is_taken_within_rounds_and_compared_by_medians(rounds: Any) -> None:
    samples = {
        "alone": [1.0, 20.0, 3.0],
        "unigate": [3.0, 23.0, 7.0],
        "peer": [2.0, 28.0, 9.0],
        "nothing": [1.0, 20.0, 3.0],
    }
    alone, ours, peer, nothing = rounds.compare_added("work", "s", samples, targets={"peer": 0.5})

    assert (alone.contender, alone.value, alone.ratio) == ("alone", 3, None)
    assert (ours.contender, ours.value, ours.ratio) == ("unigate, added", 3, None)
    assert (peer.contender, peer.value, peer.ratio, peer.met) == ("peer, added", 6, 0.5, True)
    assert (nothing.value, nothing.ratio, nothing.met) == (0, None, None)


def test_results_are_written_as_json_or_printed(
    rounds: Any, tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    results = rounds.compare("work", "s", {"unigate": [1.0, 2.0], "peer": [2000.0, 2000.0]})
    file = tmp_path / "results.json"
    rounds.show(results, ["pytest"], str(file), "unused")
    rounds.show(results, ["pytest"], "-", "unused")
    assert json.loads(capsys.readouterr().out) == json.loads(file.read_text())
    assert json.loads(file.read_text())["machine"]["pytest"] == pytest.__version__

    rounds.show(results, ["pytest"], None, rounds.table(results))
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["unigate", "1.50", "1.25", "to", "1.75"] in lines
    assert ["peer", "2,000", "2,000", "to", "2,000", "0.001"] in lines


@pytest.mark.parametrize("text", ["0", "-1", "many"])
def test_rounds_must_be_at_least_1(rounds: Any, text: str) -> None:
    with pytest.raises(SystemExit):
        rounds.parser("Measure.", rounds=5).parse_args(["--rounds", text])
