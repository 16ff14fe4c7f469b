"""The last step of every event: a response that the platform takes."""

from __future__ import annotations

import json
import logging

from unigate.http import Response, carries_body
from unigate.request import Request
from unigate.types import Event, Reply

from .source import EventSource, name_of

_log = logging.getLogger("unigate")

# Every platform takes a body of fewer bytes and fewer header fields, written in whatever way.
_SMALL = 4096
_FEW = 64


def write_reply(source: EventSource, event: Event, request: Request, response: Response) -> Reply:
    """Write a response as its source wants it; a 500 that says so where it is too large."""
    usual = response.status == 200 and request.method != "HEAD"
    if not usual and not carries_body(request.method, response.status, response.headers):
        response.body = b""
    reply = source.to_reply(response, event)
    if len(response.body) < _SMALL and response.headers.is_plain(_FEW):
        return reply
    own = getattr(source, "max_reply", None)
    limit = own(event) if own else getattr(source, "MAX_REPLY", None)
    # JSON writes no byte as more than six characters.
    if limit is None or _written(response) * 6 <= limit or _fits(reply, limit):
        return reply
    size = _size(reply)
    if size <= limit:
        return reply
    text = f"The response is too large: {size} bytes, and {name_of(source)} takes {limit}."
    _log.error("%r: %s", request, text)
    return source.to_reply(Response.plain(500, text), event)


def _written(response: Response) -> int:
    """Return about how much a response is, with what any format puts around each field."""
    fields = response.headers.pairs
    return len(response.body) + sum(2 * len(name) + len(value) + 64 for name, value in fields)


def _fits(reply: Reply, limit: int) -> bool:
    """Tell without serializing a large body that a reply fits: base64 needs no escapes."""
    is_base64 = reply.get("isBase64Encoded") or reply.get("encoding") == "base64"
    return bool(is_base64) and len(reply["body"]) + _size({**reply, "body": ""}) <= limit


def _size(reply: Reply) -> int:
    return len(json.dumps(reply, ensure_ascii=False).encode("utf-8", "replace"))
