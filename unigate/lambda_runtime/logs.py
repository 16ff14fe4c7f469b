"""Lambda's log: text or JSON records, each with the id of its invocation.

The formats are those of AWS's runtime client for Python.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from typing import Any

from .errors import ErrorReport, message_of, trace_of
from .invocation import current_invocation

_TIME = "%Y-%m-%dT%H:%M:%S"
_TEXT = "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s"
# The type of a frame, by log format and level.
_FRAME_TYPES = {
    "text": {0: 3, 10: 0xB, 20: 0xF, 30: 0x13, 40: 0x17, 50: 0x1B},
    "json": {0: 2, 10: 0xA, 20: 0xE, 30: 0x12, 40: 0x16, 50: 0x1A},
}
_STANDARD_ATTRIBUTES = {
    *vars(logging.makeLogRecord({})),
    *("message", "asctime", "aws_request_id", "tenant_id"),
}


def is_json() -> bool:
    """Return True if the function is configured to log JSON."""
    return os.environ.get("AWS_LAMBDA_LOG_FORMAT", "").upper() == "JSON"


def set_up() -> None:
    """Configure the root logger, and line buffering of standard output and error."""
    for stream in (sys.stdout, sys.stderr):  # so that Lambda gets whole lines at once
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
    """Write unfinished lines of standard output and error: Lambda may now freeze the process."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()


def log_error(report: ErrorReport, request_id: str) -> None:
    """Log the error of an invocation or of the initialization, as it is reported to Lambda."""
    if is_json():
        now = time.strftime(f"{_TIME}Z", time.gmtime())
        members = {"timestamp": now, "level": "ERROR", **report.for_runtime_api(request_id)}
        text = json.dumps(members, ensure_ascii=False, default=str)
    else:
        lines = f"[ERROR] {report.type}: {report.message}".splitlines()
        lines.append("Traceback (most recent call last):")
        lines += [line for entry in report.trace for line in entry.splitlines()]
        # Lambda ends a log event at "\n" and drops leading spaces; a terminal does not.
        text = "\n".join(lines) if os.isatty(1) else "\r".join(map(_indented, lines))
    _write(text, logging.ERROR)


def _indented(line: str) -> str:
    rest = line.lstrip(" ")
    return "\u00a0" * (len(line) - len(rest)) + rest


def _add_invocation(record: logging.LogRecord) -> bool:
    invocation = current_invocation.get()
    record.aws_request_id = invocation.id if invocation else ""
    record.tenant_id = (
        invocation.headers.get("lambda-runtime-aws-tenant-id") if invocation else None
    )
    return True


class Handler(logging.Handler):
    """Write records to where Lambda reads the log."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record."""
        try:
            _write(self.format(record), record.levelno)
        except Exception:
            self.handleError(record)


class TextFormatter(logging.Formatter):
    """Format records as lines of level, time, request id and message, separated by tabs."""

    converter = staticmethod(time.gmtime)


class JSONFormatter(logging.Formatter):
    """Format records as JSON objects."""

    converter = staticmethod(time.gmtime)

    def format(self, record: logging.LogRecord) -> str:
        """Return a record as JSON; values that JSON cannot represent are written as strings."""
        members: dict[str, Any] = {
            "timestamp": self.formatTime(record, f"{_TIME}Z"),
            "level": record.levelname,
            "message": record.msg
            if isinstance(record.msg, dict) and not record.args
            else record.getMessage(),
            "logger": record.name,
            "requestId": getattr(record, "aws_request_id", "") or None,
            "tenantId": getattr(record, "tenant_id", None),
        }
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            members["stackTrace"] = trace_of(error)
            members["errorType"] = type(error).__name__
            members["errorMessage"] = message_of(error)
            members["location"] = f"{record.pathname}:{record.funcName}:{record.lineno}"
        extra = {
            name: value for name, value in vars(record).items() if name not in _STANDARD_ATTRIBUTES
        }
        members = {**extra, **members}
        return json.dumps(
            {name: value for name, value in members.items() if value is not None},
            ensure_ascii=False,
            default=str,
        )


def _take_frame_file() -> int | None:
    """Return the file descriptor on which managed runtimes read framed records, if any."""
    number = os.environ.pop("_LAMBDA_TELEMETRY_LOG_FD", "")
    return int(number) if number.isdigit() else None


_frame_file = _take_frame_file()


def _write(text: str, level: int) -> None:
    """Write a record in one go, so that output of other threads does not get into it."""
    if _frame_file is None:
        file, data = 1, f"{text}\n".encode("utf-8", "replace")
    else:
        file, data = _frame_file, _framed(text.encode("utf-8", "replace"), level)
    remaining = memoryview(data)
    while remaining:
        remaining = remaining[os.write(file, remaining) :]


def _framed(data: bytes, level: int) -> bytes:
    """Return a record behind a header with its type, length and time in microseconds."""
    frame_type = _FRAME_TYPES["json" if is_json() else "text"][max(0, min(50, level)) // 10 * 10]
    head = ((0xA55A0000 + frame_type) << 32) + len(data)
    return head.to_bytes(8, "big") + (time.time_ns() // 1000).to_bytes(8, "big") + data
