"""Mask the secrets in a text, in time that grows with its length alone.

A value is secret because of its name, in whichever notation the two stand: a query, a form, a
multipart body, JSON, XML, HTML, a header field, a log line. Some are secret without a name: a JSON
Web Token, the credentials of Basic and Bearer, the password in a URL.

Web pages can send any text to the server, so a quadratic pattern would let them stop it. Patterns
here never read a character twice: repetitions are possessive, and begin only where their run of
characters does. Sources: URL Standard, "application/x-www-form-urlencoded"; RFC 7578 (multipart);
RFC 8259 (JSON); RFC 7617, RFC 6750 (Basic, Bearer); RFC 7519 (JWT).
"""

from __future__ import annotations

import json
import re
import zlib
from base64 import b64decode, urlsafe_b64decode
from binascii import Error, b2a_base64
from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import quote, unquote

MASK = "(masked)"

# Encodings within encodings that are followed; what lies deeper is masked as a whole.
_MOST_NESTED = 5
_MOST_INFLATED = 1_000_000  # bytes

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
_WHOLE = re.compile(r"(?<![\w-])code$", re.IGNORECASE | re.ASCII)
# Exceptions are named after what is wrong: "InvalidTokenError: expired".
_NO_NAME = re.compile(r"(?:Error|Exception|Warning)$")
# Without one of these, a text has no name that is secret, and need not be read name by name.
_HINT = re.compile(rf"{_WORDS}|key|pass|sig|auth|otp|pin|code|%[0-9a-f]{{2}}|\\u", re.IGNORECASE)

_NAME = r"[\w.$%+@~\[\]-]"
# A name with the separator behind it, after a quote or without one. A \u0070 may be in the name.
_PAIR = re.compile(
    rf"(?<!{_NAME})(?!(?<=\\)u[0-9a-fA-F]{{4}})((?:{_NAME}|\\u[0-9a-fA-F]{{4}})++)"
    r"(?:(\\*+[\"'])(?:\s|%20)*+(?::|=>?)(?:\s|%20)*+|[ \t]*+(=>?|:)[ \t]*+)",
    re.ASCII,
)
_QUOTE = re.compile(r"(?<!\\)(\\*+)([\"'])")
_GIVEN_NAME = re.compile(r"\\*+[\"']([^\"'\\]{1,100})")
_BRACKET = re.compile(r"(?<!\\)(\\*+)([\"'])|[\[\]{}]")
_ESCAPED = re.compile(r"\\u([0-9a-fA-F]{4})")
# The end of a value without quotes: in a form, after "=" in other text, in JSON, after ":".
_NEXT_PAIR = r";(?=[ ]?[\w.%\[\]-]{1,100}=)"
_ENDS = {
    "form": re.compile(rf"&|{_NEXT_PAIR}", re.ASCII),
    "word": re.compile(rf"[&\s\"'<>#]|\\(?=\\{{0,20}}[\"'])|{_NEXT_PAIR}", re.ASCII),
    "json": re.compile(r"[,\s\]}\"'\\]"),
    "line": re.compile(r"[\r\n\"]|\\(?=\\{0,20}\")"),
}
_FORM = re.compile(rf"{_NAME}++=", re.ASCII)

_PART = re.compile(r"content-disposition:([^\r\n]*+)", re.IGNORECASE)
_PART_NAME = re.compile(
    r";[ \t]*+name\*?[ \t]*+=[ \t]*+(?:\"([^\"]*+)|([^;\s\"]*+))", re.IGNORECASE
)
_BLANK_LINE = re.compile(r"\n\r?\n")
_MOST_PART_HEADERS = 2000  # characters

_ELEMENT = re.compile(
    r"<((?:[A-Za-z_][\w.-]*+:)?([A-Za-z_][\w.-]*+))(?:\s[^<>]*+)?(?<!/)>", re.ASCII
)
_TAG = re.compile(r"<[A-Za-z][^<>]*+>?")
_ATTRIBUTE = re.compile(
    r"(?<![\w:.-])([\w:.-]++)\s*+=\s*+\\{0,9}+(?:\"([^\"]*+)|'([^']*+)|([^\s\"'>]*+))", re.ASCII
)
_NAMING = ("name", "id", "key", "property")
_VALUES = ("value", "content")

# The scheme of an Authorization field is not secret (IANA, "HTTP Authentication Schemes").
_SCHEMES = ("basic", "bearer", "digest", "dpop", "negotiate", "ntlm", "token", "aws4-hmac-sha256")
_CREDENTIALS = re.compile(
    r"\b(basic|bearer)((?:\s|%20|\+)++)([A-Za-z0-9._~+/%=-]++)", re.IGNORECASE
)
# What follows the scheme in a challenge, or in a sentence.
_NO_CREDENTIALS = ("realm", "error", "scope", "token", "tokens", "auth", "authentication")
_DOTTED = re.compile(r"(?<![\w.-])[\w.-]++", re.ASCII)
_USERINFO = re.compile(r"(://[^\s/?#@:\"'<>\\]*+:)[^\s/?#@\"'<>\\]++(?=@)")
_ENCODED = re.compile(r"[^\s&?]++")
_BASE64 = re.compile(r"[A-Za-z0-9+/]++={0,2}")

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
        any(pattern.search(name) is not None for pattern in (_ANYWHERE, _LAST_WORD, _WHOLE))
        and _NO_NAME.search(name) is None
    )


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
    text = _mask_parts(text)
    if "<" in text:
        text = _TAG.sub(_mask_attributes, _mask_elements(text))
    if _HINT.search(text):
        text = _mask_pairs(text)
    text = _CREDENTIALS.sub(_mask_credentials, text)
    if "eyJ" in text:
        text = _DOTTED.sub(_mask_jwt, text)
    if "://" in text:
        text = _USERINFO.sub(rf"\1{MASK}", text)
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


# --- names and values ----------------------------------------------------------------------------


def _mask_pairs(text: str) -> str:
    """Mask the values of "name=value" and "name: value", quoted or not, escaped or not."""
    is_form = _FORM.match(text) is not None and "\n" not in text
    parts, done, at = [], 0, 0
    named = ""  # by a member such as "name": "password", before its "value"
    while pair := _PAIR.search(text, at):
        name, quoted, separator = pair.groups()
        at = pair.end()
        if quoted:
            kind = "json"
        elif separator == ":":
            kind = "line"
        else:
            kind = "form" if is_form else "word"
        if quoted and name in ("name", "key"):
            given = _GIVEN_NAME.match(text, at)
            named = given[1] if given and is_secret(given[1]) else ""
            if named:
                continue
        elif quoted and name == "value" and named:
            name = named
        if not is_secret(name) or (kind == "line" and _WHOLE.search(name)):  # "Exit code: 1"
            continue
        begin, end = _value(text, at, kind)
        if text[begin:end] not in ("", "null"):
            masked = mask_secret(name, text[begin:end])
            if kind == "json" and begin == at:  # a number, a list, an object
                masked = f"{quoted}{MASK}{quoted}"
            parts += [text[done:begin], masked]
            done = end
        at = end
    return "".join([*parts, text[done:]])


def _value(text: str, at: int, kind: str) -> tuple[int, int]:
    """Return where a value begins and ends; one without an end reaches to that of the text."""
    if kind != "form":
        if opening := _QUOTE.match(text, at):
            return opening.end(), _end_of_string(text, opening)
        if text.startswith(("{", "["), at):
            return at, _end_of_brackets(text, at)
    end = _ENDS[kind].search(text, at)
    return at, end.start() if end else len(text)


def _end_of_string(text: str, opening: re.Match[str]) -> int:
    for closing in _QUOTE.finditer(text, opening.end()):
        if closing[2] == opening[2] and _closes(closing[1], opening[1]):
            return closing.end() - 1 - min(len(closing[1]), len(opening[1]))
    return len(text)


def _closes(backslashes: str, before_opening: str) -> bool:
    r"""Return True if a quote ends a string, given the backslashes before it and before the first.

    In JSON within JSON, strings are between \", and \\\" is a quote within one.
    """
    count = len(backslashes)
    for _ in range((len(before_opening) + 1).bit_length() - 1):
        if count % 2 == 0:  # the end of an outer string
            return True
        count //= 2
    return count % 2 == 0


def _end_of_brackets(text: str, at: int) -> int:
    depth, opening = 0, None
    for mark in _BRACKET.finditer(text, at):
        if mark[2]:
            if opening is None:
                opening = mark
            elif mark[2] == opening[2] and _closes(mark[1], opening[1]):
                opening = None
        elif opening is None:
            depth += 1 if mark[0] in "[{" else -1
            if depth == 0:
                return mark.end()
    return len(text)


def _mask_cookie(pair: str) -> str:
    name, equals, _ = pair.partition("=")
    return f"{name}={MASK}" if equals else MASK


def _mask_cookie_attribute(attribute: str) -> str:
    name, _, value = attribute.partition("=")
    known = name.strip().lower() in _COOKIE_ATTRIBUTES and "=" not in value
    return attribute if known else f" {MASK}"


# --- notations of their own ----------------------------------------------------------------------


def _mask_parts(text: str) -> str:
    """Mask the parts of a multipart body that have a secret name."""
    parts, done = [], 0
    for part in _PART.finditer(text):
        found = _PART_NAME.search(part[1])
        if found is None or part.start() < done or not is_secret(found[1] or found[2] or ""):
            continue
        blank = _BLANK_LINE.search(text, part.end(), part.end() + _MOST_PART_HEADERS)
        if blank is not None:
            end = text.find("\n--", blank.end())
            end = len(text) if end < 0 else end - (text[end - 1] == "\r")
            if end > blank.end():
                parts += [text[done : blank.end()], MASK]
                done = end
    return "".join([*parts, text[done:]])


def _mask_elements(text: str) -> str:
    """Mask the content of XML elements with a secret name."""
    parts, done = [], 0
    for element in _ELEMENT.finditer(text):
        name, local = element.groups()
        begin = element.end()
        if begin <= done or not is_secret(local):
            continue
        end = text.find(f"</{name}", begin)
        end = len(text) if end < 0 else end
        if end > begin:
            parts += [text[done:begin], MASK]
            done = end
    return "".join([*parts, text[done:]])


def _mask_attributes(tag: re.Match[str]) -> str:
    """Mask the value of an HTML or XML tag that names a secret in another attribute."""
    attributes = list(_ATTRIBUTE.finditer(tag[0])) if "=" in tag[0] else []
    if not any(
        attribute[1].lower() in _NAMING and is_secret("".join(filter(None, attribute.groups()[1:])))
        for attribute in attributes
    ):
        return tag[0]
    parts, done = [], 0
    for attribute in attributes:
        group = attribute.lastindex
        if attribute[1].lower() in _VALUES and group is not None and group > 1 and attribute[group]:
            parts += [tag[0][done : attribute.start(group)], MASK]
            done = attribute.end(group)
    return "".join([*parts, tag[0][done:]])


def _mask_credentials(found: re.Match[str]) -> str:
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
