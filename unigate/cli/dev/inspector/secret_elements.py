"""Mask the values of secret names in multipart bodies (RFC 7578), XML and HTML."""

from __future__ import annotations

import re

from .secret_names import MASK, is_secret

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


def mask_elements(text: str) -> str:
    """Mask the parts of a multipart body, the elements and the tags with a secret name."""
    text = _mask_parts(text)
    return _TAG.sub(_mask_attributes, _mask_content(text)) if "<" in text else text


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


def _mask_content(text: str) -> str:
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
