"""Events and replies as JSON, read and written as AWS's runtime client for Python does."""

from __future__ import annotations

import json
from typing import Any

from .errors import Fault


def unmarshal(body: bytes, content_type: str | None) -> Any:
    """Return the event that arrived: bytes, unless it says that it is JSON."""
    if content_type != "application/json":
        return body
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Fault("Runtime.UnmarshalError", f"Unable to unmarshal input: {error}") from error


def marshal(reply: Any) -> tuple[bytes, str]:
    """Return what a handler answered as bytes, and their content type."""
    if isinstance(reply, bytes):
        return reply, "application/unknown"
    try:
        return to_json(reply), "application/json"
    except (TypeError, ValueError, RecursionError) as error:
        raise Fault("Runtime.MarshalError", f"Unable to marshal response: {error}") from error


def to_json(value: Any, *, ascii_only: bool = False) -> bytes:
    """Write JSON; half a surrogate pair becomes "?", as nothing can send it."""
    encode = _encode_ascii if ascii_only else _encode
    return encode(value).encode("utf-8", "replace")


def _number(value: object) -> int | float:
    from decimal import Decimal  # loaded by whoever has made one

    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


_encode = json.JSONEncoder(ensure_ascii=False, default=_number).encode
_encode_ascii = json.JSONEncoder(default=_number).encode
