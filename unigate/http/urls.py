"""Paths and queries: decoded once, quoted again if the platform has already decoded them.

`urllib.parse` costs a fifteenth of a cold start and most paths and queries contain nothing to
quote, so it is imported only when one does.
"""

from __future__ import annotations

from typing import Any

from unigate.memo import Memo

# Characters that a path can contain unquoted (RFC 3986 section 3.3).
_PATH_SAFE = "/:@!$&'()*+,;=-._~"
_ASCII = bytes(range(128))
_ALPHANUMERIC = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_PERCENT = ord("%")  # a search for bytes would raise and catch a TypeError inside
_PLAIN = _ALPHANUMERIC + _PATH_SAFE.encode()


def quote(raw: bytes, safe: str | bytes) -> str:
    """Percent-encode all bytes except letters, digits, "_.-~" and the safe ones."""
    from urllib.parse import quote_from_bytes

    return quote_from_bytes(raw, safe)


def unquote(raw: bytes) -> bytes:
    """Percent-decode once."""
    if _PERCENT not in raw:
        return raw
    from urllib.parse import unquote_to_bytes

    return unquote_to_bytes(raw)


def raw_path(path: str) -> bytes:
    """Return a percent-encoded path as the bytes of a request line."""
    return RAW_PATHS.get(path) or RAW_PATHS.learn(path)


def _raw_path(path: str) -> bytes:
    if not path.isascii() or not path.isprintable() or " " in path:
        path = quote(path.encode("utf-8", "replace"), _PATH_SAFE + "%")
    return (path if path.startswith("/") else "/" + path).encode("ascii")


RAW_PATHS = Memo(_raw_path)


def quote_bytes(raw: bytes) -> str:
    """Quote bytes beyond ASCII, because JSON has no bytes; existing escapes stay."""
    return raw.decode() if raw.isascii() else quote(raw, _ASCII)


def quote_path(path: str | bytes) -> bytes:
    """Quote a path that the platform has decoded, so that decoding it once restores it."""
    return QUOTED_PATHS.get(path) or QUOTED_PATHS.learn(path)


def _quote_path(path: str | bytes) -> bytes:
    if isinstance(path, str):
        path = path.encode("utf-8", "replace")
    quoted = quote(path, _PATH_SAFE) if path.translate(None, _PLAIN) else path.decode()
    return (quoted if quoted.startswith("/") else "/" + quoted).encode("ascii")


QUOTED_PATHS = Memo(_quote_path)


def decode_path(raw: bytes) -> str:
    """Percent-decode a path once; bytes that are not UTF-8 become U+FFFD."""
    return DECODED_PATHS.get(raw) or DECODED_PATHS.learn(raw)


def _decode_path(raw: bytes) -> str:
    return unquote(raw).decode("utf-8", "replace")


DECODED_PATHS = Memo(_decode_path)


def remove_path_prefix(path: str, prefix: str) -> str | None:
    """Return the rest of a path after a prefix, None unless the prefix ends at a "/" boundary."""
    if not prefix:
        return path
    if path.startswith(prefix):
        rest = path[len(prefix) :]
        if not rest or rest[0] == "/":
            return rest
    return None


def encode_query(values: Any) -> str:
    """Encode a map of decoded values, or of lists of them, as a query string."""
    pairs = []
    for name, value in (values or {}).items():
        for item in value if isinstance(value, (list, tuple)) else (value,):
            pair = name, item if type(item) is str else "" if item is None else str(item)
            pairs.append(_known_pair(pair) or _PAIRS.learn(pair))
    return "&".join(pairs)


def _encode(pair: tuple[Any, str]) -> str:
    name, value = pair
    return f"{_encode_part(str(name))}={_encode_part(value)}"


_PAIRS = Memo(_encode)
_known_pair = _PAIRS.get


def _encode_part(text: str) -> str:
    if text.isascii() and text.isalnum():
        return text
    return quote(text.encode("utf-8", "replace"), " ").replace(" ", "+")


def join_query(values: Any) -> str:
    """Join a map of still percent-encoded values, or of lists of them, verbatim."""
    return "&".join(
        [
            f"{name}={'' if item is None else item}"
            for name, value in (values or {}).items()
            for item in (value if isinstance(value, (list, tuple)) else (value,))
        ]
    )


def split_query(query: str) -> dict[str, list[str]]:
    """Group a query string by key without decoding; the inverse of `join_query`."""
    groups: dict[str, list[str]] = {}
    for pair in query.split("&") if query else ():
        name, _, value = pair.partition("=")
        groups.setdefault(name, []).append(value)
    return groups
