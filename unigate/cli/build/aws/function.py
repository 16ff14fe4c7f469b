"""The Lambda function of a project: what every kind of template says about it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import click

from unigate.cli.project.core import Project
from unigate.lambda_runtime.streaming import SWITCH, is_switched_on

from .event_sources import EventSource, event_sources

ZIP = "function.zip"
WRAPPER = "unigate-runtime"
# The generated entry point; the second name is for a project that has a module of the first one.
_ENTRYPOINTS = ("lambda_function", "unigate_function")
ALIAS = "live"

# AWS, Lambda API reference, "Environment". CloudFormation takes {"Ref": ...} for a reference.
_VARIABLE = re.compile(r"(?!Ref\Z)[A-Za-z][A-Za-z0-9_]+")

# AWS, Lambda developer guide, "Defined runtime environment variables": Lambda refuses a function
# that sets them.
RESERVED = (
    "_HANDLER", "_X_AMZN_TRACE_ID", "AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_DEFAULT_REGION",
    "AWS_EXECUTION_ENV", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_VERSION", "AWS_LAMBDA_INITIALIZATION_TYPE", "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME", "AWS_LAMBDA_MAX_CONCURRENCY", "AWS_LAMBDA_METADATA_API",
    "AWS_LAMBDA_METADATA_TOKEN", "AWS_LAMBDA_RUNTIME_API", "AWS_REGION", "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN", "LAMBDA_RUNTIME_DIR", "LAMBDA_TASK_ROOT",
)  # fmt: skip
_EXEC_WRAPPER = "AWS_LAMBDA_EXEC_WRAPPER"


class CapacityProvider(NamedTuple):
    """Lambda's managed instances that a function runs on."""

    arn: str
    max_concurrency: int | None
    """How many requests one environment answers at a time; None for AWS's default."""
    memory_per_vcpu: int | None
    """In GiB; None for AWS's default."""


class Function(NamedTuple):
    """A function, with the defaults filled in and what excludes each other refused."""

    name: str
    """Letters, digits and hyphens, from the name of the project."""
    application: str
    """Its import string."""
    handler: str
    python: str
    architecture: str
    memory: int
    """In MiB."""
    timeout: int
    """In seconds."""
    environment: Mapping[str, str]
    is_image: bool
    runs_unigate: bool
    """Whether our Lambda runtime takes the place of AWS's runtime client."""
    streams: bool
    """Whether responses to function URLs and REST APIs are streamed."""
    triggers: tuple[str, ...]
    """What sends HTTP requests to it."""
    events: tuple[EventSource, ...]
    policies: tuple[Any, ...]
    """Names and ARNs of managed policies, statements, and SAM's policy templates."""
    snap_start: bool
    provisioned_concurrency: int | None
    capacity_provider: CapacityProvider | None
    vpc: Mapping[str, Sequence[str]]

    @property
    def has_alias(self) -> bool:
        """Whether versions of it are published, and called through an alias."""
        published = self.snap_start or self.provisioned_concurrency or self.capacity_provider
        return bool(published)


def function_of(project: Project, *, is_image: bool, needs_stream: bool) -> Function:
    """Return the function that the settings of a project describe.

    Args:
        is_image: Whether it is deployed as a container image.
        needs_stream: Whether the template cannot find the stream of a DynamoDB table itself.

    Raises:
        click.ClickException: Lambda does not have such a function.
    """
    aws = project.settings.get("aws", {})
    triggers = _triggers(aws)
    runs_unigate = _runs_unigate(aws, triggers, is_image)
    environment = _environment(project, triggers, runs_unigate, is_image)
    provider = _capacity_provider(aws)
    limits = {"memory": 2048 if provider else 512, "timeout": 29, **project.limits()}
    function = Function(
        name=_name(project),
        application=project.target.import_string,
        handler=handler_of(project).replace(":", "."),
        python=project.python,
        architecture=aws.get("architecture", "x86_64"),
        memory=limits["memory"],
        timeout=limits["timeout"],
        environment=environment,
        is_image=is_image,
        runs_unigate=runs_unigate,
        streams=runs_unigate and is_switched_on(environment),
        triggers=triggers,
        events=event_sources(project, needs_stream=needs_stream),
        policies=tuple(aws.get("policies", ())),
        snap_start=aws.get("snap_start", False),
        provisioned_concurrency=aws.get("provisioned_concurrency"),
        capacity_provider=provider,
        vpc=aws.get("vpc", {}),
    )
    _check(function)
    return function


def handler_of(project: Project) -> str:
    """Return the import string of what Lambda calls: the target, or an entry point's handler."""
    entrypoint = entrypoint_of(project)
    return f"{entrypoint}:handler" if entrypoint else project.target.import_string


def entrypoint_of(project: Project) -> str | None:
    """Return the module of the entry point to generate, None if Lambda can call the target itself.

    Raises:
        click.ClickException: The project has modules of all names that an entry point may have.
    """
    # The entry point makes the folders of other modules importable.
    if not project.paths and project.target.is_gateway and "." not in project.target.attribute:
        return None
    free = (name for name in _ENTRYPOINTS if not project.has_module(name))
    if (name := next(free, None)) is None:
        raise click.ClickException(
            f"The entry point must be {' or '.join(f'{name}.py' for name in _ENTRYPOINTS)}, and "
            "the project has modules of both names: rename one."
        )
    return name


def _name(project: Project) -> str:
    """Return a name that stacks and functions can have: at most 64 characters for a function."""
    named = project.pyproject.project.get("name") or project.root.name
    words = re.findall(r"[A-Za-z0-9]+", str(named))
    name = "-".join(words)
    is_name = len(name) > 1 and name[0].isalpha()
    return (name if is_name else f"app-{name}".rstrip("-"))[:64]


def _triggers(aws: Mapping[str, Any]) -> tuple[str, ...]:
    trigger = aws.get("trigger", "http_api")
    return (trigger,) if isinstance(trigger, str) else tuple(dict.fromkeys(trigger))


def _runs_unigate(aws: Mapping[str, Any], triggers: Sequence[str], is_image: bool) -> bool:
    # AWS's runtime client cannot stream from Python.
    default = "unigate" if "function_url" in triggers or is_image else "aws"
    return bool(aws.get("runtime", default) == "unigate")


def _environment(
    project: Project, triggers: Sequence[str], runs_unigate: bool, is_image: bool
) -> dict[str, str]:
    """Return the environment variables of the function: the project's, and those of our runtime."""
    environment: dict[str, str] = dict(project.settings.get("environment", {}))
    for name in environment:
        if name in RESERVED:
            raise click.ClickException(
                f"Lambda sets the variable {name} itself: remove it from tool.unigate.environment."
            )
        if not _VARIABLE.fullmatch(name):
            raise click.ClickException(
                f"Lambda has no variable {name!r} of tool.unigate.environment: its names begin "
                "with a letter, have two characters or more, and are not Ref."
            )
    if runs_unigate and not is_image:  # an image has the command of its own
        if _EXEC_WRAPPER in environment:
            raise click.ClickException(
                f"{_EXEC_WRAPPER} starts unigate's runtime: remove it from "
                'tool.unigate.environment, or set tool.unigate.aws.runtime to "aws".'
            )
        environment[_EXEC_WRAPPER] = f"/var/task/{WRAPPER}"
    if runs_unigate and "function_url" in triggers:
        environment.setdefault(SWITCH, "on")
    return environment


def _capacity_provider(aws: Mapping[str, Any]) -> CapacityProvider | None:
    setting = aws.get("capacity_provider")
    if setting is None:
        return None
    table: Mapping[str, Any] = {"arn": setting} if isinstance(setting, str) else setting
    concurrency, memory = table.get("max_concurrency"), table.get("memory_per_vcpu")
    return CapacityProvider(table["arn"], concurrency, memory)


def _check(function: Function) -> None:
    """Refuse settings that Lambda does not have together.

    Source: the AWS Lambda developer guide, "Supported features and limitations" of SnapStart, and
    "Lambda Managed Instances".
    """
    problem = None
    if function.snap_start:
        if function.is_image:
            problem = 'snap_start requires format = "zip": there is none for images'
        elif function.python == "3.11":
            problem = f"snap_start requires Python 3.12 or later, got {function.python}"
        elif function.provisioned_concurrency or function.capacity_provider:
            problem = "snap_start excludes provisioned_concurrency and capacity_provider"
    if function.capacity_provider:
        if function.provisioned_concurrency or function.vpc:
            problem = "capacity_provider excludes provisioned_concurrency and vpc"
        elif function.python < "3.13" and not function.is_image:
            problem = f"capacity_provider requires Python 3.13 or later, got {function.python}"
    if problem:
        raise click.ClickException(f"tool.unigate.aws: {problem}.")
