"""Reset process-wide state in the child of a fork."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeVar

F = TypeVar("F", bound=Callable[[], object])


def after_in_child(function: F) -> F:
    """Register a function to be called in the child of every fork; usable as a decorator.

    Only the forking thread exists in the child. A lock that another thread held stays held there,
    thread pools have no threads, and open connections are shared with the parent. On platforms
    without fork (Windows) nothing is registered.
    """
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=function)
    return function
