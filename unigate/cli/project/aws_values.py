"""What AWS accepts as the value of a setting: forms of text and ranges of numbers.

Sources, read in November 2026:

* Policies: AWS, IAM user guide, "Grammar of the IAM JSON policy language"; names of managed
  policies: IAM API reference, "CreatePolicy". Policy templates of SAM: the developer guide of SAM,
  "AWS SAM policy templates"; intrinsic functions: CloudFormation, "Intrinsic function reference".
* Schedules: Amazon EventBridge user guide, "Cron expressions reference" and "Rate expressions
  reference". `tests/cli/project/test_aws_values.py` has their examples.
* Event patterns: the same guide, "Creating event patterns": values are in lists.
* Batches, the VPC and managed instances: AWS, Lambda API reference, "CreateEventSourceMapping",
  "VpcConfig" and "LambdaManagedInstancesCapacityProviderConfig".
* Events of S3: Amazon S3 API reference, "LambdaFunctionConfiguration".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .setting_kinds import Anything, Either, Nested, Number, Some, Table, Text

# Event source mappings

BATCH_SIZE = Number(1, 10_000)
BATCH_WINDOW = Number(1, 300)
MAX_CONCURRENCY = Number(2, 1000)
STREAM_ARN = Text(
    r"arn:aws[a-z-]*:dynamodb:[a-z0-9-]+:\d{12}:table/[\w.-]+/stream/[\w.:-]+",
    "the ARN of a stream, arn:aws:dynamodb:REGION:ACCOUNT:table/NAME/stream/TIME",
)

# Managed instances and the VPC

CAPACITY_PROVIDER_ARN = Text(
    r"arn:aws[a-zA-Z-]*:lambda:[a-z0-9-]+:\d{12}:capacity-provider:[\w-]+",
    "the ARN of a capacity provider, arn:aws:lambda:REGION:ACCOUNT:capacity-provider:NAME",
)
INSTANCE_CONCURRENCY = Number(1, 1600)
MEMORY_PER_VCPU = Number(2, 8)
SUBNETS = Some(Text("subnet-[0-9a-z]+", "the identifier of a subnet, such as subnet-0a1b2c3d"))
SECURITY_GROUPS = Some(
    Text("sg-[0-9a-zA-Z]+", "the identifier of a security group, such as sg-0a1b2c3d")
)

# Events of S3

S3_EVENTS: Mapping[str, tuple[str, ...]] = {
    "ObjectCreated": ("Put", "Post", "Copy", "CompleteMultipartUpload"),
    "ObjectRemoved": ("Delete", "DeleteMarkerCreated"),
    "ObjectRestore": ("Post", "Completed", "Delete"),
    "ObjectTagging": ("Put", "Delete"),
    "ObjectAnnotation": ("Put", "Delete"),
    "LifecycleExpiration": ("Delete", "DeleteMarkerCreated"),
    "Replication": (
        *("OperationFailedReplication", "OperationNotTracked", "OperationMissedThreshold"),
        "OperationReplicatedAfterThreshold",
    ),
}
"""The groups of events, each of which ":*" stands for, with those in it."""
_S3_SINGLE = (
    *("ReducedRedundancyLostObject", "LifecycleTransition", "IntelligentTiering"),
    *("ObjectAcl:Put", "ObjectRetention:Put"),
)
_S3_GROUPS = (f"{group}(:({'|'.join(names)}|\\*))?" for group, names in S3_EVENTS.items())
S3_EVENT = Text(
    f"(s3:)?({'|'.join((*_S3_GROUPS, *_S3_SINGLE))})",
    'an event of S3, such as "ObjectCreated" or "ObjectRemoved:Delete"',
)

# Rules of EventBridge

EVENT_PATTERN = Nested(
    "event_pattern", Some(Anything()), "a list of what matches, or a table of such lists"
)


def _field(*ones: str) -> str:
    """Return the pattern of a field of cron: one of several forms, or more with commas between."""
    one = "|".join(ones)
    return f"({one})(,({one}))*"


def _steps(value: str) -> str:
    """Return the pattern of all values, one or a range, with an increment or without."""
    return rf"(\*|{value}(-{value})?)(/\d+)?"


def _names(names: str) -> str:
    return "|".join(f"{name}|{name.lower()}" for name in names.split())


_DAY = r"(0?[1-9]|[12]\d|3[01])"
_MONTH = rf"(0?[1-9]|1[0-2]|{_names('JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC')})"
_WEEKDAY = rf"([1-7]|{_names('SUN MON TUE WED THU FRI SAT')})"
_DAYS = _field(_steps(_DAY), f"L(-{_DAY})?", "LW", f"{_DAY}W")
_MONTHS = _field(_steps(_MONTH))
_WEEKDAYS = _field(_steps(_WEEKDAY), f"{_WEEKDAY}?L", f"{_WEEKDAY}#[1-5]")
_CRON = " +".join((
    _field(_steps(r"[0-5]?\d")),
    _field(_steps(r"([01]?\d|2[0-3])")),
    # The day is either one of the month or one of the week.
    rf"({_DAYS} +{_MONTHS} +\?|\? +{_MONTHS} +{_WEEKDAYS})",
    _field(_steps(r"(19[7-9]\d|2[01]\d\d)")),
))  # fmt: skip
_RATE = r"1 +(minute|hour|day)|([2-9]|[1-9]\d+) +(minutes|hours|days)"
SCHEDULE = Text(
    rf"cron\({_CRON}\)|rate\(({_RATE})\)",
    'an expression of EventBridge: "rate(1 hour)", "rate(5 minutes)", or "cron(MINUTES HOURS DAY '
    'MONTH WEEKDAY YEAR)" with "?" for the day or the weekday, such as "cron(0 3 * * ? *)"',
)

# Policies

_ACTIONS = Text(r"\*|[A-Za-z0-9*-]+:[A-Za-z0-9*?]+", 'an action, such as "s3:GetObject"')
_FUNCTION = Table(
    {"*": Anything()}, names=Text(r"Ref|Fn::\w+", '"Ref" or "Fn::..."'), is_single=True
)
_RESOURCES = Either(
    (Text(r"\*|arn:.+", 'an ARN or "*"'), _FUNCTION),
    'an ARN, "*", or a function of CloudFormation',
)


def _one_or_more(kind: Any, expected: str) -> Either:
    return Either((kind, Some(kind)), f"{expected}, or a list of them")


_STATEMENT = Table(
    {
        "Sid": Text("[A-Za-z0-9]*", "text of letters and digits"),
        "Effect": ("Allow", "Deny"),
        "Action": _one_or_more(_ACTIONS, _ACTIONS.expected),
        "NotAction": _one_or_more(_ACTIONS, _ACTIONS.expected),
        "Resource": _one_or_more(_RESOURCES, _RESOURCES.expected),
        "NotResource": _one_or_more(_RESOURCES, _RESOURCES.expected),
        "Condition": Table({"*": dict}),
    },
    required=("Effect",),
    exclusive=(("Action", "NotAction"), ("Resource", "NotResource")),
)
_TEMPLATE_NAME = Text(r"[A-Za-z0-9]+Policy(_v\d)?", "that of a policy template of SAM")
_POLICY_TEMPLATE = Table({"*": dict}, names=_TEMPLATE_NAME, is_single=True)
POLICY = Either(
    (
        Text(r"arn:.+:policy/.+|[\w+=,.@/-]+", "the name or ARN of a managed policy"),
        *(_STATEMENT, _POLICY_TEMPLATE, _FUNCTION),
    ),
    "the name or ARN of a managed policy, a statement with Effect, Action and Resource, or for SAM "
    'one of its policy templates, such as {SQSPollerPolicy = {QueueName = "orders"}}',
)
