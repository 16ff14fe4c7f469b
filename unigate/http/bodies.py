"""Bodies: bytes in requests and responses, text or base64 in JSON."""

from __future__ import annotations

from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from collections.abc import Mapping
from typing import Any

from unigate.errors import InvalidEvent
from unigate.memo import Memo

from .headers import Headers

# Textual subtypes of application/*; +json, +xml and +yaml are recognised by their suffix.
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
    """Return an event's body as bytes.

    Raises:
        InvalidEvent: The body is not text, or not valid base64 although `is_base64` is set.
    """
    if not body:
        return b""
    if not isinstance(body, str):
        raise InvalidEvent(f"The event's body must be a string, got {type(body).__name__}.")
    if not is_base64:
        return body.encode("utf-8", "replace")
    try:
        return a2b_base64(body, strict_mode=True)
    except (Base64Error, ValueError) as error:
        raise InvalidEvent(
            f"The event's body is not the base64 it claims to be: {error}."
        ) from None


def encode_body(fields: Headers | Mapping[str, str], body: bytes) -> tuple[str, bool]:
    """Return a body as a JSON string, and whether that is base64.

    It is text if there is no Content-Encoding, the type is textual or missing, and the bytes are
    valid UTF-8.
    """
    if not body:
        return "", False
    coding = fields.get("content-encoding")
    content_type = fields.get("content-type") or ""
    textual = _TEXTUAL.get(content_type)
    if textual is None:
        textual = _TEXTUAL.learn(content_type)
    if textual and (not coding or coding.lower() == "identity"):
        try:
            return body.decode("utf-8"), False
        except UnicodeDecodeError:
            pass
    return b2a_base64(body, newline=False).decode("ascii"), True


def is_text(content_type: str) -> bool:
    """Return True for a media type whose content can be UTF-8 text, and for a missing type."""
    known = _TEXTUAL.get(content_type)
    return _TEXTUAL.learn(content_type) if known is None else known


def _is_text(content_type: str) -> bool:
    media_type, _, parameters = content_type.lower().partition(";")
    if "utf-16" in parameters or "utf-32" in parameters:
        return False
    kind, _, subtype = media_type.strip().partition("/")
    return (
        kind in ("", "text")
        or subtype.endswith(("+json", "+xml", "+yaml"))
        or (kind == "application" and subtype in _TEXT_SUBTYPES)
    )


_TEXTUAL = Memo(_is_text)


def bodiless(status: int) -> bool:
    """Return True if a response with this status never has a body (RFC 9110 section 6.4.1)."""
    return status < 200 or status in (204, 304)


def carries_body(method: str, status: int, headers: Headers) -> bool:
    """Return True if a response has a body; if its status forbids one, remove Content-Length.

    A response to HEAD keeps Content-Length: it is the length that GET would have.
    """
    if bodiless(status):
        headers.remove("content-length")
        return False
    return method != "HEAD"
