"""What an application may ask for: a call before a snapshot, after it, or after each invocation."""

from __future__ import annotations

import logging
import threading
from collections.abc import Awaitable, Callable
from contextvars import copy_context
from importlib import import_module
from typing import Any, TypeVar

from .handlers import finished

_log = logging.getLogger("unigate")

Hook = TypeVar("Hook", bound=Callable[[], Any])

END_SECONDS = 2.0


class _Registry:
    """Where hooks of snapshots are kept where AWS's own module for that is not installed."""

    def __init__(self) -> None:
        self._before: list[tuple[Any, Any, Any]] = []
        self._after: list[tuple[Any, Any, Any]] = []

    def register_before_snapshot(self, hook: Any, *args: Any, **kwargs: Any) -> Any:
        self._before.append((hook, args, kwargs))
        return hook

    def register_after_restore(self, hook: Any, *args: Any, **kwargs: Any) -> Any:
        self._after.append((hook, args, kwargs))
        return hook

    def get_before_snapshot(self) -> list[Any]:
        return self._before

    def get_after_restore(self) -> list[Any]:
        return self._after


_registry: Any = None


def _snapshots() -> Any:
    """Return AWS's module, whose hooks its own runtime calls too; or what stands in for it."""
    global _registry
    if _registry is None:
        try:
            found: Any = import_module("snapshot_restore_py")
        except ImportError:
            found = _Registry()
        _registry = found
    return _registry


def on_snapshot(hook: Hook) -> Hook:
    """Call something before Lambda takes a snapshot (SnapStart); the last one given goes first."""
    _snapshots().register_before_snapshot(hook)
    return hook


def on_restore(hook: Hook) -> Hook:
    """Call something when the process goes on from a snapshot, before the first event."""
    _snapshots().register_after_restore(hook)
    return hook


def run_before_snapshot() -> None:
    """Call the hooks, the last one given first."""
    for hook, args, kwargs in reversed(_snapshots().get_before_snapshot()):
        finished(hook(*args, **kwargs))


def run_after_restore() -> None:
    """Make this process unlike the others that go on from the same snapshot; call the hooks."""
    import random

    random.seed()
    for hook, args, kwargs in _snapshots().get_after_restore():
        finished(hook(*args, **kwargs))


_ends: list[tuple[Callable[[], Any], float]] = []


def on_invocation_end(hook: Hook, *, seconds: float = END_SECONDS) -> Hook:
    """Call something after each invocation and all of its work, such as a flush of telemetry.

    hook: a function, which may be asynchronous. One that takes longer than `seconds`, or than the
        invocation has left, is not waited for; an asynchronous one is only left where it awaits.
        With many invocations at once it is called for each of them, from several threads.
    """
    _ends.append((hook, seconds))
    return hook


def run_ends(seconds_left: float) -> None:
    """Call what is to be called after an invocation, for as long as that has time."""
    for hook, seconds in _ends:
        _run_end(hook, min(seconds, seconds_left))


def _run_end(hook: Callable[[], Any], limit: float) -> None:
    results: list[Any] = []

    def call() -> None:
        try:
            results.append(hook())
        except Exception:
            results.append(None)
            _log.exception("%r failed at the end of an invocation.", hook)

    context = copy_context()
    thread = threading.Thread(
        target=context.run, args=(call,), name="unigate-invocation-end", daemon=True
    )
    thread.start()
    thread.join(limit)
    if not results:
        _log.error("%r took more than %.1f seconds, and was left behind.", hook, limit)
    elif hasattr(results[0], "__await__"):
        finished(_bounded(hook, results[0], limit))


async def _bounded(hook: object, result: Awaitable[Any], limit: float) -> None:
    import asyncio

    try:
        async with asyncio.timeout(limit) as bound:
            await result
    except Exception:
        if bound.expired():
            _log.error("%r took more than %.1f seconds, and was cancelled.", hook, limit)
        else:
            _log.exception("%r failed at the end of an invocation.", hook)
