"""Members of JSON events: any of them can be null or of an unexpected type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def json_object(value: Any) -> dict[str, Any]:
    """Return a value if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def json_text(value: Any) -> str | None:
    """Return a string or a number as text, None for an empty value or any other type."""
    return str(value) if value and isinstance(value, (str, int, float)) else None


def as_dicts(value: Any) -> Any:
    """Return a value with dicts in place of other mappings, those in lists included."""
    if isinstance(value, Mapping):
        return {name: as_dicts(value[name]) for name in value}
    return [as_dicts(item) for item in value] if isinstance(value, list) else value


def parse_scopes(value: Any) -> tuple[str, ...]:
    """Return scopes from a list, or from a string separated by spaces (RFC 6749 section 3.3)."""
    if isinstance(value, str):
        return tuple(value.split())
    return tuple(filter(None, map(json_text, value))) if isinstance(value, list) else ()
