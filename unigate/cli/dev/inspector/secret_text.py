"""Mask the secrets in a text, in time that grows with its length alone.

A value is secret because of its name, in whichever notation the two stand: a query, a form, a
multipart body, JSON, XML, HTML, a header field, a log line. Some are secret without a name: a JSON
Web Token, the credentials of Basic and Bearer, the password in a URL.

Web pages can send any text to the server, so a quadratic pattern would let them stop it. No pattern
here, or in the modules that this calls, reads a character twice: repetitions are possessive, and
begin only where their run of characters does. Source: RFC 8259 (JSON).
"""

from __future__ import annotations

import json
import re
import zlib
from base64 import b64decode
from binascii import Error, b2a_base64
from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import quote, unquote

from .secret_credentials import mask_credentials
from .secret_elements import mask_elements
from .secret_names import MASK, is_secret, mask_secret
from .secret_pairs import mask_pairs

# Encodings within encodings that are followed; what lies deeper is masked as a whole.
_MOST_NESTED = 5
_MOST_INFLATED = 1_000_000  # bytes

_ENCODED = re.compile(r"[^\s&?]++")
_BASE64 = re.compile(r"[A-Za-z0-9+/]++={0,2}")


def mask_text(text: str, nested: int = 0) -> str:
    """Mask the secrets in a text of any notation.

    Args:
        text: The text.
        nested: How many encodings the text was in.
    """
    if nested > _MOST_NESTED:
        return MASK
    if text.lstrip("\ufeff \t\r\n")[:1] in ("{", "[", '"'):
        try:
            value = json.loads(text.lstrip("\ufeff"), object_pairs_hook=_members)
            without = mask_value(value, partial(mask_text, nested=nested + 1))
            return text if without == value else json.dumps(without, ensure_ascii=False)
        except (ValueError, RecursionError):
            pass  # not JSON, or more than can be read as such
    elif _BASE64.fullmatch(text) and len(text) % 4 == 0:
        return _mask_base64(text, nested)
    text = mask_credentials(mask_pairs(mask_elements(text)))
    if "%" in text:
        text = _ENCODED.sub(lambda run: _mask_encoded(run[0], nested), text)
    return text


def mask_value(
    value: Any,
    leaf: Callable[[str], str] = mask_text,
    secret: Callable[[str], bool] = is_secret,
) -> Any:
    """Mask the secrets in a JSON value, at any depth.

    Args:
        value: The value.
        leaf: Masks a text in it.
        secret: Decides by a name whether its value is secret.

    Raises:
        RecursionError: The value is too deep.
    """

    def walk(value: Any) -> Any:
        if isinstance(value, dict):
            names: dict[str, str] = {}
            named: Any = value.get("name", value.get("key")) if "value" in value else None
            if isinstance(named, str):  # {"name": "password", "value": "..."}
                names = {"value": named, "key": "", "name": ""}
            return {
                leaf(key): member(names.get(key, str(key)), inner) for key, inner in value.items()
            }
        if isinstance(value, list):
            if len(value) == 2 and all(isinstance(inner, str) for inner in value):
                return [leaf(value[0]), member(*value)]
            return [walk(inner) for inner in value]
        return leaf(value) if isinstance(value, str) else value

    def member(name: str, value: Any) -> Any:
        return mask_secret(name, value) if secret(name) else walk(value)

    return walk(value)


def mask_bytes(body: bytes, nested: int = 0) -> bytes:
    """Mask the secrets in a body; one that is compressed is masked whole if it has any."""
    if nested > _MOST_NESTED:
        return MASK.encode()
    inflated = _inflate(body)
    if inflated is not None:
        whole, content = inflated
        return body if whole and mask_bytes(content, nested + 1) == content else MASK.encode()
    detected = json.detect_encoding(body)  # from the zeros in it, or a byte order mark
    for encoding in (detected, "latin-1"):
        try:
            text = body.decode(encoding)
        except UnicodeDecodeError:
            continue
        without = mask_text(text, nested)
        if without != text:
            return without.encode(encoding, "replace")
        if encoding.startswith("utf-8"):
            break
    return body


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the members of a JSON object; ValueError if a map would lose one of them."""
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("An object has two members of the same name.")
    return members


def _mask_encoded(run: str, nested: int) -> str:
    """Mask percent-encoded text within a text."""
    if "%" not in run or (text := unquote(run)) == run:
        return run
    without = mask_text(text, nested + 1)
    return run if without == text else quote(without, safe="()/=?", errors="replace")


def _mask_base64(text: str, nested: int) -> str:
    try:
        body = b64decode(text)
    except Error:
        return text
    without = mask_bytes(body, nested + 1)
    return text if without == body else b2a_base64(without, newline=False).decode("ascii")


def _inflate(body: bytes) -> tuple[bool, bytes] | None:
    """Return whether a compressed body could be inflated, and the result; None for others."""
    if not body.startswith((b"\x1f\x8b\x08", b"\x78\x01", b"\x78\x9c", b"\x78\xda")):
        return None
    inflater = zlib.decompressobj(wbits=47)  # gzip or zlib, whichever it is
    try:
        content = inflater.decompress(body, _MOST_INFLATED)
    except zlib.error:
        return None
    return inflater.eof, content
