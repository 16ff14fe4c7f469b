"""What the definition of the settings is made of, beside plain types.

The commands (`settings.check_value`) and the JSON schema (`schema`) read the same kinds, so that
both accept the same values. Patterns are in what Python and ECMA 262 have in common.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
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


@dataclass(frozen=True)
class Text:
    """Text of a certain form.

    Attributes:
        pattern: A regular expression for the whole text.
        expected: What the value must be, for the message.
    """

    pattern: str
    expected: str

    def matches(self, value: Any) -> bool:
        return isinstance(value, str) and re.fullmatch(self.pattern, value) is not None


@dataclass(frozen=True)
class Number:
    """An integer from `least` to `most`, both included."""

    least: int
    most: int


@dataclass(frozen=True)
class Some:
    """A list with one item or more, each of a kind."""

    kind: Any


@dataclass(frozen=True)
class Table:
    """A table with keys that depend on each other.

    Attributes:
        keys: The kind of each key; "*" stands for any key.
        required: Keys that it must have.
        exclusive: Groups of keys; it must have exactly one of each.
        names: The form of its keys.
        is_single: Whether it must have exactly one key.
    """

    keys: Mapping[str, Any]
    required: tuple[str, ...] = ()
    exclusive: tuple[tuple[str, ...], ...] = ()
    names: Text | None = None
    is_single: bool = False

    def has_key(self, key: str) -> bool:
        """Return True if it may have a key of this name."""
        known = key in self.keys or "*" in self.keys
        return known and (self.names is None or self.names.matches(key))


@dataclass(frozen=True)
class Nested:
    """A table whose values are of a kind, or again such tables.

    Attributes:
        name: Its name in the schema.
        kind: The kind of the values that are no tables.
        expected: What a value must be, for the message.
    """

    name: str
    kind: Any
    expected: str


class Anything:
    """Any value."""
