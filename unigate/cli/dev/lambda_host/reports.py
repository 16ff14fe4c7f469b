"""Reports of the function's process about its invocations, each a line of JSON in a pipe.

A pipe keeps what was written before a crash, and keeps its order: the last report on an invocation
follows the log records of that invocation, whichever threads wrote them.
"""

from __future__ import annotations

import json
import os
import threading
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

from unigate.cli.dev.inspector.exchanges import OnReport, Report
from unigate.forking import after_in_child
from unigate.lambda_runtime.invocation import current_invocation


class ReportReader:
    """The read end: passes each report to the callback of its invocation.

    An empty report is the last one. It arrives in any case, at the latest when the process exits,
    so that callbacks do not pile up.

    Attributes:
        start_report: The report of the process about itself, before it asks for an event.
        write_end: The file descriptor for the process to inherit.
    """

    def __init__(self) -> None:
        self.start_report: Future[Report] = Future()
        self._callbacks: dict[str, OnReport] = {}
        self._read_end, self.write_end = os.pipe()

    def expect(self, request_id: str, on_report: OnReport) -> None:
        """Pass the reports on an invocation to a callback from now on."""
        self._callbacks[request_id] = on_report

    def start(self) -> None:
        """Read in a thread; call this once the process has inherited the write end."""
        os.close(self.write_end)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        with open(self._read_end, "rb") as file:
            for line in file:
                if line.endswith(b"\n"):  # otherwise the process ended while writing it
                    self._dispatch(**json.loads(line))
        for on_report in list(self._callbacks.values()):
            on_report({})
        self._callbacks.clear()

    def _dispatch(self, id: str, **report: Any) -> None:
        if not id:
            return self.start_report.set_result(report)
        on_report = self._callbacks.get(id) if report else self._callbacks.pop(id, None)
        if on_report is not None:
            on_report(report)


class ReportWriter:
    """The write end, in the function's process; its methods may be called from any thread."""

    def __init__(self, file: int) -> None:
        os.set_inheritable(file, False)
        self._file = file
        # A signal handler or a finalizer may log while a line is being written.
        self._lock = threading.RLock()
        after_in_child(self._close)

    def write(self, **report: Any) -> None:
        """Report on the current context's invocation; without arguments, report that it ended."""
        current = current_invocation.get()
        if current is not None:
            self._write_line(current.id, report)

    def write_start(self, **report: Any) -> None:
        """Report on the process itself, once and before its first invocation."""
        self._write_line("", report)

    def _write_line(self, request_id: str, report: Report) -> None:
        if self._file < 0:
            return
        left = memoryview(json.dumps({"id": request_id, **report}).encode() + b"\n")
        with self._lock, suppress(BrokenPipeError):  # the reader is gone
            while left:
                left = left[os.write(self._file, left) :]

    def _close(self) -> None:
        """Write nothing in a fork: its lines would mix with those of the parent."""
        os.close(self._file)
        self._file = -1
