"""The header fields of a response: checked on the way in, and as a map of single values."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product

from unigate.memo import Memo

from .headers import Headers, is_token, latin1

# RFC 9110 section 7.6.1: these concern a single connection, an application cannot set them.
HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)


def response_headers(fields: Iterable[tuple[str, str]]) -> Headers:
    """Check the header fields that an application sent and drop hop-by-hop fields.

    Space around a value is no part of it (RFC 9110 section 5.5): Django's cookies begin with one.
    Content-Length is sent once, even if it was given several times (section 8.6).

    Raises:
        TypeError: A name or a value is not text.
        ValueError: A name is not a token, a value holds a line break or NUL, or Content-Length is
            not a number.
    """
    if type(fields) is not list:
        fields = list(fields)
    single: dict[str, str] = {}
    for name, value in fields:
        lower = _known_name(name) or _FIELD_NAMES.learn(name)
        usual = type(value) is str and value.isascii() and value.isprintable()
        if not usual or not lower or lower in single:
            return _unusual(fields)
        single[lower] = value.strip()  # printable ASCII has no other space
    length = single.get("content-length")
    if length is not None and not (length.isdigit() and len(length) < 20):
        raise _no_length(length)
    return _from_single(single)


# Bound once: to look a class method up takes longer than half of what it does.
_from_single = Headers.from_single


def _unusual(fields: Iterable[tuple[str, str]]) -> Headers:
    pairs = []
    dropped = {""}
    lengths = set()
    for name, value in fields:
        lower, text = _field_name(name), _checked(name, value)
        if name.lower() == "connection":  # names more hop-by-hop fields
            dropped.update(option.strip(" \t").lower() for option in text.split(","))
        if lower == "content-length":
            if not (text.isascii() and text.isdigit() and len(text) < 20):
                raise _no_length(text)
            if text in lengths:
                continue
            lengths.add(text)
        pairs.append((lower, text))
    return Headers.from_pairs([pair for pair in pairs if pair[0] not in dropped])


def _no_length(value: str) -> ValueError:
    return ValueError(f"Content-Length must be 1 to 19 digits, got {value[:100]!r}.")


def kept_as_written(fields: Iterable[tuple[str, str]], checked: Headers) -> list[tuple[str, str]]:
    """Return those fields that `response_headers` has kept, with their names as written."""
    fields = list(fields)
    if len(fields) == len(checked):
        return [(name, latin1(value)) for name, value in fields]
    left = list(checked)
    kept = []
    for name, value in fields:
        pair = (name.lower(), latin1(value.strip(" \t")))
        if pair in left:
            left.remove(pair)
            kept.append((name, latin1(value)))
    return kept


def _checked(name: object, value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"Header names and values must be str, got {name!r}: {value!r}.")
    if "\r" in value or "\n" in value or "\0" in value:
        raise ValueError(
            f"The header {name!r} must not contain a line break or NUL, got {value!r}."
        )
    return latin1(value.strip(" \t"))


def _field_name(name: str) -> str:
    """Return the name of a field in lower case, "" for a hop-by-hop field."""
    if not isinstance(name, str):
        raise TypeError(f"Header names and values must be str, got {name!r}.")
    if not is_token(name):
        raise ValueError(
            "A header name must be a token (RFC 9110), without a space, a line break or NUL, "
            f"got {name!r}."
        )
    lower = name.lower()
    return "" if lower in HOP_BY_HOP else lower


_FIELD_NAMES = Memo(_field_name)
_known_name = _FIELD_NAMES.get


def single_value_map(headers: Headers) -> dict[str, str]:
    """Return one value for each name, for replies whose header map holds no lists.

    Repeated fields are joined. Cookies cannot be, so further ones go under other spellings of
    `set-cookie`, with some letters in upper case.
    """
    fields = headers.joined()
    if fields.pop("set-cookie", None) is not None:
        spellings = map("".join, product(*_SET_COOKIE))
        fields.update(zip(spellings, headers.getlist("set-cookie"), strict=False))
    return fields


_SET_COOKIE = ("sS", "eE", "tT", "-", "cC", "oO", "oO", "kK", "iI", "eE")
