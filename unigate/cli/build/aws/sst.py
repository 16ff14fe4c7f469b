"""sst.config.ts for a function, with the resources of Pulumi that SST 3 deploys.

SST's own component for Python builds the function itself, so the zip of this build goes to a plain
resource. Source: SST, "Config" and "Global"; Pulumi, "AWS" provider.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from unigate.cli.build.templates import render

from .event_sources import BATCHED, EventSource
from .function import Function
from .policies import managed_policies, statements

CONFIG = "sst.config.ts"
# The version whose arguments tests/builds checks.
PROVIDER_VERSION = "7.48.0"
_LOOK_UPS: Mapping[str, str] = {
    "sqs": "aws.sqs.getQueueOutput({{ name: {} }}).arn",
    "kinesis": "aws.kinesis.getStreamOutput({{ name: {} }}).arn",
    "dynamodb": "aws.dynamodb.getTableOutput({{ name: {} }}).streamArn",
    "sns": "aws.sns.getTopicOutput({{ name: {} }}).arn",
    "s3": "aws.s3.getBucketOutput({{ bucket: {} }}).arn",
}


def sst_files(function: Function) -> dict[str, bytes]:
    """Return sst.config.ts."""
    text = render(
        "sst.config.ts.j2",
        **function._asdict(),
        has_alias=function.has_alias,
        managed_policies=managed_policies(function),
        statements=statements(function),
        provider_version=PROVIDER_VERSION,
        batched=BATCHED,
        arn_of=_arn_of,
        output_arn_of=_output_arn_of,
        ts=_to_typescript,
    )
    return {CONFIG: text}


def _arn_of(source: EventSource) -> str:
    """Return the expression for the ARN of a source."""
    stream = source.options.get("stream")
    if stream or (source.is_arn and source.kind != "dynamodb"):
        return _to_typescript(stream or source.resource)
    name = source.name if source.is_arn else source.resource
    return _LOOK_UPS[source.kind].format(_to_typescript(name))


def _output_arn_of(source: EventSource) -> str:
    expression = _arn_of(source)
    return f"$util.output({expression})" if source.is_arn else expression


def _to_typescript(value: object) -> str:
    return json.dumps(value)
