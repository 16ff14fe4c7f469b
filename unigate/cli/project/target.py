"""What a command works on: an application, named by its import string."""

from __future__ import annotations

import os
import sys
import traceback
from types import TracebackType

import click

import unigate
from unigate.interfaces import import_from


class Unloadable(click.ClickException):
    """There is no application at an import string: one line, and a traceback of the user's code.

    `trace` is empty when no code of theirs has failed: the string leads nowhere, or to no
    application.
    """

    def __init__(self, message: str, trace: str = "") -> None:
        super().__init__(message)
        self.trace = trace


def load(target: str) -> unigate.Gateway:
    """Import "package.module:attribute" and wrap what is no gateway yet; Unloadable otherwise.

    The current directory comes first on the path, as for `python -m`.
    """
    here = os.getcwd()
    if sys.path[0] != here:
        sys.path.insert(0, here)
    try:
        found = import_from(target)
        return found if isinstance(found, unigate.Gateway) else unigate.wrap(found)
    except (Exception, SystemExit) as error:
        theirs = their_part(error.__traceback__)
        problem = f"{target!r} cannot be loaded: {error}"
        # Where a file is no Python, the error itself says where, before any of it has run.
        if theirs is None and not isinstance(error, SyntaxError):
            raise Unloadable(problem) from error
        trace = "".join(traceback.format_exception(type(error), error, theirs))
        raise Unloadable(problem, trace) from error


def their_part(trace: TracebackType | None) -> TracebackType | None:
    """Return what follows the frames of ours and of the import system, None when nothing does."""
    while trace is not None:
        module = trace.tb_frame.f_globals.get("__name__") or ""
        if module.partition(".")[0] not in ("unigate", "importlib"):
            break
        trace = trace.tb_next
    return trace
