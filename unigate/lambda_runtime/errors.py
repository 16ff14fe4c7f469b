"""What went wrong, as the Runtime API and the log want to be told."""

from __future__ import annotations

import os
import traceback
from types import TracebackType
from typing import Any

_HERE = os.path.dirname(__file__)


class Fault(Exception):
    """A failure that the Runtime API has a name for."""

    def __init__(self, kind: str, message: str, *, trace: list[str] | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.trace = trace


class Failure:
    """An exception, described."""

    def __init__(self, error: BaseException, kind: str | None = None) -> None:
        self.message = _text(error)
        self._frames: list[traceback.FrameSummary] = []
        self.trace: list[str] = []
        if isinstance(error, Fault):
            self.type = kind or error.kind
            self.trace = error.trace or []
        else:
            self.type = kind or type(error).__name__
            self._frames = _frames(error.__traceback__)
            self.trace = traceback.format_list(self._frames)

    def summary(self) -> dict[str, Any]:
        """Return what a client may be told."""
        return {"errorMessage": self.message, "errorType": self.type}

    def report(self, request_id: str) -> dict[str, Any]:
        """Return what the Runtime API is told."""
        return {**self.summary(), "requestId": request_id, "stackTrace": self.trace}

    @property
    def cause(self) -> dict[str, Any]:
        """Return what X-Ray is told."""
        stack = [{"label": f.name, "path": f.filename, "line": f.lineno} for f in self._frames]
        return {
            "working_directory": os.getcwd(),
            "exceptions": [{"message": self.message, "type": self.type, "stack": stack}],
            "paths": sorted({frame.filename for frame in self._frames}),
        }


def _frames(trace: TracebackType | None) -> list[traceback.FrameSummary]:
    """Return the frames from the first on that is not the runtime's own."""
    frames = list(traceback.extract_tb(trace))
    while len(frames) > 1 and frames[0].filename.startswith(_HERE):
        del frames[0]
    return frames


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return f"<{type(error).__name__} that cannot be described>"
