"""Run Django's own system checks."""

from __future__ import annotations

from collections.abc import Iterator

from unigate import Gateway
from unigate.cli.project.route_tables import is_django, unwrap

from .findings import Finding


def check_django(gateway: Gateway) -> Iterator[Finding]:
    """Run the checks of `manage.py check --deploy` if an application is Django's."""
    if not any(unwrap(mount.app, is_django) for mount in gateway.mounts):
        return
    from django.core import checks

    messages = checks.run_checks(include_deployment_checks=True)
    # Django keeps its checks in a set, so their order varies.
    for message in sorted(messages, key=lambda item: (item.id or "", str(item.obj), str(item.msg))):
        if message.level < checks.WARNING or message.is_silenced():
            continue
        obj = "" if message.obj is None else f"{message.obj}: "
        hint = f" {message.hint}" if message.hint else ""
        yield Finding("django", message.id or "", f"{obj}{message.msg}{hint}")
