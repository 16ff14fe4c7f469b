"""The sample events: one JSON file each, as `tests/events/<source>/<name>.json`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_EVENTS = Path(__file__).with_name("events")


def load(name: str) -> dict[str, Any]:
    """Return a fresh copy of a sample by its path without the suffix: `alb/single_value`."""
    event: dict[str, Any] = json.loads((_EVENTS / f"{name}.json").read_text("utf-8"))
    return event


def names(folder: str = "*") -> list[str]:
    """Return the names of all samples in order, or of those of one folder."""
    files = sorted(_EVENTS.glob(f"{folder}/*.json"))
    return [file.relative_to(_EVENTS).with_suffix("").as_posix() for file in files]
