"""What will go wrong when a project is deployed, found without deploying it."""

from __future__ import annotations

from typing import Literal, NamedTuple

Kind = Literal[
    "development",
    "django",
    "entrypoint",
    "handler",
    "import",
    "project",
    "python",
    "requirements",
    "rewrite",
    "size",
    "sources",
    "vercel",
    "write",
]


class Finding(NamedTuple):
    """A mistake: its kind, where it is, and what it does."""

    kind: Kind
    place: str
    message: str
