"""The caller that a platform authenticated."""

from __future__ import annotations

from collections.abc import Mapping


class Identity:
    """The caller that the platform authenticated, in one shape for all authorizers.

    Attributes:
        kind: How the caller was authenticated: "jwt", "lambda", "iam", "certificate" or
            "principal".
        user: The stable name: a token's subject, a principal, an ARN, a certificate's subject.
        claims: Everything that the platform passes about the caller, under its own names.
        scopes: The scopes that a token grants.
        certificate: The client's certificate, under the platform's own names.
    """

    __slots__ = ("certificate", "claims", "kind", "scopes", "user")

    def __init__(
        self,
        kind: str,
        user: str | None,
        claims: Mapping[str, object],
        scopes: tuple[str, ...] = (),
        certificate: Mapping[str, object] | None = None,
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
        return f"<Identity {self.kind} {self.user!r}>"  # no claims: they are personal data
