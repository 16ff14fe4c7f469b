"""Cookies on Azure: how its worker and host alter them, and how most of that is avoided.

The worker parses every Set-Cookie except one in an ordinary field, and the host writes the parsed
cookies again: values percent-encoded, unknown attributes left out. Sources:
Azure/azure-functions-python-worker, issues 1794 and 1902; `bindings/http.py` there.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from http.cookies import Morsel
from typing import Any

_log = logging.getLogger("unigate")

# A cookie that the host writes unchanged.
_SIMPLE = re.compile(
    r"[\w!#$%&'*+.^`|~-]+=[\w.~-]*(?:\s*;\s*(?:secure|httponly|max-age=-?\d{1,10}"
    r"|(?:domain|path|expires|samesite)=[^;]*))*",
    re.ASCII | re.IGNORECASE,
)
_TOKEN = re.compile(r"[\w!#$%&'*+.^`|~-]+", re.ASCII)


def unchanged_index(cookies: list[str]) -> int:
    """Return the index of the cookie to send unchanged: the first that the host would alter."""
    return next((i for i, cookie in enumerate(cookies) if not _SIMPLE.fullmatch(cookie)), 0)


def parse_cookies(cookies: list[str]) -> list[dict[str, Morsel[str]]]:
    """Parse all cookies except the unchanged one, into what `SimpleCookie` can load."""
    first = unchanged_index(cookies)
    morsels = []
    for cookie in cookies[:first] + cookies[first + 1 :]:
        name = cookie.partition("=")[0].strip()
        if not _SIMPLE.fullmatch(cookie):
            _log.warning(
                "Azure alters the cookie %r: it sends only one cookie of a response unchanged.",
                name,
            )
        if _TOKEN.fullmatch(name):
            morsels.append({name: _morsel(cookie)})
    return morsels


def _morsel(cookie: str) -> Morsel[str]:
    """Parse a cookie; attributes without a meaning are ignored, as browsers do."""
    pair, *attributes = cookie.replace("\t", " ").split(";")
    name, _, value = map(str.strip, pair.partition("="))
    morsel: Morsel[Any] = Morsel()
    # `set` rejects names such as "path"; typeshed lacks this method.
    morsel.__setstate__({"key": name, "value": value, "coded_value": value})  # type: ignore[attr-defined]
    morsel["domain"] = None  # an empty value would be written
    for attribute in attributes:
        name, _, value = map(str.strip, attribute.partition("="))
        convert = _ATTRIBUTES.get(name.lower())
        if convert:
            morsel[name] = convert(value)
    return morsel


def _date(value: str) -> str:
    """Format a date in the only form on which the worker does not fail."""
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
