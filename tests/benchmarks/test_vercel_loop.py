"""The benchmark that needs Vercel's runtime, which needs Python 3.12, runs with few rounds."""

from __future__ import annotations

import sys

import pytest

from tests.benchmarks.folder import check, check_results, run


@pytest.mark.skipif(sys.version_info < (3, 12), reason="vercel-runtime needs Python 3.12")
def test_vercel_loop() -> None:
    rows = check(run("vercel_loop.py", "--rounds", "1", "--json"))
    check_results(rows)
    assert {row["workload"] for row in rows} == {"WSGI, a request", "Flask, a request"}
