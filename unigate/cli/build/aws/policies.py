"""What a function may do, for templates that say it without SAM's policy templates."""

from __future__ import annotations

from typing import Any

import click

from .event_sources import BATCHED
from .function import Function

# AWS, Lambda developer guide, "AWS managed policies for Lambda features".
_EXECUTION_ROLES = {
    "sqs": "service-role/AWSLambdaSQSQueueExecutionRole",
    "kinesis": "service-role/AWSLambdaKinesisExecutionRole",
    "dynamodb": "service-role/AWSLambdaDynamoDBExecutionRole",
}


def managed_policies(function: Function) -> list[str]:
    """Return the names and ARNs of managed policies: for logs, the VPC, event sources, and more."""
    names = ["service-role/AWSLambdaBasicExecutionRole"]
    if function.vpc:
        names.append("service-role/AWSLambdaVPCAccessExecutionRole")
    kinds = {source.kind for source in function.events}
    names += [_EXECUTION_ROLES[kind] for kind in BATCHED if kind in kinds]
    names += [policy for policy in function.policies if isinstance(policy, str)]
    return list(dict.fromkeys(names))


def statements(function: Function) -> list[dict[str, Any]]:
    """Return the statements of the settings.

    Raises:
        click.ClickException: A table is not a statement.
    """
    found = [policy for policy in function.policies if isinstance(policy, dict)]
    for policy in found:
        if "Effect" not in policy:
            raise click.ClickException(
                f"tool.unigate.aws.policies: only SAM and CDK know the policy template "
                f"{next(iter(policy), '')!r}: write a statement with Effect, Action and Resource."
            )
    return found
