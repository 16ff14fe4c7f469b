"""Check that the applications of a gateway can be loaded, which it does at its first request."""

from __future__ import annotations

from collections.abc import Iterator

from unigate.cli.project.target import Target, Unloadable, importing, load

from .findings import Finding


def check_mounts(target: Target) -> Iterator[Finding]:
    """Find the import strings in a gateway that lead to no application."""
    broken = 0
    for application in target.gateway.applications.given.values():
        if isinstance(application, str):
            try:
                load(application)
            except Unloadable as error:
                broken += 1
                message = f"{error.message.rstrip('.')}: no request would be answered."
                yield Finding("import", target.module, message)
    if broken:
        return
    try:
        with importing(target.import_string):
            assert target.gateway.mounts is not None  # which loads them
    except Unloadable as error:
        message = f"{error.message.rstrip('.')}: no request would be answered."
        yield Finding("import", target.module, message)
