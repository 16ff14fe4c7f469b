"""Cookies on Azure: what its worker and host make of them, and how most of that is avoided.

The worker parses every Set-Cookie but what it finds as an ordinary field, and the host writes the
parts anew: values percent-encoded, unknown attributes left out. Sources:
Azure/azure-functions-python-worker, issues 1794 and 1902; `bindings/http.py` there.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from http.cookies import Morsel
from typing import Any

_log = logging.getLogger("unigate")

# A cookie that the host writes as it was.
_SIMPLE = re.compile(
    r"[\w!#$%&'*+.^`|~-]+=[\w.~-]*(?:\s*;\s*(?:secure|httponly|max-age=-?\d{1,10}"
    r"|(?:domain|path|expires|samesite)=[^;]*))*",
    re.ASCII | re.IGNORECASE,
)
_TOKEN = re.compile(r"[\w!#$%&'*+.^`|~-]+", re.ASCII)


def kept(cookies: list[str]) -> int:
    """Return the index of the cookie that goes as it is."""
    return next((i for i, cookie in enumerate(cookies) if not _SIMPLE.fullmatch(cookie)), 0)


def parsed(cookies: list[str]) -> list[dict[str, Morsel[str]]]:
    """Return all cookies but the one that goes as it is, for `SimpleCookie` to take over."""
    first = kept(cookies)
    morsels = []
    for cookie in cookies[:first] + cookies[first + 1 :]:
        name = cookie.partition("=")[0].strip()
        if not _SIMPLE.fullmatch(cookie):
            _log.warning("Azure changes the cookie %r: it takes one such cookie an answer.", name)
        if _TOKEN.fullmatch(name):
            morsels.append({name: _morsel(cookie)})
    return morsels


def _morsel(cookie: str) -> Morsel[str]:
    """Read a cookie; attributes that have no meaning are left out, as browsers do."""
    pair, *attributes = cookie.replace("\t", " ").split(";")
    name, _, value = map(str.strip, pair.partition("="))
    morsel: Morsel[Any] = Morsel()
    # `set` refuses names such as "path"; typeshed does not know this one.
    morsel.__setstate__({"key": name, "value": value, "coded_value": value})  # type: ignore[attr-defined]
    morsel["domain"] = None  # an empty one would be written
    for attribute in attributes:
        name, _, value = map(str.strip, attribute.partition("="))
        read = _ATTRIBUTES.get(name.lower())
        if read:
            morsel[name] = read(value)
    return morsel


def _date(value: str) -> str:
    """Write a date in the one form that the worker takes without failing."""
    from email.utils import formatdate, mktime_tz, parsedate_tz

    try:
        parsed = parsedate_tz(value)
        return formatdate(mktime_tz(parsed), usegmt=True) if parsed else ""
    except (ValueError, OverflowError):
        return ""


_ATTRIBUTES: dict[str, Callable[[str], Any]] = {
    "domain": lambda value: value or None,
    "expires": _date,
    "httponly": lambda value: True,
    "max-age": lambda value: value if re.fullmatch(r"-?[0-9]{1,10}", value) else "",
    "path": str,
    "samesite": str,
    "secure": lambda value: True,
}
