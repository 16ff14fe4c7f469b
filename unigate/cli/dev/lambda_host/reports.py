"""What a function's process tells of its invocations: notes, each a line of JSON in a pipe.

A pipe keeps what was written before a crash, and keeps its order: the last note of an invocation
comes after its lines, whichever threads have written them.
"""

from __future__ import annotations

import json
import os
import threading
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

from unigate.cli.dev.inspector.exchanges import Note, Take
from unigate.lambda_runtime.invocation import current_invocation


class Notes:
    """The end that reads: every note goes to who has asked that invocation.

    An empty one says that no more will come. It comes in any case, and so nothing is kept for
    longer than the process lives.

    `start_note` is what the process tells of itself, before it asks for an event.
    """

    def __init__(self) -> None:
        self.start_note: Future[Note] = Future()
        self._takers: dict[str, Take] = {}
        self._file, self.other_end = os.pipe()

    def expect(self, name: str, take: Take) -> None:
        """Pass on what is told of an invocation from now on."""
        self._takers[name] = take

    def start(self) -> None:
        """Read in a thread, now that the process has the other end."""
        os.close(self.other_end)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        with open(self._file, "rb") as file:
            for line in file:
                if line.endswith(b"\n"):  # else the process has ended within it
                    self._pass_on(**json.loads(line))
        for take in list(self._takers.values()):
            take({})
        self._takers.clear()

    def _pass_on(self, id: str, **note: Any) -> None:
        if not id:
            return self.start_note.set_result(note)
        take = self._takers.get(id) if note else self._takers.pop(id, None)
        if take is not None:
            take(note)


class Teller:
    """The end that writes, by its number: for any thread of the function's process."""

    def __init__(self, file: int) -> None:
        os.set_inheritable(file, False)
        self._file = file
        # A signal handler or a finalizer may log in the middle of a line.
        self._lock = threading.RLock()
        os.register_at_fork(after_in_child=self._close)

    def tell(self, **note: Any) -> None:
        """Tell something of the invocation that this context is of, or by nothing that it ends."""
        current = current_invocation.get()
        if current is not None:
            self._write(current.id, note)

    def tell_of_start(self, **note: Any) -> None:
        """Tell something of the process, once and before its first invocation."""
        self._write("", note)

    def _write(self, name: str, note: Note) -> None:
        if self._file < 0:
            return
        left = memoryview(json.dumps({"id": name, **note}).encode() + b"\n")
        with self._lock, suppress(BrokenPipeError):  # nobody reads any more
            while left:
                left = left[os.write(self._file, left) :]

    def _close(self) -> None:
        """Tell nothing in a fork, whose lines would get into those of the process itself."""
        os.close(self._file)
        self._file = -1
