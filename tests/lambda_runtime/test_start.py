"""What a start does to the garbage collector."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from .function import Function

pytestmark = pytest.mark.usefixtures("bounded")
HANDLER = """
import gc
{wish}
at_first = gc.get_threshold()

def app(event, context):
    return {{"at_first": at_first, "now": gc.get_threshold(), "frozen": gc.get_freeze_count()}}
"""


def seen_by(folder: Path, wish: str = "") -> dict[str, list[int]]:
    """Return what a handler finds as it is loaded, and with its first event."""
    (folder / "collecting.py").write_text(HANDLER.format(wish=wish))
    with Function("collecting.app", folder) as made:
        seen: dict[str, list[int]] = made.api.invoke({}).json()
        return seen


def test_garbage_is_seldom_looked_for_before_the_first_event_and_as_usual_then(
    tmp_path: Path,
) -> None:
    code = "import gc, json; print(json.dumps(gc.get_threshold()))"
    usual = json.loads(subprocess.check_output([sys.executable, "-c", code]))
    seen = seen_by(tmp_path)

    assert seen["at_first"][0] > 10 * usual[0]
    assert seen["now"] == usual
    assert seen["frozen"] > 1000


def test_an_application_may_have_its_own_wishes(tmp_path: Path) -> None:
    assert seen_by(tmp_path, "gc.set_threshold(500, 5, 5)")["now"] == [500, 5, 5]
