"""What may be seen of an exchange: its secrets masked, its long texts cut."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any, TypeVar

from unigate import Headers, Request, Response

from .exchanges import Exchange
from .secret_names import MASK, is_secret, mask_secret
from .secret_text import mask_bytes, mask_text, mask_value

Message = TypeVar("Message", Request, Response)


def masked(exchange: Exchange) -> Exchange:
    """Return a copy of an exchange with every secret masked."""
    return _Copy(secrets=False, limit=None).of(exchange)


def shown(exchange: Exchange, *, secrets: bool, limit: int) -> Exchange:
    """Return a copy of an exchange to be read by people.

    Args:
        exchange: The exchange.
        secrets: Whether to keep secrets instead of masking them.
        limit: How many characters of a text to keep, with a note on the rest. A body that is not
            UTF-8 is kept as it is: only its length is shown.
    """
    return _Copy(secrets=secrets, limit=limit).of(exchange)


class _Copy:
    def __init__(self, *, secrets: bool, limit: int | None) -> None:
        self._secrets = secrets
        self._limit = limit
        # A body is in the request, in the event, in the common request, often in the reply.
        self._mask: Callable[[str], str] = str if secrets else cache(mask_text)

    def of(self, exchange: Exchange) -> Exchange:
        return replace(
            exchange,
            sent=self._request(exchange.sent),
            response=exchange.response and self._message(exchange.response),
            event=self._value(exchange.event),
            request=self._value(exchange.request),
            reply=self._value(exchange.reply),
            failure=self._text(exchange.failure),
            lines=[
                line._replace(message=self._text(line.message), trace=self._text(line.trace))
                for line in exchange.lines
            ],
        )

    def _request(self, request: Request) -> Request:
        # Made anew, for a copied request may hold the decoded path.
        return self._message(
            Request(
                request.method,
                self._latin1(request.raw_path),
                query_string=self._latin1(request.query_string),
                headers=request.headers,
                body=request.body,
                scheme=request.scheme,
                server=request.server,
                client=request.client,
                root_path=request.root_path,
                http_version=request.http_version,
                source=request.source,
            )
        )

    def _latin1(self, text: bytes) -> bytes:
        return self._text(text.decode("latin-1")).encode("latin-1", "replace")

    def _message(self, message: Message) -> Message:
        message = copy.copy(message)
        message.headers = Headers(
            (name, mask_secret(name, value) if self._is_secret(name) else self._text(value))
            for name, value in message.headers
        )
        message.body = self._body(message.body)
        return message

    def _body(self, body: bytes) -> bytes:
        if self._limit is None:
            return body if self._secrets else mask_bytes(body)
        try:
            return self._text(body.decode("utf-8")).encode("utf-8", "replace")
        except UnicodeDecodeError:
            return body

    def _value(self, value: Any) -> Any:
        try:
            return mask_value(value, self._text, self._is_secret)
        except RecursionError:
            return MASK

    def _is_secret(self, name: str) -> bool:
        return not self._secrets and is_secret(name)

    def _text(self, text: str) -> str:
        kept = text[: self._limit]
        more = f"\n({len(text) - len(kept)} characters more)" if len(kept) < len(text) else ""
        return self._mask(kept) + more
