"""Django's own tests of what every cache backend does."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cache.redis_server import Server

ROOT = Path(__file__).resolve().parents[2]


def run_suite(location: str) -> str:
    path = os.pathsep.join([str(ROOT), str(ROOT / "contrib")])
    inherited = {k: v for k, v in os.environ.items() if k != "DJANGO_SETTINGS_MODULE"}
    done = subprocess.run(
        [sys.executable, "-W", "error", str(Path(__file__).with_name("django_suite.py")), location],
        env={**inherited, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.mark.parametrize("store", ["memory", "redis"])
def test_djangos_own_tests_pass(store: str) -> None:
    if store == "memory":
        output = run_suite("memory://suite")
    else:
        with Server() as server:
            output = run_suite(f"redis://127.0.0.1:{server.port}/0")

    [ran] = re.findall(r"Ran (\d+) tests", output)
    assert int(ran) > 50
    # Those of a limit on entries, which is the store's to set.
    assert "OK (skipped=3)" in output
