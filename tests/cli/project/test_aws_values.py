"""What AWS accepts as values of settings, against its own API models and documentation."""

from __future__ import annotations

from typing import Any

import botocore.session
import pytest

from unigate.cli.project import aws_values as values


def shape(service: str, name: str) -> Any:
    """Return a shape of the API of a service."""
    return botocore.session.get_session().get_service_model(service).shape_for(name)


def test_events_of_s3_are_those_of_its_api() -> None:
    known = set(shape("s3", "Event").enum)
    single = values._S3_SINGLE
    groups = {f"s3:{group}:*" for group in values.S3_EVENTS}
    inner = {f"s3:{group}:{name}" for group, names in values.S3_EVENTS.items() for name in names}
    assert known == {f"s3:{name}" for name in single} | groups | inner
    for event in known:
        assert values.S3_EVENT.matches(event)
        assert values.S3_EVENT.matches(event.removeprefix("s3:").removesuffix(":*"))
    for event in ("ObjectCreated:Delete", "ObjectAcl", "LifecycleTransition:*", "s3:Object", ""):
        assert not values.S3_EVENT.matches(event)


@pytest.mark.parametrize(
    ("number", "name"),
    [
        (values.BATCH_SIZE, "BatchSize"),
        (values.MAX_CONCURRENCY, "MaximumConcurrency"),
        (values.INSTANCE_CONCURRENCY, "PerExecutionEnvironmentMaxConcurrency"),
        (values.MEMORY_PER_VCPU, "ExecutionEnvironmentMemoryGiBPerVCpu"),
    ],
)
def test_limits_are_those_of_lambdas_api(number: values.Number, name: str) -> None:
    metadata = shape("lambda", name).metadata
    assert (number.least, number.most) == (metadata["min"], metadata["max"])


# The examples of the EventBridge user guide, and of AWS's blogs.
@pytest.mark.parametrize(
    "expression",
    [
        "cron(0 10 * * ? *)", "cron(15 12 * * ? *)", "cron(0 18 ? * MON-FRI *)",
        "cron(0 8 1 * ? *)", "cron(0/10 * ? * MON-FRI *)", "cron(0/5 8-17 ? * MON-FRI *)",
        "cron(0/30 20-2 ? * MON-FRI *)", "cron(0 9 ? * 2#1 *)", "cron(0 12 ? * 6L *)",
        "cron(0 8 L * ? *)", "cron(0 8 3W * ? *)", "cron(15,45 0-4/2 1,15 JAN,FEB,MAR ? 2026-2030)",
        "cron(0 0 ? * sat,sun *)", "cron(5  4 ? * * *)", "cron(*/15 * * * ? *)",
        "rate(1 minute)", "rate(5 minutes)", "rate(1 hour)", "rate(12 hours)", "rate(1 day)",
        "rate(10 days)",
    ],
)  # fmt: skip
def test_schedules_of_eventbridge_are_accepted(expression: str) -> None:
    assert values.SCHEDULE.matches(expression)


@pytest.mark.parametrize(
    "expression",
    [
        "every day", "0 3 * * *", "0 3 * * ? *", "cron(0 3 * * *)", "cron(0 3 * * * *)",
        "cron(0 3 ? * ? *)", "cron(15 * * * * *)", "cron(99 3 * * ? *)", "cron(0 24 * * ? *)",
        "cron(0 3 32 * ? *)", "cron(0 3 * 13 ? *)", "cron(0 3 ? * 8 *)", "cron(0 3 * * ? 1969)",
        "cron(0 3 ? * FRX *)", "cron(0 3 * * ? *) ", "rate(1 minutes)", "rate(5 minute)",
        "rate(0 minutes)", "rate(30 seconds)", "rate(1.5 hours)", "rate(5)", "rate(minutes)",
        "at(2026-01-01T00:00:00)", "cron()", "",
    ],
)  # fmt: skip
def test_other_schedules_are_not(expression: str) -> None:
    assert not values.SCHEDULE.matches(expression)
