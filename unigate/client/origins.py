"""The scheme and host that clients asked for, from the header fields that proxies write.

X-Forwarded-Host and Forwarded (RFC 7239) say nothing by themselves: a client can send both. Call
this only for the fields of a proxy that is trusted. It must set the field on every request; of a
value to which it appends, the last part is its own.
"""

from __future__ import annotations

from typing import NamedTuple

from unigate.http import Headers, is_host, is_token

from .addresses import Trusted, is_ours, parse


class Origin(NamedTuple):
    """The host that clients asked for, with its port if that is named, and the scheme if known."""

    host: str
    scheme: str | None


def named_by_field(headers: Headers, field: str) -> Origin | None:
    """Return the origin in a field that holds a host; X-Forwarded-Proto beside it is believed."""
    return _origin(_last(headers, field), _last(headers, "x-forwarded-proto"))


def named_by_proxies(headers: Headers, trusted: Trusted) -> Origin | None:
    """Return the origin that trusted proxies name in X-Forwarded-Host or Forwarded.

    If both fields are there and name different hosts, one is a client's, and neither is believed.

    Args:
        trusted: The proxies, of which the peer is one.
    """
    field = named_by_field(headers, "x-forwarded-host")
    element = _forwarded(headers.get("forwarded") or "", trusted)
    if field and element and field.host != element.host:
        return None
    return field or element


def _forwarded(value: str, trusted: Trusted) -> Origin | None:
    """Return the origin in the element of Forwarded that the outermost trusted proxy has added."""
    elements = _elements(value)
    if isinstance(trusted, int):
        element = elements[-trusted] if 0 < trusted <= len(elements) else {}
    else:
        element = elements.pop() if elements else {}
        while elements and (peer := parse(element.get("for"))) and is_ours(peer, trusted):
            element = elements.pop()
    return _origin(element.get("host"), element.get("proto"))


def _elements(value: str) -> list[dict[str, str]]:
    """Return the elements of Forwarded (RFC 7239 section 4), none if one is malformed."""
    elements: list[dict[str, str]] = [{}]
    rest = value.strip()
    while rest:
        name, equals, rest = rest.partition("=")
        if rest.startswith('"'):
            end = rest.find('"', 1)
            text, rest = rest[1:end], rest[end + 1 :]
            valid = end > 0 and "\\" not in text  # no address and no host has a quoted pair
        else:
            end = min((i for i in (rest.find(";"), rest.find(",")) if i >= 0), default=len(rest))
            text, rest = rest[:end].rstrip(), rest[end:]
            valid = bool(text) and not set(text) & set(' \t"')
        rest = rest.lstrip()
        more = rest[:1]
        if not (equals and valid and is_token(name.strip()) and more in ("", ";", ",")):
            return []
        elements[-1].setdefault(name.strip().lower(), text)
        rest = rest[1:].lstrip()
        if more == ",":
            elements.append({})
    return elements if elements[-1] else []


def _origin(host: str | None, scheme: str | None) -> Origin | None:
    if not host or not is_host(host):
        return None
    scheme = (scheme or "").lower()
    return Origin(host, scheme if scheme in ("http", "https") else None)


def _last(headers: Headers, field: str) -> str:
    return (headers.get(field) or "").rpartition(",")[2].strip()
