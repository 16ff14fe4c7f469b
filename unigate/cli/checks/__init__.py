"""What will go wrong when a project is deployed, found without deploying it."""

from __future__ import annotations

from typing import NamedTuple


class Finding(NamedTuple):
    """A mistake: its kind, where it is, and what it does."""

    kind: str
    place: str
    message: str
