"""The benchmarks that start servers run, with few rounds."""

from __future__ import annotations

from tests.benchmarks.folder import check, check_results, run


def test_cache() -> None:
    rows = check(run("cache.py", "--rounds", "1", "--entries", "1", "--json"))
    check_results(rows)
    assert {"memory, hit", "Redis, count", "Vercel, miss"} <= {row["workload"] for row in rows}


def test_lambda_runtime() -> None:
    rows = check(run("lambda_runtime.py", "--rounds", "1", "--starts", "1", "--json"))
    check_results(rows)
    assert {"microseconds", "per second", "milliseconds"} == {row["unit"] for row in rows}


def test_servers() -> None:
    chosen = ("WSGI hello, uvicorn with h11", "WSGI hello, gunicorn sync")
    rows = check(run("servers.py", "--rounds", "1", "--json", "--only", *chosen))
    check_results(rows)
    assert {(row["workload"], row["unit"]) for row in rows} == {
        *((workload, "per second") for workload in chosen),
        *((f"{workload}: CPU", "microseconds") for workload in chosen),
    }
    for row in rows:
        least = row["contender"] == "a2wsgi" and row["unit"] == "per second"
        assert row["target"] == (1.5 if least else None)
        if least:
            assert row["met"] == (row["ratio"] >= 1.5)


def test_memory() -> None:
    rows = check(run("memory.py", "--rounds", "1", "--requests", "1", "--json"))
    check_results(rows)
    doors = ("events, WSGI", "events, ASGI", "gunicorn, WSGI", "uvicorn, ASGI", "uvicorn, WSGI")
    assert {row["workload"] for row in rows} == {
        f"{door}, after {step}: {name}"
        for door in doors
        for step in ("the first request", "1 more")
        for name in ("RSS", "USS", "traced")
    }
