"""What a function answers over the Runtime API: in parts, or not at all."""

from __future__ import annotations

import json
import threading
from base64 import b64decode
from collections.abc import Callable, Iterator
from io import BufferedIOBase
from itertools import chain
from typing import Any, NamedTuple

from unigate import Response
from unigate.types import Reply

_DELIMITER = bytes(8)  # between the prelude and the body
_PART = 1 << 16


class InvocationFailed(Exception):
    """A function gave no answer to an event, or none that is whole.

    It says why: with the function's traceback, or how its process has ended.
    """


class FailedInPart(InvocationFailed):
    """An application failed in the middle of its answer, and the function has logged how."""


class Streamed(NamedTuple):
    """An answer that comes in parts: what is known before them, and the parts of its body."""

    prelude: Reply
    response: Response
    chunks: Chunks


class Chunks:
    """The parts of a body, read from the function as they are asked for, so that it has to wait.

    Raises InvocationFailed where the body is not whole. `close()` tells the function that nobody
    wants the rest.
    """

    def __init__(self, stream: BufferedIOBase, describe: Callable[[str], str]) -> None:
        self._stream = stream
        self._describe = describe
        self._parts = self._read()
        self.is_whole = False
        self.over = threading.Event()

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            return next(self._parts)
        except BaseException:  # StopIteration, too
            self.over.set()
            raise

    def close(self) -> None:
        """Take no more of them."""
        self.over.set()

    def read_prelude(self) -> Reply:
        """Return what comes before the body: a reply without one."""
        told = b""
        for part in self._parts:
            told += part
            if _DELIMITER in told:
                break
        told, _, first = told.partition(_DELIMITER)
        self._parts = chain([first] if first else [], self._parts)
        prelude: Reply = json.loads(told)
        return prelude

    def _read(self) -> Iterator[bytes]:
        try:
            while left := int(self._stream.readline(), 16):
                while left:
                    part = self._stream.read1(min(left, _PART))
                    if not part:
                        raise EOFError
                    left -= len(part)
                    yield part
                self._stream.readline()
            trailers = read_fields(self._stream)
        except (OSError, EOFError, ValueError) as error:
            raise InvocationFailed(self._describe("broke off its answer")) from error
        self.is_whole = True
        told = trailers.get("lambda-runtime-function-error-body")
        if told:
            raise FailedInPart(_text(json.loads(b64decode(told))))


def read_fields(stream: BufferedIOBase) -> dict[str, str]:
    """Read header fields, or trailers, up to the empty line; names in lower case."""
    fields: dict[str, str] = {}
    while (line := stream.readline()) != b"\r\n":
        if not line:
            raise EOFError
        name, _, value = line.decode("latin-1").partition(":")
        fields[name.lower()] = value.strip()
    return fields


def trace_of(report: Any) -> str:
    """Return a traceback as Python prints it."""
    frames = "".join(report["stackTrace"])
    return (f"Traceback (most recent call last):\n{frames}" if frames else "") + _text(report)


def _text(report: Any) -> str:
    return f"{report['errorType']}: {report['errorMessage']}"
