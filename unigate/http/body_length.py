"""The length of a response's body, as its Content-Length declares it (RFC 9110 section 8.6)."""

from __future__ import annotations

import logging

from .bodies import bodiless
from .headers import Headers

_log = logging.getLogger("unigate")


class BodyLength:
    """Counts a body against its Content-Length; PEP 3333 says that no more may be sent.

    Attributes:
        declared: The value of Content-Length.
        left: How many bytes are missing; below 0 for a body that is longer.
    """

    __slots__ = ("declared", "left")

    def __init__(self, declared: int) -> None:
        self.declared = self.left = declared

    @classmethod
    def of(cls, headers: Headers) -> BodyLength | None:
        """Return the length that header fields declare; None without a single valid number."""
        text = headers.get("content-length")
        if text is None or not (text.isascii() and text.isdigit() and len(text) < 20):
            return None
        return cls(int(text))

    def fit(self, part: bytes) -> bytes:
        """Count a part of the body, and return as much of it as may be sent."""
        room = self.left
        self.left = room - len(part)
        return part if self.left >= 0 else part[: max(room, 0)]

    def check(self, request: object, method: str, status: int) -> None:
        """Log that a body which has ended has another length.

        Where no body is sent, the length is that of another response's body.

        Args:
            request: Names the request in the log.
            method: Its method.
            status: The status of the response.
        """
        if not self.left or method == "HEAD" or bodiless(status):
            return
        if self.left < 0:
            problem = "longer than its Content-Length, {}: the rest is dropped"
        else:
            problem = f"{self.left} bytes shorter than its Content-Length, {{}}"
        _log.error("%r: The body is %s.", request, problem.format(f"{self.declared} bytes"))
