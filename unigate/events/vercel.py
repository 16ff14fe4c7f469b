"""Vercel's invocation event: `{"Action": "Invoke", "body": "<the request as JSON text>"}`.

`vercel dev` and the runtimes before the IPC protocol pass it. It contains nothing about the caller:
`x-vercel-oidc-token` is the deployment's own token, and one that a client sends is not removed.
Source: vercel/vercel, `python/vercel-runtime` and `packages/cli/src/util/dev/server.ts`.
"""

from __future__ import annotations

import json
from typing import Any

from unigate.errors import InvalidEvent
from unigate.http import Headers, Response, decode_body, encode_base64, forwarded_peer, raw_path
from unigate.request import Request
from unigate.types import Event, Reply

from .forwarded import BELIEVED
from .writing import proxied_headers, quoted_target

MAX_REPLY = 4_500_000


def matches(event: Event) -> bool:
    """Return True for an invocation; without `Action`, its body must be a request."""
    if not isinstance(event.get("body"), str):
        return False
    if event.get("Action") == "Invoke":
        return True
    return len(event) == 1 and _request(event) is not None


def _request(event: Event) -> dict[str, Any] | None:
    try:
        inner = json.loads(event.get("body") or "")
    except (ValueError, RecursionError):
        return None
    return inner if isinstance(inner, dict) and "method" in inner and "path" in inner else None


def to_request(event: Event, context: Any) -> Request:
    """Read an event; InvalidEvent if its body is not a request."""
    inner = _request(event)
    if inner is None:
        raise InvalidEvent(
            "The body of the Invoke event is not a request: it must be JSON with method and path."
        )
    path, _, query = (inner.get("path") or "/").partition("?")
    headers = Headers.from_map(inner.get("headers"))
    return Request.from_event(
        inner["method"],
        raw_path(path or "/"),
        query=query,
        headers=headers,
        body=inner.get("body"),
        is_base64=inner.get("encoding") == "base64",
        host=inner.get("host"),
        client=headers.get("x-real-ip") or forwarded_peer(headers),  # Vercel overwrites both
        source="vercel",
        forwarded=BELIEVED["vercel"],
        event=event,
        context=context,
    )


def to_reply(response: Response, event: Event) -> Reply:
    """Write a reply; a body is always base64, an empty one is left out."""
    reply: Reply = {"statusCode": response.status, "headers": response.headers.grouped()}
    if response.body:
        reply["body"] = encode_base64(response.body)
        reply["encoding"] = "base64"
    return reply


def make_event(request: Request) -> Event:
    """Write the event of `vercel dev`."""
    headers = proxied_headers(request)
    if request.client:
        headers.set("x-real-ip", request.client[0])
        headers.set("x-forwarded-for", request.client[0])
    inner = {
        "method": request.method,
        "host": request.server[0],
        "path": quoted_target(request),
        "headers": headers.grouped(),
        "encoding": "base64",
        "body": encode_base64(request.body),
    }
    return {"Action": "Invoke", "body": json.dumps(inner)}


def from_reply(reply: Reply) -> Response:
    """Read a reply."""
    body = decode_body(reply.get("body"), reply.get("encoding") == "base64")
    return Response(int(reply["statusCode"]), Headers.from_map(reply.get("headers")), body)
