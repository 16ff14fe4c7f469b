"""The sections of text in which the page shows an exchange, or compares two."""

from __future__ import annotations

import json
from typing import Any

from unigate import Request, Response
from unigate.http import encode_body, reason_phrase

from .alignment import Row, align
from .exchanges import Exchange
from .exports import readable

# Longer texts slow the browser down and are of little use.
MOST_SHOWN = 200_000  # characters of a text
_MOST_IN_SECTION = 2 * MOST_SHOWN
_MOST_COMPARED = 2000  # lines


def describe_request(request: Request) -> dict[str, Any]:
    """Return a Request in plain values, computed properties included."""
    identity = request.identity
    return {
        "method": request.method,
        "path": request.path,
        "raw_path": request.raw_path.decode("latin-1"),
        "query_string": request.query_string.decode("latin-1"),
        "root_path": request.root_path,
        "scheme": request.scheme,
        "server": list(request.server),
        "client": list(request.client) if request.client else None,
        "http_version": request.http_version,
        "source": request.source,
        "headers": {name: readable(value) for name, value in request.headers.joined().items()},
        "body": encode_body(request.headers, request.body)[0],
        "identity": identity
        and {
            name: json.loads(json.dumps(getattr(identity, name), default=str))
            for name in ("kind", "user", "claims", "scopes", "certificate")
        },
        "ip_address": request.ip_address,
        "geolocation": {key: value for key, value in request.geolocation.items() if value},
    }


def sections(exchange: Exchange) -> dict[str, str]:
    """Return the texts to show for an exchange by their headings, in order.

    The exchange is one whose texts have been cut to MOST_SHOWN.
    """
    request, response = exchange.sent, exchange.response
    shown = {"HTTP request": _message(f"{request.method} {request.target}", request)}
    if exchange.event is not None:
        shown["Event"] = _json(exchange.event)
    if exchange.request is not None:
        shown["Common request"] = _json(exchange.request)
    if exchange.reply is not None:
        shown["Reply"] = _json(exchange.reply)
    if response is not None:
        status = f"{response.status} {reason_phrase(response.status)}".strip()
        shown["HTTP response"] = _message(status, response)
    return shown


def _json(value: Any) -> str:
    try:
        return _cut(json.dumps(value, indent=2, ensure_ascii=False))
    except RecursionError:
        return "(nested too deeply to be shown)"


def _message(start: str, message: Request | Response) -> str:
    fields = "".join(f"\n{name}: {readable(value)}" for name, value in message.headers)
    return start + fields + (f"\n\n{_body_text(message)}" if message.body else "")


def _body_text(message: Request | Response) -> str:
    """Return a body as text, or its length if it is not UTF-8."""
    try:
        return message.body.decode("utf-8")
    except UnicodeDecodeError:
        return f"({len(message.body)} bytes that are not text)"


def _cut(text: str) -> str:
    if len(text) <= _MOST_IN_SECTION:
        return text
    return f"{text[:_MOST_IN_SECTION]}\n({len(text) - _MOST_IN_SECTION} characters more)"


def compare(left: Exchange, right: Exchange) -> dict[str, list[Row]]:
    """Return the sections of two exchanges, aligned line by line."""
    first, second = sections(left), sections(right)
    return {
        heading: list(align(_lines(first.get(heading, "")), _lines(second.get(heading, ""))))
        for heading in ("Event", "Common request", "Reply", "HTTP response")
        if heading in first or heading in second
    }


def _lines(text: str) -> list[str]:
    lines = text.splitlines()
    more = len(lines) - _MOST_COMPARED
    return [*lines[:_MOST_COMPARED], f"({more} lines more)"] if more > 0 else lines
