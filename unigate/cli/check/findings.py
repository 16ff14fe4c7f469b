"""A mistake that a check found."""

from __future__ import annotations

from typing import Literal, NamedTuple

FindingKind = Literal[
    "development",
    "django",
    "entrypoint",
    "handler",
    "import",
    "prefix",
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
    """A mistake.

    Attributes:
        kind: The kind of mistake.
        place: The file, "file:line" or another name of the place.
        message: What happens, and what to do.
    """

    kind: FindingKind
    place: str
    message: str
