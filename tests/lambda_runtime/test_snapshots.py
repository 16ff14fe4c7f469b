"""SnapStart: hooks and errors around the snapshot and the restore."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.servers.processes import ROOT
from tests.waiting import SECONDS

from .function import APPS, Function, event

pytestmark = pytest.mark.usefixtures("bounded")
SNAPSTART = {"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"}


@pytest.fixture(params=["of-aws", "without"])
def library(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """The environment with AWS's module for hooks, and one in which it cannot be imported."""
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
    with Function(f"{APPS}.app", tmp_path, env=env) as runtime:
        runtime.server.wait_for_output("hook: before the snapshot")
        output = runtime.server.output()
        assert output.index("hook: registered last") < output.index("hook: before the snapshot")
        assert "hook: restored" not in output
        assert "lifespan.startup" not in runtime.server.output()
        assert runtime.api.order("next") == []

        runtime.api.restore.set()
        runtime.api.wait_for("next", 1)

        output = runtime.server.output()
        assert output.index("hook: restored") < output.index("lifespan.startup")
        # The first number of the seed that apps.py sets before the snapshot.
        assert "hook: restored 0.13436424411240122" not in output
        assert b"hello" in runtime.api.invoke(event("/v2/hello")).body


def test_a_hook_that_fails_before_the_snapshot_is_reported(tmp_path: Path) -> None:
    (tmp_path / "early.py").write_text(
        "from unigate.lambda_runtime import on_snapshot\n"
        "from tests.lambda_runtime.apps import app\n"
        "@on_snapshot\ndef flush():\n    raise OSError('disk')\n"
    )
    with Function("early.app", tmp_path, env=SNAPSTART) as runtime:
        path, headers, report = runtime.api.reports.get(timeout=SECONDS)

        assert (path, report["errorMessage"]) == ("/init/error", "disk")
        assert headers["lambda-runtime-function-error-type"] == "Runtime.BeforeSnapshotError"
        assert runtime.wait() == 64


def test_a_hook_that_fails_after_the_snapshot_is_reported(tmp_path: Path) -> None:
    with Function(f"{APPS}.app", tmp_path, env={**SNAPSTART, "HOOKS": "fail"}) as runtime:
        runtime.api.restore.set()
        path, headers, report = runtime.api.reports.get(timeout=SECONDS)

        assert (path, report["errorMessage"]) == ("/restore/error", "no network yet")
        assert headers["lambda-runtime-function-error-type"] == "Runtime.AfterRestoreError"
        assert runtime.wait() == 65


def test_snapshot_hooks_do_not_run_without_a_snapshot(tmp_path: Path) -> None:
    with Function(f"{APPS}.app", tmp_path, env={"HOOKS": "1"}) as runtime:
        runtime.api.wait_for("next", 1)

        assert "snapshot" not in runtime.server.output()
        assert "restored" not in runtime.server.output()
