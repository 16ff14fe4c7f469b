"""Django's own tests of cache backends pass with ours."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.cache.redis_server import Server
from tests.contrib.django_suite import fetch

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 400


def run_suite(location: str) -> str:
    path = os.pathsep.join([str(ROOT), str(ROOT / "contrib")])
    inherited = {k: v for k, v in os.environ.items() if k != "DJANGO_SETTINGS_MODULE"}
    done = subprocess.run(
        [sys.executable, "-W", "error", str(Path(__file__).with_name("django_suite.py")), location],
        env={**inherited, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def outputs() -> Iterator[dict[str, Future[str]]]:
    """Run the suite on each store at the same time: it mostly waits."""
    fetch()  # once, before both runs need it
    with Server() as server, ThreadPoolExecutor() as threads:
        locations = {"memory": "memory://suite", "redis": f"redis://127.0.0.1:{server.port}/0"}
        yield {name: threads.submit(run_suite, url) for name, url in locations.items()}


@pytest.mark.parametrize("store", ["memory", "redis"])
def test_djangos_own_tests_pass(store: str, outputs: dict[str, Future[str]]) -> None:
    output = outputs[store].result(SECONDS)
    [count] = re.findall(r"Ran (\d+) tests", output)
    assert int(count) > 50
    # Skipped are the tests of a limit on entries, which is up to the store.
    assert "OK (skipped=3)" in output
