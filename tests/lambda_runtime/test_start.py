"""The garbage collector during and after the initialization."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.waiting import SECONDS

from .function import Function

pytestmark = pytest.mark.usefixtures("bounded")
HANDLER = """
import gc
{setting}
at_first = gc.get_threshold()

def app(event, context):
    return {{"at_first": at_first, "now": gc.get_threshold(), "frozen": gc.get_freeze_count()}}
"""


def thresholds_in(folder: Path, setting: str = "") -> dict[str, list[int]]:
    """Return the thresholds while the handler is loaded and at its first event."""
    (folder / "collecting.py").write_text(HANDLER.format(setting=setting))
    with Function("collecting.app", folder) as runtime:
        thresholds: dict[str, list[int]] = runtime.api.invoke({}).json()
        return thresholds


def test_garbage_collection_is_rare_during_initialization_and_as_usual_afterwards(
    tmp_path: Path,
) -> None:
    code = "import gc, json; print(json.dumps(gc.get_threshold()))"
    usual = json.loads(subprocess.check_output([sys.executable, "-c", code], timeout=SECONDS))
    thresholds = thresholds_in(tmp_path)

    assert thresholds["at_first"][0] > 10 * usual[0]
    assert thresholds["now"] == usual
    assert thresholds["frozen"] > 1000


def test_the_applications_own_thresholds_are_kept(tmp_path: Path) -> None:
    assert thresholds_in(tmp_path, "gc.set_threshold(500, 5, 5)")["now"] == [500, 5, 5]
