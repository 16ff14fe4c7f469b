"""The log records of a request, independent of loggers, handlers and levels of handlers."""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any, NamedTuple

MOST = 1000  # lines per request
MOST_CHARACTERS = 10_000  # of a message, and of a traceback


class Line(NamedTuple):
    """One log record, formatted."""

    time: float
    level: str
    logger: str
    message: str
    trace: str


_lines: ContextVar[list[list[Line]]] = ContextVar("unigate.inspector.lines")


@contextmanager
def capture(lines: list[Line]) -> Iterator[None]:
    """Append to `lines` what is logged in this context: this thread, and tasks started from it."""
    on_record(_keep)
    open_ = [lines]
    token = _lines.set(open_)
    try:
        yield
    finally:
        _lines.reset(token)
        open_.clear()  # tasks that outlive this, such as a lifespan, hold a copy of the context


def _keep(record: logging.LogRecord) -> None:
    for lines in _lines.get(()):
        if len(lines) < MOST:
            lines.append(line_of(record))


@cache
def on_record(callback: Callable[[logging.LogRecord], object]) -> None:
    """Call a function with every log record, as it is created.

    A handler would miss the records of loggers that do not propagate, would be removed by an
    application's logging configuration, and would keep logging's last resort from printing.
    """
    before = logging.getLogRecordFactory()

    def make(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = before(*args, **kwargs)
        callback(record)
        return record

    logging.setLogRecordFactory(make)


def line_of(record: logging.LogRecord) -> Line:
    """Format a log record."""
    try:
        message = record.getMessage()
    except Exception:  # logging itself prints the error to stderr
        message = str(record.msg)
    error = record.exc_info[1] if record.exc_info else None
    trace = "".join(traceback.format_exception(error)) if error else ""
    return Line(time.time(), record.levelname, record.name, _cut(message), _cut(trace))


def _cut(text: str) -> str:
    """Cut a long text in the middle: a traceback's last lines tell the most."""
    more = len(text) - MOST_CHARACTERS
    if more <= 0:
        return text
    half = MOST_CHARACTERS // 2
    return f"{text[:half]}\n({more} characters more)\n{text[-half:]}"
