"""Write the reply to an event, within the platform's limit on its size."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

from unigate.deployment import default_deployment
from unigate.http.bodies import carries_body
from unigate.http.responses import Response

if TYPE_CHECKING:
    from unigate.request import Request
    from unigate.types import Event, Reply

    from .source import EventSource

_log = logging.getLogger("unigate")

# A reply with a smaller body and fewer header fields is not measured: with fields of ordinary
# length it is within the limit of every platform.
_SMALL_BODY = 4096
_FEW_FIELDS = 64


def write_reply(source: EventSource, event: Event, request: Request, response: Response) -> Reply:
    """Return the reply for a response; if it exceeds the limit, a 500 with both sizes."""
    usual = response.status == 200 and request.method != "HEAD"
    if not usual and not carries_body(request.method, response.status, response.headers):
        response.body = b""
    response.text_types = (request.deployment or default_deployment()).text_types
    reply = source.to_reply(response, event)
    single = response.headers.single
    if len(response.body) < _SMALL_BODY and single is not None and len(single) < _FEW_FIELDS:
        return reply
    max_reply = getattr(source, "max_reply", None)
    limit = max_reply(event) if max_reply else getattr(source, "MAX_REPLY", None)
    # A byte takes at most six characters in JSON.
    if limit is None or _estimated_size(response) * 6 <= limit or _base64_fits(reply, limit):
        return reply
    size = _json_size(reply)
    if size <= limit:
        return reply
    from .source import name_of

    text = f"The response is too large: {size} bytes, and {name_of(source)} takes {limit}."
    _log.error("%r: %s", request, text)
    return source.to_reply(Response.plain(500, text), event)


def _estimated_size(response: Response) -> int:
    """Return the size of a response, with more for each field than any format adds to it."""
    fields = response.headers.pairs
    return len(response.body) + sum(2 * len(name) + len(value) + 64 for name, value in fields)


def _base64_fits(reply: Reply, limit: int) -> bool:
    """Return True if a base64 reply fits; its body needs no escapes and is not serialized."""
    is_base64 = reply.get("isBase64Encoded") or reply.get("encoding") == "base64"
    return bool(is_base64) and len(reply["body"]) + _json_size({**reply, "body": ""}) <= limit


def _json_size(reply: Reply) -> int:
    return len(json.dumps(reply, ensure_ascii=False).encode("utf-8", "replace"))
