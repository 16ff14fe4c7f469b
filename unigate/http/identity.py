"""Who the platform says is asking."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Identity(NamedTuple):
    """What the platform has verified about who is asking, in one shape for all of them."""

    kind: str
    """How it was verified: "jwt", "lambda", "iam", "certificate" or "principal"."""
    user: str | None
    """The stable name: a token's subject, a principal, an ARN, a certificate's subject."""
    claims: Mapping[str, Any]
    """All that is known, under the platform's own names."""
    scopes: tuple[str, ...] = ()
    certificate: Mapping[str, Any] | None = None
    """The client's certificate, under the platform's own names."""


def table(value: Any) -> dict[str, Any]:
    """Return a value where it is a map, else an empty one: any member of an event can be null."""
    return value if isinstance(value, dict) else {}


def text(value: Any) -> str | None:
    """Return a value as text, None where it is empty or no plain value."""
    return str(value) if value and isinstance(value, (str, int, float)) else None


def scopes(value: Any) -> tuple[str, ...]:
    """Return scopes given as a list, or as RFC 6749 writes them, apart by spaces."""
    if isinstance(value, str):
        return tuple(value.split())
    return tuple(filter(None, map(text, value))) if isinstance(value, list) else ()
