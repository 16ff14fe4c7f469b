"""The benchmarks that start servers run, with few rounds."""

from __future__ import annotations

import sys

import pytest

from tests.benchmarks.folder import check, check_results, run


def test_cache() -> None:
    rows = check(run("cache.py", "--rounds", "1", "--entries", "1", "--json"))
    check_results(rows)
    assert {"memory, hit", "Redis, count", "Vercel, miss"} <= {row["workload"] for row in rows}


@pytest.mark.skipif(sys.version_info < (3, 12), reason="vercel-runtime needs Python 3.12")
def test_vercel_loop() -> None:
    rows = check(run("vercel_loop.py", "--rounds", "1", "--json"))
    check_results(rows)
    assert {row["workload"] for row in rows} == {"WSGI, a request", "Flask, a request"}


def test_lambda_runtime() -> None:
    rows = check(run("lambda_runtime.py", "--rounds", "1", "--starts", "1", "--json"))
    check_results(rows)
    assert {"microseconds", "per second", "milliseconds"} == {row["unit"] for row in rows}
