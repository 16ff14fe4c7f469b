"""Where the benchmarks are, how they are run, and the shape of their results."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SECONDS = 300


def run(file: str, *options: str) -> str:
    """Run a script of the benchmarks and return its output.

    Coverage stays out of its processes: it would be measured too.
    """
    command = [sys.executable, str(BENCHMARKS / file), *options]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("COVERAGE_")}
    ended = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, text=True, timeout=SECONDS, check=True
    )
    return ended.stdout


def check(text: str) -> list[dict[str, Any]]:
    """Check the shape of a benchmark's JSON, and return its rows."""
    document = json.loads(text)
    assert document.pop("machine")["python"].startswith("CPython 3.")
    document.pop("date", None)
    rows = [row for part in document.values() for row in part]
    assert rows
    for row in rows:
        assert all(isinstance(key, str) for key in row)
        assert any(isinstance(value, float) for value in row.values())
    return rows


def check_results(rows: list[dict[str, Any]]) -> None:
    """Check rows that are results of `rounds.compare`."""
    for row in rows:
        low, high = row["quartiles"]
        assert low <= row["value"] <= high
        assert row["unit"]
        assert (row["met"] is None) == (row["target"] is None)
        assert row["contender"].startswith("unigate") <= (row["ratio"] is None)
    groups = {(row["workload"], row["contender"], row["unit"]) for row in rows}
    assert len(groups) == len(rows)
