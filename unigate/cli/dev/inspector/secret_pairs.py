"""Mask the values of secret names in "name=value" and "name: value".

Source: URL Standard, "application/x-www-form-urlencoded".
"""

from __future__ import annotations

import re

from .secret_names import CODE, HINT, MASK, is_secret, mask_secret

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
# The end of a value without quotes: in a form, after "=" in other text, in JSON, after ":".
_NEXT_PAIR = r";(?=[ ]?[\w.%\[\]-]{1,100}=)"
_ENDS = {
    "form": re.compile(rf"&|{_NEXT_PAIR}", re.ASCII),
    "word": re.compile(rf"[&\s\"'<>#]|\\(?=\\{{0,20}}[\"'])|{_NEXT_PAIR}", re.ASCII),
    "json": re.compile(r"[,\s\]}\"'\\]"),
    "line": re.compile(r"[\r\n\"]|\\(?=\\{0,20}\")"),
}
_FORM = re.compile(rf"{_NAME}++=", re.ASCII)


def mask_pairs(text: str) -> str:
    """Mask the values of "name=value" and "name: value", quoted or not, escaped or not."""
    if not HINT.search(text):
        return text
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
        if not is_secret(name) or (kind == "line" and CODE.search(name)):  # "Exit code: 1"
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
