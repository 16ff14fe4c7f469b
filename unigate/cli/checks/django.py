"""What Django itself finds wrong with a project."""

from __future__ import annotations

from collections.abc import Iterator

from unigate import Gateway
from unigate.cli.route_tables import is_django, mounts_of, unwrapped

from . import Finding


def check_django(gateway: Gateway) -> Iterator[Finding]:
    """Run Django's checks, where an application is Django's."""
    if not any(unwrapped(mount.app, is_django) for mount in mounts_of(gateway)):
        return
    from django.core import checks

    for found in checks.run_checks():
        if found.level >= checks.WARNING and not found.is_silenced():
            hint = f" {found.hint}" if found.hint else ""
            yield Finding("django", found.id or "", f"{found.msg}{hint}")
