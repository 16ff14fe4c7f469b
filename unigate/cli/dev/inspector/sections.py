"""An exchange as the page shows it: sections of text, alone or two beside each other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import Any, NamedTuple

from unigate import Request, Response
from unigate.http import encode_body, reason_phrase

from .exchanges import Exchange
from .exports import readable, target_of

# Beyond this a browser has trouble, and nobody reads on.
MOST_SHOWN = 200_000
_MOST_COMPARED = 2000


def table_of(request: Request) -> dict[str, Any]:
    """Return the common request in plain values, with what is computed of it."""
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
    """Return what there is to read of an exchange, under its headings, in order."""
    request, response = exchange.sent, exchange.response
    shown = {"HTTP request": _message(f"{request.method} {target_of(request)}", request)}
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
    return start + fields + (f"\n\n{body_text(message)}" if message.body else "")


def body_text(message: Request | Response) -> str:
    """Return a body as text, or what to say in place of it."""
    try:
        return _cut(message.body.decode("utf-8"))
    except UnicodeDecodeError:
        return f"({len(message.body)} bytes that are no text)"


def _cut(text: str) -> str:
    if len(text) <= MOST_SHOWN:
        return text
    return f"{text[:MOST_SHOWN]}\n({len(text) - MOST_SHOWN} characters more)"


class Row(NamedTuple):
    """A line of one text beside its counterpart in another; None where it has none."""

    left: str | None
    right: str | None

    @property
    def differs(self) -> bool:
        return self.left != self.right


def beside(left: Exchange, right: Exchange) -> dict[str, list[Row]]:
    """Return the sections of two exchanges, line by line beside each other."""
    ours, theirs = sections(left), sections(right)
    return {
        heading: list(_rows(ours.get(heading, ""), theirs.get(heading, "")))
        for heading in ("Event", "Common request", "Reply", "HTTP response")
        if heading in ours or heading in theirs
    }


def _rows(left: str, right: str) -> Iterator[Row]:
    ours, theirs = (text.splitlines()[:_MOST_COMPARED] for text in (left, right))
    matcher = SequenceMatcher(None, ours, theirs, autojunk=False)
    for _, i, i_end, j, j_end in matcher.get_opcodes():
        height = max(i_end - i, j_end - j)
        for k in range(height):
            yield Row(
                ours[i + k] if i + k < i_end else None,
                theirs[j + k] if j + k < j_end else None,
            )
