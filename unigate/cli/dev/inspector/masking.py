"""Mask the secrets of an exchange, with one rule for everything that the page shows.

A value is secret because of its name: of a header field, a cookie, a JSON member, a form field or a
query parameter, in whatever shape an event or a reply carries it.
"""

from __future__ import annotations

import copy
import json
import re
from binascii import b2a_base64
from contextlib import suppress
from dataclasses import replace
from typing import Any, TypeVar

from unigate import Headers, Request, Response

from .exchanges import Exchange

MASK = "(masked)"

_NAMES = r"authorization|cookie|token|secret|passw|api[-_]?key|credential|signature|session[-_]?id"
_SECRET = re.compile(_NAMES, re.IGNORECASE)
# A name=value pair of a query or a form, alone or at the end of a URL.
_PAIR = re.compile(rf"((?:^|[?&])[^=&#?\s]*(?:{_NAMES})[^=&#?\s]*=)[^&#\s\"'<>]+", re.IGNORECASE)
# The scheme of an Authorization field is not secret (IANA, "HTTP Authentication Schemes").
_SCHEMES = ("basic", "bearer", "digest", "dpop", "negotiate", "aws4-hmac-sha256")

Message = TypeVar("Message", Request, Response)


def masked(exchange: Exchange) -> Exchange:
    """Return a copy of an exchange with every secret masked."""
    sent = _masked_message(exchange.sent)
    sent.query_string = masked_text(sent.query_string.decode("latin-1")).encode("latin-1")
    response = exchange.response and _masked_message(exchange.response)
    # Events and replies contain a body as text or base64.
    bodies = _forms(exchange.sent, sent)
    if exchange.response and response:
        bodies |= _forms(exchange.response, response)
    return replace(
        exchange,
        sent=sent,
        response=response,
        event=_walk(exchange.event, bodies),
        request=_walk(exchange.request, bodies),
        reply=_walk(exchange.reply, bodies),
    )


def masked_text(text: str) -> str:
    """Mask the secret values in a query, a form or a URL."""
    return _PAIR.sub(lambda pair: pair[1] + MASK, text)


def _masked_message(message: Message) -> Message:
    message = copy.copy(message)
    message.headers = Headers(
        (name, _blank(name, value) if _SECRET.search(name) else masked_text(value))
        for name, value in message.headers
    )
    with suppress(UnicodeDecodeError):
        message.body = _walk(message.body.decode("utf-8"), {}).encode("utf-8", "replace")
    return message


def _forms(message: Request | Response, without: Request | Response) -> dict[str, str]:
    if message.body == without.body:
        return {}
    return {
        _base64(message.body): _base64(without.body),
        message.body.decode("utf-8"): without.body.decode("utf-8"),
    }


def _base64(body: bytes) -> str:
    return b2a_base64(body, newline=False).decode("ascii")


def _walk(value: Any, bodies: dict[str, str]) -> Any:
    """Mask values with secret names, at any depth and in JSON within text."""
    if isinstance(value, dict):
        return {
            name: _blank(name, inner) if _SECRET.search(str(name)) else _walk(inner, bodies)
            for name, inner in value.items()
        }
    if isinstance(value, list):
        return [_walk(inner, bodies) for inner in value]
    if not isinstance(value, str):
        return value
    if value in bodies:
        return bodies[value]
    if value.lstrip()[:1] in ("{", "["):
        try:
            inner = json.loads(value)
            without = _walk(inner, bodies)
            return value if without == inner else json.dumps(without, ensure_ascii=False)
        except RecursionError:
            return MASK
        except ValueError:
            pass
    return masked_text(value)


def _blank(name: str, value: Any) -> Any:
    """Mask a value, but keep its harmless parts: cookie names and attributes, schemes, keys."""
    if isinstance(value, dict):  # CloudFront repeats the name of a field as "key"
        return {key: inner if key == "key" else _blank(name, inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_blank(name, inner) for inner in value]
    if value is None or value == "":
        return value
    name, text = name.lower(), str(value)
    if name == "cookie":
        return "; ".join(f"{pair.partition('=')[0]}={MASK}" for pair in text.split("; "))
    if name in ("cookies", "set-cookie"):
        pair, semicolon, attributes = text.partition(";")
        return f"{pair.partition('=')[0]}={MASK}{semicolon}{attributes}"
    scheme = text.partition(" ")[0]
    return f"{scheme} {MASK}" if scheme.lower() in _SCHEMES else MASK
