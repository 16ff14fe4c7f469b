"""The sample events: one JSON file each, as `tests/events/<source>/<name>.json`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_EVENTS = Path(__file__).with_name("events")

# Those that API Gateway gives to an API, in several partitions of AWS, of private APIs, and
# LocalStack's.
OWN_DOMAINS = [
    "x.execute-api.eu-west-1.amazonaws.com",
    "x.execute-api.cn-north-1.amazonaws.com.cn",
    "x.execute-api.eusc-de-east-1.amazonaws.eu",
    "x.execute-api.us-iso-east-1.c2s.ic.gov",
    "x.execute-api.us-isob-east-1.sc2s.sgov.gov",
    "x.execute-api.us-gov-west-1.amazonaws.com",
    "x.execute-api.localhost.localstack.cloud:4566",
    "x-vpce-1.execute-api.eu-west-1.amazonaws.com",
    "vpce-1-a.execute-api.eu-west-1.vpce.amazonaws.com",
]


def load(name: str) -> dict[str, Any]:
    """Return a fresh copy of a sample by its path without the suffix: `alb/single_value`."""
    event: dict[str, Any] = json.loads((_EVENTS / f"{name}.json").read_text("utf-8"))
    return event


def names(folder: str = "*") -> list[str]:
    """Return the names of all samples in order, or of those of one folder."""
    files = sorted(_EVENTS.glob(f"{folder}/*.json"))
    return [file.relative_to(_EVENTS).with_suffix("").as_posix() for file in files]
