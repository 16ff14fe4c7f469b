"""The response of a test client."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import httpx

from unigate.http import Headers as HeaderFields
from unigate.http import latin1

from .counterparts import RESPONSE_ATTRIBUTES, no_attribute


class Headers(httpx.Headers):
    """The header fields of a response, every Set-Cookie included; values are Latin-1 text."""

    def getlist(self, name: str) -> list[str]:
        """Return every value of a field, in order."""
        return self.get_list(name)


class Response(httpx.Response):
    """An `httpx.Response` that knows how it got here.

    Its extensions have the same, for code that is typed for httpx: "event", "reply", and "request",
    the `unigate.Request` that the host was sent.

    Args:
        status: The status.
        headers: The header fields.
        stream: The body, not decoded.
        extensions: Those of the response, see above.
    """

    headers: Headers

    def __init__(
        self,
        status: int,
        headers: HeaderFields,
        stream: httpx.SyncByteStream | httpx.AsyncByteStream,
        extensions: Mapping[str, Any],
    ) -> None:
        super().__init__(status, stream=stream, extensions=extensions)
        pairs = [
            (name.encode("latin-1"), latin1(value).encode("latin-1")) for name, value in headers
        ]
        self.headers = Headers(pairs, encoding="iso-8859-1")

    @property
    def event(self) -> Any:
        """The event that the platform would send; None for a server."""
        return self.extensions["event"]

    @property
    def reply(self) -> Any:
        """The application's reply to the event; None for a server."""
        return self.extensions["reply"]

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            raise no_attribute(self, name, RESPONSE_ATTRIBUTES)
