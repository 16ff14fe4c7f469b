"""The sections of text in which the page shows an exchange, or compares two."""

from __future__ import annotations

import json
from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import Any, NamedTuple

from unigate import Request, Response
from unigate.http import encode_body, reason_phrase

from .exchanges import Exchange
from .exports import readable

# Longer texts slow the browser down and are of little use.
MOST_SHOWN = 200_000  # characters
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
    """Return the texts to show for an exchange by their headings, in order."""
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
    return _cut(json.dumps(value, indent=2, ensure_ascii=False))


def _message(start: str, message: Request | Response) -> str:
    fields = "".join(f"\n{name}: {readable(value)}" for name, value in message.headers)
    return start + fields + (f"\n\n{_body_text(message)}" if message.body else "")


def _body_text(message: Request | Response) -> str:
    """Return a body as text, or its length if it is not UTF-8."""
    try:
        return _cut(message.body.decode("utf-8"))
    except UnicodeDecodeError:
        return f"({len(message.body)} bytes that are not text)"


def _cut(text: str) -> str:
    if len(text) <= MOST_SHOWN:
        return text
    return f"{text[:MOST_SHOWN]}\n({len(text) - MOST_SHOWN} characters more)"


class Row(NamedTuple):
    """A line of one text next to its counterpart in another; None if it has none."""

    left: str | None
    right: str | None

    @property
    def differs(self) -> bool:
        return self.left != self.right


def compare(left: Exchange, right: Exchange) -> dict[str, list[Row]]:
    """Return the sections of two exchanges, aligned line by line."""
    first, second = sections(left), sections(right)
    return {
        heading: list(_rows(first.get(heading, ""), second.get(heading, "")))
        for heading in ("Event", "Common request", "Reply", "HTTP response")
        if heading in first or heading in second
    }


def _rows(left: str, right: str) -> Iterator[Row]:
    before, after = (text.splitlines()[:_MOST_COMPARED] for text in (left, right))
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    for _, i, i_end, j, j_end in matcher.get_opcodes():
        height = max(i_end - i, j_end - j)
        for k in range(height):
            yield Row(
                before[i + k] if i + k < i_end else None,
                after[j + k] if j + k < j_end else None,
            )
