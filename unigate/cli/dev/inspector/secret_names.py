"""Which names make a value secret, and what of such a value may be seen."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote

MASK = "(masked)"

# A name is secret if one of these is in it,
_WORDS = (
    r"authorization|cookie|token|secret|passw|passphrase|pwd|api[-_. ]?key|credential|signature"
    r"|sess(?:ion)?[-_. ]?id|assertion|saml"
)
_ANYWHERE = re.compile(_WORDS, re.IGNORECASE)
# or if it ends with one of these words,
_LAST_WORD = re.compile(
    r"(?:(?i:(?<![a-z])(?:key|pass|sig|auth|otp|pin))|(?<=[a-z0-9])(?:Key|Pass|Sig|Auth|Otp|Pin))$"
)
# or if it is this word: OAuth's code, but not a "statusCode".
CODE = re.compile(r"(?<![\w-])code$", re.IGNORECASE | re.ASCII)
# Without one of these, a text has no name that is secret, and need not be read name by name.
HINT = re.compile(rf"{_WORDS}|key|pass|sig|auth|otp|pin|code|%[0-9a-f]{{2}}|\\u", re.IGNORECASE)
# Exceptions are named after what is wrong: "InvalidTokenError: expired".
_NO_NAME = re.compile(r"(?:Error|Exception|Warning)$")
_ESCAPED = re.compile(r"\\u([0-9a-fA-F]{4})")

# The scheme of an Authorization field is not secret (IANA, "HTTP Authentication Schemes").
_SCHEMES = ("basic", "bearer", "digest", "dpop", "negotiate", "ntlm", "token", "aws4-hmac-sha256")
# The attributes of a cookie (RFC 6265, section 5.2, and later drafts).
_COOKIE_ATTRIBUTES = (
    *("expires", "max-age", "domain", "path", "secure", "httponly", "samesite", "partitioned"),
    "priority",
)


def is_secret(name: str) -> bool:
    """Return True if values of a name are secret; the name may be percent-encoded."""
    if "%" in name:
        name = unquote(name)
    if "\\u" in name:
        name = _ESCAPED.sub(lambda escape: chr(int(escape[1], 16)), name)
    name = name.rstrip("[]")
    return (
        any(pattern.search(name) is not None for pattern in (_ANYWHERE, _LAST_WORD, CODE))
        and _NO_NAME.search(name) is None
    )


def mask_secret(name: str, value: Any) -> Any:
    """Mask the value of a secret name, but not its harmless parts.

    Those are the names and attributes of cookies, the scheme of credentials, and the keys of a map.
    """
    if isinstance(value, dict):
        # CloudFront repeats the name of a field: {"key": "Cookie", "value": "..."}
        repeated = "key" if "value" in value else None
        return {
            key: inner if key == repeated else mask_secret(name, inner)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [mask_secret(name, inner) for inner in value]
    if value is None or value == "":
        return value
    name, text = name.lower(), str(value)
    if name == "cookie":
        return "; ".join(_mask_cookie(pair.strip()) for pair in text.split(";") if pair.strip())
    if name in ("cookies", "set-cookie"):
        pair, *attributes = text.split(";")
        return ";".join([_mask_cookie(pair), *map(_mask_cookie_attribute, attributes)])
    scheme = text.partition(" ")[0]
    return f"{scheme} {MASK}" if scheme.lower() in _SCHEMES else MASK


def _mask_cookie(pair: str) -> str:
    name, equals, _ = pair.partition("=")
    return f"{name}={MASK}" if equals else MASK


def _mask_cookie_attribute(attribute: str) -> str:
    name, _, value = attribute.partition("=")
    known = name.strip().lower() in _COOKIE_ATTRIBUTES and "=" not in value
    return attribute if known else f" {MASK}"
