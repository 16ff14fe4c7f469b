"""The table [tool.unigate.aws]: its keys and their types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import aws_values as values
from .setting_kinds import Either, Setting, Table

TRIGGERS = ("http_api", "rest_api", "function_url", "alb")
ARCHITECTURES = ("x86_64", "arm64")
RUNTIMES = ("unigate", "aws")
FORMATS = ("zip", "image")
TEMPLATES = ("sam", "terraform", "cdk", "serverless", "sst", "none")

_BATCHES: Mapping[str, Any] = {
    "batch_size": values.BATCH_SIZE, "batch_window": values.BATCH_WINDOW
}  # fmt: skip
_STREAMS = {**_BATCHES, "starting_position": ("LATEST", "TRIM_HORIZON")}


def _sources(options: Mapping[str, Any], what: str) -> Setting:
    """Return the setting for a table of event sources by their names."""
    kind = {"*": Either((bool, options), "true, false or a table")}
    keys = f", each with {', '.join(options)}" if options else ""
    return Setting(kind, f"{what}, by name or ARN{keys}; false for one that is not connected here.")


_RULE = Table({"pattern": values.EVENT_PATTERN, "bus": str}, required=("pattern",))
_EVENTS: Mapping[str, Any] = {
    "sqs": _sources({**_BATCHES, "max_concurrency": values.MAX_CONCURRENCY}, "Queues"),
    "kinesis": _sources(_STREAMS, "Streams"),
    "dynamodb": _sources({**_STREAMS, "stream": values.STREAM_ARN}, "Tables"),
    "sns": _sources({}, "Topics"),
    "s3": _sources({"events": [values.S3_EVENT], "prefix": str, "suffix": str}, "Buckets"),
    "schedule": Setting(
        {"*": Either((values.SCHEDULE, (False,)), f"{values.SCHEDULE.expected}, or false")},
        'Rules by name, each with an expression such as "rate(5 minutes)"; false for one that is '
        "made elsewhere.",
    ),
    "eventbridge": Setting(
        {"*": Either(((False,), _RULE), "false, or a table with a pattern")},
        "Rules by name, each with pattern and bus, in place of those that the filters of functions "
        "give.",
    ),
}

_PROVIDER = Table(
    {
        "arn": values.CAPACITY_PROVIDER_ARN,
        "max_concurrency": values.INSTANCE_CONCURRENCY,
        "memory_per_vcpu": values.MEMORY_PER_VCPU,
    },
    required=("arn",),
)

AWS_SETTINGS: Mapping[str, Any] = {
    "trigger": Setting(
        Either(
            (TRIGGERS, [TRIGGERS]), f"one of {', '.join(map(repr, TRIGGERS))}, or a list of them"
        ),
        "What sends requests to the function, by default http_api; an empty list for nothing.",
    ),
    "architecture": Setting(ARCHITECTURES, "Its processor, by default x86_64."),
    "runtime": Setting(
        RUNTIMES,
        "What runs it: unigate's runtime streams, and is the default of function_url and images.",
    ),
    "format": Setting(FORMATS, "A zip, which is the default, or a container image."),
    "template": Setting(TEMPLATES, "The tool that deploys it, by default sam."),
    "policies": Setting(
        [values.POLICY],
        "What it may do: managed policies, statements, and for SAM its policy templates.",
    ),
    "snap_start": Setting(bool, "Whether its published versions start from a snapshot."),
    "provisioned_concurrency": Setting(int, "How many environments are kept ready."),
    "capacity_provider": Setting(
        Either((values.CAPACITY_PROVIDER_ARN, _PROVIDER), "an ARN or a table with one"),
        "The managed instances that it runs on.",
    ),
    "vpc": Table(
        {
            "subnets": Setting(values.SUBNETS, "The identifiers of the subnets that it runs in."),
            "security_groups": Setting(
                values.SECURITY_GROUPS, "The identifiers of its security groups."
            ),
        },
        required=("subnets", "security_groups"),
    ),
    "events": _EVENTS,
}
