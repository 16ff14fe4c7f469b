"""Mask what is secret without a name: JSON Web Tokens, credentials, passwords in URLs.

Sources: RFC 7617, RFC 6750 (Basic, Bearer); RFC 7519 (JWT).
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode
from binascii import Error
from urllib.parse import unquote

from .secret_names import MASK

_CREDENTIALS = re.compile(
    r"\b(basic|bearer)((?:\s|%20|\+)++)([A-Za-z0-9._~+/%=-]++)", re.IGNORECASE
)
# What follows the scheme in a challenge, or in a sentence.
_NO_CREDENTIALS = ("realm", "error", "scope", "token", "tokens", "auth", "authentication")
_DOTTED = re.compile(r"(?<![\w.-])[\w.-]++", re.ASCII)
_USERINFO = re.compile(r"(://[^\s/?#@:\"'<>\\]*+:)[^\s/?#@\"'<>\\]++(?=@)")


def mask_credentials(text: str) -> str:
    """Mask credentials of Basic and Bearer, JSON Web Tokens, and passwords in URLs."""
    text = _CREDENTIALS.sub(_mask_after_scheme, text)
    if "eyJ" in text:
        text = _DOTTED.sub(_mask_jwt, text)
    return _USERINFO.sub(rf"\1{MASK}", text) if "://" in text else text


def _mask_after_scheme(found: re.Match[str]) -> str:
    scheme, space, value = found.groups()
    if value.rstrip("=").lower() in _NO_CREDENTIALS:
        return found[0]
    if scheme.lower() == "basic" and ":" not in _decoded(value):
        return found[0]  # a sentence
    return f"{scheme}{space}{MASK}"


def _mask_jwt(run: re.Match[str]) -> str:
    """Mask a JSON Web Token, of which the first part is a JSON object with the algorithm."""
    at = 0
    for part in run[0].split("."):
        start = part.find("eyJ")
        if start >= 0 and '"alg"' in _decoded(part[start:]):
            return run[0][: at + start] + MASK
        at += len(part) + 1
    return run[0]


def _decoded(text: str) -> str:
    """Return what a text is in base64 or base64url, "" if it is neither; the end may be missing."""
    text = unquote(text).rstrip("=").replace("+", "-").replace("/", "_")
    text = text[: len(text) - (len(text) % 4 == 1)]
    try:
        return urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("latin-1")
    except (Error, ValueError):
        return ""
