"""Bodies: bytes on this side, text or base64 in JSON."""

from __future__ import annotations

from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from unigate.errors import InvalidEvent

from .headers import Headers

# application/* that is text; +json, +xml and +yaml are told by their suffix.
_TEXT_SUBTYPES = frozenset(
    {
        "ecmascript",
        "graphql",
        "javascript",
        "json",
        "json-seq",
        "jsonl",
        "ndjson",
        "sql",
        "toml",
        "x-javascript",
        "x-jsonlines",
        "x-ndjson",
        "x-www-form-urlencoded",
        "x-yaml",
        "xml",
        "yaml",
    }
)


def decode_body(body: Any, is_base64: Any) -> bytes:
    """Return an event's body as bytes; InvalidEvent when it is not the base64 it claims to be."""
    if not body:
        return b""
    if not isinstance(body, str):
        raise InvalidEvent(f"The body of the event is {type(body).__name__}, not text.")
    if not is_base64:
        return body.encode("utf-8", "replace")
    try:
        return a2b_base64(body, strict_mode=True)
    except (Base64Error, ValueError) as error:
        raise InvalidEvent(f"The body of the event is not the base64 it claims: {error}.") from None


def encode_body(fields: Headers | Mapping[str, str], body: bytes) -> tuple[str, bool]:
    """Return a body as JSON can carry it, and whether that is base64.

    Text when it has no Content-Encoding, its type is textual (or not given) and it is UTF-8.
    """
    if not body:
        return "", False
    coding = fields.get("content-encoding")
    if (not coding or coding.lower() == "identity") and is_text(fields.get("content-type", "")):
        try:
            return body.decode("utf-8"), False
        except UnicodeDecodeError:
            pass
    return b2a_base64(body, newline=False).decode("ascii"), True


@lru_cache(maxsize=256)
def is_text(content_type: str) -> bool:
    """Tell whether a media type holds text that may be UTF-8; no type at all may."""
    media_type, _, parameters = content_type.lower().partition(";")
    if "utf-16" in parameters or "utf-32" in parameters:
        return False
    kind, _, subtype = media_type.strip().partition("/")
    return (
        kind in ("", "text")
        or subtype.endswith(("+json", "+xml", "+yaml"))
        or (kind == "application" and subtype in _TEXT_SUBTYPES)
    )


def bodiless(status: int) -> bool:
    """Tell whether a response of this status never has a body (RFC 9110 section 6.4.1)."""
    return status < 200 or status in (204, 304)


def carries_body(method: str, status: int, headers: Headers) -> bool:
    """Tell whether a response has a body; one that never can loses its Content-Length too.

    The answer to HEAD keeps it: it says what GET would bring.
    """
    if bodiless(status):
        headers.remove("content-length")
        return False
    return method != "HEAD"
