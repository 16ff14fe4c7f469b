"""What Django itself finds wrong with a project."""

from __future__ import annotations

from collections.abc import Iterator

from unigate import Gateway
from unigate.cli.project.route_tables import is_django, unwrapped

from . import Finding


def check_django(gateway: Gateway) -> Iterator[Finding]:
    """Run the checks of `manage.py check --deploy`, where an application is Django's."""
    if not any(unwrapped(mount.app, is_django) for mount in gateway.mounts):
        return
    from django.core import checks

    found_by_all = checks.run_checks(include_deployment_checks=True)
    # Django keeps its checks in a set: they come in another order each time.
    for found in sorted(found_by_all, key=lambda one: (one.id or "", str(one.obj), str(one.msg))):
        if found.level < checks.WARNING or found.is_silenced():
            continue
        where = "" if found.obj is None else f"{found.obj}: "
        hint = f" {found.hint}" if found.hint else ""
        yield Finding("django", found.id or "", f"{where}{found.msg}{hint}")
