"""Who the platform says is asking."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Identity:
    """What the platform has verified about who is asking, in one shape for all of them.

    kind: how it was verified: "jwt", "lambda", "iam", "certificate" or "principal".
    user: the stable name: a token's subject, a principal, an ARN, a certificate's subject.
    claims: all that is known, under the platform's own names.
    scopes: what a token allows.
    certificate: the client's, under the platform's own names.
    """

    __slots__ = ("certificate", "claims", "kind", "scopes", "user")

    def __init__(
        self,
        kind: str,
        user: str | None,
        claims: Mapping[str, Any],
        scopes: tuple[str, ...] = (),
        certificate: Mapping[str, Any] | None = None,
    ) -> None:
        self.kind = kind
        self.user = user
        self.claims = claims
        self.scopes = scopes
        self.certificate = certificate

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Identity) and all(
            getattr(self, name) == getattr(other, name) for name in Identity.__slots__
        )

    def __repr__(self) -> str:
        return f"<Identity {self.kind} {self.user!r}>"  # no claims: they are a person's


def json_object(value: Any) -> dict[str, Any]:
    """Return a value where it is a map, else an empty one: any member of an event can be null."""
    return value if isinstance(value, dict) else {}


def json_text(value: Any) -> str | None:
    """Return a value as text, None where it is empty or no plain value."""
    return str(value) if value and isinstance(value, (str, int, float)) else None


def parse_scopes(value: Any) -> tuple[str, ...]:
    """Return scopes given as a list, or as RFC 6749 writes them, apart by spaces."""
    if isinstance(value, str):
        return tuple(value.split())
    return tuple(filter(None, map(json_text, value))) if isinstance(value, list) else ()
