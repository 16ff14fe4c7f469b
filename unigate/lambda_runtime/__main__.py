"""Run the runtime: `python -m unigate.lambda_runtime main.app`, by default of `_HANDLER`."""

from __future__ import annotations

import gc
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from . import handlers, hooks, logs, streaming
from .client import ApiError, RuntimeClient
from .errors import ErrorReport, TypedError
from .workers import Workers
from .wrapped import Handler

_log = logging.getLogger("unigate")

# The exit codes of AWS's runtime client when a hook around a snapshot fails.
_BEFORE_SNAPSHOT, _AFTER_RESTORE = 64, 65
# For `gc.set_threshold`: while modules are imported, hardly any object is garbage.
_SELDOM = (100_000, 10, 10)


def main(arguments: list[str]) -> NoReturn:
    """Answer events until Lambda ends the process."""
    address = os.environ.get("AWS_LAMBDA_RUNTIME_API")
    target = arguments[0] if arguments else os.environ.get("_HANDLER")
    if not address or not target or len(arguments) > 1:
        raise SystemExit(
            "usage: python -m unigate.lambda_runtime [module.attribute]\n"
            "Lambda sets AWS_LAMBDA_RUNTIME_API, the address of its Runtime API, and _HANDLER, the "
            "handler to run. Set both to run it elsewhere."
        )
    try:
        client = RuntimeClient(address)
    except ValueError as error:
        raise SystemExit(str(error)) from None
    logs.set_up()
    with _seldom_collecting():
        handler = _start(target, client)
    workers = Workers(client, handler.serve, handler.stop)
    count = _concurrency()
    try:
        if count > 0:
            workers.run_concurrently(count)
        workers.run()
    except ApiError as error:
        _log.critical("%s", error)
        raise SystemExit(1) from error


def _concurrency() -> int:
    """Return how many invocations run at the same time; 0 without that mode of Lambda."""
    count = os.environ.get("AWS_LAMBDA_MAX_CONCURRENCY", "")
    if count.isascii() and count.isdigit() and len(count) < 6:
        return int(count)
    if count:
        _log.warning("AWS_LAMBDA_MAX_CONCURRENCY must be a number below 100000, got %.100r.", count)
    return 0


@contextmanager
def _seldom_collecting() -> Iterator[None]:
    """Collect garbage rarely during the start, and never look at the start's objects again.

    Nearly all of them live as long as the process.
    """
    usual = gc.get_threshold()
    gc.set_threshold(*_SELDOM)
    try:
        yield
    finally:
        gc.freeze()
        if gc.get_threshold() == _SELDOM:  # otherwise the application has set its own
            gc.set_threshold(*usual)


def _start(target: str, client: RuntimeClient) -> Handler:
    """Load the handler and start its applications; a failure ends the process."""
    handler: Handler = _or_exit(lambda: _load(target), client.report_init_error, None, 1)
    if os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") != "snap-start":
        _or_exit(handler.start, client.report_init_error, None, 1)
        return handler

    def before() -> None:
        hooks.run_before_snapshot()
        client.wait_for_restore()

    def after() -> None:
        hooks.run_after_restore()
        handler.start()

    _or_exit(before, client.report_init_error, "Runtime.BeforeSnapshotError", _BEFORE_SNAPSHOT)
    _or_exit(after, client.report_restore_error, "Runtime.AfterRestoreError", _AFTER_RESTORE)
    return handler


def _or_exit(
    step: Callable[[], Any], report: Callable[[ErrorReport], None], kind: str | None, code: int
) -> Any:
    """Run a step of the start; report a failure and end the process."""
    try:
        return step()
    except BaseException as error:
        problem = ErrorReport(
            error, kind if kind or isinstance(error, TypedError) else _kind(error)
        )
        logs.log_error(problem, "")
        try:
            report(problem)
        except (ApiError, OSError) as refused:
            _log.error("%s", refused)
        raise SystemExit(code) from None


def _kind(error: BaseException) -> str | None:
    return None if isinstance(error, Exception) else "Runtime.ExitError"


def _load(target: str) -> Handler:
    streams = streaming.is_switched_on(os.environ)
    handler = Handler(handlers.load(target), target, streaming=streams)
    handler.load()
    return handler


if __name__ == "__main__":
    main(sys.argv[1:])
