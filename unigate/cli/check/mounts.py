"""Check that the applications of a gateway can be loaded, which it does at its first request."""

from __future__ import annotations

from collections.abc import Iterator

from unigate.cli.project.target import Target, Unloadable, importing

from .findings import Finding


def check_mounts(target: Target) -> Iterator[Finding]:
    """Find an import string in a gateway that leads to no application."""
    try:
        with importing(target.import_string):
            assert target.gateway.mounts is not None  # which loads them
    except Unloadable as error:
        message = f"{error.message.rstrip('.')}: no request would be answered."
        yield Finding("import", target.module, message)
