"""Read events from JSON and write results as JSON, as AWS's runtime client for Python does."""

from __future__ import annotations

import json
from typing import Any

from unigate.large_json import LARGE, read_large, write_large_text

from .errors import TypedError


def unmarshal(body: bytes, content_type: str | None) -> Any:
    """Return an event: the parsed JSON if that is its content type, else the bytes.

    Raises:
        TypedError: If the JSON is invalid.
    """
    if content_type != "application/json":
        return body
    try:
        return read_large(body, json.loads)
    except (ValueError, RecursionError) as error:
        raise TypedError("Runtime.UnmarshalError", f"Unable to unmarshal input: {error}") from None


def marshal(result: Any) -> tuple[bytes, str]:
    """Return a handler's result as bytes, and their content type.

    Raises:
        TypedError: If the result cannot be written as JSON.
    """
    if isinstance(result, bytes):
        return result, "application/unknown"
    try:
        return to_json(result), "application/json"
    except (TypeError, ValueError, RecursionError) as error:
        raise TypedError("Runtime.MarshalError", f"Unable to marshal response: {error}") from None


def to_json(value: Any, *, ascii_only: bool = False) -> bytes:
    """Return JSON in UTF-8; lone surrogates, which UTF-8 cannot encode, become "?"."""
    if ascii_only:
        return _encode_ascii(value).encode()
    if type(value) is dict:
        body = value.get("body")
        if type(body) is str and len(body) >= LARGE:
            return _reply_to_json(value, body)
    return _encode(value).encode("utf-8", "replace")


def _reply_to_json(reply: dict[Any, Any], body: str) -> bytes:
    """Return what `to_json` does, with the body written by itself: most of a large reply."""
    written = write_large_text(body)
    if written is None:
        return _encode(reply).encode("utf-8", "replace")
    members, at = list(reply.items()), list(reply).index("body")
    before, after = (
        _encode(dict(some)).encode("utf-8", "replace") for some in (members[:at], members[at + 1 :])
    )
    # The braces and commas around the body: `{"a": 1, "body": ..., "b": 2}`.
    head = before[:-1] + (b", " if at else b"")
    tail = b", " + after[1:] if at + 1 < len(members) else b"}"
    return b"".join((head, b'"body": ', written, tail))


def _number(value: object) -> int | float:
    from decimal import Decimal  # already imported if the value is one

    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


_encode = json.JSONEncoder(ensure_ascii=False, default=_number).encode
_encode_ascii = json.JSONEncoder(default=_number).encode
