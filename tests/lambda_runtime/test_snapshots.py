"""SnapStart: a process that goes on from a snapshot, many times over."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.servers.processes import ROOT

from .function import APPS, Function, event

pytestmark = pytest.mark.usefixtures("bounded")
SNAPSTART = {"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"}


@pytest.fixture(params=["of-aws", "without"])
def library(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """With AWS's own module for hooks, and where that is not installed."""
    if request.param == "of-aws":
        return {}
    blocked = tmp_path / "blocked"
    blocked.mkdir()
    (blocked / "snapshot_restore_py.py").write_text("raise ImportError('not installed')\n")
    return {"PYTHONPATH": f"{blocked}{os.pathsep}{ROOT}"}


def test_hooks_run_around_the_snapshot_and_applications_start_after_it(
    tmp_path: Path, library: dict[str, str]
) -> None:
    env = {**SNAPSTART, "HOOKS": "1", **library}
    with Function(f"{APPS}.app", tmp_path, env=env) as made:
        made.server.wait_for_output("hook: before the snapshot")
        output = made.server.output()
        assert output.index("hook: given last") < output.index("hook: before the snapshot")
        assert "hook: restored" not in output
        assert "lifespan.startup" not in made.server.output()
        assert made.api.order("next") == []

        made.api.restore.set()
        made.api.wait_for("next", 1)

        output = made.server.output()
        assert output.index("hook: restored") < output.index("lifespan.startup")
        assert "hook: restored 0.13436424411240122" not in output  # what the snapshot would give
        assert b"hello" in made.api.invoke(event("/v2/hello")).body


def test_a_hook_that_fails_before_the_snapshot_is_reported(tmp_path: Path) -> None:
    (tmp_path / "early.py").write_text(
        "from unigate.lambda_runtime import on_snapshot\n"
        "from tests.lambda_runtime.apps import app\n"
        "@on_snapshot\ndef flush():\n    raise OSError('disk')\n"
    )
    with Function("early.app", tmp_path, env=SNAPSTART) as made:
        path, headers, told = made.api.reports.get(timeout=10)

        assert (path, told["errorMessage"]) == ("/init/error", "disk")
        assert headers["lambda-runtime-function-error-type"] == "Runtime.BeforeSnapshotError"
        assert made.wait() == 64


def test_a_hook_that_fails_after_the_snapshot_is_reported(tmp_path: Path) -> None:
    with Function(f"{APPS}.app", tmp_path, env={**SNAPSTART, "HOOKS": "fail"}) as made:
        made.api.restore.set()
        path, headers, told = made.api.reports.get(timeout=10)

        assert (path, told["errorMessage"]) == ("/restore/error", "no network yet")
        assert headers["lambda-runtime-function-error-type"] == "Runtime.AfterRestoreError"
        assert made.wait() == 65


def test_without_a_snapshot_no_hook_of_one_runs(tmp_path: Path) -> None:
    with Function(f"{APPS}.app", tmp_path, env={"HOOKS": "1"}) as made:
        made.api.wait_for("next", 1)

        assert "snapshot" not in made.server.output()
        assert "restored" not in made.server.output()
