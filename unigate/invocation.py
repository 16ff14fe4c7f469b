"""One event on its way through the gateway."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

from .errors import InvalidEvent, LifespanFailed
from .events import EventSource, name_of
from .http import Request, Response, carries_body
from .routing import Mount
from .types import Reply

_log = logging.getLogger("unigate")


class Invocation:
    """An event that is read, answered and written; sync and async callers only run the middle."""

    __slots__ = ("_event", "_raising", "_source", "mount", "request", "response")

    def __init__(
        self,
        source: EventSource,
        event: Any,
        context: Any,
        route: Callable[[Request], Mount | None],
        raising: bool,
    ) -> None:
        self._source = source
        self._event = event
        self._raising = raising
        self.mount: Mount | None = None
        try:
            self.request = source.to_request(event, context)
        except InvalidEvent as error:
            _log.warning("Refused: %s", error)
            self.request = Request("GET")
            self.response = Response.plain(400, "Bad Request")
        else:
            self.mount = route(self.request)
            if self.mount is None:
                self.response = Response.plain(404, "Not Found")

    def __enter__(self) -> None:
        """Turn what fails within into a response."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: object
    ) -> bool:
        if error is None or not isinstance(error, Exception):
            return False
        if self._raising or isinstance(error, LifespanFailed):
            return False
        self.response = failed(self.request, error)
        return True

    def reply(self) -> Reply:
        """Write the response as the source wants it."""
        response = self.response
        if not carries_body(self.request.method, response.status, response.headers):
            response.body = b""
        reply = self._source.to_reply(response, self._event)
        limit = getattr(self._source, "MAX_REPLY", None)
        # JSON writes no byte of a body as more than six characters.
        if limit is None or len(response.body) * 6 <= limit:
            return reply
        name = name_of(self._source)
        size = len(json.dumps(reply, ensure_ascii=False).encode("utf-8", "replace"))
        if size <= limit:
            return reply
        text = f"The response is too large: {size} bytes, {name} takes {limit}."
        _log.error("%r: %s", self.request, text)
        return self._source.to_reply(Response.plain(500, text), self._event)


def failed(request: Request, error: BaseException) -> Response:
    _log.error("%r failed.", request, exc_info=error)
    return Response.plain(500, "Internal Server Error")
