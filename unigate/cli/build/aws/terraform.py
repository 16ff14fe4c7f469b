"""main.tf for a function.

Source: the documentation of the Terraform provider hashicorp/aws.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from unigate.cli.build.templates import render

from .event_sources import BATCHED, EventSource
from .function import Function
from .policies import managed_policies, statements

MAIN = "main.tf"


class _Source(NamedTuple):
    """How Terraform finds a resource that exists."""

    data: str
    argument: str
    arn: str


_SOURCES: Mapping[str, _Source] = {
    "sqs": _Source("aws_sqs_queue", "name", "arn"),
    "kinesis": _Source("aws_kinesis_stream", "name", "arn"),
    "dynamodb": _Source("aws_dynamodb_table", "name", "stream_arn"),
    "sns": _Source("aws_sns_topic", "name", "arn"),
    "s3": _Source("aws_s3_bucket", "bucket", "arn"),
}
PRINCIPALS = {"schedule": "events", "eventbridge": "events", "sns": "sns", "s3": "s3"}


def terraform_files(function: Function) -> dict[str, bytes]:
    """Return main.tf."""
    alias, plain = "aws_lambda_alias.live", "aws_lambda_function.function"
    width = max(map(len, map(to_hcl, function.environment)), default=0)
    variables = [
        f"{to_hcl(name):{width}} = {to_hcl(value)}"  # aligned as by `terraform fmt`
        for name, value in sorted(function.environment.items())
    ]
    text = render(
        "main.tf.j2",
        **function._asdict(),
        variables=variables,
        has_alias=function.has_alias,
        callee=alias if function.has_alias else plain,
        managed_policies=managed_policies(function),
        statements=statements(function),
        sources=_SOURCES,
        batched=BATCHED,
        principals=PRINCIPALS,
        arn_of=_arn_of,
        hcl=to_hcl,
    )
    return {MAIN: text}


def _arn_of(source: EventSource) -> str:
    """Return the expression for the ARN of a source."""
    if source.kind in ("schedule", "eventbridge"):
        return f"aws_cloudwatch_event_rule.{source.id}.arn"
    stream = source.options.get("stream")
    if stream or (source.is_arn and source.kind != "dynamodb"):
        return to_hcl(stream or source.resource)
    data = _SOURCES[source.kind]
    return f"data.{data.data}.{source.id}.{data.arn}"


def to_hcl(value: Any) -> str:
    """Return a value as an expression of HCL.

    Source: HashiCorp, "Terraform language: strings and templates".
    """
    if isinstance(value, dict):
        members = ", ".join(f"{to_hcl(key)} = {to_hcl(inner)}" for key, inner in value.items())
        return f"{{ {members} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(to_hcl, value))}]"
    text = json.dumps(value, ensure_ascii=False)
    if isinstance(value, str):
        text = text.replace("\\b", "\\u0008").replace("\\f", "\\u000c")
        text = text.replace("${", "$${").replace("%{", "%%{")
    return text
