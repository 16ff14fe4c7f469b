"""Benchmarks that need no server run, with few rounds, and give results of the known shape."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks.folder import BENCHMARKS, check, check_results, run

FILES = (
    "run.py",
    "bytecode.py",
    "cache.py",
    "cold_start.py",
    "conformance.py",
    "lambda_runtime.py",
    "memory.py",
    "mounts.py",
    "plugins.py",
    "servers.py",
)


def test_invocations() -> None:
    rows = check(run("invocations.py", "--rounds", "1", "--json"))
    check_results(rows)
    workloads = {row["workload"] for row in rows}
    assert {"ASGI, HTTP API 2.0, small", "WSGI, REST API v1, 1 MiB"} <= workloads
    assert {"Flask, HTTP API 2.0, small", "FastAPI, REST API v1, small"} <= workloads


def test_large_bodies_without_fast() -> None:
    rows = check(run("invocations.py", "--rounds", "1", "--large", "--without-fast", "--json"))
    check_results(rows)
    assert all(row["workload"].endswith("1 MiB, without fast") for row in rows)


def test_mounts() -> None:
    rows = check(run("mounts.py", "--rounds", "1", "--json"))
    check_results(rows)
    targets = {row["contender"]: row["target"] for row in rows}
    assert targets == {"unigate, 1,000 mounts": None, "10 mounts": None, "1 mount": 1.1}


def test_cold_start() -> None:
    rows = check(run("cold_start.py", "--rounds", "1", "--json", "-", "Flask", "ASGI"))
    check_results(rows)
    assert {row["workload"] for row in rows} == {
        f"{application}, first reply{measured}"
        for application in ("Flask", "ASGI")
        for measured in ("", ": CPU")
    }


def test_results_of_a_run_have_the_date_and_give_charts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("run.py", "--quick", "--folder", str(tmp_path), "plugins")
    (file,) = tmp_path.iterdir()
    check_results(check(file.read_text()))
    assert len(json.loads(file.read_text())["date"]) == len("2000-01-01")
    monkeypatch.syspath_prepend(BENCHMARKS)
    ((name, chart),) = importlib.import_module("plots").charts(tmp_path)
    assert name == f"{file.stem}.svg"
    assert "Flask, a request" in chart


@pytest.mark.parametrize("file", FILES)
def test_help(file: str) -> None:
    assert "usage:" in run(file, "--help")


def test_every_benchmark_of_the_command_exists(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    scripts: Any = importlib.import_module("run").SCRIPTS
    assert [each.file for each in scripts.values() if not (BENCHMARKS / each.file).exists()] == []
