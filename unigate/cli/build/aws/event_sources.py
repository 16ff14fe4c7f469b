"""What sends non-HTTP events to a function: the queue, table or rule behind each `on_event`.

A filter of `on_event` names the resource, which exists already; the table [tool.unigate.aws.events]
names those that no filter does, and says how they are read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import click

from unigate.cli.project.aws_values import S3_EVENT, S3_EVENTS
from unigate.cli.project.core import Project

RESOURCES = {
    "sqs": "queue",
    "kinesis": "stream",
    "dynamodb": "table",
    "sns": "topic",
    "s3": "bucket",
    "schedule": "rule",
}
"""The filters of `on_event` that name a resource, by the kind of event."""
BATCHED = ("sqs", "kinesis", "dynamodb")
"""The kinds that Lambda polls, and that may report a part of a batch as failed."""
# AWS, Lambda API reference, "CreateEventSourceMapping".
_SMALL_BATCH = 10  # messages of a queue: the most without a window, and of a FIFO queue
_BY_PATTERN = "eventbridge"
_WITHOUT_SOURCE = ("*", "manage", "warmup")


class EventSource(NamedTuple):
    """A resource whose events a function gets."""

    kind: str
    """One of `unigate.events.kinds.NAMES`."""
    resource: str
    """Its name or ARN; for EventBridge, the name of the rule."""
    options: Mapping[str, Any]
    """Its table in [tool.unigate.aws.events], and what the filters say."""
    id: str = ""
    """A name of letters and digits among all sources, such as "SqsOrders"."""

    @property
    def name(self) -> str:
        """The last part of an ARN, or the name."""
        return last_part(self.resource)

    @property
    def is_arn(self) -> bool:
        """Whether the resource is an ARN."""
        return self.resource.startswith("arn:")


class _Registered(NamedTuple):
    kind: str
    wanted: Mapping[str, str]
    name: str


def last_part(arn: str) -> str:
    """Return the name in an ARN; the table in that of a stream. A name is returned as it is."""
    if not arn.startswith("arn:"):
        return arn
    resource = arn.split(":", 5)[-1]
    return (
        resource.split("/")[1] if resource.startswith("table/") else re.split("[:/]", resource)[-1]
    )


def event_sources(project: Project, *, needs_stream: bool) -> tuple[EventSource, ...]:
    """Return the event sources of a project's functions, without those that lack something.

    Raises:
        click.ClickException: A source of the settings has no function, or no such name.
    """
    found: dict[str, EventSource] = {}
    for source in _all_sources(project):
        if not _lack(source, needs_stream):
            words = re.findall(r"[A-Za-z0-9]+", f"{source.kind} {source.name}")
            name = "".join(word[0].upper() + word[1:] for word in words)
            names = (name, *(f"{name}{number}" for number in range(2, len(found) + 2)))
            unique = next(one for one in names if one not in found)
            found[unique] = source._replace(id=unique)
    return tuple(found.values())


def missing_sources(project: Project, *, needs_stream: bool) -> list[str]:
    """Return a sentence for each function whose events the template does not bring."""
    settings = _settings(project)
    notes = [lack for source in _all_sources(project) if (lack := _lack(source, needs_stream))]
    for function in _registered(project):
        kind = function.kind
        if kind in _WITHOUT_SOURCE:
            continue
        filter_name = RESOURCES.get(kind)
        if filter_name is None and kind != _BY_PATTERN:
            notes.append(f"{function.name} is for events of {kind}: connect them to the function.")
        elif not settings.get(kind) and (
            not function.wanted if filter_name is None else filter_name not in function.wanted
        ):
            what = f"which {filter_name}" if filter_name else "which events"
            notes.append(
                f"{function.name} does not say {what}: name it in on_event({kind!r}, ...) or "
                f"[tool.unigate.aws.events.{kind}]."
            )
    return notes


def _lack(source: EventSource, needs_stream: bool) -> str:
    """Return what a source lacks, "" if nothing."""
    place = f"tool.unigate.aws.events.{source.kind}.{source.name}"
    if source.kind == "schedule" and "schedule" not in source.options:
        return f'The rule {source.name!r} has no schedule: write {place} = "rate(5 minutes)".'
    if source.kind == "dynamodb" and needs_stream and "stream" not in source.options:
        return f'The table {source.name!r} has no stream: write {place}.stream = "arn:...".'
    return ""


def _all_sources(project: Project) -> list[EventSource]:
    functions, settings = _registered(project), _settings(project)
    for kind, named in settings.items():
        for name, value in named.items():
            if value is not False:
                _check_is_handled(kind, name, functions)
    found = [
        source for kind in RESOURCES for source in _named(kind, functions, settings.get(kind, {}))
    ]
    return [*found, *_rules(functions, settings.get(_BY_PATTERN, {}))]


def _named(
    kind: str, functions: Iterable[_Registered], settings: Mapping[str, Any]
) -> list[EventSource]:
    """Return the sources of a kind whose resources have names."""
    options: dict[str, dict[str, Any]] = {}
    for function in functions:
        resource = function.wanted.get(RESOURCES[kind])
        if function.kind != kind or resource is None:
            continue
        made = options.setdefault(resource, {})
        if kind == "s3":
            event = function.wanted.get("event", "ObjectCreated")
            if not S3_EVENT.matches(event):
                raise click.ClickException(
                    f"The event that {function.name} is for must be {S3_EVENT.expected}, "
                    f"got {event!r}."
                )
            made.setdefault("events", []).append(event)
        if kind == "dynamodb" and "/stream/" in resource:
            made["stream"] = resource
    for name, value in settings.items():
        resource = next((one for one in options if name in (one, last_part(one))), name)
        if value is False:
            options.pop(resource, None)
        else:
            more = {"schedule": value} if isinstance(value, str) else value
            options.setdefault(resource, {}).update({} if more is True else more)
    if kind == "s3":
        for made in options.values():
            made["events"] = _s3_events(made.get("events", ["ObjectCreated"]))
    return [
        EventSource(kind, resource, _batches(kind, resource, made))
        for resource, made in options.items()
    ]


def _batches(kind: str, resource: str, options: dict[str, Any]) -> dict[str, Any]:
    """Return the options of a source with those that others require.

    Raises:
        click.ClickException: Lambda refuses them.
    """
    if kind != "sqs":
        return options
    size, window = options.get("batch_size", 0), options.get("batch_window", 0)
    if resource.endswith(".fifo") and (size > _SMALL_BATCH or window):
        place = f"tool.unigate.aws.events.{kind}.{last_part(resource)}"
        raise click.ClickException(
            f"{place}: a FIFO queue has at most {_SMALL_BATCH} messages in a batch and no window: "
            "change batch_size and remove batch_window."
        )
    # Lambda refuses larger batches without a window.
    return {**options, "batch_window": max(window, 1)} if size > _SMALL_BATCH else options


def _s3_events(events: Iterable[str]) -> list[str]:
    """Return S3's names of events, without those that another one includes: S3 refuses them.

    Source: the Amazon S3 user guide, "Supported event types for SQS, SNS, and Lambda", and
    "Configuring event notifications with object key name filtering".
    """
    names = dict.fromkeys(event.removeprefix("s3:").removesuffix(":*") for event in events)
    return [
        f"s3:{name}" if ":" in name or name not in S3_EVENTS else f"s3:{name}:*"
        for name in names
        if ":" not in name or name.partition(":")[0] not in names
    ]


def _rules(functions: Iterable[_Registered], settings: Mapping[str, Any]) -> list[EventSource]:
    """Return EventBridge's rules: those of the settings, else one for each function's filters."""
    if settings:
        named = {name: value for name, value in settings.items() if value is not False}
        return [EventSource(_BY_PATTERN, name, value) for name, value in named.items()]
    rules: dict[str, EventSource] = {}
    for function in functions:
        if function.kind == _BY_PATTERN and function.wanted:
            name = re.sub(r"\W+", "-", " ".join(function.wanted.values()))
            options = {"pattern": _pattern(function.wanted)}
            rules.setdefault(name, EventSource(_BY_PATTERN, name, options))
    return list(rules.values())


def _pattern(wanted: Mapping[str, str]) -> dict[str, Any]:
    """Return the event pattern for filters.

    Source: the Amazon EventBridge user guide, "Comparison operators for use in event patterns".
    """
    pattern: dict[str, Any] = {}
    for name, value in wanted.items():
        if name == "resource" and not value.startswith("arn:"):
            pattern["resources"] = [{"suffix": f":{value}"}, {"suffix": f"/{value}"}]
        else:
            key = {"detail_type": "detail-type", "resource": "resources"}.get(name, name)
            pattern[key] = [value]
    return pattern


def _check_is_handled(kind: str, name: str, functions: Iterable[_Registered]) -> None:
    kinds = {kind, "*"} | ({_BY_PATTERN} if kind == "schedule" else set())
    filter_name = RESOURCES.get(kind, "")
    for function in functions:
        wanted = function.wanted.get(filter_name) if function.kind == kind else None
        if function.kind in kinds and (
            wanted is None or last_part(name) in (wanted, last_part(wanted))
        ):
            return
    what = f"{filter_name}={name!r}" if filter_name else "..."
    raise click.ClickException(
        f"tool.unigate.aws.events.{kind}.{name} has no function, and its events would fail: "
        f"register one with on_event({kind!r}, {what})."
    )


def _registered(project: Project) -> list[_Registered]:
    return [
        _Registered(kind, wanted, f"{function.__module__}.{function.__qualname__}")
        if hasattr(function, "__qualname__")
        else _Registered(kind, wanted, repr(function))
        for kind, wanted, function in project.target.gateway.event_functions()
    ]


def _settings(project: Project) -> Mapping[str, Mapping[str, Any]]:
    settings: Mapping[str, Mapping[str, Any]] = project.settings.get("aws", {}).get("events", {})
    return settings
