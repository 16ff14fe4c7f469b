"""`python -m unigate.lambda_runtime main.app`; without an argument, what `_HANDLER` names."""

from __future__ import annotations

import gc
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from unigate.gateway import Gateway

from . import handlers, hooks, logs
from .client import ApiError, RuntimeClient
from .errors import ErrorReport, TypedError
from .serving import serving
from .workers import Workers

_log = logging.getLogger("unigate")

# How AWS's runtime client ends when a hook around a snapshot fails.
_BEFORE_SNAPSHOT, _AFTER_RESTORE = 64, 65
# How often garbage is looked for as long as nearly nothing is: what to pass to `gc.set_threshold`.
_SELDOM = (100_000, 10, 10)


def main(arguments: list[str]) -> NoReturn:
    """Answer Lambda's events until it ends the process."""
    address = os.environ.get("AWS_LAMBDA_RUNTIME_API")
    target = arguments[0] if arguments else os.environ.get("_HANDLER")
    if not address or not target or len(arguments) > 1:
        raise SystemExit(
            "usage: python -m unigate.lambda_runtime [module.attribute]\n"
            "Lambda says where its Runtime API is, in AWS_LAMBDA_RUNTIME_API, and which handler to "
            "run, in _HANDLER."
        )
    logs.set_up()
    api = RuntimeClient(address)
    with _seldom_collecting():
        handler = _start(target, api)
    streaming = os.environ.get("UNIGATE_RESPONSE_STREAMING", "").lower() in ("1", "true", "on")
    workers = Workers(api, serving(handler, streaming=streaming), lambda: _stop(handler))
    count = os.environ.get("AWS_LAMBDA_MAX_CONCURRENCY", "")
    try:
        if count.isdigit() and int(count) > 0:
            workers.run_concurrently(int(count))
        workers.run()
    except ApiError as error:
        _log.critical("%s", error)
        raise SystemExit(1) from error


@contextmanager
def _seldom_collecting() -> Iterator[None]:
    """Keep the garbage collector from going over a start's objects again and again.

    Nearly all of them are there to stay, so it never looks at them afterwards either.
    """
    usual = gc.get_threshold()
    gc.set_threshold(*_SELDOM)
    try:
        yield
    finally:
        gc.freeze()
        if gc.get_threshold() == _SELDOM:  # else the application has its own wishes
            gc.set_threshold(*usual)


def _start(target: str, api: RuntimeClient) -> Any:
    """Return the handler, its applications started; where that fails, end the process."""
    handler = _or_exit(lambda: _load(target), api.report_init_error, None, 1)
    if os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") != "snap-start":
        _or_exit(lambda: _start_applications(handler), api.report_init_error, None, 1)
        return handler

    def before() -> None:
        hooks.run_before_snapshot()
        api.wait_for_restore()

    def after() -> None:
        hooks.run_after_restore()
        _start_applications(handler)

    _or_exit(before, api.report_init_error, "Runtime.BeforeSnapshotError", _BEFORE_SNAPSHOT)
    _or_exit(after, api.report_restore_error, "Runtime.AfterRestoreError", _AFTER_RESTORE)
    return handler


def _or_exit(
    step: Callable[[], Any], report: Callable[[ErrorReport], None], kind: str | None, code: int
) -> Any:
    """Take a step of the start; where it fails, report that and end the process."""
    try:
        return step()
    except BaseException as error:
        failure = ErrorReport(
            error, kind if kind or isinstance(error, TypedError) else _kind(error)
        )
        logs.log_error(failure, "")
        try:
            report(failure)
        except (ApiError, OSError) as refused:
            _log.error("%s", refused)
        raise SystemExit(code) from None


def _kind(error: BaseException) -> str | None:
    return None if isinstance(error, Exception) else "Runtime.ExitError"


def _load(target: str) -> Any:
    handler = handlers.load(target)
    if isinstance(handler, Gateway):
        handler.load()
    return handler


def _start_applications(handler: Any) -> None:
    """Start the ASGI applications before the first event, while Lambda gives time for that."""
    if isinstance(handler, Gateway):
        handler.start()


def _stop(handler: Any) -> None:
    if isinstance(handler, Gateway):
        handler.stop()


if __name__ == "__main__":
    main(sys.argv[1:])
