"""Exceptions and their description for the Runtime API, the client, X-Ray and the log.

A description has the exceptions that led to the error as well, and the members of a group. It is
bounded: Lambda refuses payloads above 6 MB, and a message, a chain or a group can have any size.
"""

from __future__ import annotations

import importlib
import os
import threading
import traceback
from collections.abc import Iterator
from itertools import islice
from typing import Any

# The beginnings of stack traces: this package, imports and the start of threads.
_NOT_OF_THE_APPLICATION = (
    *(os.path.dirname(__file__), "<frozen importlib", importlib.__file__),
    threading.__file__,
)

MOST_EXCEPTIONS = 20  # that are shown, the error itself included
MOST_FRAMES = 100  # of the error, the innermost ones
MOST_LINKED_FRAMES = 20  # of every other exception
MOST_NOTES = 10
# In characters, each of which takes at most six bytes as JSON.
LONGEST_MESSAGE = 50_000
LONGEST_LINKED_MESSAGE = 10_000
LONGEST_FRAME = 500


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
        self.type = error_type or _type_of(error)
        self.message = message_of(error)
        self.trace = trace_of(error)
        self._error = error

    def for_client(self) -> dict[str, Any]:
        """Return the error object without the stack trace."""
        return {"errorMessage": self.message, "errorType": self.type}

    def for_runtime_api(self, request_id: str) -> dict[str, Any]:
        """Return the body of a request to the Runtime API's error paths."""
        return {**self.for_client(), "requestId": request_id, "stackTrace": self.trace}

    def for_xray(self) -> dict[str, Any]:
        """Return the value of the X-Ray error cause header."""
        exceptions: list[dict[str, Any]] = []
        paths: set[str] = set()
        for _, error in islice(_walk(self._error), MOST_EXCEPTIONS):
            frames = _frames_of(error, MOST_LINKED_FRAMES if exceptions else MOST_FRAMES)
            stack = [{"label": f.name, "path": f.filename, "line": f.lineno} for f in frames]
            message = message_of(error, LONGEST_LINKED_MESSAGE)
            exceptions.append({"message": message, "type": _type_of(error), "stack": stack})
            paths.update(frame.filename for frame in frames)
        exceptions[0].update({"message": self.message, "type": self.type})
        return {
            "working_directory": os.getcwd(),
            "exceptions": exceptions,
            "paths": sorted(paths),
        }


def message_of(error: BaseException, longest: int = LONGEST_MESSAGE) -> str:
    """Return the message of an exception, also of one that cannot be converted to text."""
    try:
        return _shortened(str(error), longest)
    except Exception:
        return f"<{type(error).__name__} that cannot be described>"


def trace_of(error: BaseException) -> list[str]:
    """Return a stack trace: the frames of an exception, the innermost last, and its notes.

    The exceptions that it is linked with follow, each with its own frames and notes: the members of
    a group, and the cause, or the context unless that is suppressed.
    """
    exceptions = _walk(error)
    lines: list[str] = []
    for link, each in islice(exceptions, MOST_EXCEPTIONS):
        if link:
            message = message_of(each, LONGEST_LINKED_MESSAGE)
            lines.append(f"{link} {_type_of(each)}: {message}\n")
        if isinstance(each, TypedError):
            entries = each.trace
        else:
            frames = _frames_of(each, MOST_LINKED_FRAMES if link else MOST_FRAMES)
            entries = traceback.format_list(frames)
        lines += [_shortened(entry, LONGEST_FRAME) for entry in entries]
        notes = getattr(each, "__notes__", ())
        if isinstance(notes, (list, tuple)):
            for note in notes[:MOST_NOTES]:
                lines.append(_shortened(f"Note: {note}", LONGEST_FRAME) + "\n")
    rest = sum(1 for _ in exceptions)
    if rest:
        lines.append(f"{rest} more exceptions are left out.\n")
    return lines


def _walk(error: BaseException) -> Iterator[tuple[str, BaseException]]:
    """Yield an exception and those that it is linked with, each with the link that led to it."""
    seen: set[int] = set()
    pending = [("", error)]
    while pending:
        link, each = pending.pop()
        if id(each) not in seen:
            seen.add(id(each))
            yield link, each
            pending += reversed(_links(each))


def _links(error: BaseException) -> list[tuple[str, BaseException]]:
    name = _type_of(error)
    links: list[tuple[str, BaseException]] = []
    if isinstance(error, BaseExceptionGroup):
        members = error.exceptions
        links += [
            (f"{name} has member {number} of {len(members)}:", member)
            for number, member in enumerate(members, 1)
        ]
    if error.__cause__ is not None:
        links.append((f"{name} was caused by", error.__cause__))
    elif error.__context__ is not None and not error.__suppress_context__:
        links.append((f"{name} was raised while handling", error.__context__))
    return links


def _type_of(error: BaseException) -> str:
    return error.error_type if isinstance(error, TypedError) else type(error).__name__


def _frames_of(error: BaseException, most: int) -> list[traceback.FrameSummary]:
    """Return the innermost frames, from where the application begins."""
    if isinstance(error, TypedError):
        return []
    frames = list(traceback.extract_tb(error.__traceback__, -most))
    while len(frames) > 1 and frames[0].filename.startswith(_NOT_OF_THE_APPLICATION):
        del frames[0]
    return frames


def _shortened(text: str, longest: int) -> str:
    if len(text) <= longest:
        return text
    return f"{text[:longest]}... ({len(text)} characters)\n"
