"""The targets of a build, by the name of their platform, and what else users call them."""

from __future__ import annotations

import click

from unigate.nearest import nearest

from . import azure, container, google, vercel
from .aws import target as aws

TARGETS = {
    "vercel": vercel,
    "aws": aws,
    "google": google,
    "azure": azure,
    "container": container,
}
_OTHER_NAMES = {
    **dict.fromkeys(("lambda", "aws-lambda", "aws_lambda", "amazon", "sam"), "aws"),
    **dict.fromkeys(("gcp", "gcf", "cloud-functions", "cloudfunctions"), "google"),
    **dict.fromkeys(("azure-functions", "microsoft"), "azure"),
    **dict.fromkeys(("docker", "cloud-run", "fly", "ecs", "kubernetes", "app-runner"), "container"),
}


def named_platform(
    context: click.Context, option: click.Parameter, value: str | None
) -> str | None:
    """Check the name of a platform, with advice on other names for it."""
    if value is None or value in TARGETS:
        return value
    meant = _OTHER_NAMES.get(value.lower()) or nearest(value, TARGETS)
    advice = f" Did you mean --target {meant}?" if meant else ""
    if ":" in value or value.endswith(".py"):
        advice = f" The application has no option: unigate build {value} --target aws."
    problem = f"must be one of {', '.join(TARGETS)}, got {value!r}.{advice}"
    raise click.BadParameter(problem, context, option)


def without_platform(target: str | None) -> str:
    """Return what to say of a call without --target; the platform may be in its place."""
    application, example = target or "MODULE:APP", "aws"
    meant = _OTHER_NAMES.get(application.lower()) or nearest(application, TARGETS)
    if meant and ":" not in application:
        application, example = "MODULE:APP", meant
    return (
        f"--target must name the platform, {', '.join(TARGETS)}: unigate build {application} "
        f"--target {example}."
    )
