"""Values as JSON bytes, so that reads return copies, the same from every backend.

Tuples are stored as arrays and come back as lists. Dictionary keys other than str are refused,
because `json` would convert them to text, and so is NaN, which other JSON parsers reject.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from typing import Any

from unigate.large_json import LARGE, read_large, write_large_text

_LEAVES = frozenset({str, int, float, bool, type(None)})
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
_decoder = json.JSONDecoder()
_decode, _decode_first = _decoder.decode, _decoder.raw_decode
_number = re.compile(rb"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?").fullmatch


def encode(value: Any) -> bytes:
    """Return a value as JSON.

    Raises:
        TypeError: A part of the value is not JSON; the message has its path.
    """
    if type(value) is str and len(value) >= LARGE and (data := write_large_text(value)):
        return data
    try:
        text = _encode(value)
        if _has_other_keys(value):
            raise TypeError("a key is not a str")
    except (TypeError, ValueError, RecursionError) as error:
        raise TypeError(f"{_fault(value) or error}: a cached value must be JSON.") from None
    try:
        return text.encode()
    except UnicodeEncodeError:
        return json.dumps(value).encode()  # a lone surrogate, which only an escape can express


def decode(data: bytes) -> Any:
    """Return the value of JSON bytes.

    Raises:
        ValueError: The bytes are not JSON.
        RecursionError: The value is nested too deeply.
    """
    if len(data) >= LARGE:
        return read_large(data, _read)
    text = data.decode()
    try:
        value, end = _decode_first(text)
    except ValueError:
        return _decode(text)
    # Anything after the value is either white space of another client, or an error.
    return value if end == len(text) else _decode(text)


def _read(data: bytes) -> Any:
    return _decode(data.decode())


def increased(data: bytes, delta: float) -> tuple[float, bytes] | None:
    """Return the sum of a JSON number and `delta`, also as JSON; None for any other JSON.

    An integer stays one if `delta` is one. None is also returned for an infinite sum, and for
    integers of thousands of digits, which Python does not convert to text.
    """
    match = _number(data)
    if match is None:
        return None
    try:
        number = (float if match[1] or match[2] else int)(data) + delta
        return number, encode(number)
    except (TypeError, ValueError, OverflowError):  # infinite, or more digits than Python converts
        return None


def _has_other_keys(value: Any) -> bool:
    # The encoder converts numbers to text, so {1: "a", "1": "b"} would have a key twice.
    pending = [value]
    for item in pending:  # grows while it is iterated
        if isinstance(item, dict):
            for key in item:
                if not isinstance(key, str):
                    return True
            item = item.values()
        elif not isinstance(item, (list, tuple)):
            continue
        for child in item:
            if type(child) not in _LEAVES:
                pending.append(child)
    return False


def _fault(value: Any) -> str | None:
    try:
        return _find_fault(value, "$", ())
    except RecursionError:
        return "$ is nested too deeply"


def _find_fault(value: Any, path: str, above: tuple[int, ...]) -> str | None:
    if value is None or isinstance(value, (str, int)):
        return None
    if isinstance(value, float):
        return None if math.isfinite(value) else f"{path} is {value}"
    if id(value) in above:
        return f"{path} contains itself"
    children: Iterable[tuple[str, Any]]
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                return f"{path} has a key of type {type(key).__name__}"
        children = ((_member(path, key), child) for key, child in value.items())
    elif isinstance(value, (list, tuple)):
        children = ((f"{path}[{index}]", child) for index, child in enumerate(value))
    else:
        return f"{path} is a {type(value).__name__}"
    faults = (_find_fault(child, at, (*above, id(value))) for at, child in children)
    return next((fault for fault in faults if fault), None)


def _member(path: str, key: str) -> str:
    return f"{path}.{key}" if key.isidentifier() else f"{path}[{key!r}]"
