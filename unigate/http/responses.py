"""The response, independent of the host that sends it."""

from __future__ import annotations

from functools import cache

from .bodies import TEXT_TYPES, TextTypes
from .headers import Headers


class Response:
    """An HTTP response: a status code, header fields and the complete body.

    Attributes:
        text_types: Which media types are text, for hosts that take a body as text or as base64.
            That of an application's response is set before a source writes the reply.
    """

    __slots__ = ("body", "headers", "status", "text_types")

    def __init__(self, status: int, headers: Headers | None = None, body: bytes = b"") -> None:
        self.status = status
        self.headers = Headers() if headers is None else headers
        self.body = body
        self.text_types: TextTypes = TEXT_TYPES

    @classmethod
    def plain(cls, status: int, text: str) -> Response:
        """Build a plain-text response of the gateway itself."""
        body = text.encode()
        headers = Headers(
            [("content-type", "text/plain; charset=utf-8"), ("content-length", str(len(body)))]
        )
        return cls(status, headers, body)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Response)
            and self.status == other.status
            and self.headers == other.headers
            and self.body == other.body
        )

    def __repr__(self) -> str:
        return f"<Response {self.status}, {len(self.body)} bytes>"


def check_status(status: object) -> int:
    """Return the status of a response as a plain int.

    Raises:
        TypeError: It is not an int.
        ValueError: It is below 200 or above 599. A response with a status of 1xx only precedes the
            final one (RFC 9110 section 15.2), which servers send themselves.
    """
    if not isinstance(status, int):
        raise TypeError(f"The status of a response must be an int, got {status!r}.")
    if not 200 <= status <= 599:
        # Python refuses to write very long numbers.
        got = int(status) if abs(status) < 10**20 else "a number of more than 20 digits"
        raise ValueError(f"The status of a response must be from 200 to 599, got {got}.")
    return int(status)


@cache
def reason_phrase(status: int) -> str:
    """Return the standard reason phrase of a status, "" if it has none."""
    from http import HTTPStatus  # a fiftieth of a cold start; few responses need it

    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
