"""Hooks around a SnapStart snapshot and at the end of each invocation."""

from __future__ import annotations

import logging
import threading
from collections.abc import Awaitable, Callable
from contextvars import copy_context
from importlib import import_module
from typing import Any, TypeVar

from .handlers import resolve

_log = logging.getLogger("unigate")

Hook = TypeVar("Hook", bound=Callable[[], Any])

END_SECONDS = 2.0
# How long a cancelled hook has for its cleanup, in seconds.
CANCEL_SECONDS = 0.2


class _SnapshotHooks:
    """Stands in for AWS's `snapshot_restore_py` if that is not installed."""

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


_snapshot_hooks: Any = None


def _get_snapshot_hooks() -> Any:
    """Return AWS's module, so that hooks work under both runtimes, or its stand-in."""
    global _snapshot_hooks
    if _snapshot_hooks is None:
        try:
            _snapshot_hooks = import_module("snapshot_restore_py")
        except ImportError:
            _snapshot_hooks = _SnapshotHooks()
    return _snapshot_hooks


def _check(name: str, hook: object) -> None:
    if not callable(hook):
        raise TypeError(f"{name}() takes a function without arguments, got {hook!r}.")


def on_snapshot(hook: Hook) -> Hook:
    """Call a hook before Lambda takes a snapshot (SnapStart).

    Args:
        hook: A function, sync or async. The hook registered last runs first.
    """
    _check("on_snapshot", hook)
    _get_snapshot_hooks().register_before_snapshot(hook)
    return hook


def on_restore(hook: Hook) -> Hook:
    """Call a hook after the process is restored from a snapshot, before the first event.

    Args:
        hook: A function, sync or async. Hooks run in the order of registration.
    """
    _check("on_restore", hook)
    _get_snapshot_hooks().register_after_restore(hook)
    return hook


def run_before_snapshot() -> None:
    """Run the hooks of `on_snapshot`."""
    for hook, args, kwargs in reversed(_get_snapshot_hooks().get_before_snapshot()):
        resolve(hook(*args, **kwargs))


def run_after_restore() -> None:
    """Seed `random` anew, as all processes restored from a snapshot share its state; run hooks."""
    import random

    random.seed()
    for hook, args, kwargs in _get_snapshot_hooks().get_after_restore():
        resolve(hook(*args, **kwargs))


_end_hooks: list[tuple[Callable[[], Any], float]] = []


def on_invocation_end(hook: Hook, *, seconds: float = END_SECONDS) -> Hook:
    """Call a hook after each invocation and its background work, for example to flush telemetry.

    Args:
        hook: A function, sync or async. With concurrent invocations it runs for each of them, in
            several threads.
        seconds: The time limit, or less if the invocation has less time left. A sync hook that
            exceeds it goes on in its thread; an async one is cancelled where it awaits.
    """
    _check("on_invocation_end", hook)
    _end_hooks.append((hook, seconds))
    return hook


def run_invocation_end(seconds_left: float) -> None:
    """Run the hooks of `on_invocation_end`, each for at most the invocation's remaining time."""
    for hook, seconds in _end_hooks:
        _run_end_hook(hook, min(seconds, seconds_left))


def _run_end_hook(hook: Callable[[], Any], limit: float) -> None:
    results: list[Any] = []

    def call() -> None:
        try:
            results.append(hook())
        except BaseException:  # in a thread, SystemExit ends nothing
            results.append(None)
            _log.exception("The on_invocation_end hook %r failed.", hook)

    context = copy_context()
    thread = threading.Thread(
        target=context.run, args=(call,), name="unigate-invocation-end", daemon=True
    )
    try:
        thread.start()
    except RuntimeError as error:  # threads that hang have used all there are
        _log.error("The on_invocation_end hook %r was not called: %s", hook, error)
        return
    thread.join(limit)
    if not results:
        _log.error(
            "The on_invocation_end hook %r exceeded its limit of %.1f seconds and goes on in the "
            "background.",
            hook,
            limit,
        )
    elif hasattr(results[0], "__await__"):
        resolve(_await_within(limit, hook, results[0]))


async def _await_within(limit: float, hook: object, result: Awaitable[Any]) -> None:
    import asyncio

    task = asyncio.ensure_future(result)
    await asyncio.wait({task}, timeout=limit)
    if not task.done():
        task.cancel()  # which it may ignore
        await asyncio.wait({task}, timeout=CANCEL_SECONDS)
        _log.error(
            "The on_invocation_end hook %r exceeded its limit of %.1f seconds and was cancelled.",
            hook,
            limit,
        )
        return
    try:
        task.result()
    except (Exception, asyncio.CancelledError):  # it can cancel itself
        _log.exception("The on_invocation_end hook %r failed.", hook)
