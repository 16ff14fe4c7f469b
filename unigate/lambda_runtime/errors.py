"""Exceptions and their description for the Runtime API, the client, X-Ray and the log."""

from __future__ import annotations

import os
import traceback
from types import TracebackType
from typing import Any

_HERE = os.path.dirname(__file__)


class TypedError(Exception):
    """An error with the type to report, such as `Runtime.HandlerNotFound`.

    Args:
        error_type: The `errorType` to report in place of the class name.
        message: The `errorMessage`.
        trace: The lines of the stack trace to report; none by default.
    """

    def __init__(self, error_type: str, message: str, *, trace: list[str] | None = None) -> None:
        super().__init__(message)
        self.error_type = error_type
        self.trace = trace or []


class ErrorReport:
    """The description of an exception: its type, message and stack trace.

    Args:
        error: The exception.
        error_type: The `errorType` to report; by default that of a `TypedError`, else the name of
            the exception's class.
    """

    def __init__(self, error: BaseException, error_type: str | None = None) -> None:
        self.message = _message(error)
        self._frames: list[traceback.FrameSummary] = []
        if isinstance(error, TypedError):
            self.type = error_type or error.error_type
            self.trace = error.trace
        else:
            self.type = error_type or type(error).__name__
            self._frames = _application_frames(error.__traceback__)
            self.trace = traceback.format_list(self._frames)

    def for_client(self) -> dict[str, Any]:
        """Return the error object without the stack trace."""
        return {"errorMessage": self.message, "errorType": self.type}

    def for_runtime_api(self, request_id: str) -> dict[str, Any]:
        """Return the body of a request to the Runtime API's error paths."""
        return {**self.for_client(), "requestId": request_id, "stackTrace": self.trace}

    def for_xray(self) -> dict[str, Any]:
        """Return the value of the X-Ray error cause header."""
        stack = [{"label": f.name, "path": f.filename, "line": f.lineno} for f in self._frames]
        return {
            "working_directory": os.getcwd(),
            "exceptions": [{"message": self.message, "type": self.type, "stack": stack}],
            "paths": sorted({frame.filename for frame in self._frames}),
        }


def _application_frames(trace: TracebackType | None) -> list[traceback.FrameSummary]:
    """Drop the leading frames that belong to this package."""
    frames = list(traceback.extract_tb(trace))
    while len(frames) > 1 and frames[0].filename.startswith(_HERE):
        del frames[0]
    return frames


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return f"<{type(error).__name__} that cannot be described>"
