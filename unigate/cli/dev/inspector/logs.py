"""What is logged while a request is answered, whoever logs it and wherever else it goes."""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any, NamedTuple

MOST = 1000


class Line(NamedTuple):
    """One record."""

    time: float
    level: str
    logger: str
    message: str
    trace: str


_lines: ContextVar[list[list[Line]]] = ContextVar("unigate.inspector.lines")


@contextmanager
def kept(lines: list[Line]) -> Iterator[None]:
    """Keep what is logged in this context: this thread, and what goes on for it elsewhere."""
    watch(_keep)
    open_ = [lines]
    token = _lines.set(open_)
    try:
        yield
    finally:
        _lines.reset(token)
        open_.clear()  # tasks that live on, such as a lifespan, have a copy of the context


def _keep(record: logging.LogRecord) -> None:
    for lines in _lines.get(()):
        if len(lines) < MOST:
            lines.append(line_of(record))


@cache
def watch(take: Callable[[logging.LogRecord], object]) -> None:
    """See every record where it is made.

    A handler would not see those of loggers that pass nothing on, would be removed by an
    application's own configuration, and would keep logging's last resort from printing.
    """
    before = logging.getLogRecordFactory()

    def make(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = before(*args, **kwargs)
        take(record)
        return record

    logging.setLogRecordFactory(make)


def line_of(record: logging.LogRecord) -> Line:
    """Return what is shown of a record."""
    try:
        message = record.getMessage()
    except Exception:  # logging says on stderr what is wrong with it
        message = str(record.msg)
    error = record.exc_info[1] if record.exc_info else None
    trace = "".join(traceback.format_exception(error)) if error else ""
    return Line(time.time(), record.levelname, record.name, message, trace)
