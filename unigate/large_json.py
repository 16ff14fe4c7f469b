"""JSON with a large text in it: by orjson where the extra `fast` installs it, as `json` does.

Most of a large event or reply is one text, its body. JSON of many small values is left to `json`:
what orjson gains there is lost again to the search for what the two read differently. orjson is
imported for the first large text, because the import can take 10 milliseconds and more.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

LARGE = 64 * 1024
"""The number of characters or bytes from which a text is large; orjson saves 0.1 ms there."""

# Deeper nesting is left to `json`, which refuses it at Python's recursion limit.
_DEPTH = 32
_INT64 = 2.0**63
_SAMPLE = 1024


@cache
def find_orjson() -> Any:
    """Return orjson, None where it is not installed."""
    try:
        import orjson
    except ImportError:
        return None
    return orjson


def read_large(data: bytes, read: Callable[[bytes], Any]) -> Any:
    """Return what `read` returns for JSON, and raise what it raises.

    Args:
        data: The JSON, of any size; only that with a large text is read faster.
        read: Reads it with `json`, as UTF-8 at least.
    """
    if len(data) >= LARGE and _is_text(data) and (orjson := find_orjson()) is not None:
        try:
            value = orjson.loads(data)
        except ValueError:
            pass  # `json` also reads NaN and lone surrogates, and has its own error messages
        else:
            if _is_read_alike(value):
                return value
    return read(data)


def write_large_text(text: str) -> bytes | None:
    """Return a string as JSON in UTF-8, without escapes that JSON does not require.

    None is returned without orjson, and for lone surrogates, which UTF-8 cannot encode.
    """
    orjson = find_orjson()
    if orjson is None:
        return None
    try:
        written: bytes = orjson.dumps(text)
    except TypeError:
        return None
    return written


def _is_text(data: bytes) -> bool:
    """Return True if no string begins or ends in the middle of the JSON."""
    middle = len(data) // 2
    sample = data[middle : middle + _SAMPLE]
    return sample.count(b'"') == sample.count(b'\\"')


def _is_read_alike(value: Any) -> bool:
    """Return True if `json` would have read the same; orjson reads large integers as floats."""
    level: list[Any] = [[value]]
    for _ in range(_DEPTH):
        below = []
        for item in level:
            for child in item.values() if type(item) is dict else item:
                kind = type(child)
                if kind is dict or kind is list:
                    below.append(child)
                elif kind is float and not -_INT64 < child < _INT64:
                    return False
        if not below:
            return True
        level = below
    return False
