"""Netlify Functions in their Lambda-compatible form.

`rawUrl` is the only member with path and query as sent, and with the path before any rewrite. The
client is X-NF-Client-Connection-IP, which Netlify overwrites; Client-IP and X-Forwarded-For contain
Netlify's own hops or values that the client can forge. A scheduled call is an ordinary request: a
POST with `{"next_run": ...}` and `X-NF-Event: schedule`, which an application can serve at the path
of the function; the header proves nothing if the function has a public path too. The user of
Netlify Identity is in the context, not in the event: it is missing if the host passes no context,
and not verified by `netlify dev`, which only decodes the token. Sources: Netlify, "Functions API
reference (Lambda-compatible)", "Functions and Identity" and "Functions: configuration" (limits);
netlify/cli, `src/lib/functions/server.ts`.
"""

from __future__ import annotations

import json
from typing import Any

from unigate.http import (
    Headers,
    Identity,
    Response,
    decode_base64,
    encode_body,
    encode_query,
    json_object,
    json_text,
    quote_bytes,
    raw_path,
    read_envelope,
    write_envelope,
)
from unigate.request import Request
from unigate.types import Event, Reply

from .forwarded import BELIEVED
from .writing import proxied_headers, query_values, quoted_target

MAX_REPLY = 6 * 1024 * 1024


def matches(event: Event) -> bool:
    """Return True for an event of Netlify: only it has `rawUrl` beside the method."""
    return isinstance(event.get("rawUrl"), str) and isinstance(event.get("httpMethod"), str)


def to_request(event: Event, context: Any) -> Request:
    """Read an event; without a complete `rawUrl`, from the older members for path and query."""
    headers = Headers.from_maps(event.get("multiValueHeaders"), event.get("headers"))
    scheme, _, rest = (event.get("rawUrl") or "").partition("://")
    rest, _, query = rest.partition("?")
    host, slash, path = rest.partition("/")
    path = slash + path
    if not host:
        path = event.get("path") or "/"
        query = (event.get("rawQuery") or "").removeprefix("?")
        query = query or encode_query(
            event.get("multiValueQueryStringParameters") or event.get("queryStringParameters")
        )
    return Request.from_event(
        event.get("httpMethod"),
        raw_path(path),
        query=query,
        headers=headers,
        body=event.get("body"),
        is_base64=event.get("isBase64Encoded"),
        scheme="http" if scheme == "http" else "https",
        host=host,
        client=headers.get("x-nf-client-connection-ip"),
        source="netlify",
        forwarded=BELIEVED["netlify"],
        event=event,
        context=context,
        identify=None if context is None else _identify,
    )


def _identify(request: Request) -> Identity | None:
    """Return the user whose token Netlify Identity verified."""
    user = _user(request.context)
    return Identity("jwt", json_text(user.get("sub")), user) if user else None


def _user(context: Any) -> dict[str, Any]:
    """Find the claims; for runtimes that pass only strings they are also there in base64."""
    client = _member(context, "clientContext")
    if client is None:  # the spelling in Lambda's Python runtime
        client = _member(context, "client_context")
    user = json_object(_member(client, "user"))
    packed = _member(_member(client, "custom"), "netlify")
    if user or not isinstance(packed, str):
        return user
    try:
        return json_object(json_object(json.loads(decode_base64(packed))).get("user"))
    except (ValueError, RecursionError):
        return {}


def _member(value: Any, name: str) -> Any:
    """Return a member of a map or an attribute of an object, None if it is missing."""
    try:
        return value.get(name) if isinstance(value, dict) else getattr(value, name, None)
    except Exception:  # a property of an unknown context object can raise anything
        return None


def to_reply(response: Response, event: Event) -> Reply:
    """Write a reply with all repeated fields."""
    return write_envelope(response, {"multiValueHeaders": response.headers.grouped()})


def make_event(request: Request) -> Event:
    """Write the event of Netlify; it has no client port."""
    headers = proxied_headers(request)
    if request.client:
        headers.set("x-nf-client-connection-ip", request.client[0])
    body, is_base64 = encode_body(request.headers, request.body)
    values = query_values(request)
    name, port = request.server
    host = headers.get("host") or (f"[{name}]" if ":" in name else name)
    if "host" not in headers and port != (80 if request.scheme == "http" else 443):
        host = f"{host}:{port}"
    return {
        "rawUrl": f"{request.scheme}://{host}{quoted_target(request)}",
        "rawQuery": quote_bytes(request.query_string),
        "path": quote_bytes(request.raw_path),
        "httpMethod": request.method,
        "headers": headers.joined(),
        "multiValueHeaders": headers.grouped(),
        "queryStringParameters": {name: ", ".join(many) for name, many in values.items()},
        "multiValueQueryStringParameters": values,
        "body": body,
        "isBase64Encoded": is_base64,
    }


def from_reply(reply: Reply) -> Response:
    """Read a reply."""
    return read_envelope(reply)
