"""The table [tool.unigate.aws]: its keys and their types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .setting_kinds import Either

TRIGGERS = ("http_api", "rest_api", "function_url", "alb")
ARCHITECTURES = ("x86_64", "arm64")
RUNTIMES = ("unigate", "aws")
FORMATS = ("zip", "image")
TEMPLATES = ("sam", "terraform", "cdk", "serverless", "sst", "none")

_BATCHES: Mapping[str, Any] = {"batch_size": int, "batch_window": int}
_STREAMS = {**_BATCHES, "starting_position": ("LATEST", "TRIM_HORIZON")}


def _sources(options: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the kind of a table of event sources by their names."""
    return {"*": Either((bool, options), "true, false or a table")}


_EVENTS: Mapping[str, Any] = {
    "sqs": _sources({**_BATCHES, "max_concurrency": int}),
    "kinesis": _sources(_STREAMS),
    "dynamodb": _sources({**_STREAMS, "stream": str}),
    "sns": _sources({}),
    "s3": _sources({"events": [str], "prefix": str, "suffix": str}),
    "schedule": {"*": Either((str, bool), 'an expression such as "rate(5 minutes)", or false')},
    "eventbridge": _sources({"pattern": dict, "bus": str}),
}

AWS_KEYS: Mapping[str, Any] = {
    "trigger": Either(
        (TRIGGERS, [TRIGGERS]), f"one of {', '.join(map(repr, TRIGGERS))}, or a list of them"
    ),
    "architecture": ARCHITECTURES,
    "runtime": RUNTIMES,
    "format": FORMATS,
    "template": TEMPLATES,
    "policies": [Either((str, dict), "the name or ARN of a policy, or a table")],
    "snap_start": bool,
    "provisioned_concurrency": int,
    "capacity_provider": Either(
        (str, {"arn": str, "max_concurrency": int, "memory_per_vcpu": int}), "an ARN or a table"
    ),
    "vpc": {"subnets": [str], "security_groups": [str]},
    "events": _EVENTS,
}
