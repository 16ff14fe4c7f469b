"""What a function returns over the Runtime API: a streamed reply, or an error."""

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
_READ_SIZE = 1 << 16


class InvocationError(Exception):
    """A function returned no reply, or an incomplete one.

    The message is the function's traceback, or how its process ended.
    """


class MidstreamError(InvocationError):
    """An application failed while it sent the body; the function has logged the traceback."""


class StreamedReply(NamedTuple):
    """A reply whose body arrives in chunks: what comes before the body, and the body."""

    prelude: Reply
    response: Response
    body: BodyStream


class BodyStream:
    """The chunks of a body, read from the function only on demand, which makes it wait.

    Iterating raises InvocationError if the body is incomplete. `close()` disconnects from the
    function, which ends its response.
    """

    def __init__(self, stream: BufferedIOBase, describe: Callable[[str], str]) -> None:
        self._stream = stream
        self._describe = describe
        self._chunks = self._read()
        self.is_complete = False
        self.closed = threading.Event()

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            return next(self._chunks)
        except BaseException:  # StopIteration included
            self.closed.set()
            raise

    def close(self) -> None:
        """Read no more chunks."""
        self.closed.set()

    def read_prelude(self) -> Reply:
        """Return the JSON before the body: a reply without one."""
        content = b""
        for chunk in self._chunks:
            content += chunk
            if _DELIMITER in content:
                break
        content, _, first = content.partition(_DELIMITER)
        self._chunks = chain([first] if first else [], self._chunks)
        prelude: Reply = json.loads(content)
        return prelude

    def _read(self) -> Iterator[bytes]:
        """Decode the chunked transfer coding (RFC 9112, section 7.1)."""
        try:
            while left := int(self._stream.readline(), 16):
                while left:
                    chunk = self._stream.read1(min(left, _READ_SIZE))
                    if not chunk:
                        raise EOFError
                    left -= len(chunk)
                    yield chunk
                self._stream.readline()
            trailers = read_fields(self._stream)
        except (OSError, EOFError, ValueError) as error:
            raise InvocationError(self._describe("broke off its answer")) from error
        self.is_complete = True
        report = trailers.get("lambda-runtime-function-error-body")
        if report:
            raise MidstreamError(_summary(json.loads(b64decode(report))))


def read_fields(stream: BufferedIOBase) -> dict[str, str]:
    """Read header fields, or trailers, up to the empty line; the names become lower case."""
    fields: dict[str, str] = {}
    while (line := stream.readline()) != b"\r\n":
        if not line:
            raise EOFError
        name, _, value = line.decode("latin-1").partition(":")
        fields[name.lower()] = value.strip()
    return fields


def trace_of(report: Any) -> str:
    """Format the traceback of an error report as Python does."""
    frames = "".join(report["stackTrace"])
    return (f"Traceback (most recent call last):\n{frames}" if frames else "") + _summary(report)


def _summary(report: Any) -> str:
    return f"{report['errorType']}: {report['errorMessage']}"
