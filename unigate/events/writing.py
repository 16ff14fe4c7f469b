"""What several sources write into events and replies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

from unigate.http import Headers, quote_bytes
from unigate.request import Request


def proxied_headers(request: Request) -> Headers:
    """Return a request's header fields with X-Forwarded-For, -Proto and -Port added by a proxy."""
    headers = Headers(request.headers)
    headers.set("x-forwarded-proto", request.scheme)
    headers.set("x-forwarded-port", str(request.server[1]))
    if request.client:
        peers = [*headers.getlist("x-forwarded-for"), request.client[0]]
        headers.set("x-forwarded-for", ", ".join(peers))
    return headers


def quoted_target(request: Request) -> str:
    """Return the path and query as sent, quoted beyond ASCII."""
    return quote_bytes(request.target.encode("latin-1"))


def query_values(request: Request) -> dict[str, list[str]]:
    """Return the decoded values of each key in the query, empty ones included."""
    return parse_qs(quote_bytes(request.query_string), keep_blank_values=True)


def unwrap_single(values: Mapping[str, list[Any]]) -> dict[str, Any]:
    """Return each name's value, or the list where there are several values."""
    return {name: many if len(many) > 1 else many[0] for name, many in values.items()}
