"""What the definition of the settings is made of, beside plain types."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Setting:
    """A key of [tool.unigate].

    Attributes:
        kind: What `check_value` takes.
        about: What it does, for the schema and the documentation.
    """

    kind: Any
    about: str


@dataclass(frozen=True)
class Either:
    """A value that may be of one of several kinds.

    Attributes:
        kinds: The kinds, as `settings.check_value` takes them.
        expected: What the value must be, for the message.
    """

    kinds: tuple[Any, ...]
    expected: str
