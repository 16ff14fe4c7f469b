"""The log as Lambda wants it: text or JSON, each record with its invocation.

The same as of AWS's runtime client for Python; what runs at the same time is told apart by context
variables, which tasks and `asyncio.to_thread` pass on.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .client import Invocation
    from .errors import Failure

invocation: ContextVar[Invocation | None] = ContextVar("unigate.invocation", default=None)

_TIME = "%Y-%m-%dT%H:%M:%S"
_TEXT = "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s"
# What a frame begins with: its format, and how grave it is.
_FRAMES = {
    "text": {0: 3, 10: 0xB, 20: 0xF, 30: 0x13, 40: 0x17, 50: 0x1B},
    "json": {0: 2, 10: 0xA, 20: 0xE, 30: 0x12, 40: 0x16, 50: 0x1A},
}
_KNOWN = {*vars(logging.makeLogRecord({})), "message", "asctime", "aws_request_id", "tenant_id"}


def is_json() -> bool:
    """Tell whether the function is configured to log JSON."""
    return os.environ.get("AWS_LAMBDA_LOG_FORMAT", "").upper() == "JSON"


def set_up() -> None:
    """Log everything that is logged to Lambda."""
    for stream in (sys.stdout, sys.stderr):  # whole lines, as soon as they are there
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(line_buffering=True)
    handler = Handler()
    handler.setFormatter(JSONFormatter() if is_json() else TextFormatter(_TEXT, _TIME))
    handler.addFilter(_add_invocation)
    root = logging.getLogger()
    root.addHandler(handler)
    level = os.environ.get("AWS_LAMBDA_LOG_LEVEL", "").upper()
    level = "DEBUG" if level == "TRACE" else level
    if level in logging.getLevelNamesMapping():
        root.setLevel(level)


def flush() -> None:
    """Write what was printed without the end of its line: Lambda may freeze the process now."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()


def log_failure(failure: Failure, request_id: str) -> None:
    """Log what the Runtime API is told about a failed invocation or start."""
    if is_json():
        now = time.strftime(f"{_TIME}Z", time.gmtime())
        told = {"timestamp": now, "level": "ERROR", **failure.report(request_id)}
        text = json.dumps(told, ensure_ascii=False, default=str)
    else:
        lines = f"[ERROR] {failure.type}: {failure.message}".splitlines()
        lines.append("Traceback (most recent call last):")
        lines += [line for entry in failure.trace for line in entry.splitlines()]
        # Lambda ends an event of its log at "\n" and drops leading spaces; a terminal does not.
        text = "\n".join(lines) if os.isatty(1) else "\r".join(map(_indented, lines))
    _sink(text, logging.ERROR)


def _indented(line: str) -> str:
    rest = line.lstrip(" ")
    return "\u00a0" * (len(line) - len(rest)) + rest


def _add_invocation(record: logging.LogRecord) -> bool:
    current = invocation.get()
    record.aws_request_id = current.id if current else ""
    record.tenant_id = current.headers.get("lambda-runtime-aws-tenant-id") if current else None
    return True


class Handler(logging.Handler):
    """Write records where Lambda reads them."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        try:
            _sink(self.format(record), record.levelno)
        except Exception:
            self.handleError(record)


class TextFormatter(logging.Formatter):
    """Lines with tabs between level, time, request id and message."""

    converter = staticmethod(time.gmtime)


class JSONFormatter(logging.Formatter):
    """One JSON object for each record."""

    converter = staticmethod(time.gmtime)

    def format(self, record: logging.LogRecord) -> str:
        """Return a record as JSON; what is no JSON in it as text."""
        told: dict[str, Any] = {
            "timestamp": self.formatTime(record, f"{_TIME}Z"),
            "level": record.levelname,
            "message": record.msg
            if isinstance(record.msg, dict) and not record.args
            else record.getMessage(),
            "logger": record.name,
            "requestId": getattr(record, "aws_request_id", "") or None,
            "tenantId": getattr(record, "tenant_id", None),
        }
        kind, error, trace = record.exc_info or (None, None, None)
        if kind is not None:
            import traceback

            told["stackTrace"] = traceback.format_tb(trace)
            told["errorType"] = kind.__name__
            told["errorMessage"] = str(error)
            told["location"] = f"{record.pathname}:{record.funcName}:{record.lineno}"
        extra = {name: value for name, value in vars(record).items() if name not in _KNOWN}
        told = {**extra, **told}
        return json.dumps(
            {name: value for name, value in told.items() if value is not None},
            ensure_ascii=False,
            default=str,
        )


def _open_frames() -> int | None:
    """Return the file that the managed runtimes take framed records from, if there is one."""
    number = os.environ.pop("_LAMBDA_TELEMETRY_LOG_FD", "")
    return int(number) if number.isdigit() else None


_frames = _open_frames()


def _sink(text: str, level: int) -> None:
    """Write a record at once, so that no line of another thread gets into it."""
    if _frames is None:
        file, data = 1, f"{text}\n".encode("utf-8", "replace")
    else:
        file, data = _frames, _framed(text.encode("utf-8", "replace"), level)
    left = memoryview(data)
    while left:
        left = left[os.write(file, left) :]


def _framed(data: bytes, level: int) -> bytes:
    """Return a record with its kind, length and time before it."""
    kind = _FRAMES["json" if is_json() else "text"][max(0, min(50, level)) // 10 * 10]
    head = ((0xA55A0000 + kind) << 32) + len(data)
    return head.to_bytes(8, "big") + (time.time_ns() // 1000).to_bytes(8, "big") + data
