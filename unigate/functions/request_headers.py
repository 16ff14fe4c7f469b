"""The headers of the current request, as `vercel.functions` hands them out."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

from unigate.context import current_request_var

# The headers of the request that was current, and what was set in their place. A server's thread
# keeps its context from one request to the next, and what is set for one must not reach another.
_given: ContextVar[tuple[Any, Mapping[str, str] | None]] = ContextVar("unigate.functions.headers")


def get_headers() -> Mapping[str, str] | None:
    """Return the headers of the current request, or what `set_headers` put in their place.

    The names of a request's own are in lower case, and repeated values are joined. Outside of a
    request, and without `set_headers`, there are none: None.
    """
    own = _own()
    request_headers, given = _given.get((None, None))
    if given is not None and request_headers is own:
        return given
    return None if own is None else own.joined()


def set_headers(headers: Mapping[str, str] | None) -> None:
    """Let `get_headers` return other headers until the current request ends.

    They are set for this context (`contextvars`): for the thread or task, and for those that it
    starts. `geolocation` and `ip_address` go by what they are given, as in Vercel's SDK.

    Args:
        headers: The headers; None goes back to those of the request.
    """
    _given.set((_own(), headers))


def _own() -> Any:
    request = current_request_var.get(None)
    return None if request is None else request.headers
