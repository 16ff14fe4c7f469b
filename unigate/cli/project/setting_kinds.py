"""Kinds of values in [tool.unigate] that a plain type does not say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Either:
    """A value that may be of one of several kinds.

    Attributes:
        kinds: The kinds, as `settings.check_value` takes them.
        expected: What the value must be, for the message.
    """

    kinds: tuple[Any, ...]
    expected: str
